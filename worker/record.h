/* A changed room as the next commit writes it: readable fields for people, member and result lines, log, image. */
#ifndef HEYA_WORKER_RECORD_H
#define HEYA_WORKER_RECORD_H

#include "common/commit.h"
#include "worker/room.h"

/* How much longer than a room's expire_at_ms its keys live: longer than a failover takes, so that a join which came
 * in time finds them. */
#define RECORD_EXPIRE_MARGIN_MS 30000

/* Fills `out`, whose memory is `arena` or the room's and valid until either changes. */
void record_room(struct room *, struct arena *arena, struct commit_room *out);

#endif
