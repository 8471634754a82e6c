/* What a partition has said to partitions of other shards, until they have it.
 *
 * Within a shard such batches are part of the commit. To another Redis they cannot be: so the commit writes them into
 * a stream beside the partition, its outbox, and the id of an entry there is its number. Whoever owns the partition
 * brings them to the other shard (worker/forward.c), where the function that takes them keeps the last number it took
 * of each sender: brought twice, by one owner or two, a parcel is taken once. When they have arrived, a commit trims
 * them; a new owner reads what is left and goes on. So it is exactly once, and in order from one partition to
 * another.
 *
 * Pure. A lane is a shard that is not ours; a parcel is fresh until the commit that it is in has been answered.
 */
#ifndef HEYA_WORKER_PARCELS_H
#define HEYA_WORKER_PARCELS_H

#include "common/commit.h"

#include <stdbool.h>
#include <sys/queue.h>

struct parcel {
  STAILQ_ENTRY(parcel) next;
  uint32_t to;             /* partition */
  struct stream_id number; /* in Redis; not yet while fresh */
  bool fresh;
  bool under_way; /* brought, not answered */
  size_t len;
  unsigned char batch[];
};
STAILQ_HEAD(parcel_list, parcel);

struct parcels_lane {
  struct parcel_list list; /* oldest first */
  size_t n;
  struct stream_id newest;  /* of those that have arrived */
  struct stream_id arrived; /* all up to this one have */
  struct stream_id trimmed; /* of that, up to this number by a commit */
};

/* Zeroed it is one of a deployment with a single shard: nothing goes into it. */
struct parcels {
  uint32_t shards;
  struct parcels_lane *lanes; /* one per shard; owned */
  size_t n, bytes;            /* of all lanes */
  struct parcel **fresh;      /* in the order in which they were added; the array is owned */
  size_t n_fresh, n_posted, cap_fresh;
  uint64_t settled_us; /* when something arrived that is still to be trimmed; 0: there is none */
};

/* Over it, what can be said later is: news of free seats (effects_is_clogged). */
#define PARCELS_CLOGGED 64 /* in one lane */
/* Over it, the partition takes no more entries: gateways are told BUSY. */
#define PARCELS_MAX_BYTES (16u << 20)
/* Trimmed not at once but with the next commit, or by one of its own after so long. */
#define PARCELS_TRIM_US 500000

void parcels_init(struct parcels *, uint32_t shards);
void parcels_close(struct parcels *);

/* One that goes into the next commit: fresh. Copied. */
void parcels_add(struct parcels *, uint32_t to, struct bytes batch);
/* One that a commit before has left in Redis. In the order of numbers for each shard. */
void parcels_load(struct parcels *, uint32_t to, struct stream_id number, struct bytes batch);
/* The oldest fresh one, to whichever shard, has this number. False: there is none. */
bool parcels_posted(struct parcels *, struct stream_id number);
static inline bool parcels_is_fresh(const struct parcels *parcels) {
  return parcels->n_posted < parcels->n_fresh;
}

/* A parcel that was under way has arrived, or has to be brought again. Not while fresh. */
void parcels_arrived(struct parcels *, struct parcel *, uint64_t now_us);
static inline void parcels_missed(struct parcel *parcel) {
  parcel->under_way = false;
}
/* The first of a lane that can be brought, from `after` (NULL: the beginning) on; NULL: none. */
struct parcel *parcels_next(const struct parcels *, uint32_t shard, const struct parcel *after);

/* Whether Redis has something of it that can go. */
static inline bool parcels_has_settled(const struct parcels *parcels) {
  return parcels->settled_us != 0;
}
static inline bool parcels_is_clogged(const struct parcels *parcels, uint32_t shard) {
  return parcels->lanes && parcels->lanes[shard].n > PARCELS_CLOGGED;
}

/* What a commit says of it: at most `shards` of them. Said once. */
size_t parcels_settle(struct parcels *, struct commit_settled *out);

static inline bool parcels_is_full(const struct parcels *parcels) {
  return parcels->bytes > PARCELS_MAX_BYTES;
}

#endif
