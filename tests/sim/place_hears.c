/* What a client hears in a room that it is in; see tests/sim/client.h. */
#include "tests/sim/client.h"

#include "proto/kinds/live.pb-c.h"
#include <inttypes.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* ---- answers to commands ---- */

/* Who types is answered by request, since the room numbers his commands. */
static size_t find_unanswered(const struct place *place, uint32_t number, uint32_t request) {
  for (size_t i = 0; i < place->n_unanswered; i++) {
    const struct unanswered *command = &place->unanswered[i];
    if (place->typing ? command->request == request : command->number == number) return i;
  }
  return place->n_unanswered;
}

/* False when the answer is one it has had. Answers may come in another order: when a gateway was busy for some of the
 * commands that are sent again, those behind them may be ones that the room has had. */
static bool take_answer(struct place *place, uint32_t number, uint32_t request, struct unanswered *command) {
  size_t at = find_unanswered(place, number, request);
  if (place->state == PLACE_JOINING || at == place->n_unanswered) return false;
  *command = place->unanswered[at];
  if (place->answered < number) place->answered = number;
  memmove(&place->unanswered[at], &place->unanswered[at + 1], (--place->n_unanswered - at) * sizeof *command);
  return true;
}

/* What was said later in a session is applied later. */
static void check_order(struct place *place, uint32_t number, uint32_t at) {
  if (place->acked_number && (number > place->acked_number) != (at > place->acked_at)) {
    sim_fail(place_sim(place), "order", "%s in %s: command %u is number %u in the ledger, %u is %u",
             place->client->name, place->room, number, at, place->acked_number, place->acked_at);
  }
  place->acked_number = number;
  place->acked_at = at;
}

static void on_ack(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  struct unanswered command;
  uint32_t number = 0;
  (void)bytes;
  if (!take_answer(place, message->ack->number, message->request, &command)) return;
  if (place->watching)
    sim_fail(place_sim(place), "watching", "a command of %s, who watches, is done", place->client->name);
  SIM_TRACE(place_sim(place), place->client->name, "has its answer to %u in %s", message->ack->number, place->room);
  if (command.score)
    oracle_submit_answered(place_sim(place), place->client->name, place->life, command.score, CODE(OK), 0);
  if (!command.plain) return;
  if (message->ack->result.len == sizeof number) memcpy(&number, message->ack->result.data, sizeof number);
  oracle_acked(place_sim(place), place->client->name, place->life, command.token, number);
  check_order(place, message->ack->number, number);
  if (number > place->acked_place) place->acked_place = number;
}

/* Not taken: it may never be applied. */
static void on_typed_in_vain(struct place *place, size_t at) {
  struct unanswered command = place->unanswered[at];
  memmove(&place->unanswered[at], &place->unanswered[at + 1], (--place->n_unanswered - at) * sizeof command);
  if (command.plain) oracle_refused(place_sim(place), place->client->name, command.token);
}

static void on_command_error(struct place *place, const Heya__V1__ServerMessage *message) {
  struct sim *sim = place_sim(place);
  const Heya__V1__Error *error = message->error;
  struct unanswered command;
  size_t at = find_unanswered(place, error->number, message->request);
  bool waits = at < place->n_unanswered;
  SIM_TRACE(sim, place->client->name, "has error %d for %u in %s, expected %u", (int)error->code, error->number,
            place->room, error->expected);
  switch (error->code) {
  case CODE(BUSY):
  case CODE(RATE_LIMITED):
    sim->seen[SEEN_BUSY]++;
    if (place->typing && waits) {
      on_typed_in_vain(place, at);
      return;
    }
    if (place->state == PLACE_LEAVING || !waits) return;
    if (!place->resend_waits || place->resend_from > error->number) place->resend_from = error->number;
    if (place->resend_waits) return;
    place->resend_waits = true;
    place_again_later(place, error->retry_after_ms);
    return;
  case CODE(GAP):
    if (place->state == PLACE_IN && error->expected <= place->answered) {
      sim_fail(sim, "forgotten", "%s in %s had an answer to %u, which the room waits for", place->client->name,
               place->room, error->expected);
    }
    if (place->state != PLACE_IN || message->request < place->resent_request || place->resend_waits) return;
    sim->seen[SEEN_GAPS]++;
    place_send_from(place, error->expected);
    return;
  case CODE(STALE):
  case CODE(NOT_IN_ROOM):
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_FAILED):
    if (place->state != PLACE_IN || !waits) return;
    if (ledger_ticks(place->room)) break; /* it waited for a frame when its sender went out, or the room ended */
    sim_fail(sim, "detached", "%s in %s hears %d, and was not told that it is out", place->client->name, place->room,
             (int)error->code);
    return;
  case CODE(TOO_OLD):
    if (!waits && ledger_is_lossy(place->room)) return; /* said before it knew that the room has gone back */
    /* fall through */
  case CODE(INTERNAL):
  case CODE(BAD_MESSAGE):
    sim_fail(sim, "protocol", "%s hears %d: %s", place->client->name, (int)error->code, error->message);
    return;
  default: break;
  }
  if (!take_answer(place, error->number, message->request, &command)) return;
  if ((error->code == CODE(SPECTATOR)) != place->watching) {
    sim_fail(sim, "watching", "%s in %s %s, and a command is refused with %d", place->client->name, place->room,
             place->watching ? "watches" : "is a member", (int)error->code);
  }
  sim->seen[SEEN_WATCHED_OUT] += place->watching;
  if (command.plain) oracle_refused(sim, place->client->name, command.token);
  if (command.score)
    oracle_submit_answered(sim, place->client->name, place->life, command.score, error->code, place->played);
}

/* ---- other answers ---- */

static void on_error(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  const Heya__V1__Error *error = message->error;
  (void)bytes;
  bool typed = place->typing && find_unanswered(place, 0, message->request) < place->n_unanswered;
  if (error->number || typed) {
    on_command_error(place, message);
    return;
  }
  if (message->request != place->request) return;
  if (place->state != PLACE_JOINING && place->state != PLACE_LEAVING) return;
  place_check_seat(place, error->code);
  place_sim(place)->seen[SEEN_NO_ROOM] += place->watching && error->code == CODE(ROOM_FULL);
  switch (place->watching && error->code == CODE(INVALID_ARGUMENT) ? CODE(ROOM_FULL) : error->code) { /* a member */
  case CODE(ALREADY_IN_ROOM): /* for the leave before it, the gateway was busy */ client_cut(place->client); return;
  case CODE(BUSY):
    place_sim(place)->seen[SEEN_BUSY]++;
    place->asked = false;
    if (!*place->session) place_forget_commands(place);
    if (!*place->session) place->next = 1;
    place_again_later(place, error->retry_after_ms);
    return;
  case CODE(ROOM_NOT_FOUND):
  case CODE(ROOM_FULL):
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_LOCKED):
  case CODE(NOT_IN_ROOM): place_be_out(place, "refused"); return;
  case CODE(ROOM_FAILED):
    place_hear_of_failure(place, error->room); /* of a create it is the first word of the id */
    place_be_out(place, "refused, the room has failed");
    return;
  default:
    sim_fail(place_sim(place), "protocol", "%s in %s hears %d: %s", place->client->name, place->room,
             (int)error->code, error->message);
  }
}

static void on_left(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  (void)bytes;
  if (place->state == PLACE_LEAVING && message->request == place->request) place_be_out(place, "left");
}

static void on_detached(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  (void)bytes;
  if (place->state != PLACE_IN && place->state != PLACE_LEAVING) return;
  bool replaced = message->detached->reason == CODE(REPLACED);
  if (message->detached->reason == CODE(ROOM_FAILED)) place_hear_of_failure(place, place->room);
  if (replaced && !client_has_twin(place->client)) {
    sim_fail(place_sim(place), "replaced", "%s loses %s to an older connection of its own", place->client->name,
             place->room);
  }
  place_sim(place)->seen[SEEN_REPLACED] += replaced;
  place_be_out(place, replaced ? "replaced" : "detached");
}

static void hear_live(struct place *place, const Heya__V1__Event *event) {
  const Heya__Kinds__Live__Event *live =
      heya__kinds__live__event__unpack(&place_sim(place)->memory.allocator, event->payload.len, event->payload.data);
  if (!live) return;
  if (live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_STARTED) {
    place->round = place->played = live->started->round;
    place->playing = true;
  } else if (live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_RESULTS) {
    place->playing = false;
  }
}

static void hear_frame(struct place *place, const Heya__V1__Event *event) {
  uint64_t frame = ledger_ticks(place->room) ? ledger_frame_of(oracle_bytes(event->payload)) : 0;
  if (frame == 0) return;
  if (frame <= place->frame) {
    sim_fail(place_sim(place), "frames", "%s hears of frame %" PRIu64 " of %s after %" PRIu64, place->client->name,
             frame, place->room, place->frame);
  }
  place->frame = frame;
}

static void on_event(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  const Heya__V1__Event *event = message->event;
  if (place->state != PLACE_IN && place->state != PLACE_LEAVING) return;
  place->position = place_position(place);
  oracle_heard(place_sim(place), place->client->name, place->life, place_audience(place), &place->position, event,
               bytes);
  if (event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD) hear_frame(place, event);
  if (event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD && place_is_lobby(place)) place_lobby_hears(place, event);
  place->epoch = event->epoch;
  place->seq = event->seq;
  if (place_is_live(place) && event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD) hear_live(place, event);
}

/* ---- dispatch ---- */

static const char *room_in(const Heya__V1__ServerMessage *message) {
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: return message->ack->room;
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED: return message->request ? "" : message->joined->room;
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: return message->event->room;
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED: return message->detached->room;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR: return message->error->room;
  default: return "";
  }
}

bool place_is_meant(const struct place *place, const Heya__V1__ServerMessage *message) {
  const char *room = room_in(message);
  if (message->request && message->request == place->request) return true;
  return *room && place->state != PLACE_OUT && strcmp(room, place->room) == 0;
}

void place_hears(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  static void (*const handlers[])(struct place *, const Heya__V1__ServerMessage *, struct bytes) = {
      [HEYA__V1__SERVER_MESSAGE__BODY_JOINED] = place_on_joined,
      [HEYA__V1__SERVER_MESSAGE__BODY_LEFT] = on_left,
      [HEYA__V1__SERVER_MESSAGE__BODY_ACK] = on_ack,
      [HEYA__V1__SERVER_MESSAGE__BODY_ERROR] = on_error,
      [HEYA__V1__SERVER_MESSAGE__BODY_EVENT] = on_event,
      [HEYA__V1__SERVER_MESSAGE__BODY_DETACHED] = on_detached,
  };
  size_t body = (size_t)message->body_case;
  if (body < sizeof handlers / sizeof *handlers && handlers[body]) handlers[body](place, message, bytes);
}
