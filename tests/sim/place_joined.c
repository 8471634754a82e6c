/* A room lets a client in, again, or with less than it had; see tests/sim/client.h. */
#include "tests/sim/client.h"

#include "proto/kinds/live.pb-c.h"
#include <inttypes.h>
#include <stdio.h>

static bool is_in(const struct ledger *ledger, uint64_t token) {
  for (uint32_t i = 0; i < ledger->n; i++) {
    if (ledger->tokens[i] == token) return true;
  }
  return false;
}

/* The session is new: what the snapshot shows was applied, the rest begins with this number. Of another life of the
 * room nothing can be said. */
static void renumber(struct place *place, bool same_life, const struct ledger *shown, uint32_t first) {
  size_t kept = 0;
  for (size_t i = 0; i < place->n_unanswered; i++) {
    struct unanswered command = place->unanswered[i];
    if (!same_life || !command.plain || is_in(shown, command.token)) continue;
    command.number = (uint32_t)kept + first;
    place->unanswered[kept++] = command;
  }
  place->n_unanswered = kept;
  place->answered = first - 1;
  place->next = (uint32_t)kept + first;
}

/* `goes_on`: it was in this life of the room already, which has not gone back since. */
static void take_snapshot(struct place *place, const Heya__V1__Joined *joined, bool goes_on, struct ledger *shown) {
  struct sim *sim = place_sim(place);
  struct bytes state = bytes_of(joined->snapshot->state.data, joined->snapshot->state.len);
  if (joined->seq > place->life->seq && !place->life->ended)
    sim_fail(sim, "phantom", "%s is at an event of the future", place->room);
  if (goes_on && joined->seq < place->seq) {
    sim_fail(sim, "resume", "%s in %s is sent back to event %" PRIu64, place->client->name, place->room, joined->seq);
  }
  place->epoch = joined->epoch;
  place->seq = joined->seq;
  place->position = oracle_position(place->life, joined->seq);
  if (place_is_live(place)) {
    const Heya__Kinds__Live__State *live =
        heya__kinds__live__state__unpack(&sim->memory.allocator, state.len, state.data);
    place->round = live ? live->round : 0;
    place->playing = live && live->phase == HEYA__KINDS__LIVE__PHASE__PLAYING;
  } else if (place_is_lobby(place)) {
    if (!place->watching) place_lobby_shown(place, state);
  } else if (!ledger_read(state, shown)) {
    sim_fail(sim, "snapshot", "%s cannot be read", place->room);
  } else {
    oracle_ledger_shown(sim, place->client->name, place->life, shown);
    if (goes_on && (shown->n < place->acked_place || shown->frames.last < place->frame)) {
      sim_fail(sim, "snapshot", "%s in %s is not shown what it was told", place->client->name, place->room);
    }
    if (!goes_on) place->acked_place = 0;
    place->frame = shown->frames.last;
  }
}

static void check_resumed(struct place *place, const Heya__V1__Joined *joined, bool same_session) {
  if (same_session && !joined->snapshot && joined->epoch == place->epoch && joined->seq == place->seq) return;
  sim_fail(place_sim(place), "resume", "%s in %s is resumed where it was not", place->client->name, place->room);
}

/* Nobody asked for it: the room has gone back, and all that is not answered gets new numbers. */
static void on_rolled_back(struct place *place, const Heya__V1__Joined *joined) {
  struct sim *sim = place_sim(place);
  struct ledger shown = {.n = 0};
  if (place->state != PLACE_IN && place->state != PLACE_LEAVING) return;
  struct oracle_life *life = oracle_life_after(place->life, joined->session);
  if (!life || !joined->snapshot || joined->reason != HEYA__V1__ERROR__CODE__ROLLED_BACK ||
      strcmp(place->incarnation, joined->incarnation) != 0) {
    sim_fail(sim, "rolled-back", "%s hears that %s has gone back, and it has not", place->client->name, place->room);
    return;
  }
  SIM_TRACE(sim, place->client->name, "goes back in %s, session %s at %" PRIu64 "-%" PRIu64, place->room,
            joined->session, joined->epoch, joined->seq);
  place->life = life;
  place->acked_number = 0;
  take_snapshot(place, joined, false, &shown);
  snprintf(place->session, sizeof place->session, "%s", joined->session);
  if (place->typing) place_forget_commands(place);
  if (joined->first_number < place->next && !place->watching) {
    sim_fail(sim, "rolled-back", "%s in %s begins again with number %u, and was at %u", place->client->name,
             place->room, joined->first_number, place->next);
  }
  renumber(place, true, &shown, place->watching ? 1 : joined->first_number);
  if (place->state == PLACE_IN) place_send_from(place, 0);
}

/* He comes anew each time, to a room that others have made. */
static void check_watching(struct place *place, const Heya__V1__Joined *joined) {
  place_sim(place)->seen[SEEN_WATCHING]++;
  if (!joined->created && !joined->returned && !joined->resumed && joined->snapshot && joined->snapshot->spectator)
    return;
  sim_fail(place_sim(place), "watching", "%s in %s watches, and is let in as a member", place->client->name,
           place->room);
}

void place_on_joined(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  struct sim *sim = place_sim(place);
  const Heya__V1__Joined *joined = message->joined;
  (void)bytes;
  if (message->request == 0) {
    on_rolled_back(place, joined);
    return;
  }
  if (place->state != PLACE_JOINING || message->request != place->request) return;
  struct ledger shown = {.n = 0};
  bool had_session = *place->session != '\0';
  bool same_life = had_session && strcmp(place->incarnation, joined->incarnation) == 0;
  bool same_session = same_life && strcmp(place->session, joined->session) == 0;
  sim->seen[SEEN_JOINS]++;
  sim->seen[SEEN_RESUMED] += joined->resumed;
  sim->seen[SEEN_SNAPSHOTS] += same_session && !joined->resumed;
  sim->seen[SEEN_NEW_SESSIONS] += had_session && !same_session;
  SIM_TRACE(sim, place->client->name, "is in %s, life %s, session %s%s%s at %" PRIu64 "-%" PRIu64, joined->room,
            joined->incarnation, joined->session, joined->created ? ", new" : "", joined->resumed ? ", resumed" : "",
            joined->epoch, joined->seq);
  snprintf(place->room, sizeof place->room, "%s", joined->room);
  struct oracle_life *before = place->life;
  place->life = oracle_life_of(sim, joined->room, joined->incarnation, joined->session);
  if (!place->life) return;
  if (!same_session) place->acked_number = 0;
  if (joined->resumed) {
    check_resumed(place, joined, same_session);
  } else if (!joined->snapshot) {
    sim_fail(sim, "resume", "%s has neither events nor a snapshot", place->client->name);
  } else {
    take_snapshot(place, joined, same_life && before == place->life, &shown);
  }
  snprintf(place->session, sizeof place->session, "%s", joined->session);
  snprintf(place->incarnation, sizeof place->incarnation, "%s", joined->incarnation);
  if (place->watching) check_watching(place, joined);
  sim->seen[SEEN_TAKEN] += place->has_seat;
  place->has_seat = false;
  place->state = PLACE_IN;
  if (!same_session) place->played = 0;
  if (had_session && !same_session) renumber(place, same_life, &shown, 1);
  if (had_session && place->n_unanswered) place_send_from(place, 0);
  if (place->then_leave) place_leave(place);
  place->then_leave = false;
}
