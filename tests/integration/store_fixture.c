/* See tests/integration/store_fixture.h. */
#include "tests/integration/store_fixture.h"

#include "common/mem.h"
#include "common/store_redis.h"
#include "proto/names.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static const struct store_limits default_limits = {
    .partition_entries = 1000, .partition_bytes = 1 << 20, .gateway_entries = 1000, .gateway_bytes = 1 << 20};

/* ---- life ---- */

static bool connected(void *arg) {
  struct fixture *f = arg;
  redis_client_close(f->redis);
  f->redis = redis_client_connect(f->socket);
  if (!f->redis) return false;
  redisReply *reply = redis_reply(f->redis, "PING");
  bool ok = reply->type == REDIS_REPLY_STATUS;
  freeReplyObject(reply);
  return ok;
}

void fixture_redis_start(struct fixture *f) {
  struct process_args args = {0};
  process_args_add(&args, "redis-server");
  process_args_add(&args, "--port");
  process_args_add(&args, "0");
  process_args_add(&args, "--unixsocket");
  process_args_add(&args, "%s", f->socket);
  process_args_add(&args, "--dir");
  process_args_add(&args, "%s", f->dir.path);
  process_args_add(&args, "--enable-debug-command"); /* DEBUG DIGEST */
  process_args_add(&args, "local");
  process_args_add(&args, "--save");
  process_args_add(&args, "%s", "");
  process_start(&f->server, "redis", f->dir.path, &args, NULL);
  process_args_close(&args);
  cr_assert(wait_until(PATIENCE_MS, connected, f), "redis-server does not start");
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
  (void)loop, (void)timer, (void)events;
}

static void on_ready(void *arg, bool ready) {
  struct fixture *f = arg;
  ready ? f->ups++ : f->downs++;
}

struct store *fixture_store(struct fixture *f, struct store_limits limits, uint64_t reply_timeout_ms) {
  char url[160], error[256];
  snprintf(url, sizeof url, "unix://%s", f->socket);
  struct store_redis_options options = {.url = url,
                                        .prefix = "heya:",
                                        .partitions = FIXTURE_PARTITIONS,
                                        .shards = f->shards,
                                        .shard = f->shard,
                                        .limits = limits,
                                        .log_max = 10,
                                        .reply_timeout_ms = reply_timeout_ms,
                                        .failpoints = f->failpoints};
  struct store *store = store_redis_create(f->loop, &options, f->log, error, sizeof error);
  cr_assert(store, "%s", error);
  store->on_ready = on_ready;
  store->on_ready_arg = f;
  return store;
}

static void begin(struct fixture *f, const char *spec) {
  char error[256];
  signal(SIGPIPE, SIG_IGN);
  tmpdir_create(&f->dir);
  snprintf(f->socket, sizeof f->socket, "%s/redis.sock", f->dir.path);
  fixture_redis_start(f);
  cr_assert(failpoints_create(spec, &f->failpoints, error, sizeof error), "%s", error);
  f->loop = ev_loop_new(0);
  ev_timer_init(&f->tick, on_tick, 0., 0.01); /* so that a wait looks at its deadline */
  ev_timer_again(f->loop, &f->tick);
  f->log = xcalloc(1, sizeof *f->log);
  log_init(f->log, STDERR_FILENO, getenv("HEYA_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT,
           "test");
  f->store = fixture_store(f, default_limits, 0);
  fixture_wait_ready(f, true);
}

void fixture_start(struct fixture *f, const char *spec) {
  *f = (struct fixture){0};
  begin(f, spec);
}

void fixture_start_shard(struct fixture *f, uint32_t shards, uint32_t shard) {
  *f = (struct fixture){.shards = shards, .shard = shard};
  begin(f, NULL);
}

void fixture_stop(struct fixture *f) {
  f->store->ops->destroy(f->store);
  ev_timer_stop(f->loop, &f->tick);
  ev_loop_destroy(f->loop);
  failpoints_destroy(f->failpoints);
  free(f->log);
  redis_client_close(f->redis);
  process_kill(&f->server);
  tmpdir_remove(&f->dir);
  while (f->n_kept > 0) free(f->kept[--f->n_kept]);
}

void fixture_turn(struct fixture *f) {
  ev_run(f->loop, EVRUN_ONCE);
}

bool fixture_wait(struct fixture *f, const unsigned *fired, unsigned n) {
  uint64_t deadline = wait_deadline(PATIENCE_MS);
  while (*fired < n && wait_left(deadline)) fixture_turn(f);
  return *fired == n;
}

bool fixture_wait_none(struct fixture *f, const char *keys) {
  uint64_t deadline = wait_deadline(PATIENCE_MS);
  while (redis_integer(f->redis, "EXISTS %s", keys) > 0) {
    if (!wait_left(deadline)) return false;
    fixture_turn(f);
  }
  return true;
}

void fixture_wait_ready(struct fixture *f, bool ready) {
  uint64_t deadline = wait_deadline(PATIENCE_MS);
  while (f->store->ops->ready(f->store) != ready && wait_left(deadline)) fixture_turn(f);
  cr_assert_eq(f->store->ops->ready(f->store), ready);
}

/* ---- answers ---- */

static void add(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct answer *answer, const char *format, ...) {
  va_list args;
  size_t len = strlen(answer->text);
  va_start(args, format);
  vsnprintf(answer->text + len, sizeof answer->text - len, format, args);
  va_end(args);
}

const char *fixture_string(struct fixture *f, const char *format, ...) {
  va_list args;
  char command[512];
  va_start(args, format);
  vsnprintf(command, sizeof command, format, args);
  va_end(args);
  cr_assert_lt(f->n_kept, sizeof f->kept / sizeof *f->kept);
  return f->kept[f->n_kept++] = redis_string(f->redis, command);
}

void on_done(void *arg, enum store_result result) {
  struct answer *answer = arg;
  answer->fired++;
  answer->result = result;
}

static void on_init(void *arg, enum store_result result, const char *message, const struct store_deployment *found) {
  struct answer *answer = arg;
  on_done(arg, result);
  snprintf(answer->message, sizeof answer->message, "%s", message);
  answer->number = found->partitions;
  add(answer, "%s", found->cluster);
}

static void on_view(void *arg, enum store_result result, const struct store_view *view) {
  struct answer *answer = arg;
  on_done(arg, result);
  answer->view = *view;
  for (size_t i = 0; i < view->n_workers; i++)
    add(answer, "%s%s ", view->workers[i].id, view->workers[i].draining ? "(draining)" : "");
  for (size_t i = 0; i < view->n_gateways; i++) add(answer, "%s ", view->gateways[i]);
  for (size_t i = 0; i < view->n_owners && i < 16; i++) answer->owners[i] = view->owners[i];
}

static void on_claim(void *arg, enum store_result result, const struct store_claimed *claimed) {
  struct answer *answer = arg;
  on_done(arg, result);
  if (!claimed) return;
  answer->claimed = *claimed;
  answer->number = claimed->epoch;
  answer->done = claimed->done;
}

void on_room(void *arg, const char *id, struct bytes image, uint64_t tomb_until_ms) {
  struct answer *answer = arg;
  answer->n++;
  if (image.data)
    add(answer, "%s=%.*s ", id, (int)image.len, (const char *)image.data);
  else
    add(answer, "%s%s ", id, tomb_until_ms ? "!" : "+");
  answer->number = tomb_until_ms;
}

void on_append(void *arg, enum store_result result, const enum store_append_verdict *verdicts, size_t n) {
  static const char *const words[] = {"ok", "busy", "refused", "behind", "vanished"};
  struct answer *answer = arg;
  on_done(arg, result);
  for (size_t i = 0; i < n; i++) add(answer, "%s%s", i ? " " : "", words[verdicts[i]]);
}

void on_read(void *arg, enum store_result result, const struct store_entry *entries, size_t n) {
  struct answer *answer = arg;
  on_done(arg, result);
  answer->n = n;
  for (size_t i = 0; i < n; i++) {
    add(answer, "%u:%.*s:%.*s ", (unsigned)entries[i].partition, (int)entries[i].sender.len,
        entries[i].sender.len ? (const char *)entries[i].sender.data : "", (int)entries[i].batch.len,
        entries[i].batch.len ? (const char *)entries[i].batch.data : "");
    answer->last = entries[i].id;
  }
}

void on_deliveries(void *arg, enum store_result result, const struct store_delivery *deliveries, size_t n) {
  struct answer *answer = arg;
  on_done(arg, result);
  answer->n = n;
  for (size_t i = 0; i < n; i++) {
    add(answer, "%.*s ", (int)deliveries[i].deliveries.len,
        deliveries[i].deliveries.len ? (const char *)deliveries[i].deliveries.data : "");
    answer->last = deliveries[i].id;
  }
}

void on_commit(void *arg, enum store_result result, const struct store_commit_outcome *outcome) {
  struct answer *answer = arg;
  on_done(arg, result);
  for (size_t i = 0; i < outcome->n_fenced; i++) add(answer, "fenced:%u ", (unsigned)outcome->fenced[i]);
  for (size_t i = 0; i < outcome->n_gone; i++) add(answer, "gone:%s ", outcome->gone[i]);
  const struct store_refused *refused = outcome->n_refused ? &outcome->refused[0] : NULL;
  const char *message = refused ? refused->message : outcome->message;
  answer->n_refused = outcome->n_refused;
  snprintf(answer->wrong_room, sizeof answer->wrong_room, "%s",
           refused && refused->wrong_room ? refused->wrong_room : "");
  snprintf(answer->message, sizeof answer->message, "%s", message ? message : "");
  for (size_t i = 0; i < outcome->n_posted && i < 8; i++) answer->posted[answer->n++] = outcome->posted[i];
}

static void on_open(void *arg, enum store_result result, uint64_t generation, const uint64_t *numbers, size_t n) {
  struct answer *answer = arg;
  on_done(arg, result);
  answer->number = generation;
  for (size_t i = 0; i < n && i < 16; i++) answer->numbers[i] = numbers[i];
}

static void on_list(void *arg, enum store_result result, const struct store_list_page *page) {
  struct answer *answer = arg;
  const struct store_list_row *rows = page->rows;
  on_done(arg, result);
  answer->n = page->n;
  answer->number = page->examined;
  snprintf(answer->after, sizeof answer->after, "%s", page->after);
  for (size_t i = 0; i < page->n; i++) {
    add(answer, "%s %s %s %u/%u", rows[i].room, rows[i].status, rows[i].host, (unsigned)rows[i].members,
        (unsigned)rows[i].max_members);
    if (rows[i].kept) add(answer, " kept=%u", (unsigned)rows[i].kept);
    for (size_t j = 0; j < rows[i].n_properties; j++)
      add(answer, " %s=%s", rows[i].properties[j].name, rows[i].properties[j].value);
    add(answer, "; ");
    if (i < 16) answer->numbers[i] = rows[i].created_ms;
  }
}

/* ---- blocking calls ---- */

#define OPS (f->store->ops)

static struct answer finish(struct fixture *f, struct answer *answer) {
  cr_assert_eq(answer->fired, 0, "the callback fired inside the call");
  cr_assert(fixture_wait(f, &answer->fired, 1), "fired %u times", answer->fired);
  return *answer;
}

struct answer do_init(struct fixture *f, uint32_t partitions) {
  struct answer answer = {0};
  OPS->init(f->store, (struct store_deployment){.partitions = partitions}, on_init, &answer);
  return finish(f, &answer);
}

struct answer do_renew(struct fixture *f, const char *worker, uint64_t lease_ms, bool draining) {
  struct answer answer = {0};
  struct store_worker_info info = {.id = worker,
                                   .host = "h",
                                   .address = "127.0.0.1:1",
                                   .version = "1",
                                   .pid = 7,
                                   .lease_ms = lease_ms,
                                   .n_partitions = 2,
                                   .n_rooms = 3,
                                   .draining = draining};
  OPS->renew(f->store, &info, on_view, &answer);
  return finish(f, &answer);
}

struct answer do_retire(struct fixture *f, const char *worker) {
  struct answer answer = {0};
  OPS->retire(f->store, worker, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_suspect(struct fixture *f, const char *worker) {
  struct answer answer = {0};
  OPS->suspect(f->store, worker, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_claim(struct fixture *f, uint32_t p, const char *worker, const char *seen, uint64_t epoch) {
  struct answer answer = {0};
  struct store_owner owner = {.epoch = epoch};
  snprintf(owner.worker, sizeof owner.worker, "%s", seen);
  OPS->claim(f->store, p, worker, &owner, on_claim, &answer);
  return finish(f, &answer);
}

struct answer do_blame(struct fixture *f, uint32_t p, const char *worker, uint64_t epoch,
                       const struct store_blame *blame) {
  struct answer answer = {0};
  OPS->blame(f->store, p, worker, epoch, blame, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_release(struct fixture *f, uint32_t p, const char *worker, uint64_t epoch) {
  struct answer answer = {0};
  OPS->release(f->store, p, worker, epoch, "", on_done, &answer);
  return finish(f, &answer);
}

struct answer do_load(struct fixture *f, uint32_t p) {
  struct answer answer = {0};
  OPS->load(f->store, p, on_room, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_read(struct fixture *f, uint32_t p, struct stream_id after, uint64_t block_ms) {
  struct answer answer = {0};
  OPS->read(f->store, "w-1", &(struct store_position){.partition = p, .after = after}, 1, block_ms, on_read, &answer);
  return finish(f, &answer);
}

struct answer do_commit(struct fixture *f, const struct commit *commit) {
  struct answer answer = {0};
  OPS->commit(f->store, commit, on_commit, &answer);
  return finish(f, &answer);
}

static void on_parcel(void *arg, uint32_t to, struct stream_id number, struct bytes batch) {
  struct answer *answer = arg;
  answer->last = number;
  answer->n++;
  add(answer, "%u:%.*s ", (unsigned)to, (int)batch.len, (const char *)batch.data);
}

struct answer do_outbox(struct fixture *f, uint32_t p) {
  struct answer answer = {0};
  OPS->outbox(f->store, p, on_parcel, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_forward(struct fixture *f, const struct store_forward *items, size_t n) {
  struct answer answer = {0};
  OPS->forward(f->store, "w-1", items, n, on_append, &answer);
  return finish(f, &answer);
}

struct answer do_open(struct fixture *f, const char *gateway, bool again) {
  struct answer answer = {0};
  OPS->gateway_open(f->store, gateway, again, "127.0.0.1:2", 30000, on_open, &answer);
  return finish(f, &answer);
}

struct answer do_gateway_renew(struct fixture *f, const char *gateway, uint64_t generation) {
  struct answer answer = {0};
  OPS->gateway_renew(f->store, gateway, generation, 30000, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_gateway_close(struct fixture *f, const char *gateway) {
  struct answer answer = {0};
  OPS->gateway_close(f->store, gateway, on_done, &answer);
  return finish(f, &answer);
}

struct answer do_append(struct fixture *f, const char *gateway, uint64_t generation, uint32_t p, uint64_t number,
                        bool system, const char *batch) {
  struct answer answer = {0};
  struct store_append append = {.partition = p, .number = number, .system = system, .batch = bytes_of_str(batch)};
  OPS->append(f->store, gateway, generation, &append, 1, on_append, &answer);
  return finish(f, &answer);
}

struct answer do_deliveries(struct fixture *f, const char *gateway, struct stream_id after, uint64_t block_ms) {
  struct answer answer = {0};
  OPS->deliveries(f->store, gateway, after, block_ms, on_deliveries, &answer);
  return finish(f, &answer);
}

struct answer do_list(struct fixture *f, const struct store_list *list) {
  struct answer answer = {0};
  OPS->list(f->store, list, on_list, &answer);
  return finish(f, &answer);
}

uint64_t fixture_own(struct fixture *f, uint32_t p) {
  struct answer answer = do_renew(f, "w-1", 60000, false);
  answer = do_claim(f, p, "w-1", answer.owners[p].worker, answer.owners[p].epoch);
  cr_assert_eq(answer.result, STORE_OK);
  return answer.number;
}

struct answer do_commit_room(struct fixture *f, uint32_t p, uint64_t epoch, struct commit_room *room) {
  struct commit_segment segment = {.partition = p, .epoch = epoch, .rooms = room, .n_rooms = 1};
  return do_commit(f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1});
}

struct answer do_deliver(struct fixture *f, uint32_t p, uint64_t epoch, const char *gateway, const char *text) {
  struct commit_delivery delivery = {.gateway = gateway, .deliveries = bytes_of_str(text)};
  struct commit_segment segment = {.partition = p, .epoch = epoch, .deliveries = &delivery, .n_deliveries = 1};
  return do_commit(f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1});
}

const char *fixture_room(uint32_t p, unsigned n, char out[32]) {
  for (unsigned i = 0;; i++) {
    int len = snprintf(out, 32, "chat/r%u", i);
    if (room_partition(out, (size_t)len, FIXTURE_PARTITIONS) == p && n-- == 0) return out;
  }
}
