/* What a worker counts; printed at /metrics from the rows in worker_metrics.c. */
#ifndef HEYA_WORKER_WORKER_METRICS_H
#define HEYA_WORKER_WORKER_METRICS_H

#include "common/metric.h"

struct worker_metrics {
  uint64_t partitions, rooms, members, peers, redis;
  uint64_t entries, bad_entries, commands, duplicates, deliveries;
  uint64_t reads, reads_failed, renewals_failed, read_pauses, waiting_bytes; /* the last a gauge */
  uint64_t commits, commits_fenced, commits_lost, commits_failed, segments;
  uint64_t forwarded, outbox_parcels, outbox_bytes; /* the last two gauges */
  uint64_t claims, claims_denied, cautious_steps, woken, releases, dropped, suspicions;
  uint64_t resumed;
  uint64_t rooms_opened, rooms_ended, rooms_loaded, rooms_unreadable, rooms_failed, rolled_back;
  uint64_t script_failures;
  uint64_t ticking; /* gauge */
  uint64_t frames, frames_skipped, frames_late, frames_slow;
  struct metric_histogram commit_time, frame_time, frame_delay;
};

void worker_metrics_register(struct metrics *, const struct worker_metrics *);

#endif
