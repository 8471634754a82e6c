/* Answers to one who asked something of a room: which connection, which request, about which room. */
#ifndef HEYA_WORKER_ANSWER_H
#define HEYA_WORKER_ANSWER_H

#include "worker/effects.h"

struct asker {
  struct effects *effects;
  struct binding from; /* outlet NULL: nobody is there to hear it */
  uint32_t request;    /* echoed */
  const char *room;
};

void answer_send(const struct asker *, Heya__V1__ServerMessage *, Heya__Bus__Attachment);
/* Fills the room in, and the code's default text if there is none. */
void answer_error(const struct asker *, Heya__V1__Error *, Heya__Bus__Attachment);
/* `message` NULL or "": the code's default text. */
void answer_refuse(const struct asker *, Heya__V1__Error__Code, const char *message, Heya__Bus__Attachment);
/* The connection is in the room no longer, unasked. */
void answer_detached(const struct asker *, Heya__V1__Error__Code reason);
/* The room is not there, and a connection that believes to be in it should have been told: ROOM_LOST, unless it was.
 */
void answer_lost(const struct asker *);

#endif
