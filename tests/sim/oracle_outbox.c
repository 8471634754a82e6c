/* What one partition says to one of another Redis arrives there once, in the order in which it was committed. */
#include "tests/sim/oracle.h"

void oracle_posted(struct sim *sim, uint32_t from, uint32_t to, struct bytes batch) {
  struct bytes *copy = sim_alloc(sim, sizeof *copy);
  *copy = sim_copy(sim, batch);
  if (from % sim->plan.shards == to % sim->plan.shards)
    sim_fail(sim, "outbox", "partition %u has a parcel for %u, which is on its own Redis", from, to);
  sim->seen[SEEN_PARCELS]++;
  sim_queue_push(sim, &sim->oracle->posted[from][to], copy);
}

void oracle_forwarded(struct sim *sim, uint32_t from, uint32_t to, struct bytes batch) {
  const struct bytes *next = sim_queue_pop(&sim->oracle->posted[from][to]);
  if (!next) {
    sim_fail(sim, "outbox", "partition %u takes a parcel of %u again", to, from);
  } else if (!bytes_equal(*next, batch)) {
    sim_fail(sim, "outbox", "partition %u takes a parcel of %u that is not the next one", to, from);
  }
}

bool oracle_unforwarded(const struct sim *sim, uint32_t from) {
  for (uint32_t to = 0; to < sim->plan.partitions; to++) {
    const struct sim_queue *queue = &sim->oracle->posted[from][to];
    if (queue->head < queue->n) return true;
  }
  return false;
}
