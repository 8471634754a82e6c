/* Promises of the two clocks. */
#include "common/clock.h"

#include <criterion/criterion.h>
#include <time.h>

Test(clock, monotonic_never_goes_back) {
  uint64_t before = clock_monotonic_us();
  for (int i = 0; i < 1000; i++) {
    uint64_t now = clock_monotonic_us();
    cr_assert_geq(now, before);
    before = now;
  }
}

Test(clock, wall_is_unix_time_in_milliseconds) {
  uint64_t before = (uint64_t)time(NULL);
  uint64_t now = clock_wall_ms();
  cr_assert_geq(now / 1000 + 1, before);
  cr_assert_leq(now / 1000, (uint64_t)time(NULL) + 1);
}
