/* Promises of the fault seams. */
#include "common/failpoint.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct failpoints *parse(const char *spec) {
  struct failpoints *made;
  char error[128] = "";
  cr_assert(failpoints_create(spec, &made, error, sizeof error), "%s", error);
  return made;
}

Test(failpoint, without_a_spec_everything_is_off) {
  cr_assert_null(parse(NULL));
  cr_assert_null(parse(""));
  cr_assert_eq(failpoint_delay_us(NULL, "gateway.append"), 0);
  cr_assert_not(failpoint_hit(NULL, "gateway.append"));
  failpoints_destroy(NULL);
}

Test(failpoint, a_delay_stays_within_its_bounds_and_reaches_them) {
  struct failpoints *on = parse("gateway.append=delay:1..3us;fixed=delay:2ms;mixed=delay:500us..2ms");
  unsigned seen[4] = {0};
  for (int i = 0; i < 1000; i++) {
    uint64_t us = failpoint_delay_us(on, "gateway.append");
    cr_assert(us >= 1 && us <= 3);
    seen[us]++;
    uint64_t mixed = failpoint_delay_us(on, "mixed");
    cr_assert(mixed >= 500 && mixed <= 2000);
  }
  cr_assert(seen[1] && seen[2] && seen[3]);
  cr_assert_eq(failpoint_delay_us(on, "fixed"), 2000);
  cr_assert_eq(failpoint_delay_us(on, "elsewhere"), 0);
  cr_assert_not(failpoint_hit(on, "fixed"));
  failpoints_destroy(on);
}

Test(failpoint, a_seed_reproduces_each_place_on_its_own) {
  struct failpoints *one = parse("a=delay:0..1s;b=delay:0..1s;seed=42");
  struct failpoints *two = parse("seed=42;a=delay:0..1s;b=delay:0..1s");
  struct failpoints *other = parse("seed=43;a=delay:0..1s;b=delay:0..1s");
  bool differs = false;
  for (int i = 0; i < 20; i++) {
    uint64_t us = failpoint_delay_us(one, "a");
    failpoint_delay_us(one, "b");
    cr_assert_eq(failpoint_delay_us(two, "a"), us);
    differs = differs || failpoint_delay_us(other, "a") != us;
  }
  cr_assert(differs);
  failpoints_destroy(one);
  failpoints_destroy(two);
  failpoints_destroy(other);
}

Test(failpoint, an_error_strikes_every_nth_hit) {
  struct failpoints *on = parse("worker.commit=error:3;always=error");
  for (int i = 1; i <= 9; i++) {
    cr_assert_eq(failpoint_hit(on, "worker.commit"), i % 3 == 0);
    cr_assert(failpoint_hit(on, "always"));
  }
  failpoints_destroy(on);
}

Test(failpoint, a_crash_kills_at_the_nth_hit, .signal = SIGKILL) {
  struct failpoints *on = parse("worker.commit=crash:3");
  cr_assert_not(failpoint_hit(on, "worker.commit"));
  cr_assert_not(failpoint_hit(on, "worker.commit"));
  failpoint_hit(on, "worker.commit");
}

Test(failpoint, a_crash_waits_for_its_hit) {
  struct failpoints *on = parse("worker.commit=crash:3;worker.commit=delay:1us");
  failpoint_hit(on, "worker.commit");
  failpoint_hit(on, "worker.commit");
  failpoint_hit(on, "elsewhere");
  cr_assert_eq(failpoint_delay_us(on, "worker.commit"), 1);
  failpoints_destroy(on);
}

Test(failpoint, a_malformed_spec_is_refused_with_a_reason) {
  static const char *const bad[] = {
      "a",
      "=delay:1ms",
      "a=",
      "a=sleep:1ms",
      "a=delay",
      "a=delay:",
      "a=delay:5",
      "a=delay:5x",
      "a=delay:-1",
      "a=delay:9..",
      "a=delay:5..1ms",
      "a=delay:61s",
      "a=error:0",
      "a=error:x",
      "a=crash:-1",
      "a=crash:1x",
      "seed=",
      "seed=x",
      "a=delay:..1s",
      "a=error:99999999999999999999",
      "a=delay:1ms..5",
      "a=delay:99999999999999999s",
      "b=error;a=delay:1s..2s..3s",
      "0123456789012345678901234567890123456789012345678901234567890123=error",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct failpoints *made = (struct failpoints *)&made;
    char error[128] = "";
    cr_assert_not(failpoints_create(bad[i], &made, error, sizeof error), "%s", bad[i]);
    cr_assert_null(made);
    cr_assert_neq(error[0], '\0', "%s", bad[i]);
  }
}

Test(failpoint, the_number_of_entries_is_bounded) {
  char spec[FAILPOINT_MAX * 8 + 32] = "", error[128];
  for (int i = 0; i <= FAILPOINT_MAX; i++) strcat(spec, "a=error;");
  struct failpoints *made;
  cr_assert_not(failpoints_create(spec, &made, error, sizeof error));
  spec[strlen("a=error;") * FAILPOINT_MAX] = '\0';
  failpoints_destroy(parse(spec));
}
