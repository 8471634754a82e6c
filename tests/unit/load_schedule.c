/* Promises of the schedule of an open loop. */
#include "tests/load/schedule.h"

#include <criterion/criterion.h>

Test(schedule, gives_the_rate_and_ends) {
  struct schedule schedule = {.begin_us = 1000000, .end_us = 3000000, .rate = 5000};
  uint64_t due_us, n = 0;
  while (schedule_take(&schedule, 10000000, &due_us)) {
    cr_assert_eq(due_us, 1000000 + n * 200);
    n++;
  }
  cr_assert_eq(n, 10000);
  cr_assert_eq(schedule_next_us(&schedule), SCHEDULE_OVER);
}

Test(schedule, nothing_is_due_early) {
  struct schedule schedule = {.begin_us = 500, .end_us = 1000000, .rate = 1000};
  uint64_t due_us = 0;
  cr_assert_not(schedule_take(&schedule, 499, &due_us));
  cr_assert(schedule_take(&schedule, 500, &due_us));
  cr_assert_eq(due_us, 500);
  cr_assert_not(schedule_take(&schedule, 1499, &due_us));
  cr_assert_eq(schedule_next_us(&schedule), 1500);
}

/* What coordinated omission is about: who was held up for 100 ms then sends all that was due, each with its own time.
 */
Test(schedule, being_late_moves_no_due_time) {
  struct schedule schedule = {.begin_us = 0, .end_us = 1000000, .rate = 1000};
  uint64_t due_us, n = 0;
  cr_assert(schedule_take(&schedule, 0, &due_us));
  while (schedule_take(&schedule, 100000, &due_us)) cr_assert_eq(due_us, ++n * 1000);
  cr_assert_eq(n, 100);
  cr_assert_eq(schedule_next_us(&schedule), 101000);
}

Test(schedule, does_not_drift_at_a_rate_that_does_not_divide_a_second) {
  struct schedule schedule = {.begin_us = 0, .end_us = UINT64_C(3600) * 1000000, .rate = 7};
  uint64_t due_us = 0;
  while (schedule_take(&schedule, UINT64_MAX - 1, &due_us)) continue;
  cr_assert_eq(schedule.taken, 3600 * 7);
  cr_assert_eq(due_us, (uint64_t)((3600 * 7 - 1) * 1e6 / 7));
}
