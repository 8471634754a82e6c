/* Lobbies and the rooms they open elsewhere.
 *
 * - Nobody is in two matches, nor in a match and waiting; and who waits goes on waiting until he is told something.
 * - As many questions are under way as matches wait for an answer: each is answered once, whoever dies.
 * - A room is opened only when none of that sort is known to have a free seat: no twins, half empty.
 * - Whoever is told of a room has had a seat kept there. A kept seat is taken by its player, or lapses.
 * - When all has settled nobody waits for quick, no two wait who could play, and what a lobby believes of its rooms
 * is true.
 *
 * That no room has more members and kept seats than it takes is checked of every room, in oracle.c.
 */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include "proto/kinds/lobby.pb-c.h"
#include <inttypes.h>

typedef Heya__Kinds__Lobby__Saved saved;

static const saved *read_lobby(struct sim *sim, const Heya__Image__Room *image) {
  return heya__kinds__lobby__saved__unpack(&sim->memory.allocator, image->state.len, image->state.data);
}

static bool has_player(const Heya__Kinds__Lobby__SavedTicket *ticket, const char *player) {
  for (size_t i = 0; i < ticket->n_players; i++) {
    if (strcmp(ticket->players[i], player) == 0) return true;
  }
  return false;
}

/* In how many he is that are not over. */
static unsigned count_of(const saved *lobby, const char *player, uint64_t now_ms) {
  unsigned count = 0;
  for (size_t i = 0; i < lobby->n_tickets; i++) count += has_player(lobby->tickets[i], player);
  for (size_t i = 0; i < lobby->n_matches; i++) {
    const Heya__Kinds__Lobby__SavedMatch *match = lobby->matches[i];
    if (match->until_ms && match->until_ms <= now_ms) continue;
    count += has_player(match->ticket, player);
  }
  return count;
}

/* ---- who waits ---- */

static const char *session_of(const Heya__Image__Room *image, const char *player) {
  for (size_t i = 0; i < image->n_members; i++) {
    if (strcmp(image->members[i]->player, player) == 0) return image->members[i]->session;
  }
  return NULL;
}

static bool is_told(struct sim *sim, const struct commit_room *from, const char *player) {
  for (size_t i = 0; i < from->n_log; i++) {
    struct oracle_event entry = {.to = from->log[i].to};
    if (!oracle_event_is_for(&entry, player)) continue;
    const Heya__V1__ServerMessage *outer =
        heya__v1__server_message__unpack(&sim->memory.allocator, from->log[i].message.len, from->log[i].message.data);
    if (!outer || outer->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) continue;
    if (outer->event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) continue;
    const Heya__Kinds__Lobby__Event *event = heya__kinds__lobby__event__unpack(
        &sim->memory.allocator, outer->event->payload.len, outer->event->payload.data);
    if (event && event->body_case != HEYA__KINDS__LOBBY__EVENT__BODY_QUEUED) return true;
  }
  return false;
}

static void check_waits_on(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                           const struct commit_room *from, const saved *now,
                           const Heya__Kinds__Lobby__SavedTicket *ticket) {
  for (size_t i = 0; i < ticket->n_players; i++) {
    const char *player = ticket->players[i];
    const char *before = session_of(life->image, player), *session = session_of(image, player);
    if (!before || !session || strcmp(before, session) != 0) continue; /* he has gone, or come anew */
    if (count_of(now, player, 0) || is_told(sim, from, player)) continue;
    sim_fail(sim, "lobby", "%s forgets %s, who waits", image->id, player);
  }
}

static void check_waiting(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                          const struct commit_room *from, const saved *before, const saved *now) {
  for (size_t i = 0; i < before->n_tickets; i++) check_waits_on(sim, life, image, from, now, before->tickets[i]);
  for (size_t i = 0; i < before->n_matches; i++) {
    if (before->matches[i]->until_ms) continue;
    check_waits_on(sim, life, image, from, now, before->matches[i]->ticket);
  }
}

static void check_once(struct sim *sim, const Heya__Image__Room *image, const saved *lobby, uint64_t now_ms) {
  uint32_t asked = 0;
  for (size_t i = 0; i < lobby->n_matches; i++) {
    const Heya__Kinds__Lobby__SavedMatch *match = lobby->matches[i];
    asked += match->until_ms == 0;
    for (size_t p = 0; p < match->ticket->n_players; p++) {
      if (count_of(lobby, match->ticket->players[p], now_ms) < 2) continue;
      sim_fail(sim, "lobby", "%s has %s in two matches", image->id, match->ticket->players[p]);
    }
  }
  if (asked != image->asked) {
    sim_fail(sim, "lobby", "%s has asked %u times, and %u matches wait", image->id, image->asked, asked);
  }
}

/* ---- rooms ---- */

static const Heya__Kinds__Lobby__SavedRoom *find_room(const saved *lobby, const char *id) {
  for (size_t i = 0; i < lobby->n_rooms; i++) {
    if (strcmp(lobby->rooms[i]->id, id) == 0) return lobby->rooms[i];
  }
  return NULL;
}

/* Seats that it may give away still. */
static uint32_t free_in(const saved *lobby, const Heya__Kinds__Lobby__SavedRoom *room) {
  uint32_t under_way = 0;
  for (size_t i = 0; i < lobby->n_matches; i++) {
    under_way += lobby->matches[i]->until_ms == 0 && strcmp(lobby->matches[i]->room, room->id) == 0;
  }
  return room->told > under_way ? room->told - under_way : 0;
}

static const Heya__Kinds__Lobby__SavedMatch *find_match(const saved *lobby, uint64_t token) {
  for (size_t i = 0; i < lobby->n_matches; i++) {
    if (lobby->matches[i]->token == token) return lobby->matches[i];
  }
  return NULL;
}

/* No seat in it was asked for, given or given up meanwhile; news of it may come only then. */
static bool is_unchanged(const saved *before, const saved *now, const char *id) {
  size_t n = 0;
  for (size_t i = 0; i < before->n_matches; i++) n += strcmp(before->matches[i]->room, id) == 0;
  for (size_t i = 0; i < now->n_matches; i++) {
    if (strcmp(now->matches[i]->room, id) != 0) continue;
    const Heya__Kinds__Lobby__SavedMatch *match = find_match(before, now->matches[i]->token);
    if (!match || match->until_ms != now->matches[i]->until_ms) return false;
    n--;
  }
  return n == 0;
}

/* News of it are among what the commit has done: it may have had no seat for a moment. */
static bool is_told_of(struct sim *sim, const char *lobby, const char *room, uint64_t now_ms) {
  uint32_t p = room_partition(lobby, strlen(lobby), sim->plan.partitions);
  const struct model_stream *commands = &model_at(sim, p)->partitions[p].commands;
  for (size_t i = commands->head; i < commands->n && commands->entries[i].id.ms <= now_ms; i++) {
    struct bytes batch = commands->entries[i].payload;
    const Heya__Bus__Batch *decoded = heya__bus__batch__unpack(&sim->memory.allocator, batch.len, batch.data);
    for (size_t e = 0; decoded && e < decoded->n_entries; e++) {
      const Heya__Bus__Entry *entry = decoded->entries[e];
      if (entry->body_case == HEYA__BUS__ENTRY__BODY_VACANCY && strcmp(entry->vacancy->room, room) == 0) return true;
    }
  }
  return false;
}

/* Of the rooms that it knew before, none had a seat when it opened this one. */
static void check_no_twin(struct sim *sim, const Heya__Image__Room *image, const saved *before, const saved *now,
                          const Heya__Kinds__Lobby__SavedRoom *opened, uint64_t now_ms) {
  for (size_t i = 0; i < before->n_rooms; i++) {
    const Heya__Kinds__Lobby__SavedRoom *room = find_room(now, before->rooms[i]->id);
    if (!room || room->size != opened->size || strcmp(room->mode, opened->mode) != 0) continue;
    if (free_in(now, room) == 0 || room->told > before->rooms[i]->told) continue;
    if (!is_unchanged(before, now, room->id) || is_told_of(sim, image->id, room->id, now_ms)) continue;
    sim_fail(sim, "twins", "%s opens %s, and %s has room for %u", image->id, opened->id, room->id,
             free_in(now, room));
  }
}

void oracle_lobby_committed(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                            const struct commit_room *from, uint64_t now_ms) {
  const saved *now = read_lobby(sim, image), *before = life->image ? read_lobby(sim, life->image) : NULL;
  if (!now) {
    sim_fail(sim, "image", "the state of %s cannot be read", image->id);
    return;
  }
  check_once(sim, image, now, now_ms);
  if (!before) return;
  check_waiting(sim, life, image, from, before, now);
  for (size_t i = 0; i < now->n_rooms; i++) {
    if (find_room(before, now->rooms[i]->id)) continue;
    sim->seen[SEEN_OPENED]++;
    check_no_twin(sim, image, before, now, now->rooms[i], now_ms);
  }
}

/* ---- kept seats ---- */

static bool keeps_seat(const Heya__Image__Room *image, const char *player) {
  for (size_t i = 0; i < image->n_reserved; i++) {
    if (strcmp(image->reserved[i]->player, player) == 0) return true;
  }
  return session_of(image, player) != NULL;
}

/* He may have come and gone since, which removes his line. */
static bool has_gone(const struct commit_room *from, const char *player) {
  for (size_t i = 0; i < from->n_members; i++) {
    if (!from->members[i].value.data && bytes_equal_str(from->members[i].name, player)) return true;
  }
  return from->whole;
}

void oracle_seats_committed(struct sim *sim, const struct oracle_life *life, const Heya__Image__Room *image,
                            const struct commit_room *from, uint64_t now_ms) {
  if (image->n_members + image->n_reserved > image->max_members) {
    sim_fail(sim, "seats", "%s has %zu members, %zu seats kept, and takes %u", image->id, image->n_members,
             image->n_reserved, image->max_members);
  }
  for (size_t i = 0; i < image->n_reserved; i++) {
    sim->seen[SEEN_SEATS]++;
    if (!session_of(image, image->reserved[i]->player)) continue;
    sim_fail(sim, "seats", "%s keeps a seat for %s, who has come", image->id, image->reserved[i]->player);
  }
  for (size_t i = 0; life->image && i < life->image->n_reserved; i++) {
    const Heya__Image__Reserved *seat = life->image->reserved[i];
    if (seat->until_ms <= now_ms || keeps_seat(image, seat->player) || has_gone(from, seat->player)) continue;
    sim_fail(sim, "seats", "%s gives up the seat of %s before its time", image->id, seat->player);
  }
}

/* ---- in the end ---- */

static bool is_here(const Heya__Image__Room *image, const Heya__Kinds__Lobby__SavedTicket *ticket) {
  for (size_t i = 0; i < image->n_members; i++) {
    if (has_player(ticket, image->members[i]->player) && *image->members[i]->gateway) return true;
  }
  return false;
}

static const char *wrong_belief(struct sim *sim, const saved *lobby) {
  for (size_t i = 0; i < lobby->n_rooms; i++) {
    const struct oracle_life *there = oracle_room_of(sim, lobby->rooms[i]->id)->life;
    if (!there || there->ended) return lobby->rooms[i]->id;
    size_t taken = there->image->n_members + there->image->n_reserved;
    if (lobby->rooms[i]->told != there->image->max_members - taken) return lobby->rooms[i]->id;
  }
  return NULL;
}

/* All ask for a group of two, of any skill. */
const char *oracle_lobby_unsettled(struct sim *sim, const struct oracle_life *life) {
  const saved *lobby = read_lobby(sim, life->image);
  unsigned pairs = 0;
  for (size_t i = 0; i < lobby->n_matches; i++) {
    if (lobby->matches[i]->until_ms == 0) return "waits for an answer about a room";
  }
  for (size_t i = 0; i < lobby->n_tickets; i++) {
    if (lobby->tickets[i]->quick) return "lets somebody wait for a room";
    pairs += is_here(life->image, lobby->tickets[i]);
  }
  if (pairs > 1) return "lets two wait who could play";
  return wrong_belief(sim, lobby) ? "believes what is not so of a room" : NULL;
}
