/* A member's numbered command: judged by his session, executed at once or in the room's next frame, and answered
 * exactly once however often it was sent. */
#ifndef HEYA_WORKER_COMMAND_H
#define HEYA_WORKER_COMMAND_H

#include "proto/bus.pb-c.h"
#include "worker/answer.h"
#include "worker/room.h"

struct worker_metrics;

/* One that came through the stream, from the connection that speaks for the member. */
void command_take(const struct asker *, struct room *, struct member *, const Heya__Bus__Command *,
                  struct worker_metrics *);

/* All that wait, in a frame. A kind that ends the room ends this too. */
void command_run_waiting(struct room *, struct worker_metrics *);
/* Those of a player, or of all (NULL), will not be executed: this is the answer. */
void command_refuse_waiting(struct room *, const char *player, Heya__V1__Error__Code);

#endif
