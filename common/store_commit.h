/* Flattens a commit into the arguments of FUNCTION_COMMIT, in the order proto/heya.lua takes them apart (`commit`,
 * parse_segment, parse_room). Pure. A new thing to write is a line here, one there, and one in common/commit.h.
 */
#ifndef HEYA_COMMON_STORE_COMMIT_H
#define HEYA_COMMON_STORE_COMMIT_H

#include "common/commit.h"
#include "common/redis_args.h"

struct store_commit_terms {
  const char *prefix;
  uint64_t gateway_entries; /* limits of a gateway's stream */
  uint64_t gateway_bytes;
  uint64_t log_max; /* entries a room's log keeps */
};

/* Nothing of the room changes but fields that are set, and its log: what most commits are. */
bool store_commit_is_plain(const struct commit_room *room);

/* The smallest id above this one. */
struct stream_id store_commit_above(struct stream_id id);

/* Replaces what is in `args`, which then refers to the commit's own bytes, and finishes it. */
void store_commit_flatten(const struct commit *commit, const struct store_commit_terms *terms,
                          struct redis_args *args);

#endif
