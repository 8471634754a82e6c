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
#define COMMAND_MAX 1024

/* ---- names ---- */

void crowd_room(const struct crowd *crowd, uint32_t room, char out[CROWD_ROOM_BYTES]) {
  snprintf(out, CROWD_ROOM_BYTES, "%s/b%" PRIx32 "-%" PRIu32 "-%" PRIu32, crowd->kind, crowd->tag, crowd->serial,
           room);
}

void crowd_player(const struct player *player, char out[CROWD_PLAYER_BYTES]) {
  snprintf(out, CROWD_PLAYER_BYTES, "b%" PRIx32 "-%" PRIu32, player->crowd->tag, player->index);
}

/* ---- what players say ---- */

void player_say(struct player *player, struct bytes message) {
  if (!player->ws) return; /* counted as lost */
  if (player->crowd->dialect->text)
    ws_send_text(player->ws, message);
  else
    ws_send(player->ws, message);
}

void player_join(struct player *player, const char *room) {
  player->state = PLAYER_JOINING;
  player->number = player->acked = 0;
  player->crowd->dialect->join(player, room);
}

void player_leave(struct player *player, const char *room) {
  player->state = PLAYER_LEAVING;
  player->crowd->dialect->leave(player, room);
}

void player_send(struct player *player, struct frame *frame, uint32_t request) {
  frame_set(frame, request, ++player->number);
  if (player->ws) ws_send_frame(player->ws, frame_bytes(frame));
}

void player_command(struct player *player, const char *room, uint32_t request, struct bytes payload) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  uint8_t data[COMMAND_MAX];
  body.room = pb_text(room);
  body.number = ++player->number;
  body.payload = pb_bytes(payload);
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  player_say(player, bytes_of(data, heya__v1__client_message__pack(&message, data)));
}

/* ---- what they hear ---- */

/* In the order in which they come in: by their index, or all first members before anybody else. */
static struct player *nth(struct crowd *crowd, uint32_t n) {
  uint32_t rooms = crowd->n / crowd->members;
  return &crowd->players[crowd->dialect->first_opens ? n % rooms * crowd->members + n / rooms : n];
}

/* Some more of them set out, while not too many are on the way. */
static void bring_in(struct crowd *crowd) {
  uint32_t rooms = crowd->n / crowd->members;
  while (crowd->next < crowd->n && crowd->next - crowd->in < ON_THE_WAY) {
    if (crowd->dialect->first_opens && crowd->next == rooms && crowd->in < rooms) return; /* rooms have no ids yet */
    player_connect(nth(crowd, crowd->next++));
  }
}

/* Somebody is where all are to be while they enter. */
static void arrived(struct crowd *crowd) {
  crowd->in++;
  bring_in(crowd);
}

static void on_joined(struct player *player) {
  struct crowd *crowd = player->crowd;
  if (player->state != PLAYER_JOINING) {
    crowd->trouble.unasked++;
    return;
  }
  player->state = PLAYER_IN;
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

static void on_left(struct player *player) {
  const struct crowd_events *events = player->crowd->events;
  player->state = PLAYER_WELCOME;
  if (events->left) events->left(player);
}

static void on_error(struct player *player, uint32_t code, struct bytes text) {
  struct trouble *trouble = &player->crowd->trouble;
  trouble->errors++;
  trouble->codes[code < CROWD_CODES ? code : 0]++;
  if (!*trouble->first)
    snprintf(trouble->first, sizeof trouble->first, "%.*s", (int)text.len, text.len ? (const char *)text.data : "");
}

static void on_message(void *arg, struct bytes data) {
  struct player *player = arg;
  struct crowd *crowd = player->crowd;
  const struct crowd_events *events = crowd->events;
  struct heard heard;
  heard.what = HEARD_NOTHING;
  heard.disorder = false;
  heard.code = 0;
  heard.text = heard.reply = bytes_of(NULL, 0);
  crowd->dialect->hear(player, data, &heard);
  if (heard.reply.len) player_say(player, heard.reply);
  crowd->trouble.disorder += heard.disorder;
  switch (heard.what) {
  case HEARD_LINE:
    if (events->line) events->line(player, heard.text);
    break;
  case HEARD_EVENT:
    if (events->event) events->event(player, &heard.wire);
    break;
  case HEARD_ACK:
    if (events->ack) events->ack(player, heard.wire.request);
    break;
  case HEARD_WELCOME: on_welcome(player); break;
  case HEARD_JOINED: on_joined(player); break;
  case HEARD_LEFT: on_left(player); break;
  case HEARD_ERROR: on_error(player, heard.code, heard.text); break;
  case HEARD_UNASKED: crowd->trouble.unasked++; break;
  case HEARD_UNREADABLE: crowd->trouble.unreadable++; break;
  case HEARD_NOTHING: break;
  }
}

static void on_answer(void *arg, unsigned status, struct bytes body) {
  struct player *player = arg;
  const struct dialect *dialect = player->crowd->dialect;
  if (dialect->answer && dialect->answer(player, status, body)) return;
  on_error(player, 0, body);
}

static void on_open(void *arg) {
  struct player *player = arg;
  if (player->crowd->dialect->upgraded) player->crowd->dialect->upgraded(player);
}

static void on_closed(void *arg, unsigned code) {
  struct player *player = arg;
  struct trouble *trouble = &player->crowd->trouble;
  bool left = player->state == PLAYER_LEAVING && player->crowd->dialect->left_is_close;
  player->ws = NULL;
  player->state = PLAYER_OUT;
  if (left) {
    if (player->crowd->events->left) player->crowd->events->left(player);
    return;
  }
  if (!trouble->lost++ && !*trouble->first)
    snprintf(trouble->first, sizeof trouble->first, "a connection was closed with %u", code);
}

void player_connect(struct player *player) {
  static const struct ws_events events = {
      .open = on_open, .message = on_message, .answer = on_answer, .closed = on_closed};
  const struct site *site = &player->crowd->bench->site;
  player->state = PLAYER_CONNECTING;
  player->ws =
      ws_dial(player->crowd->bench->loop, &site->gateways[player->index % site->n_gateways], &events, player);
  player->crowd->dialect->greet(player);
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
                          .dialect = bench->dialect,
                          .kind = kind,
                          .events = events,
                          .arg = arg,
                          .n = rooms * members,
                          .members = members,
                          .tag = bench->tag,
                          .serial = bench->crowds++};
  crowd->ids = xcalloc(rooms, sizeof *crowd->ids);
  crowd->players = xcalloc(crowd->n, sizeof *crowd->players);
  for (uint32_t i = 0; i < crowd->n; i++)
    crowd->players[i] = (struct player){.crowd = crowd, .index = i, .room = i / members};
}

void crowd_close(struct crowd *crowd) {
  for (uint32_t i = 0; i < crowd->n; i++) ws_drop(crowd->players[i].ws);
  free(crowd->players);
  free(crowd->ids);
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
  crowd->in = crowd->next = 0;
  progress_start(&bench->progress, bench->loop, say_entering, crowd);
  bring_in(crowd);
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
