/* An entry of a stream on its way through a handler: between apply.c, which dispatches, and the files that do the
 * work. */
#ifndef HEYA_WORKER_REQUEST_H
#define HEYA_WORKER_REQUEST_H

#include "proto/bus.pb-c.h"
#include "worker/answer.h"
#include "worker/kind.h"
#include "worker/partition.h"

struct request {
  struct partition *partition;
  struct effects *effects;
  const Heya__Bus__Entry *entry;
  struct room_id id;
  struct binding from;
  struct asker asker; /* the same, and how it is answered */
  struct room *room;  /* NULL if there is none of this id */
};

#define CODE(name) HEYA__V1__ERROR__CODE__##name

#define ANY_ATTEMPT       UINT32_MAX /* in a Disconnected: whatever the connection's last join was */
#define PROFILE_MAX_BYTES 4096       /* of a member */

/* ---- worker/join.c ---- */

/* False if the entry makes no sense, as in all of these. */
bool join_apply(struct request *);

/* How a room is to be that may have to be made. */
struct room_plan {
  Heya__Bus__Mode mode;
  struct bytes options;
  uint32_t max_members;           /* 0: the kind's */
  const Heya__V1__Config *config; /* NULL: all defaults */
};
/* Finds r->room or makes it, without anybody in it. What is made here and left empty by its maker is to be forgotten
 * (partition_forget) or given an end (room_await). */
Heya__V1__Error__Code join_find_or_open(struct request *, const struct room_plan *, bool *created,
                                        struct kind_reply *);
/* Whether the plan's sizes can be right. */
bool join_plan_is_sound(const struct room_plan *);

#endif
