/* Quick: the one lobby decides in stream order, and counts what it has asked a room for until the room has answered.
 * A room says how many seats are free after its answers, so what it has told, less what is under way, is right: no
 * room is asked for more than it has, unless others come to it by themselves, and then it refuses and another is
 * sought. */
#include "proto/names.h"
#include "worker/kinds/lobby.h"
#include <stdio.h>
#include <string.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static bool is_of(const struct lobby_room *room, const struct lobby_ticket *ticket) {
  size_t len = strlen(ticket->kind);
  return strncmp(room->id, ticket->kind, len) == 0 && room->id[len] == '/' && room->size == ticket->size &&
         strcmp(room->mode, ticket->mode) == 0;
}

/* The fullest, of those the oldest. */
static struct lobby_room *best_room(const struct lobby *lobby, const struct lobby_ticket *ticket) {
  struct lobby_room *best = NULL;
  for (size_t i = 0; i < lobby->n_rooms; i++) {
    struct lobby_room *room = &lobby->rooms[i];
    uint32_t free = lobby_room_free(room);
    if (free && is_of(room, ticket) && (!best || free < lobby_room_free(best))) best = room;
  }
  return best;
}

static struct lobby_room *new_room(struct room *room, struct lobby *lobby, const struct lobby_ticket *ticket) {
  char id[ROOM_ID_MAX + 1];
  room_new_id(room, ticket->kind, id);
  struct lobby_room *made = lobby_add_room(lobby, id);
  if (!made) return NULL;
  memcpy(made->mode, ticket->mode, sizeof made->mode);
  made->size = made->told = ticket->size;
  return made;
}

/* False if no more can be asked for now. */
static bool place(struct room *room, struct lobby *lobby, size_t nth) {
  const struct lobby_ticket *ticket = &lobby->tickets[nth];
  const char *players[] = {ticket->players[0]};
  struct kind_seats seats = {.players = players, .n = 1, .keep_ms = LOBBY_KEEP_MS};
  struct lobby_match match = {.token = lobby->tokens + 1};
  struct lobby_room *there = ticket->fresh ? NULL : best_room(lobby, ticket);
  bool asked;
  if (there) {
    asked = room_reserve_elsewhere(room, there->id, &seats, match.token);
  } else {
    there = new_room(room, lobby, ticket);
    if (!there) return false;
    match.opens = true;
    asked = room_open_elsewhere(room, there->id, buf_bytes(&ticket->options), ticket->size, &seats, match.token);
    if (!asked) lobby_drop_room(lobby, there->id);
  }
  if (!asked) return false;
  there->under_way++;
  lobby->tokens++;
  memcpy(match.room, there->id, sizeof match.room);
  match.ticket = lobby_take_ticket(lobby, nth);
  lobby_add_match(lobby, match);
  return true;
}

void lobby_place(struct room *room, struct lobby *lobby) {
  for (size_t i = 0; i < lobby->n_tickets;) {
    if (!lobby->tickets[i].quick) {
      i++;
    } else if (!place(room, lobby, i)) {
      return;
    }
  }
}

/* What its answer says of the room. */
static void note_answer(struct lobby *lobby, const struct lobby_match *match, kind_code code) {
  struct lobby_room *there = lobby_find_room(lobby, match->room);
  if (!there) return;
  if (there->under_way) there->under_way--;
  switch (code) {
  case CODE(OK):
    if (there->told) there->told--;
    return;
  case CODE(ROOM_FULL):
  case CODE(ROOM_LOCKED): there->told = 0; return; /* until it says otherwise */
  case CODE(BANNED): return;
  default: lobby_drop_room(lobby, match->room);
  }
}

void lobby_placed(struct room *room, struct lobby *lobby, struct lobby_match match, kind_code code) {
  note_answer(lobby, &match, code);
  if (code == CODE(OK)) {
    match.until_ms = room_time_ms(room) + LOBBY_KEEP_MS;
    lobby_send_matched(room, lobby_add_match(lobby, match));
  } else if (match.opens || !room_member(room, match.ticket.players[0])) {
    lobby_send_failed(room, &match.ticket, code);
    lobby_ticket_close(&match.ticket);
  } else {
    match.ticket.fresh = code == CODE(BANNED); /* others go there still */
    lobby_add_ticket(lobby, match.ticket);     /* there is another room, or there will be */
  }
  lobby_place(room, lobby);
}
