/* Integers only: begin times are rounded down one by one, so the error never grows. */
#include "worker/frames.h"

#define SECOND_US 1000000u
#define SECOND_NS 1000000000u

uint64_t frames_begin_us(const struct frames *frames, uint64_t frame) {
  return frames->base_ms * 1000 + frame / frames->hz * SECOND_US + frame % frames->hz * SECOND_US / frames->hz;
}

static uint64_t begin_ns(const struct frames *frames, uint64_t frame_in_second) {
  return frame_in_second * SECOND_NS / frames->hz;
}

uint64_t frames_length_ns(const struct frames *frames, uint64_t frame) {
  uint64_t in_second = frame % frames->hz;
  return begin_ns(frames, in_second + 1) - begin_ns(frames, in_second);
}

uint64_t frames_begun(const struct frames *frames, uint64_t now_us) {
  uint64_t base_us = frames->base_ms * 1000;
  if (now_us < base_us) return 0;
  uint64_t passed_us = now_us - base_us;
  uint64_t frame = passed_us / SECOND_US * frames->hz + passed_us % SECOND_US * frames->hz / SECOND_US;
  return frames_begin_us(frames, frame + 1) <= now_us ? frame + 1 : frame; /* begin times are rounded down */
}

uint64_t frames_next(const struct frames *frames, uint64_t now_us, uint64_t *skipped) {
  uint64_t begun = frames_begun(frames, now_us);
  uint64_t next = frames->done + 1;
  *skipped = 0;
  if (next > begun) return 0;
  uint64_t too_late = now_us > FRAMES_CATCH_UP_US ? frames_begun(frames, now_us - FRAMES_CATCH_UP_US) : 0;
  uint64_t first = too_late < begun ? too_late + 1 : begun;
  if (first > next) {
    *skipped = first - next;
    next = first;
  }
  return next;
}
