/* See tests/support/worker_store.h. */
#include "tests/support/worker_store.h"

#include "common/mem.h"

#include <criterion/criterion.h>

static struct worker_store *of(struct store *store) {
  return (struct worker_store *)(void *)store;
}

static const struct worker_store *of_const(const struct store *store) {
  return (const struct worker_store *)(const void *)store;
}

/* ---- calls ---- */

static bool is_ready(const struct store *store) {
  return of_const(store)->ready;
}

static uint64_t now_ms(const struct store *store, uint32_t partition) {
  (void)partition;
  return of_const(store)->now_ms;
}

static uint64_t monotonic_us(const struct store *store) {
  return of_const(store)->now_us;
}

/* Notes a call of a sort that may be made once until it is answered. */
#define KEEP(call, callback_, arg_)                                                                                  \
  do {                                                                                                               \
    cr_assert_null((call).callback, "called again before the answer");                                               \
    (call).callback = (callback_);                                                                                   \
    (call).arg = (arg_);                                                                                             \
    (call).count++;                                                                                                  \
  } while (0)

static void init(struct store *store, struct store_deployment told, store_init_cb *callback, void *arg) {
  cr_assert_eq(told.partitions, STORE_PARTITIONS);
  memcpy(of(store)->init.cluster, told.cluster, sizeof told.cluster);
  KEEP(of(store)->init, callback, arg);
}

static void renew(struct store *store, const struct store_worker_info *info, store_view_cb *callback, void *arg) {
  KEEP(of(store)->renew, callback, arg);
  of(store)->renew.draining = info->draining;
}

static void retire(struct store *store, const char *worker, store_done_cb *callback, void *arg) {
  (void)worker;
  KEEP(of(store)->retire, callback, arg);
}

static void claim(struct store *store, uint32_t p, const char *worker, const struct store_owner *seen,
                  store_claim_cb *callback, void *arg) {
  (void)worker;
  KEEP(of(store)->claim[p], callback, arg);
  of(store)->claim[p].seen = *seen;
}

static void blame(struct store *store, uint32_t p, const char *worker, uint64_t epoch, const struct store_blame *told,
                  store_done_cb *callback, void *arg) {
  (void)worker;
  cr_assert_eq(epoch, of(store)->owners[p].epoch);
  KEEP(of(store)->blame[p], callback, arg);
  of(store)->blame[p].blame = *told;
}

static void release(struct store *store, uint32_t p, const char *worker, uint64_t epoch, const char *successor,
                    store_done_cb *callback, void *arg) {
  (void)worker;
  KEEP(of(store)->release[p], callback, arg);
  of(store)->release[p].epoch = epoch;
  snprintf(of(store)->release[p].successor, sizeof of(store)->release[p].successor, "%s", successor);
}

static void load(struct store *store, uint32_t p, store_room_cb *room, store_done_cb *callback, void *arg) {
  KEEP(of(store)->load[p], callback, arg);
  of(store)->load[p].room = room;
}

static void outbox(struct store *store, uint32_t p, store_parcel_cb *parcel, store_done_cb *callback, void *arg) {
  KEEP(of(store)->outbox[p], callback, arg);
  of(store)->outbox[p].parcel = parcel;
}

static void forward(struct store *store, const char *worker, const struct store_forward *items, size_t n,
                    store_append_cb *callback, void *arg) {
  struct worker_store *self = of(store);
  cr_assert(worker[0] && n > 0 && n <= STORE_FORWARDS_MAX);
  KEEP(self->forward, callback, arg);
  self->forward.n = n;
  for (size_t i = 0; i < n; i++) {
    self->forward.items[i] = items[i];
    self->forward.items[i].batch = (struct bytes){0};
  }
}

static void read_streams(struct store *store, const char *worker, const struct store_position *positions, size_t n,
                         uint64_t block_ms, store_read_cb *callback, void *arg) {
  struct worker_store *self = of(store);
  cr_assert(worker[0] && n <= STORE_PARTITIONS && block_ms > 0);
  KEEP(self->read, callback, arg);
  if (n) memcpy(self->read.positions, positions, n * sizeof *positions);
  self->read.n = n;
}

static void read_wake(struct store *store) {
  of(store)->read.wakes++;
}

static void note_segment(struct worker_store *self, const struct commit_segment *segment) {
  struct store_segment *noted = &self->segments[segment->partition];
  struct buf image = noted->image;
  unsigned count = noted->count + 1;
  buf_clear(&image);
  *noted = (struct store_segment){.epoch = segment->epoch,
                                  .done = segment->done,
                                  .n_rooms = segment->n_rooms,
                                  .n_appends = segment->n_appends,
                                  .n_deliveries = segment->n_deliveries,
                                  .count = count};
  for (size_t i = 0; i < segment->n_rooms; i++) {
    const struct commit_room *room = &segment->rooms[i];
    noted->n_whole += room->whole;
    noted->n_gone += room->gone;
    for (size_t j = 0; j < room->n_fields; j++) {
      if (!bytes_equal_str(room->fields[j].name, "image")) continue;
      buf_clear(&image);
      buf_append_bytes(&image, room->fields[j].value);
      snprintf(noted->image_of, sizeof noted->image_of, "%s", room->id);
    }
  }
  noted->image = image;
}

static void commit(struct store *store, const struct commit *told, store_commit_cb *callback, void *arg) {
  struct worker_store *self = of(store);
  KEEP(self->commit, callback, arg);
  self->commit.n = told->n_segments;
  for (size_t i = 0; i < told->n_segments; i++) note_segment(self, &told->segments[i]);
}

static const struct store_ops ops = {.ready = is_ready,
                                     .now_ms = now_ms,
                                     .monotonic_us = monotonic_us,
                                     .init = init,
                                     .renew = renew,
                                     .retire = retire,
                                     .claim = claim,
                                     .blame = blame,
                                     .release = release,
                                     .load = load,
                                     .read = read_streams,
                                     .read_wake = read_wake,
                                     .commit = commit,
                                     .outbox = outbox,
                                     .forward = forward};

struct worker_store *worker_store_create(void) {
  struct worker_store *self = xcalloc(1, sizeof *self);
  *self = (struct worker_store){.store = {.ops = &ops}, .ready = true, .now_ms = 1000000, .now_us = 5000000};
  return self;
}

void worker_store_destroy(struct worker_store *self) {
  for (size_t p = 0; p < STORE_PARTITIONS; p++) buf_close(&self->segments[p].image);
  free(self);
}

/* ---- answers ---- */

/* The callback may call again, so the call is forgotten first. */
#define ANSWER(call, type, ...)                                                                                      \
  do {                                                                                                               \
    type *callback = (call).callback;                                                                                \
    cr_assert(callback, "there is no call to answer");                                                               \
    (call).callback = NULL;                                                                                          \
    callback((call).arg, __VA_ARGS__);                                                                               \
  } while (0)

void worker_store_init(struct worker_store *self, enum store_result result, const char *message) {
  struct store_deployment deployment = {.partitions = STORE_PARTITIONS, .cluster = "c"};
  ANSWER(self->init, store_init_cb, result, message, &deployment);
}

void worker_store_init_of(struct worker_store *self, const char *cluster) {
  struct store_deployment deployment = {.partitions = STORE_PARTITIONS};
  snprintf(deployment.cluster, sizeof deployment.cluster, "%s", cluster);
  ANSWER(self->init, store_init_cb, STORE_OK, NULL, &deployment);
}

void worker_store_view(struct worker_store *self) {
  struct store_view view = {.now_ms = self->now_ms,
                            .workers = self->workers,
                            .n_workers = self->n_workers,
                            .owners = self->owners,
                            .n_owners = STORE_PARTITIONS,
                            .gateways = self->gateways,
                            .n_gateways = self->n_gateways};
  ANSWER(self->renew, store_view_cb, STORE_OK, &view);
}

void worker_store_renew(struct worker_store *self, enum store_result result) {
  ANSWER(self->renew, store_view_cb, result, &(struct store_view){0});
}

void worker_store_grant(struct worker_store *self, uint32_t p, const char *worker, struct stream_id done) {
  struct store_owner *owner = &self->owners[p];
  cr_assert_str_eq(self->claim[p].seen.worker, owner->worker);
  cr_assert_eq(self->claim[p].seen.epoch, owner->epoch);
  *owner = (struct store_owner){.epoch = owner->epoch + 1};
  snprintf(owner->worker, sizeof owner->worker, "%s", worker);
  struct store_claimed claimed = self->found[p];
  claimed.epoch = owner->epoch;
  claimed.done = done;
  ANSWER(self->claim[p], store_claim_cb, STORE_OK, &claimed);
}

void worker_store_claim(struct worker_store *self, uint32_t p, enum store_result result) {
  ANSWER(self->claim[p], store_claim_cb, result, NULL);
}

void worker_store_blame(struct worker_store *self, uint32_t p, enum store_result result) {
  ANSWER(self->blame[p], store_done_cb, result);
}

void worker_store_room(struct worker_store *self, uint32_t p, const char *id, struct bytes image) {
  cr_assert(self->load[p].callback);
  self->load[p].room(self->load[p].arg, id, image, 0);
}

void worker_store_loaded(struct worker_store *self, uint32_t p, enum store_result result) {
  ANSWER(self->load[p], store_done_cb, result);
}

void worker_store_parcel(struct worker_store *self, uint32_t p, uint32_t to, struct stream_id number) {
  cr_assert(self->outbox[p].callback);
  self->outbox[p].parcel(self->outbox[p].arg, to, number, bytes_of_str("parcel"));
}

void worker_store_outbox(struct worker_store *self, uint32_t p, enum store_result result) {
  ANSWER(self->outbox[p], store_done_cb, result);
}

void worker_store_forward(struct worker_store *self, enum store_result result, uint32_t partition,
                          enum store_append_verdict verdict) {
  enum store_append_verdict verdicts[STORE_FORWARDS_MAX];
  size_t n = result == STORE_OK ? self->forward.n : 0;
  for (size_t i = 0; i < n; i++) verdicts[i] = self->forward.items[i].to == partition ? verdict : STORE_APPENDED;
  ANSWER(self->forward, store_append_cb, result, verdicts, n);
}

void worker_store_release(struct worker_store *self, uint32_t p, enum store_result result) {
  if (result == STORE_OK) {
    self->owners[p].worker[0] = '\0';
    self->owners[p].freed_ms = self->now_ms;
  }
  ANSWER(self->release[p], store_done_cb, result);
}

void worker_store_read(struct worker_store *self, enum store_result result, const struct store_entry *entries,
                       size_t n) {
  ANSWER(self->read, store_read_cb, result, entries, n);
}

void worker_store_commit(struct worker_store *self, enum store_result result,
                         const struct store_commit_outcome *outcome) {
  static const struct store_commit_outcome nothing;
  ANSWER(self->commit, store_commit_cb, result, outcome ? outcome : &nothing);
}

void worker_store_retire(struct worker_store *self, enum store_result result) {
  ANSWER(self->retire, store_done_cb, result);
}

static void lose_everything(struct worker_store *self) {
  if (self->init.callback) worker_store_init(self, STORE_LOST, NULL);
  if (self->renew.callback) worker_store_renew(self, STORE_LOST);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    if (self->claim[p].callback) worker_store_claim(self, p, STORE_LOST);
    if (self->blame[p].callback) worker_store_blame(self, p, STORE_LOST);
    if (self->load[p].callback) worker_store_loaded(self, p, STORE_LOST);
    if (self->outbox[p].callback) worker_store_outbox(self, p, STORE_LOST);
    if (self->release[p].callback) worker_store_release(self, p, STORE_LOST);
  }
  if (self->read.callback) worker_store_read(self, STORE_LOST, NULL, 0);
  if (self->commit.callback) worker_store_commit(self, STORE_LOST, NULL);
  if (self->forward.callback) worker_store_forward(self, STORE_LOST, 0, STORE_BUSY);
  if (self->retire.callback) worker_store_retire(self, STORE_LOST);
}

void worker_store_set_ready(struct worker_store *self, bool ready) {
  self->ready = ready;
  self->store.on_ready(self->store.on_ready_arg, ready);
  if (!ready) lose_everything(self);
}
