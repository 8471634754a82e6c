/* When the frames of a ticking room begin: an absolute schedule, so that nothing drifts.
 *
 * Frame k (from 1) begins k / hz seconds after the room was made, by Redis's clock. Its number is computed from the
 * time and not counted, so it goes on across failovers; frames that nobody could run are skipped. Pure.
 */
#ifndef HEYA_WORKER_FRAMES_H
#define HEYA_WORKER_FRAMES_H

#include <stdint.h>

#define FRAMES_HZ_MAX      120
#define FRAMES_CATCH_UP_US 100000 /* a frame that should have begun longer ago is skipped when a later one is due */

struct frames {
  uint32_t hz;      /* 0: the room does not tick */
  uint64_t base_ms; /* stream time at which the room was made */
  uint64_t done;    /* the last frame that ran or was skipped */
};

/* When it begins, in microseconds of Redis's clock. */
uint64_t frames_begin_us(const struct frames *, uint64_t frame);
/* How long it is, in nanoseconds: to the begin of the next one. They add up to exactly one second. */
uint64_t frames_length_ns(const struct frames *, uint64_t frame);
/* The last frame that has begun at this time; 0: none. */
uint64_t frames_begun(const struct frames *, uint64_t now_us);

/* The frame to run at this time, and how many before it are to be skipped; 0: none yet. */
uint64_t frames_next(const struct frames *, uint64_t now_us, uint64_t *skipped);

#endif
