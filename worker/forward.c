/* See worker/forward.h. Whether a call arrived is found out by making it again: what was taken is taken once. */
#include "worker/forward.h"
#include "common/mem.h"
#include "worker/worker.h"

#define ITEMS_MAX 256
#define BYTES_MAX (4u << 20)
#define RETRY_US  50000 /* after a refusal, and for a partition that cannot take anything now */

/* One parcel in the call: valid as long as its partition is owned in this epoch. */
struct freight {
  struct slot *slot;
  uint64_t epoch;
  struct parcel *parcel;
};

void forwarding_close(struct forwarding *forwarding) {
  free(forwarding->items);
  *forwarding = (struct forwarding){0};
}

static bool is_owned(const struct slot *slot) {
  return slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING;
}

static void add(struct forwarding *forwarding, struct slot *slot, struct parcel *parcel) {
  if (forwarding->n == forwarding->cap) {
    forwarding->cap = forwarding->cap ? 2 * forwarding->cap : 16;
    forwarding->items = xrealloc(forwarding->items, forwarding->cap * sizeof *forwarding->items);
  }
  forwarding->items[forwarding->n++] = (struct freight){.slot = slot, .epoch = slot->epoch, .parcel = parcel};
  parcel->under_way = true;
}

static void collect(struct shard *to) {
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  size_t bytes = 0;
  forwarding->n = 0;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    struct slot *slot = &worker->slots[p];
    const struct parcels *parcels = &slot->partition.effects.parcels;
    struct parcel *parcel = NULL;
    if (!is_owned(slot) || parcels->n == 0) continue;
    while (forwarding->n < ITEMS_MAX && bytes < BYTES_MAX && (parcel = parcels_next(parcels, to->number, parcel))) {
      add(forwarding, slot, parcel);
      bytes += parcel->len;
    }
  }
}

static void settle(struct shard *to, const struct freight *item, bool arrived) {
  struct slot *slot = item->slot;
  if (!is_owned(slot) || slot->epoch != item->epoch) return; /* the parcel is gone; its next owner brings it */
  if (!arrived) {
    parcels_missed(item->parcel);
    return;
  }
  struct parcels *parcels = &slot->partition.effects.parcels;
  bool was_clogged = parcels_is_clogged(parcels, to->number);
  slot->worker->metrics->forwarded++;
  parcels_arrived(parcels, item->parcel, worker_now_us(slot->worker));
  if (was_clogged && !parcels_is_clogged(parcels, to->number)) partition_unclogged(&slot->partition, to->number);
}

static void on_forwarded(void *arg, enum store_result result, const enum store_append_verdict *verdicts, size_t n) {
  struct shard *to = arg;
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  bool all = result == STORE_OK && n == forwarding->n;
  forwarding->busy = false;
  for (size_t i = 0; i < forwarding->n; i++) {
    bool arrived = result == STORE_OK && i < n && verdicts[i] == STORE_APPENDED;
    settle(to, &forwarding->items[i], arrived);
    all = all && arrived;
  }
  forwarding->n = 0;
  if (all) return;
  forwarding->not_before_us = worker_now_us(worker) + RETRY_US;
  log_limited(worker->log, &worker->forward_limit, LOG_LEVEL_WARN, "forward_failed", F_U("shard", to->number),
              F_S("result", store_result_name(result)));
}

void forward_turn(struct shard *to) {
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  if (worker->config.shards == 1 || forwarding->busy || !to->initialised) return;
  if (worker_now_us(worker) < forwarding->not_before_us) return;
  collect(to);
  if (forwarding->n == 0) return;
  struct store_forward *items = arena_take(&worker->frozen, forwarding->n * sizeof *items);
  for (size_t i = 0; i < forwarding->n; i++) {
    const struct freight *item = &forwarding->items[i];
    items[i] = (struct store_forward){.from = slot_number(item->slot),
                                      .to = item->parcel->to,
                                      .number = item->parcel->number,
                                      .batch = bytes_of(item->parcel->batch, item->parcel->len)};
  }
  forwarding->busy = true;
  to->store->ops->forward(to->store, worker->config.id, items, forwarding->n, on_forwarded, to);
  arena_reset(&worker->frozen);
}

uint64_t forward_wait_us(const struct shard *to, uint64_t now_us, uint64_t most_us) {
  uint64_t at_us = to->forwarding.not_before_us;
  bool waits = !to->forwarding.busy && to->initialised && at_us > now_us;
  return waits && at_us - now_us < most_us ? at_us - now_us : most_us;
}
