/* Who watches a room: receives what all receive, is no member, has no say, and loses his place with his connection.
 * Kept as members in a list of their own, which the kind does not see. Part of the room; always bound. */
#ifndef HEYA_WORKER_SPECTATORS_H
#define HEYA_WORKER_SPECTATORS_H

#include "worker/room.h"

struct request;

/* How many the room lets in: what its host says, within what the kind says. */
uint32_t spectators_max(const struct room *);
struct member *spectators_find(const struct room *, const char *player); /* NULL: he does not watch */
/* Whose place is of this join of this connection; with attempt UINT32_MAX of any join of it. NULL: nobody's. */
struct member *spectators_bound_to(const struct room *, struct binding);

/* The player of the entry, a join, comes to watch r->room, which is there. Answers him. */
void spectators_join(struct request *);
/* The player of the entry watches by a newer join than this one, which is late and changes nothing. Answered, if
 * anybody is there to hear it. */
bool spectators_outdate(struct request *);
/* He comes by this join now: the place that he may have is given up, and an older connection told (REPLACED). */
void spectators_make_way(struct request *);

/* For loading. Takes him over. */
void spectators_add(struct room *, struct member *);
/* He is gone, and nobody is told. Destroys him. */
void spectators_remove(struct room *, struct member *);
/* The same, but his connection is told why. */
void spectators_dismiss(struct room *, struct member *, Heya__V1__Error__Code);
/* All whose connection is there are gone. */
void spectators_leave_gateway(struct room *, const struct outlet *);
/* Frees them all. */
void spectators_close(struct room *);

#endif
