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

static size_t waiting_bytes(const struct worker *worker) {
  size_t waiting = 0;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    if (worker->slots[p].state == SLOT_LIVE) waiting += worker->slots[p].partition.effects.waiting_bytes;
  }
  return waiting;
}

/* Effects are bounded by not taking in what would make more of them. */
bool intake_is_full(struct worker *worker) {
  bool was_full = worker->metrics->waiting_bytes > WAITING_MAX_BYTES;
  worker->metrics->waiting_bytes = waiting_bytes(worker);
  bool full = worker->metrics->waiting_bytes > WAITING_MAX_BYTES;
  if (full && !was_full) worker->metrics->read_pauses++;
  return full;
}

/* Redis refuses a read whole when one of its streams is no stream. So they are read one by one until the one is
 * found; that partition is dropped, and claimed again when somebody has put it right. When all are dropped and a read
 * without any is refused too, it is reading that is refused. */
static void on_refused_read(struct worker *worker, enum store_result result) {
  uint64_t retry_at_us = worker->store->ops->monotonic_us(worker->store) + RETRY_US;
  worker->metrics->reads_failed++;
  log_limited(worker->log, &worker->read_limit, LOG_LEVEL_ERROR, "read_failed",
              F_S("result", store_result_name(result)));
  if (worker->reading_n == 0) {
    worker->read_refused = true;
    worker->read_at_us = retry_at_us;
    return;
  }
  if (!worker->reading_singly) {
    worker->reading_singly = true;
    worker->read_next = 0;
    return;
  }
  worker->read_at_us = retry_at_us; /* if it was no partition's fault */
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    struct slot *slot = &worker->slots[p];
    if (slot->state != SLOT_LIVE || slot->epoch != slot->read_epoch) continue;
    slot->retry_at_us = retry_at_us + CLAIM_AGAIN_US;
    slot_drop(slot, "its stream cannot be read");
    worker->read_at_us = 0;
  }
}

static void on_read(void *arg, enum store_result result, const struct store_entry *entries, size_t n) {
  struct worker *worker = arg;
  worker->reading = false;
  worker->metrics->reads++;
  pace_answered(&worker->reads, worker->store->ops->monotonic_us(worker->store));
  if (n > 0) pace_hurry(&worker->commits);
  if (result != STORE_OK && result != STORE_LOST) on_refused_read(worker, result);
  if (result != STORE_OK) return;
  worker->read_refused = false;
  for (size_t i = 0; i < n; i++) {
    if (entries[i].partition >= worker->config.partitions) continue;
    if (intake_is_full(worker)) break;
    struct slot *slot = &worker->slots[entries[i].partition];
    if (slot->state != SLOT_LIVE || slot->epoch != slot->read_epoch) continue;
    if (!caution_takes(slot, &entries[i])) partition_consume(&slot->partition, &entries[i]);
  }
}

static bool wants_entries(const struct slot *slot) {
  return slot->state == SLOT_LIVE && !caution_is_busy(&slot->caution);
}

/* Whether the outstanding read misses a partition that wants entries only since then. */
static bool read_is_stale(const struct worker *worker) {
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    const struct slot *slot = &worker->slots[p];
    if (wants_entries(slot) && slot->read_epoch != slot->epoch) return true;
  }
  return false;
}

uint64_t intake_wait_us(const struct worker *worker, uint64_t now_us, uint64_t most_us) {
  uint64_t wait_us = worker->reading ? 0 : pace_wait_us(&worker->reads, now_us);
  return wait_us && wait_us < most_us ? wait_us : most_us;
}

void intake_turn(struct worker *worker) {
  struct store *store = worker->store;
  if (worker->reading) {
    if (!worker->wake_wanted && read_is_stale(worker)) {
      worker->wake_wanted = true;
      store->ops->read_wake(store);
    }
    return;
  }
  if (!worker->initialised || intake_is_full(worker)) return;
  uint64_t now_us = store->ops->monotonic_us(store);
  if (now_us < worker->read_at_us || pace_wait_us(&worker->reads, now_us)) return;
  size_t n = 0, most = worker->reading_singly ? 1 : worker->config.partitions;
  struct store_position *positions = arena_alloc(&worker->frozen, worker->config.partitions * sizeof *positions);
  for (uint32_t i = 0; i < worker->config.partitions; i++) { /* each time another is the first to be taken in */
    uint32_t p = worker->reading_singly ? i : (uint32_t)((i + worker->metrics->reads) % worker->config.partitions);
    struct slot *slot = &worker->slots[p];
    bool is_next = !worker->reading_singly || p >= worker->read_next;
    slot->read_epoch = is_next && n < most && wants_entries(slot) ? slot->epoch : 0;
    if (!slot->read_epoch) continue;
    positions[n++] = (struct store_position){.partition = p, .after = slot->partition.cursor};
    worker->read_next = p + 1;
  }
  uint64_t block_ms = worker->reading_singly ? 1 : READ_BLOCK_MS;
  if (n == 0) worker->reading_singly = false; /* all were tried */
  pace_begin(&worker->reads, now_us);
  worker->reading = true;
  worker->reading_n = n;
  worker->wake_wanted = false;
  store->ops->read(store, worker->config.id, positions, n, block_ms, on_read, worker);
  arena_reset(&worker->frozen);
}
