/* See worker/forward.h. Whether a call arrived is found out by making it again: what was taken is taken once. */
#include "worker/forward.h"
#include "common/mem.h"
#include "worker/worker.h"

#define ITEMS_MAX 256
#define BYTES_MAX (4u << 20)
#define LOOK_MAX  1024  /* so many of a partition's parcels are passed over at most, behind them all wait */
#define RETRY_US  50000 /* after a call that failed, and for a partition that took nothing */
#define PROBING   UINT64_MAX

/* One parcel in the call: valid as long as the partition that sends it is open as it was then. */
struct freight {
  struct slot *slot;
  uint64_t tenure;
  struct parcel *parcel;
  uint32_t to; /* the parcel's, which may be gone when the answer comes */
};

void forwarding_close(struct forwarding *forwarding) {
  free(forwarding->items);
  free(forwarding->retry_at_us);
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
  forwarding->items[forwarding->n++] =
      (struct freight){.slot = slot, .tenure = slot->tenure, .parcel = parcel, .to = parcel->to};
  parcel->under_way = true;
}

/* All that is for one partition gets one answer. So after a refusal one parcel asks for all, after a pause; the
 * younger ones of its sender stay behind it, and it does not hold up what is for others. */
static bool goes_now(struct forwarding *forwarding, uint32_t to, uint64_t now_us) {
  uint64_t *retry_at_us = &forwarding->retry_at_us[to];
  if (*retry_at_us == 0) return true;
  if (*retry_at_us > now_us) return false;
  *retry_at_us = PROBING;
  return true;
}

/* The sender who comes first is another one each time, so that one who always has something keeps nobody out. */
static void collect(struct shard *to, uint64_t now_us) {
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  uint32_t partitions = worker->config.partitions, first = forwarding->first++ % partitions;
  size_t bytes = 0;
  for (uint32_t i = 0; i < partitions; i++) {
    struct slot *slot = &worker->slots[(first + i) % partitions];
    const struct parcels *parcels = &slot->partition.effects.parcels;
    struct parcel *parcel = NULL;
    if (!is_owned(slot) || parcels->n == 0) continue;
    for (size_t looked = 0; looked < LOOK_MAX && forwarding->n < ITEMS_MAX && bytes < BYTES_MAX; looked++) {
      parcel = parcels_next(parcels, to->number, parcel);
      if (!parcel) break;
      if (!goes_now(forwarding, parcel->to, now_us)) continue;
      add(forwarding, slot, parcel);
      bytes += parcel->len;
    }
  }
}

static void settle(struct shard *to, const struct freight *item, bool arrived) {
  struct slot *slot = item->slot;
  if (!is_owned(slot) || slot->tenure != item->tenure) return; /* the parcel is gone; its next owner brings it */
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

/* What is not taken has an answer of its own only in a call that did not fail as a whole. */
static void note_refusal(struct shard *to, uint32_t partition, bool taken, bool failed, uint64_t now_us) {
  uint64_t *retry_at_us = &to->forwarding.retry_at_us[partition];
  if (failed && *retry_at_us != PROBING) return;
  *retry_at_us = taken ? 0 : now_us + RETRY_US;
  if (!taken && !failed)
    log_limited(to->worker->log, &to->worker->forward_limit, LOG_LEVEL_WARN, "forward_refused",
                F_U("partition", partition), F_U("shard", to->number));
}

static void on_forwarded(void *arg, enum store_result result, const enum store_append_verdict *verdicts, size_t n) {
  struct shard *to = arg;
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  bool failed = result != STORE_OK || n != forwarding->n;
  uint64_t now_us = worker_now_us(worker);
  forwarding->busy = false;
  for (size_t i = 0; i < forwarding->n; i++) {
    const struct freight *item = &forwarding->items[i];
    bool arrived = !failed && verdicts[i] == STORE_APPENDED;
    note_refusal(to, item->to, arrived, failed, now_us);
    settle(to, item, arrived);
  }
  forwarding->n = 0;
  if (!failed) return;
  forwarding->not_before_us = now_us + RETRY_US;
  log_limited(worker->log, &worker->forward_limit, LOG_LEVEL_WARN, "forward_failed", F_U("shard", to->number),
              F_S("result", store_result_name(result)));
}

void forward_turn(struct shard *to) {
  struct worker *worker = to->worker;
  struct forwarding *forwarding = &to->forwarding;
  uint64_t now_us = worker_now_us(worker);
  if (worker->config.shards == 1 || forwarding->busy || !to->initialised) return;
  if (now_us < forwarding->not_before_us) return;
  if (!forwarding->retry_at_us)
    forwarding->retry_at_us = xcalloc(worker->config.partitions, sizeof *forwarding->retry_at_us);
  collect(to, now_us);
  if (forwarding->n == 0) return;
  struct store_forward *items = arena_take(&worker->frozen, forwarding->n * sizeof *items);
  for (size_t i = 0; i < forwarding->n; i++) {
    const struct freight *item = &forwarding->items[i];
    items[i] = (struct store_forward){.from = slot_number(item->slot),
                                      .to = item->to,
                                      .number = item->parcel->number,
                                      .batch = bytes_of(item->parcel->batch, item->parcel->len)};
  }
  forwarding->busy = true;
  to->store->ops->forward(to->store, worker->config.id, items, forwarding->n, on_forwarded, to);
  arena_reset(&worker->frozen);
}

uint64_t forward_wait_us(const struct shard *to, uint64_t now_us, uint64_t most_us) {
  const struct forwarding *forwarding = &to->forwarding;
  uint64_t at_us = now_us + most_us;
  if (forwarding->busy || !to->initialised || !forwarding->retry_at_us) return most_us;
  if (forwarding->not_before_us > now_us) {
    at_us = forwarding->not_before_us;
  } else {
    for (uint32_t p = to->number; p < to->worker->config.partitions; p += to->worker->config.shards) {
      uint64_t retry_at_us = forwarding->retry_at_us[p];
      if (retry_at_us > now_us && retry_at_us < at_us) at_us = retry_at_us;
    }
  }
  return at_us - now_us < most_us ? at_us - now_us : most_us;
}
