/* Promises of the harness for kinds: it sees the mistakes that a kind can make, and runs frames as a worker does. */
#include "tests/kind_harness.h"
#include "tests/kinds/harness_hook.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK  HEYA__V1__ERROR__CODE__OK
#define BAD HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define NOW 1700000000000u

/* A kind that counts, and whose commands are words for mistakes. */
struct toy {
  uint32_t count, unsaved;
  char log[64]; /* what was called in this frame, and the one before */
};

static struct toy *toy_of(const struct room *room) {
  return room_state(room);
}

static void note(struct room *room, char what) {
  char text[2] = {what, '\0'};
  strncat(toy_of(room)->log, text, sizeof toy_of(room)->log - strlen(toy_of(room)->log) - 1);
}

static kind_code toy_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)reply;
  if (bytes_equal_str(options, "wild")) room_set_tick_hz(room, 1000);
  if (bytes_equal_str(options, "slow")) room_set_tick_hz(room, 1);
  return OK;
}

static void ask(struct room *room, const char *player) {
  char id[ROOM_ID_MAX + 1];
  struct kind_seats seats = {.players = &player, .n = 1, .keep_ms = 1000};
  room_new_id(room, "chat", id);
  note(room, room_open_elsewhere(room, id, bytes_of("x", 1), 3, &seats, 7) ? 'a' : 'n');
}

static kind_code toy_command(struct room *room, struct member *member, struct bytes word, struct kind_reply *reply) {
  note(room, 'c');
  if (bytes_equal_str(word, "forget")) toy_of(room)->unsaved++;
  if (bytes_equal_str(word, "refuse and send")) room_send_one(room, member, word);
  if (bytes_equal_str(word, "rate")) room_set_tick_hz(room, 5);
  if (bytes_equal_str(word, "timer")) room_timer_set(room, 1, room_time_ms(room) + 150);
  if (bytes_equal_str(word, "end")) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  if (bytes_equal_str(word, "count")) toy_of(room)->count++;
  if (word.len >= 3 && memcmp(word.data, "ask", 3) == 0) ask(room, word.len == 3 ? "p2" : "no\nplayer");
  buf_printf(&reply->result, "%u", (unsigned)toy_of(room)->count);
  if (word.len >= 6 && memcmp(word.data, "refuse", 6) == 0) {
    toy_of(room)->log[strlen(toy_of(room)->log) - 1] = '\0';
    if (bytes_equal_str(word, "refuse and count")) toy_of(room)->count++;
    kind_refuse(reply, "no");
    return BAD;
  }
  return OK;
}

static bool toy_tick(struct room *room, const struct kind_tick *frame) {
  (void)frame;
  if (toy_of(room)->count == 50) toy_of(room)->count++;
  if (toy_of(room)->count == 51 || toy_of(room)->log[0] == '\0') return false;
  note(room, 't');
  return true;
}

static void toy_timer(struct room *room, uint32_t id) {
  (void)id;
  note(room, '!');
}

/* Asks again when it is refused, and when the other room has ended. */
static void toy_opened(struct room *room, uint64_t token, const char *id, kind_code code) {
  (void)id;
  cr_assert_eq(token, 7);
  note(room, 'o');
  if (code != OK) ask(room, "p2");
}

static void toy_vacancy(struct room *room, const char *id, uint32_t free_seats, bool ended) {
  struct kind_seats none = {.keep_ms = 1000};
  note(room, (char)('0' + free_seats));
  if (ended) room_reserve_elsewhere(room, id, &none, 8);
}

static void toy_save(struct room *room, struct buf *out) {
  const struct toy *toy = toy_of(room);
  buf_printf(out, "%u %u %s", (unsigned)toy->count, (unsigned)toy->unsaved, toy->log);
}

static bool toy_load(struct room *room, struct bytes bytes) {
  unsigned count = 0, unsaved;
  char text[128];
  snprintf(text, sizeof text, "%.*s", (int)bytes.len, (const char *)bytes.data);
  if (sscanf(text, "%u %u %63s", &count, &unsaved, toy_of(room)->log) < 2) return false;
  toy_of(room)->count = count;
  return true;
}

static void toy_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer;
  buf_printf(out, "%u", (unsigned)toy_of(room)->count);
}

static const struct kind toy = {
    .abi = KIND_ABI,
    .name = "toy",
    .max_members = 4,
    .max_members_limit = 4,
    .tick_hz = 10,
    .state_size = sizeof(struct toy),
    .open = toy_open,
    .command = toy_command,
    .tick = toy_tick,
    .timer = toy_timer,
    .opened = toy_opened,
    .vacancy = toy_vacancy,
    .save = toy_save,
    .load = toy_load,
    .snapshot = toy_snapshot,
};

static struct room *toy_room(void) {
  kind_code code;
  struct room *room = harness_open(&toy, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  return room;
}

static size_t send(struct room *room, const char *word) {
  return harness_send(room, "p1", bytes_of_str(word));
}

/* What the harness complains about when this is done, in a process of its own. */
static void expect_complaint(void (*mistake)(const char *), const char *word, const char *part) {
  int ends[2];
  char text[512] = "";
  cr_assert_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    harness_complaints = ends[1];
    mistake(word);
    _exit(1);
  }
  close(ends[1]);
  cr_assert_geq(read(ends[0], text, sizeof text - 1), 0);
  close(ends[0]);
  waitpid(child, NULL, 0);
  cr_assert(strstr(text, part), "%s: \"%s\"", word, text);
}

/* ---- mistakes ---- */

static void command(const char *word) {
  struct room *room = toy_room();
  send(room, word);
  harness_frame(room);
}

static void deny_a_change(const char *word) {
  struct room *room = toy_room();
  for (int i = 0; i < 50; i++) send(room, word);
  harness_frame(room);
}

static void open_with_options(const char *word) {
  kind_code code;
  harness_open(&toy, bytes_of_str(word), NOW, &code);
}

static void open_other(const char *word) {
  kind_code code;
  struct kind bad = toy;
  if (strcmp(word, "abi") == 0) bad.abi++;
  if (strcmp(word, "tick") == 0) bad.tick = NULL;
  harness_open(&bad, bytes_of(NULL, 0), NOW, &code);
}

static void check(const char *word) {
  harness_check(strlen(word) == 7);
}

TestSuite(harness, .timeout = 20);

Test(harness, sees_a_state_that_is_not_saved_whole) {
  expect_complaint(command, "forget",
                   "kind toy, command of p1: the state that is loaded afterwards is not the saved");
}

Test(harness, sees_a_refusal_that_changes_the_state) {
  expect_complaint(command, "refuse and count", "kind toy, command of p1: what is refused has changed the state");
}

Test(harness, sees_a_refusal_that_sends) {
  expect_complaint(command, "refuse and send", "kind toy, command of p1: what is refused has done something");
}

Test(harness, sees_a_rate_that_is_set_outside_of_open) {
  expect_complaint(command, "rate", "kind toy, command of p1: only open may set the rate");
}

Test(harness, sees_a_tick_that_changes_the_state_and_denies_it) {
  expect_complaint(deny_a_change, "count", "kind toy, tick of frame 1: it says that nothing has changed");
}

Test(harness, sees_a_kind_that_is_none) {
  expect_complaint(open_other, "abi", "another version of worker/kind.h");
  expect_complaint(open_other, "tick", "there is no tick");
  expect_complaint(open_with_options, "wild", "the room's rate is not one");
}

Test(harness, says_where_a_test_fails) {
  expect_complaint(check, "word", "tests/kinds/harness.c:");
  expect_complaint(check, "word", ": strlen(word) == 7");
}

/* ---- frames ---- */

Test(harness, commands_wait_for_the_frame_and_run_before_its_tick) {
  struct room *room = toy_room();
  size_t first = send(room, "count"), second = send(room, "refuse");
  cr_assert_not(harness_outcome(room, first)->done);
  cr_assert_eq(toy_of(room)->count, 0);
  cr_assert(harness_frame(room));
  cr_assert_str_eq(toy_of(room)->log, "ct");
  cr_assert(harness_outcome(room, first)->done && harness_outcome(room, second)->done);
  cr_assert_eq(harness_outcome(room, first)->code, OK);
  cr_assert(bytes_equal_str(buf_bytes(&harness_outcome(room, first)->result), "1"));
  cr_assert_eq(harness_outcome(room, second)->code, BAD);
  cr_assert_str_eq(harness_outcome(room, second)->message, "no");
  cr_assert_eq(room_time_ms(room), NOW + 100);
  harness_close(room);
}

Test(harness, time_runs_frames_and_timers_in_their_order) {
  struct room *room = toy_room();
  cr_assert_eq(harness_command(room, "p1", bytes_of_str("timer")), OK); /* in frame 1: due at 250 ms */
  harness_time(room, NOW + 399);
  cr_assert_str_eq(toy_of(room)->log, "ctt!t"); /* frames 1 and 2, the timer, frame 3 */
  cr_assert_eq(room_frame(room), 3);
  cr_assert_eq(room_time_ms(room), NOW + 399);
  harness_close(room);
}

Test(harness, an_idle_frame_says_so) {
  struct room *room = toy_room();
  cr_assert_eq(harness_frames(room, 5), 0);
  cr_assert_eq(room_frame(room), 5);
  harness_close(room);
}

Test(harness, an_empty_room_stands_still_and_has_missed_nothing) {
  struct room *room = toy_room();
  send(room, "count");
  harness_leave(room, "p1", HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_eq(harness_outcome(room, 1)->code, HEYA__V1__ERROR__CODE__NOT_IN_ROOM);
  harness_time(room, NOW + 10000);
  cr_assert_not(harness_frame(room));
  harness_skip(room, 5);
  cr_assert_eq(harness_join(room, "p2", "Bob", bytes_of(NULL, 0)), OK);
  cr_assert_eq(room->skipped, 0);
  cr_assert_eq(room_frame(room), 100);
  harness_close(room);
}

Test(harness, what_waits_when_the_room_ends_is_refused) {
  struct room *room = toy_room();
  size_t last = send(room, "end"), late = send(room, "count");
  cr_assert_not(harness_frame(room));
  cr_assert(room->completed);
  cr_assert_eq(harness_outcome(room, last)->code, OK);
  cr_assert_eq(harness_outcome(room, late)->code, HEYA__V1__ERROR__CODE__ROOM_CLOSED);
  harness_close(room);
}

Test(harness, more_commands_than_may_wait_are_busy) {
  struct room *room = toy_room();
  for (size_t i = 0; i < QUEUE_PLAYER_MAX; i++) send(room, "count");
  cr_assert_eq(harness_outcome(room, send(room, "count"))->code, HEYA__V1__ERROR__CODE__BUSY);
  harness_close(room);
}

Test(harness, a_room_has_the_rate_that_open_sets) {
  kind_code code;
  struct room *room = harness_open(&toy, bytes_of_str("slow"), NOW, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(room_tick_hz(room), 1);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  harness_frame(room);
  cr_assert_eq(room_time_ms(room), NOW + 1000);
  harness_close(room);
}

/* ---- other rooms ---- */

Test(harness, what_a_kind_asks_of_other_rooms_is_kept_and_answered_by_the_test) {
  struct room *room = toy_room();
  send(room, "ask");
  harness_frame(room);
  cr_assert_eq(room->ask_count, 1);
  const struct harness_ask *first = &room->asks[0];
  cr_assert(first->open && first->max_members == 3 && first->token == 7 && first->keep_ms == 1000);
  cr_assert(first->player_count == 1 && bytes_equal_str(buf_bytes(&first->options), "x"));
  cr_assert_str_eq(first->players[0], "p2");
  for (size_t i = 0; i < 40; i++) harness_answer(room, i, BAD);
  cr_assert_eq(room->ask_count, 41);
  cr_assert_str_neq(room->asks[0].id, room->asks[40].id);
  harness_answer(room, 40, OK);
  harness_vacancy(room, room->asks[40].id, 0, true);
  cr_assert(room->ask_count == 42 && !room->asks[41].open);
  cr_assert_str_eq(room->asks[41].id, room->asks[40].id);
  harness_close(room);
}

Test(harness, no_more_is_asked_than_may_wait_and_nothing_that_makes_no_sense) {
  struct room *room = toy_room();
  send(room, "ask nobody");
  harness_frame(room);
  cr_assert_eq(room->ask_count, 0);
  room->asks_max = 1;
  send(room, "ask");
  send(room, "ask");
  harness_frame(room);
  cr_assert_eq(room->ask_count, 1);
  harness_answer(room, 0, OK);
  send(room, "ask");
  harness_frame(room);
  cr_assert_eq(room->ask_count, 2);
  harness_close(room);
}
