/* Promises of the kind `gomoku`: who plays, who may do what and when, and how a game ends. The harness checks on
 * the way that every state survives a failover and that refusals change nothing. */
#include "tests/kinds/goban.h"

#define TIMED   ((struct goban_options){.size = 9})
#define UNTIMED ((struct goban_options){.size = 9, .untimed = true})

/* ---- opening and joining ---- */

Test(gomoku, opens_with_a_size_and_a_time_in_their_limits) {
  const struct {
    struct goban_options options;
    kind_code code;
  } rows[] = {
      {{.size = 0}, OK},
      {{.size = 9, .turn_ms = 1000}, OK},
      {{.size = 19, .turn_ms = 3600000, .exact = true}, OK},
      {{.untimed = true}, OK},
      {{.size = 8}, INVALID_ARGUMENT},
      {{.size = 20}, INVALID_ARGUMENT},
      {{.size = UINT32_MAX}, INVALID_ARGUMENT},
      {{.turn_ms = 999}, INVALID_ARGUMENT},
      {{.turn_ms = 3600001}, INVALID_ARGUMENT},
      {{.turn_ms = 1000, .untimed = true}, INVALID_ARGUMENT},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    kind_code code;
    struct room *room = goban_open(rows[i].options, &code);
    cr_assert_eq(code, rows[i].code, "row %zu", i);
    cr_assert_eq(goban_message(room)[0] == '\0', code == OK);
    goban_close(room);
  }
}

Test(gomoku, refuses_options_and_profiles_that_are_none) {
  kind_code code;
  goban_close(goban_open_bytes(bytes_of("\x08", 1), &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
  struct room *room = goban_open(TIMED, &code);
  cr_assert_eq(goban_join_with(room, "p1", bytes_of("\x08", 1)), INVALID_ARGUMENT);
  cr_assert_eq(goban_join(room, "p1"), OK);
  goban_close(room);
}

Test(gomoku, begins_when_two_are_there_and_the_host_plays_black) {
  struct room *room = goban_of(1, (struct goban_options){.size = 0});
  goban_wait(room, 1000);
  cr_assert_eq(goban_phase(room), WAITING);
  cr_assert_eq(goban_place(room, "p1", 0, 0), WRONG_STATE);
  cr_assert_eq(goban_join(room, "p2"), OK);
  cr_assert_eq(goban_event_count(room), 0, "he is no member yet, and would not hear it");
  goban_wait(room, 1);
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(STARTED));
  cr_assert_eq(goban_receivers(room, 0), 2);
  cr_assert_str_eq(event->started->black, "p1");
  cr_assert_str_eq(event->started->white, "p2");
  cr_assert_eq(event->started->deadline_ms, goban_now(room) + TURN_MS);
  goban_free(event);
  goban_close(room);
}

Test(gomoku, does_not_begin_when_the_second_has_gone_again) {
  struct room *room = goban_of(1, TIMED);
  cr_assert_eq(goban_join(room, "p2"), OK);
  goban_leave(room, "p2");
  goban_wait(room, 1);
  cr_assert_eq(goban_phase(room), WAITING);
  cr_assert_eq(goban_event_count(room), 0);
  goban_close(room);
}

/* ---- moves ---- */

Test(gomoku, each_move_is_told_with_the_next_deadline) {
  struct room *room = goban_of(3, TIMED);
  goban_wait(room, 500);
  cr_assert_eq(goban_place(room, "p1", 8, 0), OK);
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(PLACED));
  cr_assert_eq(goban_receivers(room, 0), 3);
  cr_assert_str_eq(event->placed->player, "p1");
  cr_assert(event->placed->x == 8 && event->placed->y == 0);
  cr_assert_eq(event->placed->deadline_ms, goban_now(room) + TURN_MS);
  goban_free(event);
  cr_assert_eq(goban_place(room, "p2", 0, 8), OK);
  event = goban_last(room, EVENT(PLACED));
  cr_assert_str_eq(event->placed->player, "p2");
  goban_free(event);
  goban_close(room);
}

Test(gomoku, each_move_that_is_none_has_its_reason) {
  struct room *room = goban_of(3, TIMED);
  cr_assert_eq(goban_place(room, "p2", 0, 0), WRONG_STATE, "not his turn");
  cr_assert_eq(goban_place(room, "p3", 0, 0), NOT_A_PLAYER);
  cr_assert_eq(goban_place(room, "p1", 9, 0), INVALID_ARGUMENT);
  cr_assert_eq(goban_place(room, "p1", 0, UINT32_MAX), INVALID_ARGUMENT);
  cr_assert_eq(goban_place(room, "p1", 4, 4), OK);
  cr_assert_eq(goban_place(room, "p1", 4, 5), WRONG_STATE);
  cr_assert_eq(goban_place(room, "p2", 4, 4), INVALID_ARGUMENT, "taken");
  cr_assert_str_eq(goban_message(room), "there is a stone at 4, 4");
  cr_assert_eq(goban_resign(room, "p3"), NOT_A_PLAYER);
  cr_assert_eq(goban_rematch(room, "p1"), WRONG_STATE);
  cr_assert_eq(goban_decline(room, "p1"), WRONG_STATE);
  cr_assert_eq(goban_resign(room, "p2"), OK);
  cr_assert_eq(goban_place(room, "p2", 0, 0), WRONG_STATE, "it is over");
  cr_assert_eq(goban_resign(room, "p1"), WRONG_STATE);
  goban_close(room);
}

/* ---- ends ---- */

Test(gomoku, five_win_and_are_shown) {
  struct room *room = goban_of(2, TIMED);
  goban_four_each(room, "p1", "p2");
  cr_assert_eq(goban_place(room, "p1", 4, 0), OK);
  Heya__Kinds__Gomoku__Event *event = goban_event(room, 8, EVENT(PLACED));
  cr_assert_eq(event->placed->deadline_ms, 0, "nobody is to move");
  goban_free(event);
  goban_expect_over(room, "p1", REASON(FIVE), 5);
  event = goban_last(room, EVENT(OVER));
  for (uint32_t i = 0; i < 5; i++) cr_assert(event->over->line[i]->x == i && event->over->line[i]->y == 0);
  goban_free(event);
  cr_assert_str_eq(goban_result(room, "p1"), "won (five in a row), 1 games won");
  cr_assert_str_eq(goban_result(room, "p2"), "lost (five in a row), 0 games won");
  goban_close(room);
}

/* Black fills row 0 but for the middle, so that the last stone makes nine; white is where nothing comes of it. */
static struct room *with_a_row_of_nine(bool exact) {
  static const uint32_t xs[] = {0, 1, 2, 3, 5, 6, 7, 8};
  struct room *room = goban_of(2, (struct goban_options){.size = 9, .exact = exact});
  for (uint32_t i = 0; i < 8; i++) {
    cr_assert_eq(goban_place(room, "p1", xs[i], 0), OK);
    cr_assert_eq(goban_place(room, "p2", xs[i], 2 + 3 * (i % 2)), OK);
  }
  cr_assert_eq(goban_place(room, "p1", 4, 0), OK);
  return room;
}

Test(gomoku, more_than_five_win_unless_the_room_is_exact) {
  struct room *room = with_a_row_of_nine(false);
  goban_expect_over(room, "p1", REASON(FIVE), 9);
  goban_close(room);
  room = with_a_row_of_nine(true);
  cr_assert_eq(goban_phase(room), PLAYING);
  cr_assert_eq(goban_place(room, "p2", 4, 4), OK);
  goban_close(room);
}

Test(gomoku, a_full_board_is_a_draw) {
  struct room *room = goban_of(2, TIMED);
  int next[2] = {0, 0};
  for (int move = 0; move < 81; move++) {
    int turn = move % 2, *cell = &next[turn];
    while ((*cell % 9 + 2 * (*cell / 9)) % 4 / 2 != turn) ++*cell; /* pairs, shifted in each row */
    cr_assert_eq(goban_place(room, turn ? "p2" : "p1", (uint32_t)*cell % 9, (uint32_t)*cell / 9), OK);
    ++*cell;
  }
  goban_expect_over(room, "", REASON(DRAW), 0);
  cr_assert_str_eq(goban_result(room, "p2"), "draw (the board is full), 0 games won");
  Heya__Kinds__Gomoku__State *state = goban_state(room);
  cr_assert(state->phase == OVER && state->black_won == 0 && state->white_won == 0 && state->n_moves == 81);
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  goban_close(room);
}

Test(gomoku, a_player_may_resign_also_when_it_is_not_his_turn) {
  struct room *room = goban_of(2, TIMED);
  cr_assert(goban_has_timer(room));
  cr_assert_eq(goban_resign(room, "p2"), OK);
  goban_expect_over(room, "p1", REASON(RESIGNED), 0);
  cr_assert_not(goban_has_timer(room), "nobody's clock runs on");
  goban_close(room);
}

/* ---- time ---- */

Test(gomoku, who_does_not_move_in_time_loses_and_the_last_millisecond_counts) {
  struct room *room = goban_of(2, TIMED);
  uint32_t move;
  goban_wait(room, TURN_MS);
  cr_assert_eq(goban_place(room, "p1", 0, 0), OK, "in time");
  cr_assert_eq(goban_countdown(room, &move), goban_now(room) + TURN_MS);
  cr_assert_eq(move, 2);
  goban_set_away(room, "p2");
  goban_wait(room, TURN_MS + 1);
  goban_expect_over(room, "p1", REASON(TIMEOUT), 0);
  cr_assert_eq(goban_countdown(room, &move), 0);
  size_t events = goban_event_count(room);
  goban_wait(room, 10 * TURN_MS);
  cr_assert_eq(goban_event_count(room), events, "it is over once");
  goban_close(room);
}

Test(gomoku, black_may_lose_by_time_without_a_move) {
  struct room *room = goban_of(2, TIMED);
  goban_wait(room, TURN_MS + 1);
  goban_expect_over(room, "p2", REASON(TIMEOUT), 0);
  goban_close(room);
}

Test(gomoku, untimed_games_wait_for_ever) {
  struct room *room = goban_of(2, UNTIMED);
  uint32_t move;
  goban_wait(room, 1000 * TURN_MS);
  cr_assert_eq(goban_place(room, "p1", 0, 0), OK);
  cr_assert_eq(goban_countdown(room, &move), 0);
  cr_assert_not(goban_has_timer(room));
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(PLACED));
  cr_assert_eq(event->placed->deadline_ms, 0);
  goban_free(event);
  goban_close(room);
}

/* ---- who leaves ---- */

Test(gomoku, who_leaves_loses_and_the_longest_watcher_takes_his_place) {
  struct room *room = goban_of(4, TIMED);
  cr_assert_eq(goban_place(room, "p1", 0, 0), OK);
  goban_leave(room, "p1");
  goban_expect_over(room, "p2", REASON(LEFT), 0);
  cr_assert_eq(goban_phase(room), WAITING);
  cr_assert_eq(goban_rematch(room, "p2"), WRONG_STATE);
  goban_wait(room, 1);
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(STARTED));
  cr_assert_str_eq(event->started->black, "p2", "he is the host now");
  cr_assert_str_eq(event->started->white, "p3");
  goban_free(event);
  cr_assert_null(goban_result(room, "p1"), "results are of this pair");
  Heya__Kinds__Gomoku__State *state = goban_state(room);
  cr_assert(state->black_won == 0 && state->n_moves == 0);
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  goban_close(room);
}

Test(gomoku, the_other_one_waits_when_nobody_watches) {
  struct room *room = goban_of(2, TIMED);
  goban_leave(room, "p2");
  goban_expect_over(room, "p1", REASON(LEFT), 0);
  goban_wait(room, 10 * TURN_MS);
  cr_assert_eq(goban_phase(room), WAITING);
  cr_assert_eq(goban_join(room, "p2"), OK);
  goban_wait(room, 1);
  cr_assert_eq(goban_phase(room), PLAYING);
  goban_close(room);
}

Test(gomoku, watchers_come_and_go_without_a_word) {
  struct room *room = goban_of(3, TIMED);
  goban_leave(room, "p3");
  cr_assert_eq(goban_join(room, "p4"), OK);
  goban_wait(room, 1);
  cr_assert_eq(goban_event_count(room), 0);
  cr_assert_eq(goban_phase(room), PLAYING);
  goban_close(room);
}

Test(gomoku, both_may_leave_and_the_watchers_play) {
  struct room *room = goban_of(4, TIMED);
  goban_leave(room, "p2");
  goban_leave(room, "p1");
  cr_assert_eq(goban_event_count(room), 1, "one has won, and nobody after that");
  goban_wait(room, 1);
  cr_assert_eq(goban_place(room, "p3", 0, 0), OK);
  cr_assert_eq(goban_place(room, "p4", 0, 1), OK);
  goban_close(room);
}

Test(gomoku, a_room_that_ends_has_no_winner) {
  struct room *room = goban_of(2, TIMED);
  goban_close_seat(room, "p1");
  goban_close_seat(room, "p2");
  cr_assert_eq(goban_event_count(room), 0);
  goban_close(room);
}

/* ---- rematch ---- */

Test(gomoku, a_rematch_needs_both_swaps_the_colours_and_keeps_the_score) {
  struct room *room = goban_of(3, TIMED);
  goban_four_each(room, "p1", "p2");
  cr_assert_eq(goban_place(room, "p1", 4, 0), OK);
  cr_assert_eq(goban_rematch(room, "p3"), NOT_A_PLAYER);
  cr_assert_eq(goban_rematch(room, "p2"), OK);
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(REMATCH_WANTED));
  cr_assert_str_eq(event->rematch_wanted->player, "p2");
  goban_free(event);
  cr_assert_eq(goban_rematch(room, "p2"), WRONG_STATE);
  Heya__Kinds__Gomoku__State *state = goban_state(room);
  cr_assert_str_eq(state->rematch_wanted, "p2");
  heya__kinds__gomoku__state__free_unpacked(state, NULL);

  cr_assert_eq(goban_rematch(room, "p1"), OK);
  event = goban_last(room, EVENT(STARTED));
  cr_assert_str_eq(event->started->black, "p2");
  cr_assert_str_eq(event->started->white, "p1");
  goban_free(event);
  goban_four_each(room, "p2", "p1");
  cr_assert_eq(goban_place(room, "p2", 4, 0), OK);
  cr_assert_eq(goban_rematch(room, "p1"), OK);
  cr_assert_eq(goban_rematch(room, "p2"), OK);
  state = goban_state(room);
  cr_assert_str_eq(state->black, "p1");
  cr_assert(state->black_won == 1 && state->white_won == 1);
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  goban_close(room);
}

Test(gomoku, a_rematch_may_be_declined_and_withdrawn_and_asked_for_again) {
  struct room *room = goban_of(3, TIMED);
  cr_assert_eq(goban_resign(room, "p1"), OK);
  cr_assert_eq(goban_decline(room, "p2"), WRONG_STATE, "nobody has asked");
  for (int i = 1; i <= 2; i++) {
    cr_assert_eq(goban_rematch(room, "p1"), OK);
    cr_assert_eq(goban_decline(room, "p3"), NOT_A_PLAYER);
    const char *who = i == 1 ? "p2" : "p1";
    cr_assert_eq(goban_decline(room, who), OK);
    Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(REMATCH_DECLINED));
    cr_assert_str_eq(event->rematch_declined->player, who);
    goban_free(event);
    cr_assert_eq(goban_phase(room), OVER);
  }
  cr_assert_eq(goban_rematch(room, "p2"), OK);
  cr_assert_eq(goban_rematch(room, "p1"), OK);
  cr_assert_eq(goban_phase(room), PLAYING);
  goban_close(room);
}

Test(gomoku, who_wants_a_rematch_may_leave_and_nothing_is_left_of_it) {
  struct room *room = goban_of(2, TIMED);
  cr_assert_eq(goban_resign(room, "p1"), OK);
  size_t events = goban_event_count(room);
  cr_assert_eq(goban_rematch(room, "p2"), OK);
  goban_leave(room, "p2");
  cr_assert_eq(goban_event_count(room), events + 1, "the game was over before he left");
  cr_assert_eq(goban_rematch(room, "p1"), WRONG_STATE);
  cr_assert_eq(goban_join(room, "p2"), OK);
  goban_wait(room, 1);
  cr_assert_eq(goban_phase(room), PLAYING);
  goban_close(room);
}

/* ---- what others see ---- */

Test(gomoku, a_newcomer_sees_all_that_is_on_the_board) {
  struct room *room = goban_of(2, (struct goban_options){.size = 13, .turn_ms = 5000, .exact = true});
  cr_assert_eq(goban_place(room, "p1", 6, 7), OK);
  cr_assert_eq(goban_place(room, "p2", 12, 0), OK);
  cr_assert_eq(goban_place(room, "p1", 5, 5), OK);
  goban_wait(room, 1200);
  Heya__Kinds__Gomoku__State *state = goban_state(room);
  cr_assert(state->phase == PLAYING && state->size == 13 && state->exact && state->turn_ms == 5000);
  cr_assert_str_eq(state->black, "p1");
  cr_assert_str_eq(state->white, "p2");
  cr_assert_eq(state->n_moves, 3);
  cr_assert(state->moves[0]->x == 6 && state->moves[0]->y == 7);
  cr_assert(state->moves[1]->x == 12 && state->moves[1]->y == 0);
  cr_assert_str_eq(state->turn, "p2");
  cr_assert_eq(state->deadline_ms, goban_now(room) + 3800);
  cr_assert_eq(state->remaining_ms, 3800);
  cr_assert_null(state->over);
  heya__kinds__gomoku__state__free_unpacked(state, NULL);

  cr_assert_eq(goban_resign(room, "p2"), OK);
  state = goban_state(room);
  cr_assert(state->phase == OVER && state->deadline_ms == 0 && state->remaining_ms == 0 && state->n_moves == 3);
  cr_assert_str_eq(state->turn, "");
  cr_assert_str_eq(state->over->winner, "p1");
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  goban_close(room);
}

Test(gomoku, listings_tell_phase_free_seats_and_size) {
  struct room *room = goban_of(1, TIMED);
  cr_assert(goban_is_listed(room, "phase", "waiting") && goban_is_listed(room, "free_seats", "1"));
  cr_assert(goban_is_listed(room, "size", "9"));
  cr_assert_eq(goban_join(room, "p2"), OK);
  cr_assert_eq(goban_join(room, "p3"), OK);
  goban_wait(room, 1);
  cr_assert(goban_is_listed(room, "phase", "playing") && goban_is_listed(room, "free_seats", "0"));
  cr_assert_eq(goban_resign(room, "p1"), OK);
  cr_assert(goban_is_listed(room, "phase", "over"));
  goban_close(room);
}
