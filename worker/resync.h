/* Telling the members of a room that they may have missed something, without a reconnect: each connected one gets a
 * Joined that nobody asked for, with a snapshot and the reason. */
#ifndef HEYA_WORKER_RESYNC_H
#define HEYA_WORKER_RESYNC_H

#include "worker/room.h"

/* RESYNC: the session goes on, and what is unanswered is to be sent again. */
void resync_tell(struct room *, Heya__V1__Error__Code reason);

#endif
