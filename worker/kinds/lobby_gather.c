/* Matchmaking: from time to time those who wait for the same are grouped, and each group gets a room of its own. */
#include "common/mem.h"
#include "worker/kinds/lobby.h"
#include "worker/kinds/lobby_match.h"
#include <stdlib.h>
#include <string.h>

static void set_timer(struct room *room, struct lobby *lobby, uint64_t at_ms) {
  lobby->match_at_ms = at_ms;
  room_timer_set(room, LOBBY_TIMER_MATCH, at_ms);
}

void lobby_gather_soon(struct room *room, struct lobby *lobby) {
  uint64_t soon_ms = room_time_ms(room) + LOBBY_GATHER_MS;
  if (lobby->match_at_ms == 0 || lobby->match_at_ms > soon_ms) set_timer(room, lobby, soon_ms);
}

/* ---- who can be grouped ---- */

static bool all_are_here(const struct room *room, const struct lobby_ticket *ticket) {
  for (size_t i = 0; i < ticket->n_players; i++) {
    const struct member *member = room_member(room, ticket->players[i]);
    if (!member || member_is_away(member)) return false;
  }
  return true;
}

static bool want_the_same(const struct lobby_ticket *a, const struct lobby_ticket *b) {
  return !a->quick && !b->quick && a->size == b->size && strcmp(a->kind, b->kind) == 0 &&
         strcmp(a->mode, b->mode) == 0;
}

static struct lobby_candidate candidate_of(const struct lobby_ticket *ticket, uint64_t now_ms) {
  uint64_t waited_ms = now_ms > ticket->since_ms ? now_ms - ticket->since_ms : 0;
  return (struct lobby_candidate){.skill = ticket->skill,
                                  .players = (uint32_t)ticket->n_players,
                                  .range = ticket->range + waited_ms * ticket->widen_per_s / 1000};
}

/* ---- groups ---- */

/* A pass over all tickets: which group each is in, and which were looked at already. */
struct pass {
  uint32_t *group; /* per ticket, 0: none */
  bool *seen;
  struct lobby_candidate *candidates;
  uint32_t *group_of; /* per candidate */
  size_t *index;      /* of each candidate's ticket */
  uint32_t groups;
};

/* Those who want the same as the nth. */
static void group_alike(struct room *room, const struct lobby *lobby, struct pass *pass, size_t nth) {
  size_t n = 0;
  for (size_t i = nth; i < lobby->n_tickets; i++) {
    const struct lobby_ticket *ticket = &lobby->tickets[i];
    if (pass->seen[i] || !want_the_same(&lobby->tickets[nth], ticket)) continue;
    pass->seen[i] = true;
    if (!all_are_here(room, ticket)) continue;
    pass->index[n] = i;
    pass->candidates[n++] = candidate_of(ticket, room_time_ms(room));
  }
  uint32_t made = lobby_match(pass->candidates, n, lobby->tickets[nth].size, pass->group_of);
  for (size_t i = 0; i < n; i++)
    if (pass->group_of[i]) pass->group[pass->index[i]] = pass->groups + pass->group_of[i];
  pass->groups += made;
}

/* The tickets of a group become one, that of whoever has waited for longest. */
static struct lobby_ticket merge(struct lobby *lobby, struct pass *pass, uint32_t group) {
  struct lobby_ticket merged = {.size = 0};
  size_t kept = 0;
  for (size_t i = 0; i < lobby->n_tickets; i++) {
    struct lobby_ticket *ticket = &lobby->tickets[i];
    if (pass->group[i] != group) {
      pass->group[kept] = pass->group[i];
      lobby->tickets[kept++] = *ticket;
    } else if (merged.size == 0) {
      merged = *ticket;
    } else {
      for (size_t j = 0; j < ticket->n_players; j++) lobby_ticket_add_player(&merged, ticket->players[j]);
      lobby_ticket_close(ticket);
    }
  }
  lobby->n_tickets = kept;
  return merged;
}

static const struct lobby_ticket *first_of(const struct lobby *lobby, const struct pass *pass, uint32_t group) {
  size_t i = 0;
  while (pass->group[i] != group) i++;
  return &lobby->tickets[i];
}

/* Asks for a room for a group; false if no more can be asked for now. */
static bool open_for(struct room *room, struct lobby *lobby, struct pass *pass, uint32_t group) {
  const char *players[LOBBY_SIZE_MAX];
  struct kind_seats seats = {.players = players, .keep_ms = LOBBY_KEEP_MS};
  const struct lobby_ticket *first = first_of(lobby, pass, group);
  struct lobby_match match = {.token = lobby->tokens + 1, .opens = true};
  for (size_t i = 0; i < lobby->n_tickets; i++) {
    const struct lobby_ticket *ticket = &lobby->tickets[i];
    for (size_t j = 0; pass->group[i] == group && j < ticket->n_players; j++) players[seats.n++] = ticket->players[j];
  }
  room_new_id(room, first->kind, match.room);
  if (!room_open_elsewhere(room, match.room, buf_bytes(&first->options), first->size, &seats, match.token))
    return false;
  lobby->tokens++;
  match.ticket = merge(lobby, pass, group);
  lobby_add_match(lobby, match);
  return true;
}

void lobby_gather(struct room *room, struct lobby *lobby) {
  size_t n = lobby->n_tickets;
  struct pass pass = {.group = xcalloc(n, sizeof *pass.group),
                      .seen = xcalloc(n, sizeof *pass.seen),
                      .candidates = xcalloc(n, sizeof *pass.candidates),
                      .group_of = xcalloc(n, sizeof *pass.group_of),
                      .index = xcalloc(n, sizeof *pass.index)};
  lobby->match_at_ms = 0;
  lobby_place(room, lobby);
  for (size_t i = 0; i < lobby->n_tickets; i++)
    if (!pass.seen[i] && !lobby->tickets[i].quick) group_alike(room, lobby, &pass, i);
  for (uint32_t group = 1; group <= pass.groups; group++)
    if (!open_for(room, lobby, &pass, group)) break;
  if (lobby->n_tickets) set_timer(room, lobby, room_time_ms(room) + LOBBY_AGAIN_MS);
  free(pass.group);
  free(pass.seen);
  free(pass.candidates);
  free(pass.group_of);
  free(pass.index);
}
