/* What each kind of entry does to its room: joins, leaves, commands, lost connections. One small handler each. */
#ifndef HEYA_WORKER_APPLY_H
#define HEYA_WORKER_APPLY_H

#include "proto/bus.pb-c.h"
#include "worker/partition.h"

/* `sender` is the checked id of the gateway or worker that wrote it. False if the entry makes no sense. */
bool apply_entry(struct partition *, const char *sender, const Heya__Bus__Entry *);

/* Tells a connection that it is in the room no longer, unasked. */
void apply_tell_detached(struct effects *, struct binding, const char *room, Heya__V1__Error__Code reason);

#endif
