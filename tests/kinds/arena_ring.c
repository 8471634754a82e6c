/* A ring of fighters for the tests of the kind `arena` (arena_ring.h). */
#include "tests/kinds/arena_ring.h"

#include <stdio.h>

struct room *ring_open(const arena_options *options, kind_code *code) {
  struct buf bytes = {0};
  if (options) bytes = packed(&options->base);
  struct room *room = harness_open(&kind_arena, buf_bytes(&bytes), NOW, code);
  buf_close(&bytes);
  return room;
}

struct room *ring_of(int players, const arena_options *options) {
  kind_code code;
  struct room *room = ring_open(options, &code);
  cr_assert_eq(code, OK);
  for (int i = 1; i <= players; i++) {
    char player[16];
    snprintf(player, sizeof player, "p%d", i);
    cr_assert_eq(harness_join(room, player, "", NO_BYTES), OK);
  }
  cr_assert(harness_frame(room));
  harness_forget_events(room);
  return room;
}

static struct arena_fighter *fighter_at(struct room *room, int number) {
  return &((struct arena_game *)room_state(room))->fighters[number - 1];
}

const struct arena_fighter *fighter(struct room *room, int number) {
  return fighter_at(room, number);
}

void put(struct room *room, int number, uint32_t x, uint32_t y) {
  struct arena_fighter *moved = fighter_at(room, number);
  moved->now.x = moved->shown.x = x;
  moved->now.y = moved->shown.y = y;
  buf_clear(&room->saved);
  room->kind->save(room, &room->saved);
}

size_t move(struct room *room, const char *player, float x, float y) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Move move = HEYA__KINDS__ARENA__MOVE__INIT;
  move.x = x;
  move.y = y;
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_MOVE;
  command.move = &move;
  return harness_queue(room, player, &command.base);
}

size_t attack(struct room *room, const char *player, const char *target) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Attack attack = HEYA__KINDS__ARENA__ATTACK__INIT;
  attack.target = field_text(target);
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_ATTACK;
  command.attack = &attack;
  return harness_queue(room, player, &command.base);
}

size_t respawn(struct room *room, const char *player) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Respawn respawn = HEYA__KINDS__ARENA__RESPAWN__INIT;
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_RESPAWN;
  command.respawn = &respawn;
  return harness_queue(room, player, &command.base);
}

kind_code code_of(struct room *room, size_t command) {
  const struct harness_outcome *outcome = harness_outcome(room, command);
  cr_assert(outcome->done, "command %zu waits", command);
  return outcome->code;
}

const arena_event *ring_event(struct room *room, size_t index, Heya__Kinds__Arena__Event__BodyCase body) {
  cr_assert_lt(index, room->event_count, "only %zu events were sent", room->event_count);
  const arena_event *event = harness_event(room, index, &heya__kinds__arena__event__descriptor);
  cr_assert_eq(event->body_case, body, "event %zu is a %d", index, event->body_case);
  return event;
}

const Heya__Kinds__Arena__Fighter *in_frame(const arena_event *event, const char *player) {
  for (size_t i = 0; i < event->frame->n_fighters; i++)
    if (strcmp(event->frame->fighters[i]->player, player) == 0) return event->frame->fighters[i];
  return NULL;
}

size_t heard_by(struct room *room, const char *player, size_t from) {
  while (from < room->event_count && !harness_heard(room, from, player)) from++;
  cr_assert_lt(from, room->event_count, "%s heard nothing", player);
  return from;
}
