/* A room with players for the tests of the kind `gomoku` (goban.h). */
#include "tests/kinds/goban.h"

#include "tests/kind_harness.h"
#include <stdio.h>

/* ---- the room ---- */

struct room *goban_open_bytes(struct bytes options, kind_code *code) {
  return harness_open(&kind_gomoku, options, NOW, code);
}

struct room *goban_open(struct goban_options options, kind_code *code) {
  Heya__Kinds__Gomoku__Options message = HEYA__KINDS__GOMOKU__OPTIONS__INIT;
  message.size = options.size;
  message.turn_ms = options.turn_ms;
  message.untimed = options.untimed;
  message.exact = options.exact;
  struct buf bytes = packed(&message.base);
  struct room *room = goban_open_bytes(buf_bytes(&bytes), code);
  buf_close(&bytes);
  return room;
}

void goban_close(struct room *room) {
  harness_close(room);
}

struct room *goban_of(int members, struct goban_options options) {
  kind_code code;
  struct room *room = goban_open(options, &code);
  cr_assert_eq(code, OK);
  for (int i = 1; i <= members; i++) {
    char player[16];
    snprintf(player, sizeof player, "p%d", i);
    cr_assert_eq(goban_join(room, player), OK);
  }
  if (members >= 2) goban_wait(room, 1);
  goban_forget(room);
  return room;
}

kind_code goban_join_with(struct room *room, const char *player, struct bytes profile) {
  return harness_join(room, player, player, profile);
}

kind_code goban_join(struct room *room, const char *player) {
  return goban_join_with(room, player, bytes_of(NULL, 0));
}

void goban_leave(struct room *room, const char *player) {
  harness_leave(room, player, HEYA__V1__LEAVE_REASON__ASKED);
}

void goban_close_seat(struct room *room, const char *player) {
  harness_leave(room, player, HEYA__V1__LEAVE_REASON__ENDED);
}

void goban_set_away(struct room *room, const char *player) {
  room_member(room, player)->away = true;
}

void goban_wait(struct room *room, uint64_t ms) {
  harness_time(room, room->now_ms + ms);
}

uint64_t goban_now(const struct room *room) {
  return room->now_ms;
}

/* ---- commands ---- */

kind_code goban_command(struct room *room, const char *player, struct bytes payload) {
  return harness_command(room, player, payload);
}

static kind_code give(struct room *room, const char *player, const Heya__Kinds__Gomoku__Command *command) {
  struct buf bytes = packed(&command->base);
  kind_code code = goban_command(room, player, buf_bytes(&bytes));
  cr_assert_eq(room->message[0] == '\0', code == OK, "a refusal says why");
  buf_close(&bytes);
  return code;
}

kind_code goban_place(struct room *room, const char *player, uint32_t x, uint32_t y) {
  Heya__Kinds__Gomoku__Place body = HEYA__KINDS__GOMOKU__PLACE__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  body.x = x;
  body.y = y;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_PLACE;
  command.place = &body;
  return give(room, player, &command);
}

kind_code goban_resign(struct room *room, const char *player) {
  Heya__Kinds__Gomoku__Resign body = HEYA__KINDS__GOMOKU__RESIGN__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_RESIGN;
  command.resign = &body;
  return give(room, player, &command);
}

kind_code goban_rematch(struct room *room, const char *player) {
  Heya__Kinds__Gomoku__Rematch body = HEYA__KINDS__GOMOKU__REMATCH__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_REMATCH;
  command.rematch = &body;
  return give(room, player, &command);
}

kind_code goban_decline(struct room *room, const char *player) {
  Heya__Kinds__Gomoku__Decline body = HEYA__KINDS__GOMOKU__DECLINE__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_DECLINE;
  command.decline = &body;
  return give(room, player, &command);
}

void goban_four_each(struct room *room, const char *first, const char *second) {
  for (uint32_t i = 0; i < 4; i++) {
    cr_assert_eq(goban_place(room, first, i, 0), OK);
    cr_assert_eq(goban_place(room, second, i, 1), OK);
  }
}

const char *goban_message(const struct room *room) {
  return room->message;
}

/* ---- what was sent ---- */

Heya__Kinds__Gomoku__Event *goban_event(struct room *room, size_t index, Heya__Kinds__Gomoku__Event__BodyCase body) {
  cr_assert_lt(index, room->event_count, "only %zu events were sent", room->event_count);
  Heya__Kinds__Gomoku__Event *event =
      unpacked(&heya__kinds__gomoku__event__descriptor, buf_bytes(&room->events[index].payload));
  cr_assert_eq(event->body_case, body, "event %zu is a %d", index, (int)event->body_case);
  return event;
}

bool goban_is(struct room *room, size_t index, Heya__Kinds__Gomoku__Event__BodyCase body) {
  Heya__Kinds__Gomoku__Event *event =
      unpacked(&heya__kinds__gomoku__event__descriptor, buf_bytes(&room->events[index].payload));
  bool is = event->body_case == body;
  goban_free(event);
  return is;
}

Heya__Kinds__Gomoku__Event *goban_last(struct room *room, Heya__Kinds__Gomoku__Event__BodyCase body) {
  cr_assert_gt(room->event_count, 0);
  return goban_event(room, room->event_count - 1, body);
}

size_t goban_event_count(const struct room *room) {
  return room->event_count;
}

size_t goban_receivers(const struct room *room, size_t index) {
  return room->events[index].receivers;
}

void goban_forget(struct room *room) {
  harness_forget_events(room);
}

void goban_free(Heya__Kinds__Gomoku__Event *event) {
  heya__kinds__gomoku__event__free_unpacked(event, NULL);
}

void goban_expect_over(struct room *room, const char *winner, Heya__Kinds__Gomoku__Reason reason, size_t line) {
  Heya__Kinds__Gomoku__Event *event = goban_last(room, EVENT(OVER));
  cr_assert_str_eq(event->over->winner, winner);
  cr_assert_eq(event->over->reason, reason);
  cr_assert_eq(event->over->n_line, line);
  goban_free(event);
}

Heya__Kinds__Gomoku__State *goban_state(struct room *room) {
  struct buf bytes = {0};
  harness_snapshot(room, "p1", &bytes);
  Heya__Kinds__Gomoku__State *state = unpacked(&heya__kinds__gomoku__state__descriptor, buf_bytes(&bytes));
  buf_close(&bytes);
  return state;
}

Heya__Kinds__Gomoku__Phase goban_phase(struct room *room) {
  Heya__Kinds__Gomoku__State *state = goban_state(room);
  Heya__Kinds__Gomoku__Phase phase = state->phase;
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  return phase;
}

/* ---- what people see, and successors ---- */

uint64_t goban_countdown(const struct room *room, uint32_t *move) {
  *move = room->deadline_round;
  return room->deadline_ms;
}

bool goban_has_timer(const struct room *room) {
  return harness_timer_at(room, 1) || harness_timer_at(room, 2);
}

const char *goban_result(const struct room *room, const char *player) {
  return harness_result_of(room, player);
}

bool goban_is_listed(struct room *room, const char *property, const char *value) {
  char found[PROPERTY_VALUE_MAX + 1];
  return harness_property(room, property, found) && strcmp(found, value) == 0;
}

struct bytes goban_saved(const struct room *room) {
  return buf_bytes(&room->saved);
}

bool goban_would_load(struct room *room, struct bytes state) {
  return harness_would_load(room, state);
}
