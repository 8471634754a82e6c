/* Promises of kept seats: whose they are, and until when. */
#include "worker/seats.h"

#include <criterion/criterion.h>

static struct seats seats;
static void teardown(void) {
  seats_close(&seats);
}
TestSuite(seats, .fini = teardown);

Test(seats, none_is_kept_at_first) {
  cr_assert_not(seats_are_kept_for(&seats, "ann"));
  cr_assert_eq(seats_first_end_ms(&seats) + seats_last_end_ms(&seats), 0);
  seats_give_up(&seats, "ann");
  seats_let_pass(&seats, 100);
  cr_assert_eq(seats.n, 0);
}

Test(seats, a_player_has_one_and_the_later_time_counts) {
  seats_keep(&seats, "ann", 50);
  seats_keep(&seats, "ann", 70);
  seats_keep(&seats, "ann", 60);
  seats_keep(&seats, "bob", 80);
  cr_assert_eq(seats.n, 2);
  cr_assert_eq(seats_first_end_ms(&seats), 70);
  cr_assert_eq(seats_last_end_ms(&seats), 80);
}

Test(seats, one_is_given_up_when_its_time_comes_and_not_before) {
  seats_keep(&seats, "ann", 50);
  seats_keep(&seats, "bob", 60);
  seats_keep(&seats, "cem", 50);
  seats_let_pass(&seats, 49);
  cr_assert_eq(seats.n, 3);
  seats_let_pass(&seats, 50);
  cr_assert_eq(seats.n, 1);
  cr_assert(seats_are_kept_for(&seats, "bob"));
}

Test(seats, who_has_come_leaves_the_others_theirs) {
  seats_keep(&seats, "ann", 50);
  seats_keep(&seats, "bob", 60);
  seats_give_up(&seats, "ann");
  cr_assert_not(seats_are_kept_for(&seats, "ann"));
  cr_assert(seats_are_kept_for(&seats, "bob"));
}
