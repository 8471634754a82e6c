/* One room of a client, as docs/protocol.md asks it to behave; see tests/sim/client.h. */
#include "tests/sim/client.h"

#include "proto/kinds/live.pb-c.h"
#include "proto/pb.h"
#include "tests/sim/poison.h"
#include <inttypes.h>
#include <stdio.h>

struct sim *place_sim(const struct place *place) {
  return place->client->sim;
}

size_t place_position(const struct place *place) {
  /* of a lossy room earlier events may have become known since */
  return place->life->room->lossy ? oracle_position(place->life, place->seq) : place->position;
}

const char *place_audience(const struct place *place) {
  return place->watching ? NULL : place->client->player;
}

bool place_is_live(const struct place *place) {
  return strncmp(place->room, "live/", 5) == 0;
}

void place_forget_commands(struct place *place) {
  place->n_unanswered = 0;
}

/* The room had a fault. What was not answered may have been applied before, and will not be any more. */
void place_hear_of_failure(struct place *place, const char *room) {
  oracle_failure_heard(place_sim(place), place->client->name, room);
  for (size_t i = 0; i < place->n_unanswered; i++) {
    if (place->unanswered[i].plain) oracle_given_up(place_sim(place), place->unanswered[i].token);
  }
}

void place_be_out(struct place *place, const char *why) {
  SIM_TRACE(place_sim(place), place->client->name, "is out of %s: %s", place->room, why);
  memcpy(place->client->left, place->room, sizeof place->client->left);
  place->client->left_ms = model_now_ms(model_of(place_sim(place), place->room));
  place_forget_commands(place);
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

void place_send_from(struct place *place, uint32_t number) {
  SIM_TRACE(place_sim(place), place->client->name, "sends its commands to %s again from %u", place->room, number);
  place->resent_request = place->client->requests + 1;
  for (size_t i = 0; i < place->n_unanswered; i++) {
    if (place->unanswered[i].number < number) continue;
    place_sim(place)->seen[SEEN_RESENT]++;
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
  options.deadline_ms = place_sim(place)->plan.live_ms;
  if (place_is_live(place)) packed_options = bytes_of(packed, heya__kinds__live__options__pack(&options, packed));
  if (*place->key && !*place->room) {
    create.kind = pb_text(LEDGER_KIND);
    create.key = place->key;
    message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_CREATE;
    message.create = &create;
  } else {
    join.room = place->room;
    join.create = place->create;
    join.spectate = place->watching;
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
  place->resend_waits = false; /* what waits does so for an earlier request, and is forgotten */
  place->request = client_say(place->client, &message);
  SIM_TRACE(place_sim(place), place->client->name, "%s %s%s",
            *place->session   ? "resumes"
            : place->watching ? "watches"
                              : "joins",
            *place->room ? place->room : place->key, place->create ? ", or makes it" : "");
}

static void send_leave(struct place *place) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave leave = HEYA__V1__LEAVE__INIT;
  leave.room = place->room;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &leave;
  place->request = client_say(place->client, &message);
  SIM_TRACE(place_sim(place), place->client->name, "leaves %s", place->room);
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

static void on_later(void *arg) {
  struct later *later = arg;
  struct place *place = later->place;
  if (place->client->wire_number != later->wire_number || place->request != later->request) return;
  if (place->state == PLACE_JOINING && place->asked) place_again_later(place, 20);
  if (place->state == PLACE_JOINING) place_go_on(place);
  if (place->state == PLACE_LEAVING) send_leave(place);
  if (place->state == PLACE_IN) {
    place->resend_waits = false;
    place_send_from(place, place->resend_from);
  }
}

void place_again_later(struct place *place, uint32_t after_ms) {
  struct later *later = sim_alloc(place_sim(place), sizeof *later);
  *later = (struct later){.place = place, .wire_number = place->client->wire_number, .request = place->request};
  sim_at(place_sim(place), place_sim(place)->now_us + after_ms * 1000u, on_later, later);
}

/* ---- what the player wants ---- */

static void begin(struct place *place) {
  place->state = PLACE_JOINING;
  place->session[0] = place->incarnation[0] = '\0';
  place->asked = place->then_leave = place->playing = place->resend_waits = place->has_seat = false;
  place->answered = 0;
  place->next = 1;
  place->acked_place = place->acked_number = place->played = 0;
  place->frame = 0;
  place->life = NULL;
  place->typing = sim_chance(place_sim(place), 150) || place->watching;
  place_forget_commands(place);
  place_go_on(place);
}

void place_enter(struct place *place, const char *room, bool create, bool watch) {
  snprintf(place->room, sizeof place->room, "%s", room);
  place->key[0] = '\0';
  place->create = create && !watch;
  place->watching = watch;
  begin(place);
  /* Those who cannot wait: commands behind a join that is not answered. */
  while (sim_chance(place_sim(place), 150) && place->n_unanswered < 3 && place->asked) place_command(place);
}

void place_create(struct place *place) {
  place->room[0] = '\0';
  place->create = place->watching = false;
  if (!*place->key || sim_chance(place_sim(place), 500)) {
    snprintf(place->key, sizeof place->key, "key-%u",
             (unsigned)(place - place->client->places) * 100 + ++place->client->keys);
  }
  begin(place);
}

void place_leave(struct place *place) {
  if (place->state == PLACE_JOINING) place->then_leave = true;
  if (place->state != PLACE_IN) return;
  if (place->n_unanswered && !place->client->leaving && sim_chance(place_sim(place), 900)) return;
  place->state = PLACE_LEAVING;
  send_leave(place);
  if (sim_chance(place_sim(place), 100) && !place->client->leaving && !*place->key) begin(place); /* out and in */
}

static void make_live_command(struct place *place, struct unanswered *command) {
  struct sim *sim = place_sim(place);
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
  struct sim *sim = place_sim(place);
  uint8_t packed[LEDGER_COMMAND_BYTES];
  struct ledger_command content = {.token = command->token};
  content.op = (uint8_t)sim_below(sim, LEDGER_CLOSE);
  content.argument = (uint8_t)sim_below(sim, 256);
  if (sim_chance(sim, 8)) content.op = LEDGER_CLOSE;
  if (!ledger_ticks(place->room) && !place->watching && poison_is_due(sim)) make_poison(sim, &content);
  ledger_encode(&content, packed);
  command->plain = true;
  command->payload = sim_copy(sim, bytes_of(packed, sizeof packed));
}

void place_command(struct place *place) {
  struct unanswered *command = &place->unanswered[place->n_unanswered++];
  *command = (struct unanswered){.token = oracle_new_token(place_sim(place)), .number = place->next++};
  if (place_is_live(place)) {
    make_live_command(place, command);
  } else if (place_is_lobby(place)) {
    command->payload = place_lobby_command(place);
  } else {
    make_ledger_command(place, command);
  }
  SIM_TRACE(place_sim(place), place->client->name, "says token %" PRIu64 " as %u in %s", command->token,
            command->number, place->room);
  send_command(place, command);
  if (place->watching && command->plain) oracle_refused(place_sim(place), place->client->name, command->token);
}

void place_disconnected(struct place *place) {
  bool known = *place->session != '\0';
  place->asked = place->resend_waits = place->has_seat = false;
  if (place->state == PLACE_OUT) return;
  if (!known || place->typing) place_forget_commands(place); /* what became of them nobody can tell */
  if (!known) place->next = 1;
  if (place->client->gone) {
    place_be_out(place, "gone");
  } else if (place->state == PLACE_LEAVING && sim_chance(place_sim(place), 500)) {
    place_be_out(place, "gone without an answer");
  } else {
    place->then_leave |= place->state == PLACE_LEAVING;
    place->state = PLACE_JOINING;
  }
}
