/* A room of a script: its interpreter, and the image from which it can be made anew at any time.
 *
 *   image := version (1 byte) random (8 bytes, little endian) state (script_state.h)
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_ROOM_H
#define HEYA_WORKER_LUA_SCRIPT_ROOM_H

#include "worker/lua/script.h"

/* room_state of a room of a script. */
struct script_room {
  struct script_vm vm; /* closed if it could not even be started */
  struct room *room;
  struct buf image;  /* what `save` gives */
  uint64_t random;   /* of its sequence; never 0 */
  uint32_t failures; /* calls that nobody waits for, in a row */
};

/* The image of an empty state with this seed. */
void script_room_seed(struct script_room *self, uint64_t seed);
/* The begin of an image, before the state. */
void script_room_put_head(struct buf *out, uint64_t random);

/* A new interpreter for the room, in place of any it has, with the state of `image`. False, logged, if it cannot be
 * had. */
bool script_room_start(const struct script *script, struct script_room *self, struct room *room);

/* A call has failed: it is counted, and has a line in the log; `what` is the function's name. */
void script_room_report(const struct script *script, const struct room *room, const char *what, const char *error);

#endif
