/* Promises of rooms that tick: commands wait for a frame and are answered exactly once, whatever happens to their
 * room, their player or their worker meanwhile. */
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define PULSE "pulse/a"
#define FLICK "flick/a"         /* the same, lossy */
#define T     UINT64_C(1000000) /* when the room is made, ms */

#define JOIN       HEYA__BUS__MODE__JOIN
#define OPEN       HEYA__BUS__MODE__JOIN_OR_CREATE
#define BODY(name) HEYA__V1__SERVER_MESSAGE__BODY_##name

/* ---- a kind that ticks ---- */

/* Commands are words: "bad" is refused, "run" and "stop" say whether frames change anything, "end" ends the room,
 * "end later" in its tick. All others are only counted; the result is how many were. */
struct pulse {
  uint32_t count, ran;
  bool runs, ends;
  struct kind_tick last;
};

static kind_code pulse_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return CODE(OK);
}

static kind_code pulse_command(struct room *room, struct member *member, struct bytes word,
                               struct kind_reply *reply) {
  struct pulse *pulse = room_state(room);
  (void)member;
  if (bytes_equal_str(word, "bad")) return CODE(INVALID_ARGUMENT);
  if (bytes_equal_str(word, "end")) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  pulse->ends |= bytes_equal_str(word, "end later");
  pulse->runs = (pulse->runs || bytes_equal_str(word, "run")) && !bytes_equal_str(word, "stop");
  buf_printf(&reply->result, "%u", (unsigned)++pulse->count);
  return CODE(OK);
}

static bool pulse_tick(struct room *room, const struct kind_tick *tick) {
  struct pulse *pulse = room_state(room);
  pulse->last = *tick;
  if (pulse->ends) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  if (!pulse->runs) return false;
  pulse->ran++;
  room_send_all(room, bytes_of_str("tick"));
  return true;
}

static void pulse_save(struct room *room, struct buf *out) {
  const struct pulse *pulse = room_state(room);
  buf_printf(out, "%u %u %d", (unsigned)pulse->count, (unsigned)pulse->ran, pulse->runs);
}

static bool pulse_load(struct room *room, struct bytes bytes) {
  struct pulse *pulse = room_state(room);
  char text[64];
  int runs;
  snprintf(text, sizeof text, "%.*s", (int)bytes.len, (const char *)bytes.data);
  if (sscanf(text, "%u %u %d", &pulse->count, &pulse->ran, &runs) != 3) return false;
  pulse->runs = runs;
  return true;
}

static void pulse_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  const struct pulse *pulse = room_state(room);
  (void)viewer;
  buf_printf(out, "%u", (unsigned)pulse->count);
}

#define PULSE_TABLE                                                                                                  \
  .abi = KIND_ABI, .max_members = 32, .max_members_limit = 32, .empty_ms = 10000, .away_ms = 30000, .tick_hz = 10,   \
  .state_size = sizeof(struct pulse), .open = pulse_open, .command = pulse_command, .tick = pulse_tick,              \
  .save = pulse_save, .load = pulse_load, .snapshot = pulse_snapshot

static const struct kind pulse_kind = {PULSE_TABLE, .name = "pulse"};
static const struct kind flick_kind = {PULSE_TABLE, .name = "flick", .lossy = true};

/* ---- the bench ---- */

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1};
static struct bench bench;

static void setup(void) {
  bench_open(&bench);
  kind_registry_add(&bench.kinds, &pulse_kind);
  kind_registry_add(&bench.kinds, &flick_kind);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(tick, .init = setup, .fini = teardown);

/* Both are in it; nothing has run yet. */
static void seat_both(const char *room) {
  bench_join(&bench, T, ann, room, "ann", OPEN);
  bench_join(&bench, T, bob, room, "bob", JOIN);
}

static struct pulse *pulse_of(const char *room) {
  return bench_room(&bench, room)->state;
}

/* A command at this many ms after the room was made. */
static void say(uint64_t ms, struct bench_from from, const char *room, uint32_t number, const char *word) {
  bench_command(&bench, T + ms, from, room, from.conn == 1 ? "ann" : "bob", number, bytes_of_str(word));
}

/* All frames that are due so many ms after that. */
static size_t frames_at(uint64_t ms) {
  return bench_frames(&bench, (T + ms) * 1000);
}

static const Heya__V1__ServerMessage *said(struct bench_from to, Heya__V1__ServerMessage__BodyCase body, size_t nth) {
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    const struct bench_message *said = bench_to(&bench, to.gateway, to.conn, i);
    if (said->message->body_case == body && nth-- == 0) return said->message;
  }
  return NULL;
}

static const Heya__V1__Ack *ack(struct bench_from to, size_t nth) {
  const Heya__V1__ServerMessage *message = said(to, BODY(ACK), nth);
  return message ? message->ack : NULL;
}

static const Heya__V1__Error *error(struct bench_from to, size_t nth) {
  const Heya__V1__ServerMessage *message = said(to, BODY(ERROR), nth);
  return message ? message->error : NULL;
}

static void expect_ack(struct bench_from to, size_t nth, uint32_t number, const char *result) {
  const Heya__V1__Ack *found = ack(to, nth);
  cr_assert(found, "there is no ack %zu", nth);
  cr_assert_eq(found->number, number);
  cr_assert(bytes_equal_str(bytes_of(found->result.data, found->result.len), result));
}

static void expect_error(struct bench_from to, size_t nth, uint32_t number, Heya__V1__Error__Code code) {
  const Heya__V1__Error *found = error(to, nth);
  cr_assert(found, "there is no error %zu", nth);
  cr_assert_eq(found->code, code, "error %d", found->code);
  cr_assert_eq(found->number, number);
}

/* ---- waiting and answers ---- */

Test(tick, a_command_is_executed_in_the_frame_and_answered_only_then) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(pulse_of(PULSE)->count, 0);
  cr_assert_eq(frames_at(99), 0);
  cr_assert_eq(frames_at(100), 1);
  cr_assert_eq(pulse_of(PULSE)->count, 1);
  expect_ack(ann, 0, 1, "1");
  cr_assert_eq(bench.n_said, 1);
}

Test(tick, commands_run_in_the_order_in_which_they_came) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  say(6, bob, PULSE, 1, "x");
  say(7, ann, PULSE, 2, "bad");
  say(8, ann, PULSE, 3, "x");
  frames_at(100);
  expect_ack(ann, 0, 1, "1");
  expect_ack(bob, 0, 1, "2");
  expect_error(ann, 0, 2, CODE(INVALID_ARGUMENT));
  expect_ack(ann, 1, 3, "3");
}

Test(tick, a_number_that_is_skipped_is_a_gap_while_others_wait) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  say(6, ann, PULSE, 3, "x");
  expect_error(ann, 0, 3, CODE(GAP));
  cr_assert_eq(error(ann, 0)->expected, 2);
  say(7, ann, PULSE, 2, "x");
  frames_at(100);
  expect_ack(ann, 1, 2, "2");
}

/* Under another request each time, as a client that has come back does. */
static void send_again(uint64_t ms, struct bench_from from, uint32_t number, uint32_t request) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
  Heya__Bus__Command command = HEYA__BUS__COMMAND__INIT;
  command.number = number;
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.room = (char[]){PULSE};
  entry.player = (char[]){"ann"};
  entry.conn = from.conn;
  entry.attempt = from.attempt;
  entry.request = request;
  entry.command = &command;
  bench_batch(&bench, T + ms, from.gateway, entries, 1);
}

Test(tick, a_command_that_is_sent_again_while_it_waits_runs_once) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  send_again(6, ann, 1, 77);
  cr_assert_eq(bench.n_said, 0);
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->count, 1);
  expect_ack(ann, 0, 1, "1");
  cr_assert_null(ack(ann, 1));
  cr_assert_eq(said(ann, BODY(ACK), 0)->request, 77);

  send_again(110, ann, 1, 78);
  expect_ack(ann, 0, 1, "1");
  cr_assert_eq(said(ann, BODY(ACK), 0)->request, 78);
  frames_at(200);
  cr_assert_eq(pulse_of(PULSE)->count, 1);
}

/* What a resume needs to know. */
static struct bench_place place_of(const char *room) {
  struct bench_place place = {.epoch = bench_room(&bench, room)->event_epoch, .seq = bench_room(&bench, room)->seq};
  const struct member *member = room_member(bench_room(&bench, room), "ann");
  snprintf(place.session, sizeof place.session, "%s", member->session);
  snprintf(place.incarnation, sizeof place.incarnation, "%s", bench_room(&bench, room)->incarnation);
  return place;
}

Test(tick, who_comes_back_before_the_frame_gets_the_answer_by_the_new_connection) {
  struct bench_from again = {"g-2", 9, 1};
  seat_both(PULSE);
  struct bench_place place = place_of(PULSE);
  say(5, ann, PULSE, 1, "x");
  bench_disconnected(&bench, T + 6, ann, PULSE);
  bench_resume(&bench, T + 7, again, PULSE, "ann", &place);
  frames_at(100);
  expect_ack(again, 0, 1, "1");
  cr_assert_eq(bench_count_to(&bench, ann.gateway, ann.conn), 0);
}

Test(tick, the_command_of_one_who_is_away_runs_all_the_same) {
  struct bench_from again = {"g-2", 1, 1};
  seat_both(PULSE);
  struct bench_place place = place_of(PULSE);
  say(5, ann, PULSE, 1, "x");
  bench_disconnected(&bench, T + 6, ann, PULSE);
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->count, 1);
  cr_assert_eq(bench.n_said, 0);
  bench_resume(&bench, T + 150, again, PULSE, "ann", &place);
  send_again(160, again, 1, 80);
  expect_ack(again, 0, 1, "1");
  cr_assert_eq(pulse_of(PULSE)->count, 1);
}

Test(tick, over_the_bound_of_one_player_it_is_busy_and_consumes_no_number) {
  seat_both(PULSE);
  for (uint32_t i = 1; i <= QUEUE_PLAYER_MAX; i++) say(5, ann, PULSE, i, "x");
  say(6, ann, PULSE, QUEUE_PLAYER_MAX + 1, "x");
  expect_error(ann, 0, QUEUE_PLAYER_MAX + 1, CODE(BUSY));
  cr_assert_gt(error(ann, 0)->retry_after_ms, 0);
  say(7, bob, PULSE, 1, "x"); /* the others have their own */
  cr_assert_null(error(bob, 0));
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->count, QUEUE_PLAYER_MAX + 1);
  say(110, ann, PULSE, QUEUE_PLAYER_MAX + 1, "x");
  frames_at(200);
  expect_ack(ann, 0, QUEUE_PLAYER_MAX + 1, "66");
}

Test(tick, over_the_bound_of_the_room_it_is_busy_and_consumes_no_number) {
  static char much[QUEUE_BYTES / 2];
  memset(much, 'x', sizeof much);
  seat_both(PULSE);
  for (uint32_t i = 1; i <= 2; i++) bench_command(&bench, T + 5, ann, PULSE, "ann", i, bytes_of(much, sizeof much));
  say(6, bob, PULSE, 1, "x");
  expect_error(bob, 0, 1, CODE(BUSY));
  frames_at(100);
  say(110, bob, PULSE, 1, "x");
  frames_at(200);
  expect_ack(bob, 0, 1, "3");
}

/* ---- when there will be no frame ---- */

Test(tick, who_leaves_gets_an_error_for_what_waited) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  say(5, ann, PULSE, 2, "x");
  say(5, bob, PULSE, 1, "x");
  bench_leave(&bench, T + 6, ann, PULSE, "ann");
  expect_error(ann, 0, 1, CODE(NOT_IN_ROOM));
  expect_error(ann, 1, 2, CODE(NOT_IN_ROOM));
  cr_assert(said(ann, BODY(LEFT), 0));
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->count, 1);
}

Test(tick, who_is_replaced_gets_an_error_for_what_waited_in_the_old_session) {
  struct bench_from other = {"g-2", 9, 1};
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  bench_join(&bench, T + 6, other, PULSE, "ann", JOIN);
  expect_error(ann, 0, 1, CODE(STALE));
  cr_assert(said(ann, BODY(DETACHED), 0));
  bench_command(&bench, T + 7, other, PULSE, "ann", 1, bytes_of_str("x"));
  frames_at(100);
  expect_ack(other, 0, 1, "1");
}

Test(tick, the_end_of_the_room_answers_what_waits_behind_it) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "end");
  say(6, bob, PULSE, 1, "x");
  say(7, ann, PULSE, 2, "x");
  frames_at(100);
  expect_ack(ann, 0, 1, "1");
  expect_error(ann, 0, 2, CODE(ROOM_CLOSED));
  expect_error(bob, 0, 1, CODE(ROOM_CLOSED));
  cr_assert(said(bob, BODY(DETACHED), 0));
  cr_assert_null(bench_room(&bench, PULSE));
  cr_assert_null(bench_stored(&bench, PULSE));
  cr_assert_eq(frames_at(1000), 0);
}

Test(tick, a_tick_may_end_the_room) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "end later");
  frames_at(100);
  expect_ack(ann, 0, 1, "1");
  cr_assert_null(bench_room(&bench, PULSE));
  cr_assert_eq(partition_next_frame_us(&bench.partition), 0);
}

/* ---- frames ---- */

Test(tick, an_idle_room_commits_nothing) {
  seat_both(PULSE);
  bench.by_hand = true;
  cr_assert_eq(frames_at(99), 0);
  for (uint64_t ms = 100; ms <= 10000; ms += 100) cr_assert_eq(frames_at(ms), 1);
  cr_assert_not(effects_any(&bench.partition.effects));
  cr_assert_eq(bench_room(&bench, PULSE)->frames.done, 100);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 100);
}

Test(tick, a_frame_that_changes_something_is_one_commit) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "run");
  size_t before = bench.commits;
  for (uint64_t ms = 100; ms <= 1000; ms += 100) frames_at(ms);
  cr_assert_eq(bench.commits - before, 10);
  cr_assert_eq(bench_events(&bench, "g-1", 2, HEYA__V1__EVENT__BODY_PAYLOAD), 1);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, PULSE)->fields, "frame"), "10");
}

Test(tick, frames_that_nobody_could_run_are_skipped_and_the_kind_is_told) {
  seat_both(PULSE);
  frames_at(100);
  cr_assert_eq(frames_at(5000), 1);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 50);
  cr_assert_eq(pulse_of(PULSE)->last.skipped, 48);
  cr_assert_eq(bench.frame.report.skipped, 48);
}

Test(tick, an_empty_room_stands_still_and_nobody_missed_its_frames) {
  seat_both(PULSE);
  frames_at(100);
  bench_leave(&bench, T + 150, ann, PULSE, "ann");
  bench_leave(&bench, T + 160, bob, PULSE, "bob");
  cr_assert_eq(partition_next_frame_us(&bench.partition), 0);
  cr_assert_eq(frames_at(5000), 0);
  bench_join(&bench, T + 5050, bob, PULSE, "bob", JOIN);
  cr_assert_eq(frames_at(5100), 1);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 51);
  cr_assert_eq(pulse_of(PULSE)->last.skipped, 0);
}

/* Frames follow a smoothed clock, which may be a little ahead of the stream's. */
Test(tick, no_frame_runs_twice_when_somebody_comes_into_an_empty_room) {
  seat_both(PULSE);
  frames_at(500);
  bench_leave(&bench, T + 498, ann, PULSE, "ann");
  bench_leave(&bench, T + 498, bob, PULSE, "bob");
  bench_join(&bench, T + 499, bob, PULSE, "bob", JOIN);
  cr_assert_eq(frames_at(500), 0);
  cr_assert_eq(frames_at(600), 1);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 6);
}

Test(tick, time_never_goes_back_in_a_room) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "run");
  frames_at(500);
  uint64_t before_ms = room_time_ms(bench_room(&bench, PULSE));
  cr_assert_eq(before_ms, T + 500);
  bench_time(&bench, T + 400);
  cr_assert_eq(room_time_ms(bench_room(&bench, PULSE)), before_ms);
  bench_drop(&bench);
  cr_assert_eq(room_time_ms(bench_room(&bench, PULSE)), before_ms);
}

/* ---- failover ---- */

Test(tick, what_waits_survives_its_worker_and_is_answered_once) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "x");
  say(6, bob, PULSE, 1, "x");
  bench_drop(&bench);
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(bench_room(&bench, PULSE)->queue.n, 2);
  send_again(50, ann, 1, 81);
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->count, 2);
  expect_ack(ann, 0, 1, "1");
  expect_ack(bob, 0, 1, "2");
  cr_assert_eq(said(ann, BODY(ACK), 0)->request, 81);
  bench_drop(&bench);
  cr_assert_eq(frames_at(200), 1);
  cr_assert_eq(pulse_of(PULSE)->count, 2);
  cr_assert_eq(bench.n_said, 0);
}

Test(tick, a_frame_that_was_not_committed_is_done_again_with_its_commands) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "run");
  bench.by_hand = true;
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->ran, 1);
  bench_drop(&bench);
  cr_assert_eq(pulse_of(PULSE)->ran, 0);
  frames_at(100);
  cr_assert_eq(pulse_of(PULSE)->ran, 1);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 1);
  bench_commit(&bench);
  expect_ack(ann, 0, 1, "1");
}

Test(tick, the_frame_number_goes_on_after_a_failover) {
  seat_both(PULSE);
  say(5, ann, PULSE, 1, "run");
  for (uint64_t ms = 100; ms <= 1000; ms += 100) frames_at(ms);
  bench_drop(&bench);
  cr_assert_eq(room_frame(bench_room(&bench, PULSE)), 10);
  cr_assert_eq(frames_at(3000), 1);
  cr_assert_eq(pulse_of(PULSE)->last.frame, 30);
  cr_assert_eq(pulse_of(PULSE)->last.skipped, 19);
  cr_assert_eq(pulse_of(PULSE)->ran, 11);
}

Test(tick, a_handed_over_room_loses_nothing) {
  static const char *const rooms[] = {PULSE, FLICK};
  for (size_t i = 0; i < 2; i++) {
    uint64_t begin = i * 10000;
    bench_join(&bench, T + begin, ann, rooms[i], "ann", OPEN);
    say(begin + 5, ann, rooms[i], 1, "run");
    for (uint64_t ms = 100; ms <= 700; ms += 100) frames_at(begin + ms);
    say(begin + 710, ann, rooms[i], 2, "x");
    uint32_t ran = pulse_of(rooms[i])->ran;
    bench_hand_over(&bench);
    cr_assert_eq(bench.metrics.rolled_back, 0);
    cr_assert_null(said(ann, BODY(JOINED), 0));
    cr_assert_eq(pulse_of(rooms[i])->ran, ran);
    frames_at(begin + 800);
    expect_ack(ann, 0, 2, "2");
  }
}

/* ---- lossy rooms ---- */

Test(tick, a_lossy_room_is_saved_about_once_a_second) {
  seat_both(FLICK);
  say(5, ann, FLICK, 1, "run");
  size_t stored = 0;
  char frame[24] = "";
  for (uint64_t ms = 100; ms <= 10000; ms += 100) {
    frames_at(ms);
    expect_ack(ann, 0, 1, "1");
    break;
  }
  for (uint64_t ms = 200; ms <= 10000; ms += 100) {
    frames_at(ms);
    cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_PAYLOAD), 1, "at once, in each frame");
    const char *now = bench_text(&bench_stored(&bench, FLICK)->fields, "frame");
    stored += strcmp(now, frame) != 0;
    snprintf(frame, sizeof frame, "%s", now);
  }
  cr_assert(stored >= 9 && stored <= 11, "%zu times", stored);
}

Test(tick, a_lossy_room_goes_back_and_its_members_are_told) {
  seat_both(FLICK);
  say(5, ann, FLICK, 1, "x");
  for (uint64_t ms = 100; ms <= 1000; ms += 100) frames_at(ms);
  char session[64];
  snprintf(session, sizeof session, "%s", room_member(bench_room(&bench, FLICK), "ann")->session);
  say(1010, ann, FLICK, 2, "x");
  frames_at(1100);
  expect_ack(ann, 0, 2, "2");
  say(1110, ann, FLICK, 3, "x");                    /* waits */
  bench_disconnected(&bench, T + 1120, bob, FLICK); /* which saves it */
  say(1130, ann, FLICK, 4, "x");
  frames_at(1200);
  expect_ack(ann, 1, 4, "4");
  bench_drop(&bench);

  cr_assert_eq(bench.metrics.rolled_back, 1);
  const Heya__V1__Joined *joined = said(ann, BODY(JOINED), 0)->joined;
  cr_assert_eq(joined->reason, CODE(ROLLED_BACK));
  cr_assert(joined->returned && !joined->resumed && !joined->created);
  cr_assert_str_neq(joined->session, session);
  uint32_t first = joined->first_number;
  cr_assert_gt(first, 4);
  cr_assert(bytes_equal_str(bytes_of(joined->snapshot->state.data, joined->snapshot->state.len), "2"));
  cr_assert_eq(joined->epoch, bench_room(&bench, FLICK)->event_epoch);
  cr_assert_eq(bench_count_to(&bench, bob.gateway, bob.conn), 0); /* he hears of it when he comes back */
  cr_assert_eq(bench_room(&bench, FLICK)->queue.n, 0);

  say(1300, ann, FLICK, 1, "x"); /* sent before she knew: it was done, and is not done again */
  cr_assert_eq(said(ann, BODY(ERROR), 0)->error->code, CODE(TOO_OLD));
  say(1300, ann, FLICK, first, "x");
  frames_at(1300);
  expect_ack(ann, 0, first, "3");
}

Test(tick, membership_of_a_lossy_room_is_never_taken_back) {
  seat_both(FLICK);
  frames_at(100);
  bench_join(&bench, T + 110, (struct bench_from){"g-2", 7, 1}, FLICK, "cem", JOIN);
  bench_leave(&bench, T + 120, bob, FLICK, "bob");
  bench_drop(&bench);
  cr_assert_eq(bench_room(&bench, FLICK)->n_members, 2);
  cr_assert(room_member(bench_room(&bench, FLICK), "cem"));
  cr_assert_eq(said((struct bench_from){"g-2", 7, 1}, BODY(JOINED), 0)->joined->reason, CODE(ROLLED_BACK));
}

/* Rolled back twice, without anything in between: each time numbers begin again, so each time it is told. */
Test(tick, each_roll_back_makes_new_sessions) {
  seat_both(FLICK);
  char sessions[3][64];
  for (size_t i = 0; i < 3; i++) {
    snprintf(sessions[i], sizeof sessions[i], "%s", room_member(bench_room(&bench, FLICK), "ann")->session);
    for (size_t j = 0; j < i; j++) cr_assert_str_neq(sessions[i], sessions[j]);
    bench_drop(&bench);
  }
  cr_assert_eq(bench.metrics.rolled_back, 3);
}
