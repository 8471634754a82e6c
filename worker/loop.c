/* The fixed-rate loop: runs the frames of all rooms that tick, each at its own rate and on its own schedule.
 *
 * One frame at a time, the earliest first, for at most BUDGET_US; then sockets and commits have their turn. What a
 * frame did joins the next commit. While too much waits for a commit no frame runs, and those that are missed are
 * skipped and counted.
 */
#include "worker/worker.h"

#define BUDGET_US   5000
#define SLEW_US     500     /* by so much a second the schedule follows Redis's clock, so that frames do not jump */
#define SLEW_EVERY  1000000 /* us */
#define STEP_US     50000   /* a clock that differs by more was stepped: the schedule jumps with it */
#define SLOW_MIN_US 2000    /* a frame that took half its length, and so long, is slow */

/* Redis's clock in microseconds, smooth enough for frames. */
static uint64_t redis_us(const struct slot *slot, uint64_t monotonic_us) {
  return (uint64_t)((int64_t)monotonic_us + slot->ahead_us);
}

static void follow_clock(struct slot *slot, uint64_t now_us) {
  struct store *store = slot->shard->store;
  int64_t ahead_us = (int64_t)(store->ops->now_ms(store, slot_number(slot)) * 1000) - (int64_t)now_us;
  int64_t off_us = ahead_us - slot->ahead_us;
  if (!slot->followed_us || off_us > STEP_US || off_us < -STEP_US) {
    slot->ahead_us = ahead_us;
  } else if (now_us - slot->followed_us >= SLEW_EVERY) {
    slot->ahead_us += off_us > SLEW_US ? SLEW_US : off_us < -SLEW_US ? -SLEW_US : off_us;
  } else {
    return;
  }
  slot->followed_us = now_us;
}

static bool runs_frames(const struct slot *slot) {
  return slot->state == SLOT_LIVE && !slot->caution.on;
}

/* The slot with the earliest frame, and when that begins by the monotonic clock; NULL: there is none. Those that wait
 * for a commit are passed over, as `waits` says. */
static struct slot *earliest(const struct worker *worker, bool (*waits)(const struct shard *), uint64_t *at_us) {
  struct slot *first = NULL;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    struct slot *slot = &worker->slots[p];
    if (waits(slot->shard)) continue;
    uint64_t begin_us = runs_frames(slot) ? partition_next_frame_us(&slot->partition) : 0;
    if (begin_us == 0) continue;
    int64_t at = (int64_t)begin_us - slot->ahead_us;
    if (first && at >= (int64_t)*at_us) continue;
    first = slot;
    *at_us = at > 0 ? (uint64_t)at : 0;
  }
  return first;
}

static void observe(struct worker *worker, const struct partition_frame *frame, uint64_t took_us) {
  struct worker_metrics *metrics = worker->metrics;
  uint64_t length_us = 1000000 / frame->hz;
  metrics->frames++;
  metrics->frames_skipped += frame->report.skipped;
  if (frame->report.late_us >= length_us) metrics->frames_late++;
  metric_observe_us(&metrics->frame_time, took_us);
  metric_observe_us(&metrics->frame_delay, frame->report.late_us);
  if (took_us < SLOW_MIN_US || took_us < length_us / 2) return;
  metrics->frames_slow++;
  log_limited(worker->log, &worker->slow_limit, LOG_LEVEL_WARN, "slow_kind", F_S("kind", frame->kind),
              F_S("room", frame->room), F_U("frame", frame->number), F_U("took_us", took_us),
              F_U("length_us", length_us));
}

static bool is_full(const struct shard *shard) {
  return shard->full;
}

static bool is_full_for_long(const struct shard *shard) {
  return shard->full && shard->committing;
}

void loop_turn(struct worker *worker) {
  uint64_t begin_us = worker_now_us(worker), now_us = begin_us, at_us = 0;
  struct slot *slot;
  for (uint32_t p = 0; p < worker->config.partitions; p++) {
    if (runs_frames(&worker->slots[p])) follow_clock(&worker->slots[p], now_us);
  }
  for (uint32_t i = 0; i < worker->config.shards; i++) intake_is_full(&worker->shards[i]);
  while (now_us - begin_us < BUDGET_US && (slot = earliest(worker, is_full, &at_us)) && at_us <= now_us) {
    struct partition_frame frame;
    partition_run_frame(&slot->partition, redis_us(slot, now_us), &frame);
    uint64_t after_us = worker_now_us(worker);
    if (frame.report.ran) observe(worker, &frame, after_us - now_us);
    now_us = after_us;
    intake_is_full(slot->shard);
  }
}

uint64_t loop_wait_us(struct worker *worker, uint64_t now_us, uint64_t most_us) {
  uint64_t at_us = 0;
  for (uint32_t i = 0; i < worker->config.shards; i++) intake_is_full(&worker->shards[i]);
  if (!earliest(worker, is_full_for_long, &at_us)) return most_us;
  uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;
  return wait_us < most_us ? wait_us : most_us;
}
