/* Telling the members of a room: each event is numbered, encoded once, logged for those who resume, and handed to
 * every gateway that holds a receiver's connection. */
#ifndef HEYA_WORKER_GROUP_H
#define HEYA_WORKER_GROUP_H

#include "worker/room.h"

/* All: players NULL, n 0, except false. */
struct audience {
  struct member *const *players;
  size_t n;
  bool except; /* everybody but these */
};

/* Fills room, epoch and seq of the event. */
void group_send(struct room *, struct audience, Heya__V1__Event *);

#endif
