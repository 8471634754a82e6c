/* Socket.IO 4 over Engine.IO 4, which begins with WebSocket rather than with polling. A message is text: a digit of
 * Engine.IO, one of Socket.IO, the number under which an answer is wanted, and JSON. Rooms are what peers/socketio
 * makes of them: "j" joins one, "l" leaves it, both answered; "m" is a line. */
#include "tests/load/crowd.h"

#include "tests/support/ws.h"

#include <stdio.h>

#define OPEN    '0' /* Engine.IO: it begins */
#define PING    '2'
#define MESSAGE '4'
#define CONNECT '0' /* Socket.IO, within a message */
#define EVENT   '2'
#define ACK     '3'
#define REFUSED '4'

#define ASKS_JOIN  "1" /* the numbers of requests */
#define ASKS_LEAVE "2"

static const char line_head[] = "42[\"m\",\"", line_tail[] = "\"]";
#define HEAD_LEN (sizeof line_head - 1)
#define TAIL_LEN (sizeof line_tail - 1)

static void greet(struct player *player) {
  ws_upgrade(player->ws, "/socket.io/?EIO=4&transport=websocket", NULL);
}

static void join(struct player *player, const char *room) {
  char text[CROWD_ROOM_BYTES + 16];
  int len = snprintf(text, sizeof text, "42" ASKS_JOIN "[\"j\",\"%s\"]", room);
  player_say(player, bytes_of(text, (size_t)len));
}

static void leave(struct player *player, const char *room) {
  (void)room;
  player_say(player, bytes_of_str("42" ASKS_LEAVE "[\"l\"]"));
}

static void line(struct frame *frame, const char *room) {
  (void)room;
  frame_line(frame, true, bytes_of(line_head, HEAD_LEN), bytes_of(line_tail, TAIL_LEN));
}

static void hear_message(struct bytes message, struct heard *heard) {
  const char *data = message.data;
  switch (message.len > 1 ? data[1] : '\0') {
  case EVENT:
    heard->what = HEARD_UNREADABLE;
    if (message.len < HEAD_LEN + TAIL_LEN || memcmp(data, line_head, HEAD_LEN) != 0) break;
    heard->what = HEARD_LINE;
    heard->text = bytes_of(data + HEAD_LEN, message.len - HEAD_LEN - TAIL_LEN);
    break;
  case CONNECT: heard->what = HEARD_WELCOME; break;
  case ACK: heard->what = message.len > 2 && data[2] == *ASKS_JOIN ? HEARD_JOINED : HEARD_LEFT; break;
  case REFUSED:
    heard->what = HEARD_ERROR;
    heard->text = message;
    break;
  default: heard->what = HEARD_UNREADABLE; break;
  }
}

static void hear(struct player *player, struct bytes message, struct heard *heard) {
  (void)player;
  switch (message.len ? *(const char *)message.data : '\0') {
  case MESSAGE: hear_message(message, heard); break;
  case OPEN: heard->reply = bytes_of_str("40"); break;
  case PING: heard->reply = bytes_of_str("3"); break;
  default: heard->what = HEARD_UNREADABLE; break;
  }
}

const struct dialect dialect_socketio = {
    .text = true, .greet = greet, .join = join, .leave = leave, .line = line, .hear = hear};
