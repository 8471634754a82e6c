/* A lobby, as a client uses it: it asks for a game, waits, and goes where it is sent. */
#include "tests/sim/client.h"

#include "proto/kinds/lobby.pb-c.h"
#include "proto/pb.h"
#include "worker/kinds/lobby.h"
#include <stdio.h>

bool place_is_lobby(const struct place *place) {
  return strncmp(place->room, "lobby/", 6) == 0;
}

/* All ask for the same kind, in two sizes: so that they meet. */
static const char *wanted_kind(const struct sim *sim) {
  static const char *const kinds[] = {LEDGER_KIND, LEDGER_TICK_KIND, LEDGER_LOSSY_KIND};
  return kinds[sim->plan.kinds_from / 10 % (sizeof kinds / sizeof *kinds)];
}

struct bytes place_lobby_command(struct place *place) {
  struct sim *sim = place_sim(place);
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Quick quick = HEYA__KINDS__LOBBY__QUICK__INIT;
  Heya__Kinds__Lobby__Enqueue enqueue = HEYA__KINDS__LOBBY__ENQUEUE__INIT;
  Heya__Kinds__Lobby__Cancel cancel = HEYA__KINDS__LOBBY__CANCEL__INIT;
  uint64_t choice = sim_below(sim, 100);
  if (choice < 70) {
    quick.kind = pb_text(wanted_kind(sim));
    quick.max_members = (uint32_t)sim_between(sim, 2, 3);
    command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_QUICK;
    command.quick = &quick;
  } else if (choice < 88) {
    enqueue.kind = pb_text(wanted_kind(sim));
    enqueue.size = 2;
    command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_ENQUEUE;
    command.enqueue = &enqueue;
  } else {
    command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_CANCEL;
    command.cancel = &cancel;
  }
  uint8_t packed[64];
  size_t len = heya__kinds__lobby__command__pack(&command, packed);
  return sim_copy(sim, bytes_of(packed, len));
}

/* It was in that room when it was matched to it, or has been there since: its seat has gone with it. */
static bool has_given_up(const struct sim_client *client, const Heya__Kinds__Lobby__Matched *matched) {
  return strcmp(client->left, matched->room) == 0 && matched->until_ms <= client->left_ms + LOBBY_KEEP_MS;
}

/* It goes there as soon as it has a place for it, mostly. */
static void be_matched(struct place *place, const Heya__Kinds__Lobby__Matched *matched) {
  struct sim_client *client = place->client;
  SIM_TRACE(place_sim(place), client->name, "is matched to %s", matched->room);
  place_sim(place)->seen[SEEN_MATCHED]++;
  if (place->watching)
    sim_fail(place_sim(place), "lobby", "%s watches %s, and is matched", client->name, place->room);
  if (!sim_chance(place_sim(place), 850)) return;
  snprintf(client->wanted, sizeof client->wanted, "%s", matched->room);
  client->wanted_until_ms = matched->until_ms;
  if (has_given_up(client, matched)) memcpy(client->sent_to, client->wanted, sizeof client->sent_to);
}

void place_lobby_shown(struct place *place, struct bytes state) {
  const Heya__Kinds__Lobby__State *shown =
      heya__kinds__lobby__state__unpack(&place_sim(place)->memory.allocator, state.len, state.data);
  if (!shown) {
    sim_fail(place_sim(place), "snapshot", "%s cannot be read", place->room);
  } else if (shown->matched) {
    be_matched(place, shown->matched);
  }
}

void place_lobby_hears(struct place *place, const Heya__V1__Event *event) {
  const Heya__Kinds__Lobby__Event *told =
      heya__kinds__lobby__event__unpack(&place_sim(place)->memory.allocator, event->payload.len, event->payload.data);
  if (told && told->body_case == HEYA__KINDS__LOBBY__EVENT__BODY_MATCHED) be_matched(place, told->matched);
}

/* Half of the time that a seat is kept; the rest is for clocks and messages that are late. */
#define SEAT_MS 5000

void place_check_seat(const struct place *place, Heya__V1__Error__Code code) {
  const struct sim *sim = place_sim(place);
  if (!place->has_seat || client_has_twin(place->client)) return;
  if (code != HEYA__V1__ERROR__CODE__ROOM_FULL && code != HEYA__V1__ERROR__CODE__ROOM_LOCKED) return;
  if (model_now_ms(model_of(sim, place->room)) + SEAT_MS > place->client->wanted_until_ms) return;
  sim_fail(place_sim(place), "seats", "%s has a seat in %s, and is not let in (%d)", place->client->name, place->room,
           (int)code);
}
