/* What Redis says of the rooms when all is quiet, beside what their members know. */
#ifndef HEYA_TESTS_CHAOS_TRUTH_H
#define HEYA_TESTS_CHAOS_TRUTH_H

#include "tests/chaos/client.h"

/* Prints and counts the rooms whose members, incarnation or last event are others in Redis than for those who are in
 * them. Everybody must be in his room. A Redis that does not answer counts as one. Waits for its answers. Of `shards`
 * Redis this is number `shard`, and only its rooms are looked at. */
uint64_t truth_check(const char *redis_socket, uint32_t shard, uint32_t shards, const struct swarm *swarm);

#endif
