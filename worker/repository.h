/* The rooms of one partition in memory, by id, and the ids that may not be opened: tombs of derived rooms that ended
 * not long ago, and rooms that only a worker of another version can run. */
#ifndef HEYA_WORKER_REPOSITORY_H
#define HEYA_WORKER_REPOSITORY_H

#include "worker/room.h"

struct tomb {
  char id[ROOM_ID_MAX + 1];
  bool sealed;       /* no tomb: the room is in Redis, and this worker cannot run it */
  uint64_t until_ms; /* stream time; not if sealed */
  struct timer_node due;
  UT_hash_handle hh;
};

/* Zero-initialised it is empty. */
struct repository {
  struct room *rooms;
  struct tomb *tombs;
};

void repository_close(struct repository *);
struct room *repository_find(const struct repository *, const char *id);
/* Takes the room over; there must be none of this id. */
void repository_add(struct repository *, struct room *);
/* Destroys the room. */
void repository_remove(struct repository *, struct room *);
size_t repository_count(const struct repository *);

struct tomb *repository_tomb(const struct repository *, const char *id);
/* Makes the tomb, or finds it and moves its end. */
struct tomb *repository_bury(struct repository *, const char *id, uint64_t until_ms);
void repository_unbury(struct repository *, struct tomb *);

#endif
