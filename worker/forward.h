/* Bringing what waits in outboxes (worker/parcels.h) to the shard that it is for: one call under way to each shard,
 * with what all partitions of the others have for it. */
#ifndef HEYA_WORKER_FORWARD_H
#define HEYA_WORKER_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct freight;
struct shard;

/* The call under way to a shard. Zeroed: none. */
struct forwarding {
  bool busy;
  uint64_t not_before_us; /* after a call that failed */
  uint64_t *retry_at_us;  /* by partition: when one that took nothing is asked again; 0: it takes. Owned; NULL before
                             the first call */
  uint32_t first;         /* counts calls: who is the first sender of the next one */
  struct freight *items;  /* in the order of the call; owned */
  size_t n, cap;
};

void forwarding_close(struct forwarding *);

/* To this shard. */
void forward_turn(struct shard *);
/* Until it may be tried again; at most `most_us`. */
uint64_t forward_wait_us(const struct shard *, uint64_t now_us, uint64_t most_us);

#endif
