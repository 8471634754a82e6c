/* One row per number. */
#include "worker/worker_metrics.h"

#define COUNTER(field, text)                                                                                         \
  {                                                                                                                  \
    .name = "heya_worker_" #field "_total", .type = METRIC_COUNTER,                                                  \
    .offset = offsetof(struct worker_metrics, field), .help = text                                                   \
  }
#define GAUGE(field, text)                                                                                           \
  {                                                                                                                  \
    .name = "heya_worker_" #field, .type = METRIC_GAUGE, .offset = offsetof(struct worker_metrics, field),           \
    .help = text                                                                                                     \
  }

static const struct metric_row rows[] = {
    GAUGE(partitions, "Partitions owned and loaded."),
    GAUGE(redis, "Redis of the deployment on which the lease is held."),
    GAUGE(rooms, "Rooms in memory."),
    GAUGE(peers, "Workers and gateways that a connection is held to, to notice their death."),
    GAUGE(members, "Connected members of the rooms in memory."),
    COUNTER(entries, "Bus entries applied."),
    COUNTER(bad_entries, "Bus entries refused as malformed."),
    COUNTER(commands, "Commands executed by rooms."),
    COUNTER(duplicates, "Resent commands answered with their first outcome."),
    COUNTER(deliveries, "Messages addressed to connections."),
    COUNTER(reads, "Reads of command streams answered."),
    COUNTER(reads_failed, "Reads of command streams that Redis refused."),
    COUNTER(renewals_failed, "Renewals of the lease that Redis refused or did not answer."),
    COUNTER(read_pauses, "Times reading waited for a commit, because too much was waiting for it."),
    GAUGE(waiting_bytes, "What waits for the next commit: messages, log entries, changed rooms."),
    COUNTER(commits, "Commits applied."),
    COUNTER(segments, "Partition segments in those commits."),
    COUNTER(commits_fenced, "Segments refused because the partition has another owner."),
    COUNTER(commits_lost, "Commits whose answer was lost."),
    COUNTER(commits_failed, "Commits refused by Redis."),
    COUNTER(forwarded, "Batches of entries brought to partitions of another Redis."),
    GAUGE(outbox_parcels, "Of those that are still to be brought, or to be answered."),
    GAUGE(outbox_bytes, "The same in bytes; over 16 MB a partition takes no more entries."),
    COUNTER(claims, "Partitions claimed."),
    COUNTER(claims_denied, "Claims that somebody else was faster with."),
    COUNTER(cautious_steps, "Steps noted in Redis before they were made, in partitions whose owners died in a row."),
    COUNTER(woken, "Partitions that another worker released for this one, and said so."),
    COUNTER(releases, "Partitions released."),
    COUNTER(dropped, "Partitions dropped because they were lost or in doubt."),
    COUNTER(suspicions, "Peers that were seen to die."),
    COUNTER(resumed, "Sessions resumed with exactly the events they had missed."),
    COUNTER(rooms_opened, "Rooms made."),
    COUNTER(rooms_ended, "Rooms ended."),
    COUNTER(rooms_loaded, "Rooms loaded from images."),
    COUNTER(rooms_unreadable, "Room images that could not be read."),
    COUNTER(rooms_failed, "Rooms closed because a worker died in their kind's code."),
    COUNTER(script_failures, "Calls into scripts that failed: an error, or over a bound; the log says where."),
    GAUGE(ticking, "Rooms in memory that tick and are not empty."),
    COUNTER(frames, "Frames of rooms run."),
    COUNTER(frames_skipped, "Frames that were not run: a failover, or a worker that was too busy."),
    COUNTER(frames_late, "Frames that began later than the next one should have."),
    COUNTER(frames_slow, "Frames that took more than half their length; the log names the kind."),
    COUNTER(rolled_back, "Rooms of lossy kinds that went on from an older state."),
    {.name = "heya_worker_frame_seconds",
     .type = METRIC_HISTOGRAM,
     .offset = offsetof(struct worker_metrics, frame_time),
     .help = "Time that a frame took."},
    {.name = "heya_worker_frame_delay_seconds",
     .type = METRIC_HISTOGRAM,
     .offset = offsetof(struct worker_metrics, frame_delay),
     .help = "From when a frame should have begun to when it did."},
    {.name = "heya_worker_commit_seconds",
     .type = METRIC_HISTOGRAM,
     .offset = offsetof(struct worker_metrics, commit_time),
     .help = "Time from sending a commit to its answer."},
};

void worker_metrics_register(struct metrics *metrics, const struct worker_metrics *values) {
  metrics_add(metrics, rows, sizeof rows / sizeof *rows, values);
}
