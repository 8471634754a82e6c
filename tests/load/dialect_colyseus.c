/* Colyseus 0.18: an HTTP request reserves a seat, the upgrade on the same connection takes it. Then each message is a
 * byte that says what it is, and for those of the game ("m" here) their type and value in MessagePack.
 *
 * Colyseus gives rooms their ids: the first member makes one, the others join by its id. A crowd whose members go
 * wherever there is a place (churn) leaves that to the server, which then has to look for a room. */
#include "tests/load/crowd.h"

#include "tests/support/ws.h"

#include <stdio.h>

enum { JOIN_ROOM = 10, ERROR = 11, LEAVE_ROOM = 12, ROOM_DATA = 13 };

#define PATH_BYTES 256

static const uint8_t line_head[] = {ROOM_DATA, 0xa1, 'm', 0xd9, FRAME_TEXT_BYTES}; /* str 1, str 8 */

static void greet(struct player *player) {
  const struct crowd *crowd = player->crowd;
  char path[PATH_BYTES];
  if (crowd->any_room)
    snprintf(path, sizeof path, "/matchmake/joinOrCreate/room");
  else if (player->index % crowd->members == 0)
    snprintf(path, sizeof path, "/matchmake/create/room");
  else
    snprintf(path, sizeof path, "/matchmake/joinById/%s", crowd->ids[player->room]);
  player->state = PLAYER_JOINING;
  ws_post(player->ws, path, bytes_of_str("{}"));
}

/* The text of a member of an object, which has no escapes in it; false if there is none, or a longer one. */
static bool find_text(struct bytes json, const char *name, char out[CROWD_ID_BYTES]) {
  char key[32];
  size_t key_len = (size_t)snprintf(key, sizeof key, "\"%s\":\"", name);
  const char *at = memmem(json.data, json.len, key, key_len), *end = (const char *)json.data + json.len;
  if (!at) return false;
  at += key_len;
  const char *quote = memchr(at, '"', (size_t)(end - at));
  if (!quote || quote - at >= CROWD_ID_BYTES) return false;
  memcpy(out, at, (size_t)(quote - at));
  out[quote - at] = '\0';
  return true;
}

static bool take_seat(struct player *player, unsigned status, struct bytes body) {
  char room[CROWD_ID_BYTES], process[CROWD_ID_BYTES], session[CROWD_ID_BYTES], path[PATH_BYTES];
  if (status != 200 || !find_text(body, "roomId", room) || !find_text(body, "processId", process) ||
      !find_text(body, "sessionId", session))
    return false;
  if (!player->crowd->any_room) memcpy(player->crowd->ids[player->room], room, sizeof room);
  snprintf(path, sizeof path, "/%s/%s?sessionId=%s", process, room, session);
  ws_upgrade(player->ws, path, NULL);
  return true;
}

static void leave(struct player *player, const char *room) {
  static const uint8_t said[] = {LEAVE_ROOM};
  (void)room;
  player_say(player, bytes_of(said, sizeof said));
}

static void line(struct frame *frame, const char *room) {
  (void)room;
  frame_line(frame, false, bytes_of(line_head, sizeof line_head), bytes_of(NULL, 0));
}

static void hear(struct player *player, struct bytes message, struct heard *heard) {
  static const uint8_t ready[] = {JOIN_ROOM};
  const uint8_t *data = message.data;
  (void)player;
  if (message.len == 0) {
    heard->what = HEARD_UNREADABLE;
    return;
  }
  switch (data[0]) {
  case ROOM_DATA:
    heard->what = HEARD_UNREADABLE;
    if (message.len < sizeof line_head || memcmp(data, line_head, sizeof line_head) != 0) break;
    heard->what = HEARD_LINE;
    heard->text = bytes_of(data + sizeof line_head, message.len - sizeof line_head);
    break;
  case JOIN_ROOM:
    heard->what = HEARD_JOINED;
    heard->reply = bytes_of(ready, sizeof ready);
    break;
  case ERROR: heard->what = HEARD_ERROR; break;
  default: break; /* state, of which there is none */
  }
}

const struct dialect dialect_colyseus = {.first_opens = true,
                                         .left_is_close = true,
                                         .greet = greet,
                                         .answer = take_seat,
                                         .leave = leave,
                                         .line = line,
                                         .hear = hear};
