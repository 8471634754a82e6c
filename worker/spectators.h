/* Who watches a room: receives what all receive, is no member, has no say, and loses his place with his connection.
 * Kept as members in a list of their own, which the kind does not see. */
#ifndef HEYA_WORKER_SPECTATORS_H
#define HEYA_WORKER_SPECTATORS_H

#include "worker/request.h"
#include "worker/room.h"

/* How many the room lets in. */
uint32_t spectators_max(const struct room *);
struct member *spectators_find(const struct room *, const char *player); /* NULL: he does not watch */
/* The player joins to watch; answers him. The room is there. */
void spectators_join(struct request *, const Heya__Bus__Join *);
/* Takes the place over for loading. */
void spectators_add(struct room *, struct member *);
/* He is gone, and nobody is told. Destroys him. */
void spectators_remove(struct room *, struct member *);
/* Of this binding, or of a whole gateway. */
struct member *spectators_bound_to(const struct room *, struct binding);
void spectators_leave_gateway(struct room *, const struct outlet *);
void spectators_close(struct room *);

#endif
