/* One frame of a room that ticks: the commands that wait are executed, then the kind's tick runs. */
#ifndef HEYA_WORKER_TICK_H
#define HEYA_WORKER_TICK_H

#include "worker/room.h"

struct worker_metrics;

/* When the next frame begins, in microseconds of Redis's clock; 0: never. An empty room stands still. */
uint64_t tick_next_us(const struct room *);

/* Runs the frame that is due at this time, if one is. The room may have ended afterwards. */
struct tick_report {
  bool ran;
  uint64_t skipped; /* frames before it that nobody ran */
  uint64_t late_us; /* from its begin by the schedule to now */
};
struct tick_report tick_run(struct room *, uint64_t now_us, struct worker_metrics *);

/* Somebody is in it again: the frames of the time in which nobody was are over, and nobody missed them. */
void tick_resume(struct room *);

#endif
