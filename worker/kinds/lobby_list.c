/* The lists of a lobby. See lobby.h. */
#include "common/mem.h"
#include "worker/kinds/lobby.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROW(array, n, cap)                                                                                          \
  do {                                                                                                               \
    if ((n) == (cap)) {                                                                                              \
      (cap) = (cap) ? 2 * (cap) : 8;                                                                                 \
      (array) = xrealloc((array), (cap) * sizeof *(array));                                                          \
    }                                                                                                                \
  } while (0)

/* ---- tickets ---- */

void lobby_ticket_add_player(struct lobby_ticket *ticket, const char *player) {
  ticket->players = xrealloc(ticket->players, (ticket->n_players + 1) * sizeof *ticket->players);
  snprintf(ticket->players[ticket->n_players++], sizeof *ticket->players, "%s", player);
}

bool lobby_ticket_has(const struct lobby_ticket *ticket, const char *player) {
  for (size_t i = 0; i < ticket->n_players; i++)
    if (strcmp(ticket->players[i], player) == 0) return true;
  return false;
}

void lobby_ticket_close(struct lobby_ticket *ticket) {
  buf_close(&ticket->options);
  free(ticket->players);
  *ticket = (struct lobby_ticket){.size = 0};
}

struct lobby_ticket *lobby_add_ticket(struct lobby *lobby, struct lobby_ticket ticket) {
  GROW(lobby->tickets, lobby->n_tickets, lobby->cap_tickets);
  lobby->tickets[lobby->n_tickets] = ticket;
  return &lobby->tickets[lobby->n_tickets++];
}

struct lobby_ticket lobby_take_ticket(struct lobby *lobby, size_t nth) {
  struct lobby_ticket ticket = lobby->tickets[nth];
  memmove(&lobby->tickets[nth], &lobby->tickets[nth + 1], (--lobby->n_tickets - nth) * sizeof *lobby->tickets);
  return ticket;
}

size_t lobby_find_ticket(const struct lobby *lobby, const char *player) {
  size_t nth = 0;
  while (nth < lobby->n_tickets && !lobby_ticket_has(&lobby->tickets[nth], player)) nth++;
  return nth;
}

/* ---- matches ---- */

struct lobby_match *lobby_add_match(struct lobby *lobby, struct lobby_match match) {
  GROW(lobby->matches, lobby->n_matches, lobby->cap_matches);
  lobby->matches[lobby->n_matches] = match;
  return &lobby->matches[lobby->n_matches++];
}

struct lobby_match lobby_take_match(struct lobby *lobby, size_t nth) {
  struct lobby_match match = lobby->matches[nth];
  memmove(&lobby->matches[nth], &lobby->matches[nth + 1], (--lobby->n_matches - nth) * sizeof *lobby->matches);
  return match;
}

static bool is_over(const struct lobby_match *match, uint64_t now_ms) {
  return match->until_ms && match->until_ms <= now_ms;
}

struct lobby_match *lobby_find_match(const struct lobby *lobby, const char *player, uint64_t now_ms) {
  for (size_t i = 0; i < lobby->n_matches; i++) {
    struct lobby_match *match = &lobby->matches[i];
    if (!is_over(match, now_ms) && lobby_ticket_has(&match->ticket, player)) return match;
  }
  return NULL;
}

size_t lobby_find_token(const struct lobby *lobby, uint64_t token) {
  size_t nth = 0;
  while (nth < lobby->n_matches && (lobby->matches[nth].until_ms || lobby->matches[nth].token != token)) nth++;
  return nth;
}

void lobby_drop_match(struct lobby *lobby, struct lobby_match *match) {
  struct lobby_match dropped = lobby_take_match(lobby, (size_t)(match - lobby->matches));
  lobby_ticket_close(&dropped.ticket);
}

void lobby_drop_old_matches(struct lobby *lobby, uint64_t now_ms) {
  for (size_t i = lobby->n_matches; i-- > 0;)
    if (is_over(&lobby->matches[i], now_ms)) lobby_drop_match(lobby, &lobby->matches[i]);
}

void lobby_drop_matches_of(struct lobby *lobby, const char *room) {
  for (size_t i = lobby->n_matches; i-- > 0;) {
    struct lobby_match *match = &lobby->matches[i];
    if (match->until_ms && strcmp(match->room, room) == 0) lobby_drop_match(lobby, match);
  }
}

/* ---- rooms ---- */

uint32_t lobby_room_free(const struct lobby_room *room) {
  return room->told > room->under_way ? room->told - room->under_way : 0;
}

struct lobby_room *lobby_find_room(const struct lobby *lobby, const char *id) {
  for (size_t i = 0; i < lobby->n_rooms; i++)
    if (strcmp(lobby->rooms[i].id, id) == 0) return &lobby->rooms[i];
  return NULL;
}

void lobby_drop_room(struct lobby *lobby, const char *id) {
  struct lobby_room *room = lobby_find_room(lobby, id);
  if (!room) return;
  size_t nth = (size_t)(room - lobby->rooms);
  memmove(room, room + 1, (--lobby->n_rooms - nth) * sizeof *room);
}

static bool forget_room(struct lobby *lobby, bool full) {
  for (size_t i = 0; i < lobby->n_rooms; i++) {
    const struct lobby_room *room = &lobby->rooms[i];
    if (room->under_way || room->told != (full ? 0 : room->size)) continue;
    lobby_drop_room(lobby, room->id);
    return true;
  }
  return false;
}

/* The oldest room that takes nobody, or else that has nobody in it; neither has an answer to give. */
static bool make_place(struct lobby *lobby) {
  return forget_room(lobby, true) || forget_room(lobby, false);
}

struct lobby_room *lobby_add_room(struct lobby *lobby, const char *id) {
  if (lobby->n_rooms == LOBBY_ROOMS_MAX && !make_place(lobby)) return NULL;
  GROW(lobby->rooms, lobby->n_rooms, lobby->cap_rooms);
  struct lobby_room *room = &lobby->rooms[lobby->n_rooms++];
  *room = (struct lobby_room){.size = 0};
  snprintf(room->id, sizeof room->id, "%s", id);
  return room;
}

void lobby_close_lists(struct lobby *lobby) {
  for (size_t i = 0; i < lobby->n_tickets; i++) lobby_ticket_close(&lobby->tickets[i]);
  for (size_t i = 0; i < lobby->n_matches; i++) lobby_ticket_close(&lobby->matches[i].ticket);
  free(lobby->tickets);
  free(lobby->matches);
  free(lobby->rooms);
  *lobby = (struct lobby){.tokens = 0};
}
