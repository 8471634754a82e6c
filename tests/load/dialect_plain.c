/* The least there can be: the path names the room, "J" says that one is in, "L" that one goes, and everything else is
 * a line that goes to all members as it came. For build/floor and peers/ws. */
#include "tests/load/crowd.h"

#include "tests/support/ws.h"

#include <stdio.h>

static void greet(struct player *player) {
  char room[CROWD_ROOM_BYTES], path[CROWD_ROOM_BYTES + 8];
  crowd_room(player->crowd, player->room, room);
  snprintf(path, sizeof path, "/?room=%s", room);
  player->state = PLAYER_JOINING;
  ws_upgrade(player->ws, path, NULL);
}

static void leave(struct player *player, const char *room) {
  (void)room;
  player_say(player, bytes_of_str("L"));
}

static void line(struct frame *frame, const char *room) {
  (void)room;
  frame_line(frame, true, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

static void hear(struct player *player, struct bytes message, struct heard *heard) {
  (void)player;
  heard->what = bytes_equal_str(message, "J") ? HEARD_JOINED : HEARD_LINE;
  heard->text = message;
}

const struct dialect dialect_plain = {
    .text = true, .left_is_close = true, .greet = greet, .leave = leave, .line = line, .hear = hear};
