/* What workers ask of the Redis store, but for load and read; see common/store_redis_call.h. */
#include "common/store_redis_call.h"

#include "common/clock.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>

static void warn(struct store_call *call, struct log_limit *limit, const char *event, const char *message) {
  if (message) log_limited(call->store->log, limit, LOG_LEVEL_WARN, event, F_S("message", message));
}

/* An id of a process read back, copied into out; false for anything else. */
static bool process_id(const struct redisReply *reply, char *out, size_t size) {
  return redis_reply_text(reply, out, size) && process_id_is_valid(out, strlen(out));
}

/* ---- renew ---- */

/* Those with a name or time that cannot be are left out. */
static size_t parse_workers(const struct redisReply *list, struct store_worker *workers) {
  size_t n = 0;
  for (size_t i = 0; i + 3 < redis_reply_count(list); i += 4) {
    struct store_worker *worker = &workers[n];
    if (!process_id(redis_reply_at(list, i), worker->id, sizeof worker->id) ||
        !redis_reply_u64(redis_reply_at(list, i + 1), &worker->expires_ms))
      continue;
    worker->draining = redis_reply_is(redis_reply_at(list, i + 2), "1");
    const char *address = redis_reply_string(redis_reply_at(list, i + 3));
    snprintf(worker->address, sizeof worker->address, "%s", address ? address : "");
    n++;
  }
  return n;
}

/* An owner that cannot be is shown as "?", whom no claim can name: that partition waits for a person. */
static void parse_owner(const struct redisReply *list, size_t at, struct store_owner *owner) {
  const struct redisReply *worker = redis_reply_at(list, at);
  bool ok = redis_reply_is(worker, "") || process_id(worker, owner->worker, sizeof owner->worker);
  ok = redis_reply_u64(redis_reply_at(list, at + 1), &owner->epoch) && ok;
  ok = redis_reply_u64(redis_reply_at(list, at + 2), &owner->freed_ms) && ok;
  owner->lapsed = redis_reply_is(redis_reply_at(list, at + 3), "1");
  if (!ok) *owner = (struct store_owner){.worker = "?"};
}

static size_t parse_gateways(const struct redisReply *list, const char **gateways, const char **addresses) {
  size_t n = 0;
  for (size_t i = 0; i + 1 < redis_reply_count(list); i += 2) {
    const char *id = redis_reply_string(redis_reply_at(list, i));
    const char *address = redis_reply_string(redis_reply_at(list, i + 1));
    if (!id || !process_id_is_valid(id, strlen(id))) continue;
    addresses[n] = address ? address : "";
    gateways[n++] = id;
  }
  return n;
}

static void finish_renew(struct store_call *call, enum store_result result, const char *message,
                         const struct redisReply *reply) {
  struct store_redis *store = call->store;
  struct store_view view = {0};
  const struct redisReply *lists[3] = {redis_reply_at(reply, 1), redis_reply_at(reply, 2), redis_reply_at(reply, 3)};
  warn(call, &call->store->logged.renew, "renew_refused", message);
  size_t n_owners = redis_reply_count(lists[1]) / 4;
  uint32_t partitions = store->options.partitions;
  if (result == STORE_OK &&
      (!redis_reply_u64(redis_reply_at(reply, 0), &view.now_ms) || n_owners != store_redis_here(store))) {
    warn(call, &call->store->logged.renew, "renew_refused", store_bad_answer);
    result = STORE_BROKEN;
  }
  if (result != STORE_OK) {
    call->cb.view(call->arg, result, &view);
    return;
  }
  store_clock_measured(store, view.now_ms * 1000 + 500, call->sent_us);
  struct store_worker *workers = xcalloc(redis_reply_count(lists[0]) / 4, sizeof *workers);
  struct store_owner *owners = xcalloc(partitions, sizeof *owners);
  size_t n_gateways = redis_reply_count(lists[2]) / 2;
  const char **gateways = xcalloc(n_gateways, sizeof *gateways);
  const char **addresses = xcalloc(n_gateways, sizeof *addresses);
  view.n_workers = parse_workers(lists[0], workers);
  for (size_t i = 0; i < n_owners; i++) {
    size_t p = i * store_redis_shards(store) + store->options.shard;
    parse_owner(lists[1], i * 4, &owners[p]);
    if (owners[p].worker[0] == '?') log_error(store->log, "partition_owner_damaged", F_U("partition", p));
  }
  view.n_owners = partitions;
  view.n_gateways = parse_gateways(lists[2], gateways, addresses);
  view.workers = workers;
  view.owners = owners;
  view.gateways = gateways;
  view.gateway_addresses = addresses;
  call->cb.view(call->arg, STORE_OK, &view);
  free(addresses);
  free(gateways);
  free(owners);
  free(workers);
}

void store_redis_renew(struct store *base, const struct store_worker_info *info, store_view_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_renew, true, arg);
  struct redis_args *args = &store->args;
  char pid[24];
  call->cb.view = cb;
  redis_args_call(args, FUNCTION_RENEW);
  redis_args_text(args, store->prefix);
  redis_args_text(args, info->id);
  redis_args_u64(args, info->lease_ms);
  store_redis_span(store);
  redis_args_bool(args, info->draining);
  redis_args_u64(args, 6);
  const struct {
    const char *name, *value;
  } details[] = {{"host", info->host}, {"address", info->address}, {"version", info->version}, {"pid", pid}};
  snprintf(pid, sizeof pid, "%" PRId64, info->pid);
  for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
    redis_args_text(args, details[i].name);
    redis_args_text(args, details[i].value ? details[i].value : "");
  }
  redis_args_text(args, "partitions");
  redis_args_u64(args, info->n_partitions);
  redis_args_text(args, "rooms");
  redis_args_u64(args, info->n_rooms);
  store_call_send(call, "store.renew");
}

static void call_with_worker(struct store *base, const char *function, const char *seam, const char *worker,
                             store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, function);
  redis_args_text(&store->args, store->prefix);
  redis_args_text(&store->args, worker);
  store_call_send(call, seam);
}

void store_redis_retire(struct store *base, const char *worker, store_done_cb *cb, void *arg) {
  call_with_worker(base, FUNCTION_WORKER_CLOSE, "store.retire", worker, cb, arg);
}

void store_redis_suspect(struct store *base, const char *worker, store_done_cb *cb, void *arg) {
  call_with_worker(base, FUNCTION_SUSPECT, "store.suspect", worker, cb, arg);
}

/* ---- claim, release, blame ---- */

/* Who cannot have been there is left out. */
static void parse_blames(const struct redisReply *list, struct store_claimed *claimed) {
  for (size_t i = 0; i + 2 < redis_reply_count(list) && claimed->n_blames < STORE_BLAMES_MAX; i += 3) {
    struct store_blame *blame = &claimed->blames[claimed->n_blames];
    struct room_id room;
    struct bytes text;
    uint64_t index;
    if (!redis_reply_stream_id(redis_reply_at(list, i), &blame->entry) ||
        !redis_reply_u64(redis_reply_at(list, i + 1), &index) || index > UINT32_MAX ||
        !redis_reply_bytes(redis_reply_at(list, i + 2), &text) || !room_id_parse(text.data, text.len, &room))
      continue;
    blame->sure = true;
    blame->index = (uint32_t)index;
    memcpy(blame->room, room.id, sizeof blame->room);
    claimed->n_blames++;
  }
}

static bool parse_claimed(const struct redisReply *reply, struct store_claimed *claimed) {
  uint64_t deaths;
  if (!redis_reply_u64(redis_reply_at(reply, 0), &claimed->epoch) ||
      !redis_reply_stream_id(redis_reply_at(reply, 1), &claimed->done) ||
      !redis_reply_u64(redis_reply_at(reply, 2), &deaths) || deaths > UINT32_MAX ||
      !redis_reply_stream_id(redis_reply_at(reply, 3), &claimed->tail))
    return false;
  claimed->deaths = (uint32_t)deaths;
  parse_blames(redis_reply_at(reply, 4), claimed);
  return true;
}

static void finish_claim(struct store_call *call, enum store_result result, const char *message,
                         const struct redisReply *reply) {
  struct store_claimed claimed = {0};
  if (result == STORE_OK && !parse_claimed(reply, &claimed)) {
    result = STORE_BROKEN;
    message = store_bad_answer;
  }
  if (message)
    log_limited(call->store->log, &call->store->logged.claim,
                result == STORE_DENIED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "claim_refused",
                F_U("partition", call->with.partition), F_S("message", message));
  call->cb.claim(call->arg, result, result == STORE_OK ? &claimed : NULL);
}

void store_redis_claim(struct store *base, uint32_t partition, const char *worker, const struct store_owner *seen,
                       store_claim_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_new(store, finish_claim, true, arg);
  call->cb.claim = cb;
  call->with.partition = partition;
  redis_args_call(&store->args, FUNCTION_CLAIM);
  redis_args_text(&store->args, store->prefix);
  redis_args_u64(&store->args, partition);
  redis_args_text(&store->args, worker);
  redis_args_text(&store->args, seen->worker);
  redis_args_u64(&store->args, seen->epoch);
  store_call_send(call, "store.claim");
}

void store_redis_release(struct store *base, uint32_t partition, const char *worker, uint64_t epoch,
                         const char *successor, store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, FUNCTION_RELEASE);
  redis_args_text(&store->args, store->prefix);
  redis_args_u64(&store->args, partition);
  redis_args_text(&store->args, worker);
  redis_args_u64(&store->args, epoch);
  redis_args_text(&store->args, successor);
  store_call_send(call, "store.release");
}

void store_redis_blame(struct store *base, uint32_t partition, const char *worker, uint64_t epoch,
                       const struct store_blame *blame, store_done_cb *cb, void *arg) {
  struct store_redis *store = store_redis_of(base);
  struct store_call *call = store_call_done(store, cb, arg);
  redis_args_call(&store->args, FUNCTION_BLAME);
  redis_args_text(&store->args, store->prefix);
  redis_args_u64(&store->args, partition);
  redis_args_text(&store->args, worker);
  redis_args_u64(&store->args, epoch);
  redis_args_bool(&store->args, blame->sure);
  redis_args_stream_id(&store->args, blame->entry);
  redis_args_u64(&store->args, blame->index);
  redis_args_text(&store->args, blame->room);
  store_call_send(call, "store.blame");
}
