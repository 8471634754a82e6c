/* See tests/support/fake_store.h. */
#include "tests/support/fake_store.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fake_store *fake(struct store *store) {
  return (struct fake_store *)(void *)store;
}

static const struct fake_store *fake_const(const struct store *store) {
  return (const struct fake_store *)(const void *)store;
}

static bool is_ready(const struct store *store) {
  return fake_const(store)->ready;
}

static uint64_t now_ms(const struct store *store, uint32_t partition) {
  (void)partition;
  return fake_const(store)->now_ms;
}

static uint64_t monotonic_us(const struct store *store) {
  return fake_const(store)->now_us;
}

static void random_bytes(struct store *store, void *out, size_t n) {
  unsigned char *at = out;
  while (n--) *at++ = fake(store)->random++;
}

static void init(struct store *store, struct store_deployment told, store_init_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  cr_assert_null(self->init.callback);
  self->init.callback = callback;
  self->init.arg = arg;
  self->init.partitions = told.partitions;
  self->init.count++;
}

static void open_gateway(struct store *store, const char *gateway, bool again, const char *address, uint64_t ttl_ms,
                         store_open_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  (void)address;
  (void)ttl_ms;
  cr_assert_null(self->open.callback);
  self->open.callback = callback;
  self->open.arg = arg;
  self->open.again = again;
  self->open.count++;
  snprintf(self->open.gateway, sizeof self->open.gateway, "%s", gateway);
}

static void renew_gateway(struct store *store, const char *gateway, uint64_t generation, uint64_t ttl_ms,
                          store_done_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  (void)ttl_ms;
  cr_assert_null(self->renew.callback);
  self->renew.callback = callback;
  self->renew.arg = arg;
  self->renew.generation = generation;
  self->renew.count++;
  snprintf(self->renew.gateway, sizeof self->renew.gateway, "%s", gateway);
}

static void close_gateway(struct store *store, const char *gateway, store_done_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  cr_assert_null(self->close.callback);
  self->close.callback = callback;
  self->close.arg = arg;
  self->close.count++;
  snprintf(self->close.gateway, sizeof self->close.gateway, "%s", gateway);
}

static void drop_appends(struct fake_store *self) {
  for (size_t i = 0; i < self->append.n; i++) {
    free(self->append.items[i].data);
    heya__bus__batch__free_unpacked(self->append.items[i].batch, NULL);
  }
  self->append.n = 0;
}

static void append(struct store *store, const char *gateway, uint64_t generation, const struct store_append *items,
                   size_t n, store_append_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  cr_assert_null(self->append.callback, "two appends in flight");
  cr_assert(n > 0 && n <= FAKE_APPENDS_MAX);
  drop_appends(self);
  self->append.callback = callback;
  self->append.arg = arg;
  self->append.generation = generation;
  self->append.count++;
  snprintf(self->append.gateway, sizeof self->append.gateway, "%s", gateway);
  for (size_t i = 0; i < n; i++) {
    self->append.items[i] =
        (struct fake_append){.partition = items[i].partition,
                             .number = items[i].number,
                             .system = items[i].system,
                             .data = xmemdup(items[i].batch.data, items[i].batch.len),
                             .len = items[i].batch.len,
                             .batch = heya__bus__batch__unpack(NULL, items[i].batch.len, items[i].batch.data)};
    cr_assert_not_null(self->append.items[i].batch, "a batch is not a Batch");
  }
  self->append.n = n;
}

static void deliveries(struct store *store, const char *gateway, struct stream_id after, uint64_t block_ms,
                       store_deliveries_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  (void)block_ms;
  cr_assert_null(self->read.callback, "two reads outstanding");
  self->read.callback = callback;
  self->read.arg = arg;
  self->read.after = after;
  self->read.count++;
  snprintf(self->read.gateway, sizeof self->read.gateway, "%s", gateway);
}

static void wake(struct store *store) {
  fake(store)->read.woken++;
}

static void list(struct store *store, const struct store_list *asked, store_list_cb *callback, void *arg) {
  struct fake_store *self = fake(store);
  cr_assert(self->list.n < FAKE_LISTS_MAX);
  self->list.callbacks[self->list.n] = callback;
  self->list.args[self->list.n++] = arg;
  self->list.n_where = asked->n_where;
  self->list.limit = asked->limit;
  snprintf(self->list.kind, sizeof self->list.kind, "%s", asked->kind);
  snprintf(self->list.after, sizeof self->list.after, "%s", asked->after);
}

static const struct store_ops ops = {.ready = is_ready,
                                     .now_ms = now_ms,
                                     .monotonic_us = monotonic_us,
                                     .random = random_bytes,
                                     .init = init,
                                     .gateway_open = open_gateway,
                                     .gateway_renew = renew_gateway,
                                     .gateway_close = close_gateway,
                                     .append = append,
                                     .deliveries = deliveries,
                                     .read_wake = wake,
                                     .list = list};

struct fake_store *fake_store_create(void) {
  struct fake_store *self = xcalloc(1, sizeof *self);
  self->store.ops = &ops;
  self->ready = true;
  self->now_ms = 1700000000000;
  self->now_us = 1000000;
  return self;
}

void fake_store_destroy(struct fake_store *self) {
  drop_appends(self);
  free(self);
}

/* ---- answers ---- */

static void answer_append(struct fake_store *self, enum store_result result,
                          const enum store_append_verdict *verdicts, size_t n) {
  store_append_cb *callback = self->append.callback;
  cr_assert_not_null(callback, "no append to answer");
  self->append.callback = NULL;
  callback(self->append.arg, result, verdicts, n);
}

void fake_store_append(struct fake_store *self, const enum store_append_verdict *verdicts, size_t n) {
  cr_assert_eq(n, self->append.n);
  answer_append(self, STORE_OK, verdicts, n);
}

void fake_store_append_ok(struct fake_store *self) {
  enum store_append_verdict verdicts[FAKE_APPENDS_MAX];
  for (size_t i = 0; i < self->append.n; i++) verdicts[i] = STORE_APPENDED;
  answer_append(self, STORE_OK, verdicts, self->append.n);
}

void fake_store_append_fail(struct fake_store *self, enum store_result result) {
  answer_append(self, result, NULL, 0);
}

const struct fake_append *fake_store_append_for(const struct fake_store *self, uint32_t partition) {
  for (size_t i = 0; i < self->append.n; i++) {
    if (self->append.items[i].partition == partition) return &self->append.items[i];
  }
  return NULL;
}

void fake_store_read(struct fake_store *self, enum store_result result, const struct store_delivery *entries,
                     size_t n) {
  store_deliveries_cb *callback = self->read.callback;
  cr_assert_not_null(callback, "no read to answer");
  self->read.callback = NULL;
  callback(self->read.arg, result, entries, n);
}

void fake_store_deliver(struct fake_store *self, Heya__Bus__Delivery **items, size_t n) {
  Heya__Bus__Deliveries message = HEYA__BUS__DELIVERIES__INIT;
  message.deliveries = items;
  message.n_deliveries = n;
  size_t len = heya__bus__deliveries__get_packed_size(&message);
  uint8_t *data = xmalloc(len);
  heya__bus__deliveries__pack(&message, data);
  struct store_delivery entry = {.id = {self->now_ms, self->read.after.seq + 1}, .deliveries = bytes_of(data, len)};
  fake_store_read(self, STORE_OK, &entry, 1);
  free(data);
}

void fake_store_init(struct fake_store *self, enum store_result result, const char *message, const char *cluster) {
  store_init_cb *callback = self->init.callback;
  cr_assert_not_null(callback, "no init to answer");
  self->init.callback = NULL;
  struct store_deployment deployment = {.partitions = self->init.partitions};
  snprintf(deployment.cluster, sizeof deployment.cluster, "%s", cluster ? cluster : "");
  snprintf(deployment.server, sizeof deployment.server, "%s", self->server);
  callback(self->init.arg, result, message, result == STORE_OK ? &deployment : NULL);
}

void fake_store_open(struct fake_store *self, enum store_result result, uint64_t generation, const uint64_t *numbers,
                     size_t n) {
  store_open_cb *callback = self->open.callback;
  cr_assert_not_null(callback, "no open to answer");
  self->open.callback = NULL;
  callback(self->open.arg, result, generation, numbers, n);
}

void fake_store_renew(struct fake_store *self, enum store_result result) {
  store_done_cb *callback = self->renew.callback;
  cr_assert_not_null(callback, "no renew to answer");
  self->renew.callback = NULL;
  callback(self->renew.arg, result);
}

void fake_store_close(struct fake_store *self, enum store_result result) {
  store_done_cb *callback = self->close.callback;
  cr_assert_not_null(callback, "no close to answer");
  self->close.callback = NULL;
  callback(self->close.arg, result);
}

void fake_store_list(struct fake_store *self, enum store_result result, const struct store_list_row *rows, size_t n,
                     const char *after) {
  cr_assert(self->list.n > 0, "no list to answer");
  store_list_cb *callback = self->list.callbacks[0];
  void *arg = self->list.args[0];
  self->list.n--;
  memmove(self->list.callbacks, self->list.callbacks + 1, self->list.n * sizeof self->list.callbacks[0]);
  memmove(self->list.args, self->list.args + 1, self->list.n * sizeof self->list.args[0]);
  callback(arg, result, &(struct store_list_page){.rows = rows, .n = n, .after = after ? after : "", .examined = n});
}

void fake_store_set_ready(struct fake_store *self, bool ready) {
  if (self->ready == ready) return;
  self->ready = ready;
  if (!ready) {
    if (self->append.callback) fake_store_append_fail(self, STORE_LOST);
    if (self->read.callback) fake_store_read(self, STORE_LOST, NULL, 0);
    if (self->init.callback) fake_store_init(self, STORE_LOST, NULL, NULL);
    if (self->open.callback) fake_store_open(self, STORE_LOST, 0, NULL, 0);
    if (self->renew.callback) fake_store_renew(self, STORE_LOST);
    if (self->close.callback) fake_store_close(self, STORE_LOST);
    while (self->list.n) fake_store_list(self, STORE_LOST, NULL, 0, NULL);
  }
  if (self->store.on_ready) self->store.on_ready(self->store.on_ready_arg, ready);
}
