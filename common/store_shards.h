/* The questions that concern all Redis of a deployment, as a store that asks each of them: listings, what people want
 * to see, draining. Plus what needs none of them in particular: chance, and the time.
 *
 * Listings are merged in the order of one. A shard that is away makes a page `incomplete`, and only all of them make
 * it fail: players find the rooms that they can join. Reports fail when any is away, and draining says so, having
 * been said to the others.
 *
 * The other calls of the table are NULL: whoever owns partitions or sends to them knows the shard that he means.
 */
#ifndef HEYA_COMMON_STORE_SHARDS_H
#define HEYA_COMMON_STORE_SHARDS_H

#include "common/store.h"

/* Of at least one store, in order; they are not owned. */
struct store *store_shards_create(struct store *const *shards, uint32_t n);
/* After all of them: what was asked is forgotten. */
void store_shards_destroy(struct store *);

#endif
