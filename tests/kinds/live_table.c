/* A table of players for the tests of the kind `live` (live_table.h). */
#include "tests/kinds/live_table.h"

#include <stdio.h>

struct room *table_open(uint32_t live_id, uint32_t deadline_ms, kind_code *code) {
  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  options.live_id = live_id;
  options.deadline_ms = deadline_ms;
  struct buf bytes = packed(&options.base);
  struct room *room = harness_open(&kind_live, buf_bytes(&bytes), NOW, code);
  buf_close(&bytes);
  return room;
}

struct room *table_of(int players) {
  kind_code code;
  struct room *room = table_open(SONG, 0, &code);
  cr_assert_eq(code, OK);
  for (int i = 1; i <= players; i++) {
    char player[16], name[16];
    snprintf(player, sizeof player, "p%d", i);
    snprintf(name, sizeof name, "Name %d", i);
    cr_assert_eq(harness_join(room, player, name, NO_PROFILE), OK);
  }
  return room;
}

struct room *table_playing(int players) {
  struct room *room = table_of(players);
  cr_assert_eq(start(room, "p1"), OK);
  harness_forget_events(room);
  return room;
}

static kind_code give(struct room *room, const char *player, const Heya__Kinds__Live__Command *command) {
  struct buf bytes = packed(&command->base);
  kind_code code = harness_command(room, player, buf_bytes(&bytes));
  buf_close(&bytes);
  return code;
}

kind_code start(struct room *room, const char *player) {
  Heya__Kinds__Live__Start body = HEYA__KINDS__LIVE__START__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_START;
  command.start = &body;
  return give(room, player, &command);
}

kind_code submit_judged(struct room *room, const char *player, uint32_t round, uint32_t score,
                        Heya__Kinds__Live__Judge *judge) {
  Heya__Kinds__Live__Submit body = HEYA__KINDS__LIVE__SUBMIT__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  body.round = round;
  body.score = score;
  body.judge = judge;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
  command.submit = &body;
  return give(room, player, &command);
}

kind_code submit(struct room *room, const char *player, uint32_t round, uint32_t score) {
  return submit_judged(room, player, round, score, NULL);
}

kind_code choose(struct room *room, const char *player, uint32_t live_id) {
  Heya__Kinds__Live__Choose body = HEYA__KINDS__LIVE__CHOOSE__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  body.live_id = live_id;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_CHOOSE;
  command.choose = &body;
  return give(room, player, &command);
}

kind_code dissolve(struct room *room, const char *player) {
  Heya__Kinds__Live__Dissolve body = HEYA__KINDS__LIVE__DISSOLVE__INIT;
  Heya__Kinds__Live__Command command = HEYA__KINDS__LIVE__COMMAND__INIT;
  command.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_DISSOLVE;
  command.dissolve = &body;
  return give(room, player, &command);
}

Heya__Kinds__Live__Event *event_at(struct room *room, size_t index, Heya__Kinds__Live__Event__BodyCase body) {
  cr_assert_lt(index, room->event_count, "only %zu events were sent", room->event_count);
  Heya__Kinds__Live__Event *event =
      unpacked(&heya__kinds__live__event__descriptor, buf_bytes(&room->events[index].payload));
  cr_assert_eq(event->body_case, body);
  return event;
}

Heya__Kinds__Live__Event *last_event(struct room *room, Heya__Kinds__Live__Event__BodyCase body) {
  cr_assert_gt(room->event_count, 0);
  return event_at(room, room->event_count - 1, body);
}

void free_event(Heya__Kinds__Live__Event *event) {
  heya__kinds__live__event__free_unpacked(event, NULL);
}

Heya__Kinds__Live__State *state_of(struct room *room) {
  struct buf bytes = {0};
  harness_snapshot(room, "p1", &bytes);
  Heya__Kinds__Live__State *state = unpacked(&heya__kinds__live__state__descriptor, buf_bytes(&bytes));
  buf_close(&bytes);
  return state;
}

void expect_score(const Heya__Kinds__Live__Results *results, size_t row, const char *player, uint32_t score,
                  bool forfeited) {
  cr_assert_lt(row, results->n_scores);
  const Heya__Kinds__Live__Score *found = results->scores[row];
  cr_assert_str_eq(found->player, player);
  cr_assert_eq(found->score, score, "%s has %u", player, found->score);
  cr_assert_eq(found->forfeited, forfeited, "%s", player);
  cr_assert_eq(found->judge == NULL, forfeited);
}
