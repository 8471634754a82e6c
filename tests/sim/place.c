/* One room of a client, as docs/protocol.md asks it to behave; see tests/sim/client.h. */
#include "tests/sim/client.h"

#include "proto/kinds/live.pb-c.h"
#include "proto/pb.h"
#include "tests/sim/poison.h"
#include <inttypes.h>
#include <stdio.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static struct sim *sim_of(const struct place *place) {
  return place->client->sim;
}

static bool is_live(const struct place *place) {
  return strncmp(place->room, "live/", 5) == 0;
}

static void forget_commands(struct place *place) {
  place->n_unanswered = 0;
}

/* The room had a fault. What was not answered may have been applied before, and will not be any more. */
static void hear_of_failure(struct place *place, const char *room) {
  oracle_failure_heard(sim_of(place), place->client->name, room);
  for (size_t i = 0; i < place->n_unanswered; i++) {
    if (place->unanswered[i].plain) oracle_given_up(sim_of(place), place->unanswered[i].token);
  }
}

static void be_out(struct place *place, const char *why) {
  SIM_TRACE(sim_of(place), place->client->name, "is out of %s: %s", place->room, why);
  forget_commands(place);
  place->state = PLACE_OUT;
  place->session[0] = '\0';
  place->life = NULL;
  place->then_leave = false;
}

/* ---- saying ---- */

static void send_command(struct place *place, struct unanswered *command) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  body.room = place->room;
  body.number = place->typing ? 0 : command->number;
  body.payload = pb_bytes(command->payload);
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  command->request = client_say(place->client, &message);
}

static void send_from(struct place *place, uint32_t number) {
  SIM_TRACE(sim_of(place), place->client->name, "sends its commands to %s again from %u", place->room, number);
  place->resent_request = place->client->requests + 1;
  for (size_t i = 0; i < place->n_unanswered; i++) {
    if (place->unanswered[i].number < number) continue;
    sim_of(place)->seen[SEEN_RESENT]++;
    send_command(place, &place->unanswered[i]);
  }
}

static void send_join(struct place *place) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__Create create = HEYA__V1__CREATE__INIT;
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  uint8_t packed[32];
  struct bytes packed_options = {0};
  options.live_id = 1;
  options.deadline_ms = sim_of(place)->plan.live_ms;
  if (is_live(place)) packed_options = bytes_of(packed, heya__kinds__live__options__pack(&options, packed));
  if (*place->key && !*place->room) {
    create.kind = pb_text(LEDGER_KIND);
    create.key = place->key;
    message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_CREATE;
    message.create = &create;
  } else {
    join.room = place->room;
    join.create = place->create;
    join.options = pb_bytes(packed_options);
    if (*place->session) {
      resume.session = place->session;
      resume.incarnation = place->incarnation;
      resume.epoch = place->epoch;
      resume.seq = place->seq;
      resume.answered = place->answered;
      join.resume = &resume;
    }
    message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
    message.join = &join;
  }
  place->asked = true;
  place->request = client_say(place->client, &message);
  SIM_TRACE(sim_of(place), place->client->name, "%s %s%s", *place->session ? "resumes" : "joins",
            *place->room ? place->room : place->key, place->create ? ", or makes it" : "");
}

static void send_leave(struct place *place) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave leave = HEYA__V1__LEAVE__INIT;
  leave.room = place->room;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &leave;
  place->request = client_say(place->client, &message);
  SIM_TRACE(sim_of(place), place->client->name, "leaves %s", place->room);
}

void place_go_on(struct place *place) {
  if (!place->client->welcomed) return;
  if (place->state == PLACE_JOINING && !place->asked) send_join(place);
}

/* ---- after a while ---- */

struct later {
  struct place *place;
  uint64_t wire_number;
  uint32_t request;
};

static void again_later(struct place *place, uint32_t after_ms);

static void on_later(void *arg) {
  struct later *later = arg;
  struct place *place = later->place;
  if (place->client->wire_number != later->wire_number || place->request != later->request) return;
  if (place->state == PLACE_JOINING && place->asked) again_later(place, 20);
  if (place->state == PLACE_JOINING) place_go_on(place);
  if (place->state == PLACE_LEAVING) send_leave(place);
  if (place->state == PLACE_IN) {
    place->resend_waits = false;
    send_from(place, place->resend_from);
  }
}

static void again_later(struct place *place, uint32_t after_ms) {
  struct later *later = sim_alloc(sim_of(place), sizeof *later);
  *later = (struct later){.place = place, .wire_number = place->client->wire_number, .request = place->request};
  sim_at(sim_of(place), sim_of(place)->now_us + after_ms * 1000u, on_later, later);
}

/* ---- what the player wants ---- */

static void begin(struct place *place) {
  place->state = PLACE_JOINING;
  place->session[0] = place->incarnation[0] = '\0';
  place->asked = place->then_leave = place->playing = place->resend_waits = false;
  place->answered = 0;
  place->next = 1;
  place->acked_place = place->played = 0;
  place->life = NULL;
  place->typing = sim_chance(sim_of(place), 150);
  forget_commands(place);
  place_go_on(place);
}

void place_enter(struct place *place, const char *room, bool create) {
  snprintf(place->room, sizeof place->room, "%s", room);
  place->key[0] = '\0';
  place->create = create;
  begin(place);
  /* Those who cannot wait: commands behind a join that is not answered. */
  while (sim_chance(sim_of(place), 150) && place->n_unanswered < 3 && place->asked) place_command(place);
}

void place_create(struct place *place) {
  place->room[0] = '\0';
  place->create = false;
  if (!*place->key || sim_chance(sim_of(place), 500)) {
    snprintf(place->key, sizeof place->key, "key-%u",
             (unsigned)(place - place->client->places) * 100 + ++place->client->keys);
  }
  begin(place);
}

void place_leave(struct place *place) {
  if (place->state == PLACE_JOINING) place->then_leave = true;
  if (place->state != PLACE_IN) return;
  if (place->n_unanswered && !place->client->leaving && sim_chance(sim_of(place), 900)) return;
  place->state = PLACE_LEAVING;
  send_leave(place);
  if (sim_chance(sim_of(place), 100) && !place->client->leaving && !*place->key) begin(place); /* out and in */
}

static void make_live_command(struct place *place, struct unanswered *command) {
  struct sim *sim = sim_of(place);
  Heya__Kinds__Live__Command message = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Start start = HEYA__KINDS__LIVE__START__INIT;
  Heya__Kinds__Live__Submit submit = HEYA__KINDS__LIVE__SUBMIT__INIT;
  if (place->playing || sim_chance(sim, 200)) {
    command->score = submit.score = (uint32_t)command->token + 1;
    submit.round = place->round;
    message.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
    message.submit = &submit;
  } else {
    message.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_START;
    message.start = &start;
  }
  uint8_t packed[64];
  size_t len = heya__kinds__live__command__pack(&message, packed);
  command->payload = sim_copy(sim, bytes_of(packed, len));
}

static void make_poison(struct sim *sim, struct ledger_command *content) {
  content->op = LEDGER_POISON;
  content->argument = (uint8_t)sim_between(sim, POISON_NONE + 1, POISONS - 1);
  oracle_poison_made(sim, content->token);
}

static void make_ledger_command(struct place *place, struct unanswered *command) {
  struct sim *sim = sim_of(place);
  uint8_t packed[LEDGER_COMMAND_BYTES];
  struct ledger_command content = {.token = command->token};
  content.op = (uint8_t)sim_below(sim, LEDGER_CLOSE);
  content.argument = (uint8_t)sim_below(sim, 256);
  if (sim_chance(sim, 8)) content.op = LEDGER_CLOSE;
  if (poison_is_due(sim)) make_poison(sim, &content);
  ledger_encode(&content, packed);
  command->plain = true;
  command->payload = sim_copy(sim, bytes_of(packed, sizeof packed));
}

void place_command(struct place *place) {
  struct unanswered *command = &place->unanswered[place->n_unanswered++];
  *command = (struct unanswered){.token = oracle_new_token(sim_of(place)), .number = place->next++};
  if (is_live(place)) make_live_command(place, command);
  if (!is_live(place)) make_ledger_command(place, command);
  SIM_TRACE(sim_of(place), place->client->name, "says token %" PRIu64 " as %u in %s", command->token, command->number,
            place->room);
  send_command(place, command);
}

void place_disconnected(struct place *place) {
  bool known = *place->session != '\0';
  place->asked = place->resend_waits = false;
  if (place->state == PLACE_OUT) return;
  if (!known || place->typing) forget_commands(place); /* what became of them nobody can tell */
  if (!known) place->next = 1;
  if (place->client->gone) {
    be_out(place, "gone");
  } else if (place->state == PLACE_LEAVING && sim_chance(sim_of(place), 500)) {
    be_out(place, "gone without an answer");
  } else {
    place->then_leave |= place->state == PLACE_LEAVING;
    place->state = PLACE_JOINING;
  }
}

/* ---- joined ---- */

static bool is_in(const struct ledger *ledger, uint64_t token) {
  for (uint32_t i = 0; i < ledger->n; i++) {
    if (ledger->tokens[i] == token) return true;
  }
  return false;
}

/* The session is new: what the snapshot shows was applied, the rest begins with number 1. Of another life of the room
 * nothing can be said. */
static void renumber(struct place *place, bool same_life, const struct ledger *shown) {
  size_t kept = 0;
  for (size_t i = 0; i < place->n_unanswered; i++) {
    struct unanswered command = place->unanswered[i];
    if (!same_life || !command.plain || is_in(shown, command.token)) continue;
    command.number = (uint32_t)kept + 1;
    place->unanswered[kept++] = command;
  }
  place->n_unanswered = kept;
  place->answered = 0;
  place->next = (uint32_t)kept + 1;
}

static void take_snapshot(struct place *place, const Heya__V1__Joined *joined, bool same_life, struct ledger *shown) {
  struct sim *sim = sim_of(place);
  struct bytes state = bytes_of(joined->snapshot->state.data, joined->snapshot->state.len);
  if (joined->seq > place->life->seq && !place->life->ended)
    sim_fail(sim, "phantom", "%s is at an event of the future", place->room);
  if (same_life && joined->seq < place->seq) {
    sim_fail(sim, "resume", "%s in %s is sent back to event %" PRIu64, place->client->name, place->room, joined->seq);
  }
  place->epoch = joined->epoch;
  place->seq = joined->seq;
  place->position = oracle_position(place->life, joined->seq);
  if (is_live(place)) {
    const Heya__Kinds__Live__State *live =
        heya__kinds__live__state__unpack(&sim->memory.allocator, state.len, state.data);
    place->round = live ? live->round : 0;
    place->playing = live && live->phase == HEYA__KINDS__LIVE__PHASE__PLAYING;
  } else if (!ledger_read(state, shown)) {
    sim_fail(sim, "snapshot", "%s cannot be read", place->room);
  } else {
    oracle_ledger_shown(sim, place->client->name, place->life, shown);
    if (same_life && shown->n < place->acked_place) {
      sim_fail(sim, "snapshot", "%s in %s is not shown what was acknowledged", place->client->name, place->room);
    }
  }
}

static void check_resumed(struct place *place, const Heya__V1__Joined *joined, bool same_session) {
  if (same_session && !joined->snapshot && joined->epoch == place->epoch && joined->seq == place->seq) return;
  sim_fail(sim_of(place), "resume", "%s in %s is resumed where it was not", place->client->name, place->room);
}

static void on_joined(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  struct sim *sim = sim_of(place);
  const Heya__V1__Joined *joined = message->joined;
  (void)bytes;
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
  place->life = oracle_life_of(sim, joined->room, joined->incarnation);
  if (!place->life) return;
  if (!same_life) place->acked_place = 0;
  if (joined->resumed) {
    check_resumed(place, joined, same_session);
  } else if (!joined->snapshot) {
    sim_fail(sim, "resume", "%s has neither events nor a snapshot", place->client->name);
  } else {
    take_snapshot(place, joined, same_life, &shown);
  }
  snprintf(place->session, sizeof place->session, "%s", joined->session);
  snprintf(place->incarnation, sizeof place->incarnation, "%s", joined->incarnation);
  place->state = PLACE_IN;
  if (!same_session) place->played = 0;
  if (had_session && !same_session) renumber(place, same_life, &shown);
  if (had_session && place->n_unanswered) send_from(place, 0);
  if (place->then_leave) place_leave(place);
  place->then_leave = false;
}

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

static void on_ack(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  struct unanswered command;
  uint32_t number = 0;
  (void)bytes;
  if (!take_answer(place, message->ack->number, message->request, &command)) return;
  SIM_TRACE(sim_of(place), place->client->name, "has its answer to %u in %s", message->ack->number, place->room);
  if (command.score)
    oracle_submit_answered(sim_of(place), place->client->name, place->life, command.score, CODE(OK), 0);
  if (!command.plain) return;
  if (message->ack->result.len == sizeof number) memcpy(&number, message->ack->result.data, sizeof number);
  oracle_acked(sim_of(place), place->client->name, place->life, command.token, number);
  if (number > place->acked_place) place->acked_place = number;
}

/* Not taken: it may never be applied. */
static void on_typed_in_vain(struct place *place, size_t at) {
  struct unanswered command = place->unanswered[at];
  memmove(&place->unanswered[at], &place->unanswered[at + 1], (--place->n_unanswered - at) * sizeof command);
  if (command.plain) oracle_refused(sim_of(place), place->client->name, command.token);
}

static void on_command_error(struct place *place, const Heya__V1__ServerMessage *message) {
  struct sim *sim = sim_of(place);
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
    again_later(place, error->retry_after_ms);
    return;
  case CODE(GAP):
    if (place->state == PLACE_IN && error->expected <= place->answered) {
      sim_fail(sim, "forgotten", "%s in %s had an answer to %u, which the room waits for", place->client->name,
               place->room, error->expected);
    }
    if (place->state != PLACE_IN || message->request < place->resent_request || place->resend_waits) return;
    sim->seen[SEEN_GAPS]++;
    send_from(place, error->expected);
    return;
  case CODE(STALE):
  case CODE(NOT_IN_ROOM):
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_FAILED):
    if (place->state != PLACE_IN || !waits) return;
    sim_fail(sim, "detached", "%s in %s hears %d, and was not told that it is out", place->client->name, place->room,
             (int)error->code);
    return;
  case CODE(TOO_OLD):
  case CODE(INTERNAL):
  case CODE(BAD_MESSAGE):
    sim_fail(sim, "protocol", "%s hears %d: %s", place->client->name, (int)error->code, error->message);
    return;
  default: break;
  }
  if (!take_answer(place, error->number, message->request, &command)) return;
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
  switch (error->code) {
  case CODE(ALREADY_IN_ROOM): /* for the leave before it, the gateway was busy */ client_cut(place->client); return;
  case CODE(BUSY):
    sim_of(place)->seen[SEEN_BUSY]++;
    place->asked = false;
    if (!*place->session) forget_commands(place);
    if (!*place->session) place->next = 1;
    again_later(place, error->retry_after_ms);
    return;
  case CODE(ROOM_NOT_FOUND):
  case CODE(ROOM_FULL):
  case CODE(ROOM_CLOSED):
  case CODE(ROOM_LOCKED):
  case CODE(NOT_IN_ROOM): be_out(place, "refused"); return;
  case CODE(ROOM_FAILED):
    hear_of_failure(place, error->room); /* of a create it is the first word of the id */
    be_out(place, "refused, the room has failed");
    return;
  default:
    sim_fail(sim_of(place), "protocol", "%s in %s hears %d: %s", place->client->name, place->room, (int)error->code,
             error->message);
  }
}

static void on_left(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  (void)bytes;
  if (place->state == PLACE_LEAVING && message->request == place->request) be_out(place, "left");
}

static void on_detached(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  (void)bytes;
  if (place->state != PLACE_IN && place->state != PLACE_LEAVING) return;
  bool replaced = message->detached->reason == CODE(REPLACED);
  if (message->detached->reason == CODE(ROOM_FAILED)) hear_of_failure(place, place->room);
  if (replaced && !client_has_twin(place->client)) {
    sim_fail(sim_of(place), "replaced", "%s loses %s to an older connection of its own", place->client->name,
             place->room);
  }
  sim_of(place)->seen[SEEN_REPLACED] += replaced;
  be_out(place, replaced ? "replaced" : "detached");
}

static void hear_live(struct place *place, const Heya__V1__Event *event) {
  const Heya__Kinds__Live__Event *live =
      heya__kinds__live__event__unpack(&sim_of(place)->memory.allocator, event->payload.len, event->payload.data);
  if (!live) return;
  if (live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_STARTED) {
    place->round = place->played = live->started->round;
    place->playing = true;
  } else if (live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_RESULTS) {
    place->playing = false;
  }
}

static void on_event(struct place *place, const Heya__V1__ServerMessage *message, struct bytes bytes) {
  const Heya__V1__Event *event = message->event;
  if (place->state != PLACE_IN && place->state != PLACE_LEAVING) return;
  oracle_heard(sim_of(place), place->client->name, place->life, place->client->player, &place->position, event,
               bytes);
  place->epoch = event->epoch;
  place->seq = event->seq;
  if (is_live(place) && event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD) hear_live(place, event);
}

/* ---- dispatch ---- */

static const char *room_in(const Heya__V1__ServerMessage *message) {
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK: return message->ack->room;
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
      [HEYA__V1__SERVER_MESSAGE__BODY_JOINED] = on_joined, [HEYA__V1__SERVER_MESSAGE__BODY_LEFT] = on_left,
      [HEYA__V1__SERVER_MESSAGE__BODY_ACK] = on_ack,       [HEYA__V1__SERVER_MESSAGE__BODY_ERROR] = on_error,
      [HEYA__V1__SERVER_MESSAGE__BODY_EVENT] = on_event,   [HEYA__V1__SERVER_MESSAGE__BODY_DETACHED] = on_detached,
  };
  size_t body = (size_t)message->body_case;
  if (body < sizeof handlers / sizeof *handlers && handlers[body]) handlers[body](place, message, bytes);
}
