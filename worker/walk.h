/* An entry of a partition's stream on its way through the partition, in steps: first each room that has something due
 * by the entry's time, then each entry of its batch. partition_consume walks through at once; worker/caution.c stops
 * before each step. */
#ifndef HEYA_WORKER_WALK_H
#define HEYA_WORKER_WALK_H

#include "proto/arena.h"
#include "proto/bus.pb-c.h"
#include "worker/partition.h"

struct walk {
  struct partition *partition;
  struct arena arena; /* of the batch */
  const Heya__Bus__Batch *batch;
  char sender[PROCESS_ID_MAX + 1];
  bool time_has_passed;
};

/* Moves the partition's cursor and time to the entry, which is copied. False if the entry is at or below the cursor:
 * then there is nothing to walk or to end. A batch that cannot be read is reported and empty. */
bool walk_begin(struct walk *, struct partition *, const struct store_entry *);

/* The id of the room that the next step is about, "" for one about no room, not checked to be an id; NULL: there is
 * no further step. Valid until the step. */
const char *walk_room(const struct walk *);
void walk_step(struct walk *);

/* Also before all steps are done, when the partition is lost. */
void walk_end(struct walk *);

#endif
