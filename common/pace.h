/* A cycle that costs about the same whatever it carries (a call of Redis, the wake-up of whoever waits for it) and so
 * should carry much when there is much: one begins no sooner than `every_us` after the one before. After a rest the
 * first begins at once, so pacing delays nobody while little happens; and what it may add to a time is known. */
#ifndef HEYA_COMMON_PACE_H
#define HEYA_COMMON_PACE_H

#include <stdint.h>

struct pace {
  uint64_t every_us; /* 0: not paced */
  uint64_t next_us;  /* the next one begins no sooner, by the monotonic clock */
  uint64_t begun_us; /* when the last one began */
};

/* Until the next one may begin; 0: now. */
static inline uint64_t pace_wait_us(const struct pace *pace, uint64_t now_us) {
  return pace->next_us > now_us ? pace->next_us - now_us : 0;
}

static inline void pace_begin(struct pace *pace, uint64_t now_us) {
  pace->begun_us = now_us;
  pace->next_us = now_us + pace->every_us;
}

/* The next one need not wait. */
static inline void pace_hurry(struct pace *pace) {
  pace->next_us = 0;
}

/* For a blocking read that was answered. If it had to wait, the next one need not: little happens, and Redis tells of
 * one stream when it wakes who waits for many, so that more may be there already. */
static inline void pace_answered(struct pace *pace, uint64_t now_us) {
  if (now_us - pace->begun_us >= pace->every_us / 4) pace_hurry(pace);
}

#endif
