/* See tests/load/crowd.h. */
#include "tests/load/crowd.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/client.pb-c.h"
#include "proto/pb.h"
#include "tests/support/ws.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S  60
#define ON_THE_WAY  128 /* who have not got in yet, at a time */
#define MESSAGE_MAX 1024
#define USUAL_SEATS 4 /* rooms of every kind have as many without being asked */

/* ---- names ---- */

void crowd_room(const struct crowd *crowd, uint32_t room, char out[CROWD_ROOM_BYTES]) {
  snprintf(out, CROWD_ROOM_BYTES, "%s/b%" PRIx32 "-%" PRIu32 "-%" PRIu32, crowd->kind, crowd->tag, crowd->serial,
           room);
}

void crowd_player(const struct player *player, char out[CROWD_PLAYER_BYTES]) {
  snprintf(out, CROWD_PLAYER_BYTES, "b%" PRIx32 "-%" PRIu32, player->crowd->tag, player->index);
}

/* ---- what players say ---- */

static void say(struct player *player, const Heya__V1__ClientMessage *message) {
  uint8_t data[MESSAGE_MAX];
  if (!player->ws) return; /* counted as lost */
  ws_send(player->ws, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

static void hello(struct player *player) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello body = HEYA__V1__HELLO__INIT;
  char name[CROWD_PLAYER_BYTES];
  crowd_player(player, name);
  body.player = name;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &body;
  say(player, &message);
}

void player_join(struct player *player, const char *room) {
  const struct crowd *crowd = player->crowd;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join body = HEYA__V1__JOIN__INIT;
  body.room = pb_text(room);
  body.create = true;
  body.max_members = crowd->members > USUAL_SEATS ? crowd->members : 0;
  body.options = pb_bytes(crowd->options);
  message.request = 1; /* any that says that it was asked for */
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &body;
  player->state = PLAYER_JOINING;
  player->number = player->acked = 0;
  say(player, &message);
}

void player_leave(struct player *player, const char *room) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave body = HEYA__V1__LEAVE__INIT;
  body.room = pb_text(room);
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &body;
  player->state = PLAYER_LEAVING;
  say(player, &message);
}

void player_send(struct player *player, struct frame *frame, uint32_t request) {
  frame_set(frame, request, ++player->number);
  if (player->ws) ws_send_frame(player->ws, frame_bytes(frame));
}

void player_command(struct player *player, const char *room, uint32_t request, struct bytes payload) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  body.room = pb_text(room);
  body.number = ++player->number;
  body.payload = pb_bytes(payload);
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  say(player, &message);
}

/* ---- what they hear ---- */

/* Somebody is where all are to be while they enter. */
static void arrived(struct crowd *crowd) {
  crowd->in++;
  if (crowd->next < crowd->n) player_connect(&crowd->players[crowd->next++]);
}

static void on_joined(struct player *player, const struct wire_message *message) {
  struct crowd *crowd = player->crowd;
  if (player->state != PLAYER_JOINING || !message->request) {
    crowd->trouble.unasked++;
    return;
  }
  player->state = PLAYER_IN;
  player->epoch = message->epoch;
  player->seq = message->seq;
  if (!crowd->events->welcome) arrived(crowd);
  if (crowd->events->joined) crowd->events->joined(player);
}

static void on_welcome(struct player *player) {
  struct crowd *crowd = player->crowd;
  char room[CROWD_ROOM_BYTES];
  player->state = PLAYER_WELCOME;
  if (crowd->events->welcome) {
    arrived(crowd);
    crowd->events->welcome(player);
    return;
  }
  crowd_room(crowd, player->room, room);
  player_join(player, room);
}

static void on_event(struct player *player, const struct wire_message *message) {
  struct crowd *crowd = player->crowd;
  bool later = message->epoch > player->epoch || (message->epoch == player->epoch && message->seq > player->seq);
  if (player->state == PLAYER_IN && !later) crowd->trouble.disorder++;
  player->epoch = message->epoch;
  player->seq = message->seq;
  if (crowd->events->event) crowd->events->event(player, message);
}

static void on_error(struct player *player, const struct wire_message *message) {
  struct trouble *trouble = &player->crowd->trouble;
  trouble->errors++;
  trouble->codes[message->code < CROWD_CODES ? message->code : 0]++;
  if (!*trouble->first)
    snprintf(trouble->first, sizeof trouble->first, "%.*s", (int)message->text.len,
             message->text.len ? (const char *)message->text.data : "");
}

static void on_message(void *arg, struct bytes data) {
  struct player *player = arg;
  const struct crowd_events *events = player->crowd->events;
  struct wire_message message;
  if (!wire_read(data, &message)) {
    player->crowd->trouble.unreadable++;
    return;
  }
  switch (message.body) {
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: on_event(player, &message); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK:
    if (message.number > player->acked) player->acked = message.number;
    if (events->ack) events->ack(player, &message);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_WELCOME: on_welcome(player); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED: on_joined(player, &message); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_LEFT:
    player->state = PLAYER_WELCOME;
    if (events->left) events->left(player);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR: on_error(player, &message); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED:
  case HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE: player->crowd->trouble.unasked++; break;
  default: break;
  }
}

static void on_open(void *arg) {
  hello(arg);
}

static void on_closed(void *arg, unsigned code) {
  struct player *player = arg;
  struct trouble *trouble = &player->crowd->trouble;
  player->ws = NULL;
  player->state = PLAYER_OUT;
  if (!trouble->lost++ && !*trouble->first)
    snprintf(trouble->first, sizeof trouble->first, "a connection was closed with %u", code);
}

void player_connect(struct player *player) {
  static const struct ws_events events = {.open = on_open, .message = on_message, .closed = on_closed};
  const struct site *site = &player->crowd->bench->site;
  player->state = PLAYER_CONNECTING;
  player->ws =
      ws_dial(player->crowd->bench->loop, &site->gateways[player->index % site->n_gateways], &events, player);
  ws_upgrade(player->ws, "/v1", "heya.v1.proto");
}

void player_hang_up(struct player *player) {
  ws_drop(player->ws);
  player->ws = NULL;
  player->state = PLAYER_OUT;
}

/* ---- all of them ---- */

void crowd_open(struct crowd *crowd, struct bench *bench, const char *kind, uint32_t rooms, uint32_t members,
                const struct crowd_events *events, void *arg) {
  *crowd = (struct crowd){.bench = bench,
                          .kind = kind,
                          .events = events,
                          .arg = arg,
                          .n = rooms * members,
                          .members = members,
                          .tag = bench->tag,
                          .serial = bench->crowds++};
  crowd->players = xcalloc(crowd->n, sizeof *crowd->players);
  for (uint32_t i = 0; i < crowd->n; i++)
    crowd->players[i] = (struct player){.crowd = crowd, .index = i, .room = i / members};
}

void crowd_close(struct crowd *crowd) {
  for (uint32_t i = 0; i < crowd->n; i++) ws_drop(crowd->players[i].ws);
  free(crowd->players);
  *crowd = (struct crowd){0};
}

static bool all_in_or_not(void *arg) {
  const struct crowd *crowd = arg;
  return crowd->in == crowd->n || crowd_trouble(crowd);
}

static void say_entering(const void *arg, char *text, size_t size) {
  const struct crowd *crowd = arg;
  snprintf(text, size, "%" PRIu32 " of %" PRIu32 " are in", crowd->in, crowd->n);
}

bool crowd_enter(struct crowd *crowd) {
  struct bench *bench = crowd->bench;
  uint64_t began_us = clock_monotonic_us();
  crowd->in = 0;
  progress_start(&bench->progress, bench->loop, say_entering, crowd);
  for (crowd->next = 0; crowd->next < crowd->n && crowd->next < ON_THE_WAY;)
    player_connect(&crowd->players[crowd->next++]);
  bench_until(bench, PATIENCE_S, all_in_or_not, crowd);
  progress_stop(&bench->progress, bench->loop);
  crowd->entered_us = clock_monotonic_us() - began_us;
  if (crowd->in == crowd->n && !crowd_trouble(crowd)) return true;
  report_wrong(&bench->report, "only %" PRIu32 " of %" PRIu32 " players got into their rooms", crowd->in, crowd->n);
  crowd_report_trouble(crowd);
  return false;
}

/* ---- trouble ---- */

uint64_t crowd_trouble(const struct crowd *crowd) {
  const struct trouble *trouble = &crowd->trouble;
  return trouble->errors + trouble->lost + trouble->unasked + trouble->disorder + trouble->unreadable;
}

static const char *code_name(uint32_t code) {
  const ProtobufCEnumValue *value =
      protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, (int)code);
  return code && value ? value->name : "an unknown code";
}

void crowd_report_trouble(const struct crowd *crowd) {
  const struct trouble *trouble = &crowd->trouble;
  struct report *report = &crowd->bench->report;
  for (uint32_t code = 0; code < CROWD_CODES; code++)
    if (trouble->codes[code]) report_wrong(report, "%" PRIu64 " errors: %s", trouble->codes[code], code_name(code));
  if (trouble->lost) report_wrong(report, "%" PRIu64 " connections lost", trouble->lost);
  if (trouble->unasked) report_wrong(report, "%" PRIu64 " times put out or seated anew", trouble->unasked);
  if (trouble->disorder) report_wrong(report, "%" PRIu64 " events twice or out of order", trouble->disorder);
  if (trouble->unreadable) report_wrong(report, "%" PRIu64 " messages that cannot be read", trouble->unreadable);
  if (*trouble->first) report_wrong(report, "the first of these: %s", trouble->first);
}

void crowd_forgive(struct crowd *crowd) {
  crowd->trouble = (struct trouble){0};
  for (uint32_t i = 0; i < crowd->n; i++) crowd->players[i].number = crowd->players[i].acked;
}
