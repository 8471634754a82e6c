/* Promises of the kind `live`: who may do what, and when a round ends with which results. The harness checks on the
 * way that every state survives a failover and that refusals change nothing. */
#include "tests/kinds/live_table.h"

/* ---- opening and joining ---- */

Test(live, opens_with_a_song_and_a_deadline_in_its_limits) {
  const struct {
    uint32_t live_id, deadline_ms;
    kind_code code;
  } rows[] = {
      {1, 0, OK},
      {UINT32_MAX, 100, OK},
      {1, 120000, OK},
      {0, 0, OK},
      {1, 99, INVALID_ARGUMENT},
      {1, 1, INVALID_ARGUMENT},
      {1, 120001, INVALID_ARGUMENT},
      {1, UINT32_MAX, INVALID_ARGUMENT},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    kind_code code;
    struct room *room = table_open(rows[i].live_id, rows[i].deadline_ms, &code);
    cr_assert_eq(code, rows[i].code, "row %zu", i);
    cr_assert_eq(room->message[0] == '\0', code == OK);
    harness_close(room);
  }
}

Test(live, refuses_options_that_are_none) {
  kind_code code;
  harness_close(harness_open(&kind_live, bytes_of("\x08", 1), NOW, &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
}

Test(live, does_not_start_before_a_song_is_chosen) {
  kind_code code;
  struct room *room = table_open(0, 0, &code);
  cr_assert_eq(harness_join(room, "p1", "A", NO_PROFILE), OK);
  cr_assert_eq(start(room, "p1"), HEYA__V1__ERROR__CODE__WRONG_STATE);
  cr_assert_eq(choose(room, "p1", 7), OK);
  cr_assert_eq(start(room, "p1"), OK);
  harness_close(room);
}

Test(live, takes_four_players_with_profiles_it_knows) {
  struct room *room = table_of(0);
  cr_assert_eq(harness_join(room, "p1", "A", bytes_of("\x08\x07", 2)), OK);
  cr_assert_eq(harness_join(room, "p2", "B", bytes_of("\x08\x07\x10\x01", 4)), OK);
  cr_assert_eq(harness_join(room, "p3", "C", bytes_of("\x10\x02", 2)), INVALID_ARGUMENT, "no such difficulty");
  cr_assert_eq(harness_join(room, "p3", "C", bytes_of("\x10", 1)), INVALID_ARGUMENT, "cut short");
  cr_assert_eq(harness_join(room, "p3", "C", NO_PROFILE), OK);
  cr_assert_eq(harness_join(room, "p4", "D", NO_PROFILE), OK);
  cr_assert_eq(harness_join(room, "p5", "E", NO_PROFILE), HEYA__V1__ERROR__CODE__ROOM_FULL);
  cr_assert_eq(kind_live.max_members_limit, 4);
  harness_close(room);
}

/* ---- the host ---- */

Test(live, only_the_host_starts_chooses_and_dissolves) {
  struct room *room = table_of(2);
  cr_assert_eq(start(room, "p2"), NOT_HOST);
  cr_assert_eq(choose(room, "p2", 7), NOT_HOST);
  cr_assert_eq(dissolve(room, "p2"), NOT_HOST);
  harness_leave(room, "p1", LEFT);
  cr_assert_eq(choose(room, "p2", 7), OK, "he is the host now");
  cr_assert_eq(start(room, "p2"), OK);
  harness_close(room);
}

Test(live, only_while_waiting) {
  struct room *room = table_playing(2);
  cr_assert_eq(start(room, "p1"), WRONG_STATE);
  cr_assert_eq(choose(room, "p1", 7), WRONG_STATE);
  cr_assert_eq(dissolve(room, "p1"), WRONG_STATE);
  cr_assert_eq(start(room, "p2"), NOT_HOST);
  cr_assert_eq(room->event_count, 0);
  cr_assert_not(room->completed);
  harness_close(room);
}

Test(live, starting_freezes_the_players_and_locks_the_room) {
  struct room *room = table_of(3);
  room->members[2]->away = true;
  cr_assert_eq(start(room, "p1"), OK);
  cr_assert(room->locked);
  cr_assert_eq(room->event_count, 1);
  cr_assert_eq(room->events[0].receivers, 3);
  Heya__Kinds__Live__Event *event = event_at(room, 0, STARTED);
  cr_assert_eq(event->started->round, 1);
  cr_assert_eq(event->started->live_id, SONG);
  cr_assert_eq(event->started->n_players, 3);
  cr_assert_str_eq(event->started->players[0], "p1");
  cr_assert_str_eq(event->started->players[2], "p3", "an away member plays when he is back");
  free_event(event);
  cr_assert_eq(harness_join(room, "p4", "D", NO_PROFILE), HEYA__V1__ERROR__CODE__ROOM_LOCKED);
  cr_assert_eq(harness_timer_at(room, 1), 0, "no deadline before the first result");
  harness_close(room);
}

Test(live, choosing_a_song_tells_all_and_changes_the_options) {
  struct room *room = table_of(2);
  cr_assert_eq(choose(room, "p1", 0), INVALID_ARGUMENT);
  cr_assert_eq(choose(room, "p1", 99), OK);
  Heya__Kinds__Live__Event *event = last_event(room, CHOSEN);
  cr_assert_eq(event->chosen->live_id, 99);
  free_event(event);
  Heya__Kinds__Live__Options *options = unpacked(&heya__kinds__live__options__descriptor, buf_bytes(&room->options));
  cr_assert_eq(options->live_id, 99);
  cr_assert_eq(options->deadline_ms, DEADLINE);
  heya__kinds__live__options__free_unpacked(options, NULL);
  cr_assert_eq(start(room, "p1"), OK);
  event = last_event(room, STARTED);
  cr_assert_eq(event->started->live_id, 99);
  free_event(event);
  harness_close(room);
}

Test(live, dissolving_disbands_the_room) {
  struct room *room = table_of(2);
  cr_assert_eq(dissolve(room, "p1"), OK);
  cr_assert(room->completed);
  cr_assert_eq(room->close_reason, HEYA__V1__CLOSE_REASON__DISBANDED);
  harness_close(room);
}

/* ---- results and the deadline ---- */

Test(live, the_first_result_sets_the_deadline_and_is_told_without_its_score) {
  struct room *room = table_playing(3);
  harness_time(room, NOW + 5000);
  cr_assert_eq(submit(room, "p2", 1, 777777), OK);
  cr_assert_eq(room->deadline_ms, NOW + 5000 + DEADLINE);
  cr_assert_eq(room->deadline_round, 1);
  cr_assert_eq(harness_timer_at(room, 1), NOW + 5000 + DEADLINE + 1);
  cr_assert_eq(room->event_count, 1);
  cr_assert_eq(room->events[0].receivers, 3);
  Heya__Kinds__Live__Event *event = event_at(room, 0, SUBMITTED);
  cr_assert_eq(event->submitted->round, 1);
  cr_assert_str_eq(event->submitted->player, "p2");
  cr_assert_eq(event->submitted->deadline_ms, NOW + 5000 + DEADLINE);
  cr_assert_eq(event->submitted->remaining_ms, DEADLINE);
  free_event(event);

  harness_time(room, NOW + 6000);
  cr_assert_eq(submit(room, "p3", 1, 1), OK);
  cr_assert_eq(room->deadline_ms, NOW + 5000 + DEADLINE, "the second does not move it");
  cr_assert_eq(harness_timer_at(room, 1), NOW + 5000 + DEADLINE + 1);
  event = event_at(room, 1, SUBMITTED);
  cr_assert_eq(event->submitted->deadline_ms, NOW + 5000 + DEADLINE);
  cr_assert_eq(event->submitted->remaining_ms, DEADLINE - 1000);
  free_event(event);
  harness_close(room);
}

Test(live, the_deadline_is_the_rooms_own) {
  kind_code code;
  struct room *room = table_open(1, 100, &code);
  cr_assert_eq(harness_join(room, "p1", "A", NO_PROFILE), OK);
  cr_assert_eq(harness_join(room, "p2", "B", NO_PROFILE), OK);
  cr_assert_eq(start(room, "p1"), OK);
  cr_assert_eq(submit(room, "p1", 1, 5), OK);
  cr_assert_eq(room->deadline_ms, NOW + 100);
  harness_close(room);
}

Test(live, a_result_at_exactly_the_deadline_counts) {
  struct room *room = table_playing(3);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  harness_time(room, NOW + DEADLINE);
  cr_assert_eq(room->event_count, 1, "not over yet");
  cr_assert_eq(submit(room, "p2", 1, 200), OK);
  Heya__Kinds__Live__Event *event = last_event(room, SUBMITTED);
  cr_assert_eq(event->submitted->remaining_ms, 0);
  free_event(event);

  harness_time(room, NOW + DEADLINE + 1);
  event = last_event(room, RESULTS);
  expect_score(event->results, 0, "p1", 100, false);
  expect_score(event->results, 1, "p2", 200, false);
  expect_score(event->results, 2, "p3", 0, true);
  free_event(event);
  harness_close(room);
}

Test(live, a_result_one_millisecond_later_does_not) {
  struct room *room = table_playing(2);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  harness_time(room, NOW + DEADLINE + 1);
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  expect_score(event->results, 1, "p2", 0, true);
  free_event(event);
  cr_assert_eq(submit(room, "p2", 1, 200), TOO_LATE);
  cr_assert_eq(submit(room, "p1", 1, 200), ALREADY_SUBMITTED);
  harness_close(room);
}

Test(live, a_late_result_is_late_even_if_the_timer_were_lost) {
  struct room *room = table_playing(2);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  room->now_ms = NOW + DEADLINE + 1;
  cr_assert_eq(submit(room, "p2", 1, 200), TOO_LATE);
  harness_close(room);
}

Test(live, when_all_are_in_results_go_out_at_once_and_only_once) {
  struct room *room = table_playing(2);
  Heya__Kinds__Live__Judge judge = HEYA__KINDS__LIVE__JUDGE__INIT;
  judge.perfect = 1, judge.great = 2, judge.good = 3, judge.bad = 4, judge.miss = 5;
  cr_assert_eq(submit_judged(room, "p2", 1, 200, &judge), OK);
  harness_time(room, NOW + 300);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  cr_assert_eq(room->event_count, 3, "two Submitted, one Results");
  cr_assert_eq(room->events[2].receivers, 2);
  Heya__Kinds__Live__Event *event = event_at(room, 2, RESULTS);
  cr_assert_eq(event->results->round, 1);
  cr_assert_eq(event->results->live_id, SONG);
  cr_assert_eq(event->results->n_scores, 2);
  expect_score(event->results, 0, "p1", 100, false);
  expect_score(event->results, 1, "p2", 200, false);
  cr_assert_str_eq(event->results->scores[1]->name, "Name 2");
  const Heya__Kinds__Live__Judge *told = event->results->scores[1]->judge;
  cr_assert(told->perfect == 1 && told->great == 2 && told->good == 3 && told->bad == 4 && told->miss == 5);
  free_event(event);

  cr_assert_eq(room->deadline_ms, 0, "the countdown is hidden");
  cr_assert_eq(harness_timer_at(room, 1), 0);
  cr_assert_not(room->locked);
  harness_time(room, NOW + 10 * DEADLINE);
  cr_assert_eq(room->event_count, 3);
  harness_close(room);
}

Test(live, one_alone_has_his_results_at_once) {
  struct room *room = table_playing(1);
  cr_assert_eq(submit(room, "p1", 1, 0), OK);
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  expect_score(event->results, 0, "p1", 0, false);
  free_event(event);
  cr_assert_eq(room->deadline_ms, 0);
  harness_close(room);
}

Test(live, the_deadline_unlocks_for_the_next_round) {
  struct room *room = table_playing(2);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  harness_time(room, NOW + DEADLINE + 5000);
  cr_assert_not(room->locked);
  cr_assert_eq(room->deadline_ms, 0);
  cr_assert_eq(harness_join(room, "p3", "C", NO_PROFILE), OK);
  harness_forget_events(room);
  cr_assert_eq(start(room, "p1"), OK);
  Heya__Kinds__Live__Event *event = last_event(room, STARTED);
  cr_assert_eq(event->started->round, 2);
  cr_assert_eq(event->started->n_players, 3);
  free_event(event);
  cr_assert_eq(submit(room, "p2", 2, 10), OK);
  cr_assert_eq(room->deadline_ms, NOW + DEADLINE + 5000 + DEADLINE);
  harness_close(room);
}

Test(live, without_a_result_a_round_waits_for_its_players) {
  struct room *room = table_playing(2);
  harness_time(room, NOW + 24u * 3600 * 1000);
  cr_assert_eq(room->event_count, 0);
  cr_assert(room->locked);
  cr_assert_eq(submit(room, "p1", 1, 100), OK, "a long song");
  harness_close(room);
}

/* ---- refused results ---- */

Test(live, a_second_result_is_refused_and_the_first_one_stays) {
  struct room *room = table_playing(2);
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  cr_assert_eq(submit(room, "p1", 1, 999), ALREADY_SUBMITTED);
  cr_assert_eq(submit(room, "p2", 1, 50), OK);
  cr_assert_eq(submit(room, "p1", 1, 999), ALREADY_SUBMITTED, "also when the round is over");
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  expect_score(event->results, 0, "p1", 100, false);
  free_event(event);
  harness_close(room);
}

Test(live, a_result_for_another_round_is_refused) {
  struct room *room = table_of(2);
  cr_assert_eq(submit(room, "p1", 0, 1), UNKNOWN_ROUND);
  cr_assert_eq(submit(room, "p1", 1, 1), UNKNOWN_ROUND, "nothing has been started");
  for (uint32_t round = 1; round <= 3; round++) {
    cr_assert_eq(start(room, "p1"), OK);
    cr_assert_eq(submit(room, "p1", 0, 1), UNKNOWN_ROUND);
    cr_assert_eq(submit(room, "p1", round + 1, 1), UNKNOWN_ROUND);
    cr_assert_eq(submit(room, "p1", UINT32_MAX, 1), UNKNOWN_ROUND);
    if (round > 1) cr_assert_eq(submit(room, "p1", round - 1, 1), ALREADY_SUBMITTED);
    if (round > 1) cr_assert_eq(submit(room, "p2", round - 1, 1), TOO_LATE);
    if (round > 2) cr_assert_eq(submit(room, "p2", round - 2, 1), UNKNOWN_ROUND);
    cr_assert_eq(submit(room, "p1", round, 1), OK);
    harness_time(room, room->now_ms + DEADLINE + 1);
    cr_assert_eq(submit(room, "p1", round + 1, 1), UNKNOWN_ROUND, "not started yet");
  }
  harness_close(room);
}

Test(live, a_result_from_somebody_who_did_not_play_is_refused) {
  struct room *room = table_playing(2);
  room->locked = false; /* however he came in */
  cr_assert_eq(harness_join(room, "late", "L", NO_PROFILE), OK);
  cr_assert_eq(submit(room, "late", 1, 1), NOT_A_PLAYER);
  cr_assert_eq(submit(room, "p1", 1, 1), OK);
  cr_assert_eq(submit(room, "p2", 1, 1), OK, "nobody waits for him");
  cr_assert_eq(submit(room, "late", 1, 1), NOT_A_PLAYER, "nor after the round");
  cr_assert_not(room->locked);
  harness_close(room);
}

Test(live, who_left_and_came_back_has_forfeited) {
  struct room *room = table_playing(2);
  harness_leave(room, "p2", LEFT);
  room->locked = false;
  cr_assert_eq(harness_join(room, "p2", "B", NO_PROFILE), OK);
  cr_assert_eq(submit(room, "p2", 1, 1), TOO_LATE);
  harness_close(room);
}

Test(live, absurd_values_are_refused) {
  struct room *room = table_playing(2);
  Heya__Kinds__Live__Judge judge = HEYA__KINDS__LIVE__JUDGE__INIT;
  cr_assert_eq(submit(room, "p1", 1, 1000000001), INVALID_ARGUMENT);
  cr_assert_eq(submit(room, "p1", 1, UINT32_MAX), INVALID_ARGUMENT);
  judge.miss = 100001;
  cr_assert_eq(submit_judged(room, "p1", 1, 1, &judge), INVALID_ARGUMENT);
  judge.miss = 50001, judge.perfect = 50000;
  cr_assert_eq(submit_judged(room, "p1", 1, 1, &judge), INVALID_ARGUMENT);
  judge.miss = judge.perfect = 1u << 31; /* whose sum is 0 in 32 bits */
  cr_assert_eq(submit_judged(room, "p1", 1, 1, &judge), INVALID_ARGUMENT);
  cr_assert_neq(room->message[0], '\0');
  cr_assert_eq(room->deadline_ms, 0, "and set no deadline");
  judge.miss = judge.perfect = 50000;
  cr_assert_eq(submit_judged(room, "p1", 1, 1000000000, &judge), OK);
  harness_close(room);
}

Test(live, refuses_commands_it_does_not_know) {
  struct room *room = table_playing(2);
  const struct bytes commands[] = {
      bytes_of("", 0),         bytes_of("\x2a\x00", 2), bytes_of("\x12\x02\x08", 3),
      bytes_of("\x10\x01", 2), bytes_of("\xff", 1),
  };
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    cr_assert_eq(harness_command(room, "p1", commands[i]), INVALID_ARGUMENT, "%zu", i);
  harness_close(room);
}

/* ---- leaving ---- */

Test(live, leaving_in_a_round_forfeits) {
  struct room *room = table_playing(3);
  harness_leave(room, "p2", TIMED_OUT);
  cr_assert_eq(room->event_count, 0, "the others play on");
  cr_assert_eq(submit(room, "p1", 1, 10), OK);
  cr_assert_eq(submit(room, "p3", 1, 30), OK);
  cr_assert_eq(room->events[room->event_count - 1].receivers, 2);
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  cr_assert_eq(event->results->n_scores, 3);
  expect_score(event->results, 0, "p1", 10, false);
  expect_score(event->results, 1, "p2", 0, true);
  cr_assert_str_eq(event->results->scores[1]->name, "Name 2");
  expect_score(event->results, 2, "p3", 30, false);
  free_event(event);
  harness_close(room);
}

Test(live, a_result_stays_when_its_player_leaves) {
  struct room *room = table_playing(2);
  cr_assert_eq(submit(room, "p2", 1, 20), OK);
  harness_leave(room, "p2", LEFT);
  cr_assert_eq(room->event_count, 1, "p1 is still playing");
  cr_assert_eq(submit(room, "p1", 1, 10), OK);
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  expect_score(event->results, 0, "p1", 10, false);
  expect_score(event->results, 1, "p2", 20, false);
  free_event(event);
  harness_close(room);
}

Test(live, when_the_last_one_missing_leaves_results_go_out_at_once) {
  struct room *room = table_playing(3);
  cr_assert_eq(submit(room, "p1", 1, 10), OK);
  cr_assert_eq(submit(room, "p2", 1, 20), OK);
  harness_leave(room, "p3", LEFT);
  Heya__Kinds__Live__Event *event = last_event(room, RESULTS);
  expect_score(event->results, 2, "p3", 0, true);
  free_event(event);
  cr_assert_eq(room->events[room->event_count - 1].receivers, 2);
  cr_assert_eq(harness_timer_at(room, 1), 0);
  cr_assert_not(room->locked);
  harness_close(room);
}

Test(live, with_its_last_player_a_round_ends) {
  struct room *room = table_playing(2);
  harness_leave(room, "p1", LEFT);
  cr_assert(room->locked);
  harness_leave(room, "p2", TIMED_OUT);
  cr_assert_not(room->locked);
  cr_assert_eq(harness_join(room, "p9", "N", NO_PROFILE), OK);
  Heya__Kinds__Live__State *state = state_of(room);
  cr_assert_eq(state->phase, HEYA__KINDS__LIVE__PHASE__WAITING);
  expect_score(state->results, 0, "p1", 0, true);
  expect_score(state->results, 1, "p2", 0, true);
  heya__kinds__live__state__free_unpacked(state, NULL);
  cr_assert_eq(start(room, "p9"), OK);
  cr_assert_eq(submit(room, "p9", 2, 5), OK);
  harness_close(room);
}

Test(live, leaving_while_waiting_does_nothing) {
  struct room *room = table_of(2);
  uint32_t effects = room->effects;
  harness_leave(room, "p2", LEFT);
  cr_assert_eq(room->effects, effects);
  harness_close(room);
}

Test(live, the_end_of_the_room_is_not_the_end_of_a_round) {
  struct room *room = table_playing(1);
  uint32_t effects = room->effects;
  harness_leave(room, "p1", HEYA__V1__LEAVE_REASON__ENDED);
  cr_assert_eq(room->effects, effects);
  harness_close(room);
}

/* ---- what people see ---- */

Test(live, a_newcomer_sees_the_phase_and_who_is_through) {
  struct room *room = table_of(3);
  Heya__Kinds__Live__State *state = state_of(room);
  cr_assert(state->phase == HEYA__KINDS__LIVE__PHASE__WAITING && state->round == 0 && state->live_id == SONG);
  cr_assert(state->n_players == 0 && state->n_submitted == 0 && state->deadline_ms == 0 && !state->results);
  heya__kinds__live__state__free_unpacked(state, NULL);

  cr_assert_eq(start(room, "p1"), OK);
  cr_assert_eq(submit(room, "p3", 1, 5), OK);
  state = state_of(room);
  cr_assert(state->phase == HEYA__KINDS__LIVE__PHASE__PLAYING && state->round == 1);
  cr_assert_eq(state->n_players, 3);
  cr_assert_eq(state->n_submitted, 1);
  cr_assert_str_eq(state->submitted[0], "p3");
  cr_assert_eq(state->deadline_ms, NOW + DEADLINE);
  cr_assert_null(state->results);
  heya__kinds__live__state__free_unpacked(state, NULL);

  harness_time(room, NOW + DEADLINE + 1);
  state = state_of(room);
  cr_assert(state->phase == HEYA__KINDS__LIVE__PHASE__WAITING && state->round == 1);
  cr_assert(state->n_players == 0 && state->n_submitted == 0 && state->deadline_ms == 0);
  expect_score(state->results, 2, "p3", 5, false);
  heya__kinds__live__state__free_unpacked(state, NULL);

  cr_assert_eq(start(room, "p1"), OK);
  state = state_of(room);
  cr_assert_eq(state->round, 2);
  cr_assert_eq(state->results->round, 1, "the last results stay to be seen");
  heya__kinds__live__state__free_unpacked(state, NULL);
  harness_close(room);
}

Test(live, is_listed_by_song_phase_and_round) {
  struct room *room = table_of(1);
  char value[PROPERTY_VALUE_MAX + 1];
  cr_assert(harness_property(room, "live_id", value));
  cr_assert_str_eq(value, "42");
  cr_assert(harness_property(room, "phase", value));
  cr_assert_str_eq(value, "waiting");
  cr_assert(harness_property(room, "round", value));
  cr_assert_str_eq(value, "0");
  cr_assert_eq(choose(room, "p1", 43), OK);
  cr_assert_eq(start(room, "p1"), OK);
  cr_assert(harness_property(room, "live_id", value));
  cr_assert_str_eq(value, "43");
  cr_assert(harness_property(room, "phase", value));
  cr_assert_str_eq(value, "playing");
  cr_assert(harness_property(room, "round", value));
  cr_assert_str_eq(value, "1");
  harness_close(room);
}

Test(live, result_lines_stay_readable_until_the_next_start) {
  struct room *room = table_playing(2);
  Heya__Kinds__Live__Judge judge = HEYA__KINDS__LIVE__JUDGE__INIT;
  judge.perfect = 9, judge.miss = 1;
  cr_assert_null(harness_result_of(room, "p1"));
  cr_assert_eq(submit_judged(room, "p1", 1, 1234, &judge), OK);
  cr_assert_str_eq(harness_result_of(room, "p1"), "1234 points: 9 perfect, 0 great, 0 good, 0 bad, 1 miss");
  cr_assert_null(harness_result_of(room, "p2"));
  harness_time(room, NOW + DEADLINE + 1);
  cr_assert_str_eq(harness_result_of(room, "p2"), "0 points, forfeited");
  cr_assert_not_null(harness_result_of(room, "p1"));
  cr_assert_eq(start(room, "p1"), OK);
  cr_assert_eq(room->result_count, 0);
  harness_close(room);
}
