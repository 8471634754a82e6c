/* Promises of the session window: which commands are new, and what was answered to the others. */
#include "worker/session_window.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define WINDOW SESSION_WINDOW
#define NONE   bytes_of(NULL, 0)

/* Notes this many; every third is an error that says its number. */
static void note(struct session_window *window, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    char message[16];
    snprintf(message, sizeof message, "no %u", window->last + 1);
    bool refused = (window->last + 1) % 3 == 0;
    session_note(window, refused ? 29 : 0, refused ? message : "", NONE);
  }
}

Test(session_window, only_the_next_number_is_new) {
  struct session_window window = {0};
  cr_assert_eq(session_judge(&window, 1), SESSION_NEXT);
  cr_assert_eq(session_judge(&window, 2), SESSION_GAP);
  note(&window, 5);
  cr_assert_eq(session_judge(&window, 5), SESSION_DUPLICATE);
  cr_assert_eq(session_judge(&window, 1), SESSION_DUPLICATE);
  cr_assert_eq(session_judge(&window, 6), SESSION_NEXT);
  cr_assert_eq(session_judge(&window, 7), SESSION_GAP);
  cr_assert_eq(session_judge(&window, UINT32_MAX), SESSION_GAP);
  session_reset(&window);
}

Test(session_window, the_last_64_are_known_and_no_more) {
  struct session_window window = {0};
  for (uint32_t n = 1; n <= 3 * WINDOW; n++) {
    note(&window, 1);
    uint32_t oldest = n > WINDOW ? n - WINDOW + 1 : 1;
    cr_assert_eq(session_judge(&window, oldest), SESSION_DUPLICATE);
    if (oldest > 1) cr_assert_eq(session_judge(&window, oldest - 1), SESSION_TOO_OLD);
    for (uint32_t number = oldest; number <= n; number++) {
      const struct outcome *outcome = session_outcome(&window, number);
      char message[16];
      snprintf(message, sizeof message, "no %u", number);
      cr_assert_eq(outcome != NULL, number % 3 == 0);
      if (outcome) cr_assert_str_eq(outcome->message, message);
    }
    cr_assert_leq(window.n_noted, WINDOW / 3 + 1);
  }
  session_reset(&window);
}

Test(session_window, a_success_with_a_result_keeps_its_bytes) {
  struct session_window window = {0};
  session_note(&window, 0, "", bytes_of("a\0b", 3));
  const struct outcome *outcome = session_outcome(&window, 1);
  cr_assert(outcome && outcome->code == 0);
  cr_assert(bytes_equal(bytes_of(outcome->result, outcome->result_len), bytes_of("a\0b", 3)));
  session_reset(&window);
}

Test(session_window, every_number_of_the_window_may_have_failed) {
  struct session_window window = {0};
  for (uint32_t n = 0; n < 2 * WINDOW; n++) session_note(&window, 1, "", NONE);
  cr_assert_eq(window.n_noted, WINDOW);
  cr_assert(session_outcome(&window, WINDOW + 1));
  cr_assert_null(session_outcome(&window, WINDOW));
  session_reset(&window);
}

Test(session_window, a_reset_begins_anew) {
  struct session_window window = {0};
  note(&window, 10);
  session_reset(&window);
  cr_assert_eq(window.last, 0);
  cr_assert_eq(window.n_noted, 0);
  cr_assert_eq(session_judge(&window, 1), SESSION_NEXT);
}

Test(session_window, what_is_restored_judges_as_before) {
  struct session_window window = {0}, copy = {0};
  note(&window, 100);
  copy.last = window.last;
  for (uint32_t i = 0; i < window.n_noted; i++) {
    const struct outcome *noted = &window.noted[i];
    cr_assert(session_restore(&copy, noted->number, noted->code, noted->message, NONE));
  }
  for (uint32_t number = 1; number < 110; number++) {
    cr_assert_eq(session_judge(&copy, number), session_judge(&window, number));
    cr_assert_eq(session_outcome(&copy, number) == NULL, session_outcome(&window, number) == NULL);
  }
  note(&copy, 2 * WINDOW); /* the restored ones fall out of it */
  cr_assert_leq(copy.n_noted, WINDOW / 3 + 1);
  session_reset(&window);
  session_reset(&copy);
}

Test(session_window, nonsense_is_not_restored) {
  struct session_window window = {.last = 100};
  cr_assert_not(session_restore(&window, 0, 1, "", NONE));
  cr_assert_not(session_restore(&window, 101, 1, "", NONE));
  cr_assert_not(session_restore(&window, 100 - WINDOW, 1, "", NONE));
  cr_assert(session_restore(&window, 100 - WINDOW + 1, 1, "", NONE));
  cr_assert(session_restore(&window, 100, 1, "", NONE));
  cr_assert_not(session_restore(&window, 100, 1, "", NONE));
  cr_assert_not(session_restore(&window, 99, 1, "", NONE));
  session_reset(&window);
  cr_assert_not(session_restore(&window, 1, 1, "", NONE));
  cr_assert_eq(window.n_noted, 0);
}

Test(session_window, after_a_leap_what_was_sent_before_it_is_too_old) {
  struct session_window window = {0};
  note(&window, 7);
  session_leap(&window);
  cr_assert_eq(window.n_noted, 0);
  for (uint32_t number = 1; number < 100; number++) cr_assert_eq(session_judge(&window, number), SESSION_TOO_OLD);
  cr_assert_eq(session_judge(&window, window.last + 1), SESSION_NEXT);
  for (int i = 0; i < 5000; i++) { /* more than there are numbers for */
    session_leap(&window);
    cr_assert_eq(session_judge(&window, window.last + 1), SESSION_NEXT);
  }
  session_reset(&window);
}
