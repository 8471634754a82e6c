/* Promises of the schedule of frames: exact at every rate, for as long as a room lives. */
#include "worker/frames.h"
#include <criterion/criterion.h>

#define SECOND_US UINT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)
#define BASE_MS   UINT64_C(1700000000123)
#define BASE_US   (BASE_MS * 1000)

static struct frames frames_at(uint32_t hz) {
  return (struct frames){.hz = hz, .base_ms = BASE_MS};
}

#define EVERY_RATE(hz) (uint32_t hz = 1; hz <= FRAMES_HZ_MAX; hz++)

Test(frames, begin_within_a_microsecond_of_their_time_for_hours) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      for (uint64_t frame = 0; frame <= (uint64_t)hz * 3600 * 5; frame += 1 + frame / 1000) {
        uint64_t passed_us = frames_begin_us(&frames, frame) - BASE_US;
        uint64_t ideal_times_hz = frame * SECOND_US; /* frame / hz seconds */
        cr_assert(passed_us * hz <= ideal_times_hz && ideal_times_hz < (passed_us + 1) * hz, "%u Hz", hz);
      }
    }
}

Test(frames, do_not_drift) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      for (uint64_t hours = 1; hours <= 1000; hours *= 10)
        cr_assert_eq(frames_begin_us(&frames, hours * 3600 * hz), BASE_US + hours * HOUR_US, "%u Hz", hz);
    }
}

Test(frames, add_up_to_a_second_from_any_frame_on) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      for (uint64_t first = 0; first <= 2 * hz; first++) {
        uint64_t sum_ns = 0;
        for (uint64_t i = 0; i < hz; i++) sum_ns += frames_length_ns(&frames, first + i);
        cr_assert_eq(sum_ns, 1000000000, "%u Hz from frame %lu", hz, (unsigned long)first);
      }
    }
}

Test(frames, are_equally_long_up_to_a_nanosecond) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      for (uint64_t frame = 0; frame < 2 * hz; frame++) {
        uint64_t length_ns = frames_length_ns(&frames, frame);
        cr_assert(length_ns == 1000000000 / hz || length_ns == 1000000000 / hz + 1, "%u Hz", hz);
      }
    }
}

/* The number that is computed from a time is that of the last begin before it. */
Test(frames, have_begun_from_their_begin_on_and_not_before) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      for (uint64_t frame = 1; frame <= (uint64_t)hz * 7200; frame += 1 + frame / 500) {
        uint64_t begin_us = frames_begin_us(&frames, frame);
        cr_assert_eq(frames_begun(&frames, begin_us), frame, "%u Hz, frame %lu", hz, (unsigned long)frame);
        cr_assert_eq(frames_begun(&frames, begin_us - 1), frame - 1, "%u Hz, frame %lu", hz, (unsigned long)frame);
      }
    }
}

Test(frames, none_has_begun_before_the_room_was_made) {
  struct frames frames = frames_at(60);
  cr_assert_eq(frames_begun(&frames, 0), 0);
  cr_assert_eq(frames_begun(&frames, BASE_US - 1), 0);
  cr_assert_eq(frames_begun(&frames, BASE_US), 0);
}

/* ---- which one to run ---- */

static uint64_t next_at(struct frames *frames, uint64_t after_us, uint64_t *skipped) {
  return frames_next(frames, BASE_US + after_us, skipped);
}

Test(frames, every_one_runs_when_somebody_looks_often_enough) {
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      uint64_t ran = 0, skipped, frame;
      for (uint64_t us = 0; us <= 3 * SECOND_US; us += 1777) {
        while ((frame = next_at(&frames, us, &skipped))) {
          cr_assert_eq(frame, ++ran);
          cr_assert_eq(skipped, 0);
          frames.done = frame;
        }
      }
      cr_assert_geq(ran, 3 * hz - 1, "%u Hz: %lu", hz, (unsigned long)ran);
    }
}

Test(frames, one_runs_once) {
  struct frames frames = frames_at(10);
  uint64_t skipped;
  cr_assert_eq(next_at(&frames, 99999, &skipped), 0);
  cr_assert_eq(next_at(&frames, 100000, &skipped), 1);
  frames.done = 1;
  cr_assert_eq(next_at(&frames, 199999, &skipped), 0);
}

Test(frames, who_is_a_little_late_catches_up) {
  struct frames frames = frames_at(60);
  uint64_t skipped;
  frames.done = 6; /* frames 7 to 12 begin between 116 666 and 200 000 us */
  for (uint64_t frame = 7; frame <= 12; frame++) {
    cr_assert_eq(next_at(&frames, 200000, &skipped), frame);
    cr_assert_eq(skipped, 0);
    frames.done = frame;
  }
  cr_assert_eq(next_at(&frames, 200000, &skipped), 0);
}

Test(frames, those_that_are_too_late_are_skipped_and_counted) {
  struct frames frames = frames_at(60);
  uint64_t skipped;
  frames.done = 6;
  cr_assert_eq(next_at(&frames, 60 * SECOND_US, &skipped), 3595); /* the first that began within the last 100 ms */
  cr_assert_eq(skipped, 3588);
  frames.done = 3595;
  cr_assert_eq(next_at(&frames, 60 * SECOND_US, &skipped), 3596);
  cr_assert_eq(skipped, 0);
}

Test(frames, the_only_one_that_is_due_runs_however_late_it_is) {
  struct frames frames = frames_at(1);
  uint64_t skipped;
  cr_assert_eq(next_at(&frames, 1900000, &skipped), 1);
  cr_assert_eq(skipped, 0);
  cr_assert_eq(next_at(&frames, 5900000, &skipped), 5);
  cr_assert_eq(skipped, 4);
}

Test(frames, what_is_run_or_skipped_is_every_number_once_whenever_one_looks) {
  uint64_t random = 1;
  for
    EVERY_RATE(hz) {
      struct frames frames = frames_at(hz);
      uint64_t us = 0, seen = 0, skipped, frame;
      while (us < 20 * SECOND_US) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        us += (random >> 33) % (random % 5 == 0 ? 700000 : 20000);
        while ((frame = next_at(&frames, us, &skipped))) {
          seen += skipped + 1;
          cr_assert_eq(frame, seen, "%u Hz", hz);
          frames.done = frame;
        }
        cr_assert_eq(seen, frames_begun(&frames, BASE_US + us));
      }
    }
}
