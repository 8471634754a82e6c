/* What comes in, and how much of it at a time.
 *
 * One blocking read over the streams of all live partitions, and of the news that somebody released one for us. Each
 * answer is checked against the epoch in which the read was sent: a late one for a partition that was lost, or lost
 * and won again, is thrown away.
 *
 * An answer may hold more than one commit should carry. What would make it larger stays in the stream, in front of
 * the cursor, and is read again: so a commit is bounded however much has piled up, and Redis and gateways can take
 * it. */
#include "worker/worker.h"

#define READ_BLOCK_MS     1000
#define WAITING_MAX_BYTES (8u << 20) /* of uncommitted effects; beyond it reading waits for the commit */
#define RETRY_US          250000     /* after a read that Redis refused */
#define CLAIM_AGAIN_US    1000000    /* after dropping a partition for it */

static size_t waiting_bytes(const struct shard *shard) {
  const struct worker *worker = shard->worker;
  size_t waiting = 0;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    if (worker->slots[p].state == SLOT_LIVE) waiting += worker->slots[p].partition.effects.waiting_bytes;
  }
  return waiting;
}

/* Effects are bounded by not taking in what would make more of them. */
bool intake_is_full(struct shard *shard) {
  struct worker_metrics *metrics = shard->worker->metrics;
  bool was_full = shard->full;
  metrics->waiting_bytes -= shard->waiting_bytes;
  shard->waiting_bytes = waiting_bytes(shard);
  metrics->waiting_bytes += shard->waiting_bytes;
  shard->full = shard->waiting_bytes > WAITING_MAX_BYTES;
  if (shard->full && !was_full) metrics->read_pauses++;
  return shard->full;
}

/* Redis refuses a read whole when one of its streams is no stream. So they are read one by one until the one is
 * found; that partition is dropped, and claimed again when somebody has put it right. When all are dropped and a read
 * without any is refused too, it is reading that is refused. */
static void on_refused_read(struct shard *shard, enum store_result result) {
  struct worker *worker = shard->worker;
  uint64_t retry_at_us = worker_now_us(worker) + RETRY_US;
  worker->metrics->reads_failed++;
  log_limited(worker->log, &worker->read_limit, LOG_LEVEL_ERROR, "read_failed",
              F_S("result", store_result_name(result)));
  if (shard->reading_n == 0) {
    shard->read_refused = true;
    shard->read_at_us = retry_at_us;
    return;
  }
  if (!shard->reading_singly) {
    shard->reading_singly = true;
    shard->read_next = 0;
    return;
  }
  shard->read_at_us = retry_at_us; /* if it was no partition's fault */
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LIVE || slot->epoch != slot->read_epoch) continue;
    slot->retry_at_us = retry_at_us + CLAIM_AGAIN_US;
    slot_drop(slot, "its stream cannot be read");
    shard->read_at_us = 0;
  }
}

static void on_read(void *arg, enum store_result result, const struct store_entry *entries, size_t n) {
  struct shard *shard = arg;
  struct worker *worker = shard->worker;
  shard->reading = false;
  shard->n_reads++;
  worker->metrics->reads++;
  pace_answered(&shard->reads, worker_now_us(worker));
  if (n > 0) pace_hurry(&shard->commits);
  if (result != STORE_OK && result != STORE_LOST) on_refused_read(shard, result);
  if (result != STORE_OK) return;
  shard->read_refused = false;
  for (size_t i = 0; i < n; i++) {
    if (entries[i].partition >= worker->config.partitions) continue;
    if (intake_is_full(shard)) break;
    struct slot *slot = &worker->slots[entries[i].partition];
    if (slot->state != SLOT_LIVE || slot->epoch != slot->read_epoch || slot->shard != shard) continue;
    if (!caution_takes(slot, &entries[i])) partition_consume(&slot->partition, &entries[i]);
  }
}

static bool wants_entries(const struct slot *slot) {
  return slot->state == SLOT_LIVE && !caution_is_busy(&slot->caution) &&
         !parcels_is_full(&slot->partition.effects.parcels);
}

/* Whether the outstanding read misses a partition that wants entries only since then. */
static bool read_is_stale(const struct shard *shard) {
  const struct worker *worker = shard->worker;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    const struct slot *slot = &worker->slots[p];
    if (wants_entries(slot) && slot->read_epoch != slot->epoch) return true;
  }
  return false;
}

uint64_t intake_wait_us(const struct shard *shard, uint64_t now_us, uint64_t most_us) {
  uint64_t wait_us = shard->reading ? 0 : pace_wait_us(&shard->reads, now_us);
  return wait_us && wait_us < most_us ? wait_us : most_us;
}

void intake_turn(struct shard *shard) {
  struct worker *worker = shard->worker;
  struct store *store = shard->store;
  uint32_t shards = worker->config.shards;
  if (shard->reading) {
    if (!shard->wake_wanted && read_is_stale(shard)) {
      shard->wake_wanted = true;
      store->ops->read_wake(store);
    }
    return;
  }
  if (!shard->initialised || intake_is_full(shard)) return;
  uint64_t now_us = worker_now_us(worker);
  if (now_us < shard->read_at_us || pace_wait_us(&shard->reads, now_us)) return;
  uint32_t here = (worker->config.partitions + shards - 1 - shard->number) / shards;
  size_t n = 0, most = shard->reading_singly ? 1 : here;
  struct store_position *positions = arena_alloc(&worker->frozen, here * sizeof *positions);
  for (uint32_t i = 0; i < here; i++) { /* each time another is the first to be taken in */
    uint32_t nth = shard->reading_singly ? i : (uint32_t)((i + shard->n_reads) % here);
    uint32_t p = nth * shards + shard->number;
    struct slot *slot = &worker->slots[p];
    bool is_next = !shard->reading_singly || p >= shard->read_next;
    slot->read_epoch = is_next && n < most && wants_entries(slot) ? slot->epoch : 0;
    if (!slot->read_epoch) continue;
    positions[n++] = (struct store_position){.partition = p, .after = slot->partition.cursor};
    shard->read_next = p + 1;
  }
  uint64_t block_ms = shard->reading_singly ? 1 : READ_BLOCK_MS;
  if (n == 0) shard->reading_singly = false; /* all were tried */
  pace_begin(&shard->reads, now_us);
  shard->reading = true;
  shard->reading_n = n;
  shard->wake_wanted = false;
  store->ops->read(store, worker->config.id, positions, n, block_ms, on_read, shard);
  arena_reset(&worker->frozen);
}
