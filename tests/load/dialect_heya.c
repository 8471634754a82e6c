/* Heya's own protocol, in its binary form: docs/protocol.md. What has no fixed frame is packed by the generated code;
 * what is heard is read without it, see tests/load/wire.h. */
#include "tests/load/crowd.h"

#include "proto/client.pb-c.h"
#include "proto/pb.h"
#include "tests/support/ws.h"

#define MESSAGE_MAX 1024
#define USUAL_SEATS 4 /* rooms of every kind have as many without being asked */

#define TEXT_LINE 1 /* of chat's Event */
#define LINE_TEXT 3 /* of its Line */

static void say(struct player *player, const Heya__V1__ClientMessage *message) {
  uint8_t data[MESSAGE_MAX];
  player_say(player, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

static void greet(struct player *player) {
  ws_upgrade(player->ws, "/v1", "heya.v1.proto");
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

static void join(struct player *player, const char *room) {
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
  say(player, &message);
}

static void leave(struct player *player, const char *room) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave body = HEYA__V1__LEAVE__INIT;
  body.room = pb_text(room);
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &body;
  say(player, &message);
}

static void hear_event(struct player *player, struct heard *heard) {
  const struct wire_message *message = &heard->wire;
  bool later = message->epoch > player->epoch || (message->epoch == player->epoch && message->seq > player->seq);
  heard->disorder = player->state == PLAYER_IN && !later;
  player->epoch = message->epoch;
  player->seq = message->seq;
  heard->what = HEARD_EVENT;
  /* Who listens to lines is in a room of chat, and its own events are lines. */
  if (message->event != HEYA__V1__EVENT__BODY_PAYLOAD || !player->crowd->events->line) return;
  heard->what = HEARD_LINE;
  heard->text = wire_bytes(wire_bytes(message->payload, TEXT_LINE), LINE_TEXT);
}

static void hear_joined(struct player *player, struct heard *heard) {
  heard->what = heard->wire.request ? HEARD_JOINED : HEARD_UNASKED;
  if (!heard->wire.request) return;
  player->epoch = heard->wire.epoch;
  player->seq = heard->wire.seq;
}

static void hear(struct player *player, struct bytes data, struct heard *heard) {
  if (!wire_read(data, &heard->wire)) {
    heard->what = HEARD_UNREADABLE;
    return;
  }
  switch (heard->wire.body) {
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: hear_event(player, heard); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK:
    if (heard->wire.number > player->acked) player->acked = heard->wire.number;
    heard->what = HEARD_ACK;
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_WELCOME: heard->what = HEARD_WELCOME; break;
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED: hear_joined(player, heard); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_LEFT: heard->what = HEARD_LEFT; break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR:
    heard->what = HEARD_ERROR;
    heard->code = heard->wire.code;
    heard->text = heard->wire.text;
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED:
  case HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE: heard->what = HEARD_UNASKED; break;
  default: break;
  }
}

const struct dialect dialect_heya = {
    .acks = true, .greet = greet, .upgraded = hello, .join = join, .leave = leave, .line = frame_say, .hear = hear};
