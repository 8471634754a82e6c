/* Servers that are not only started but ready: Redis answers, gateways listen, and every partition has an owner. All
 * of these run the loop while they wait; they return false, with a word on standard error, when it takes too long. */
#ifndef HEYA_TESTS_SUPPORT_SERVERS_READY_H
#define HEYA_TESTS_SUPPORT_SERVERS_READY_H

#include "tests/support/servers.h"

#define SERVERS_PARTITIONS 16 /* the default of the servers */
#define SERVERS_NOBODY     SERVERS_MAX

struct redisContext;

/* As Redis says it. */
struct servers_owner {
  unsigned worker; /* index in servers.workers; SERVERS_NOBODY: free, or one that is no more */
  uint64_t epoch;
};

/* Starts each Redis and so many workers and gateways, and waits until all partitions are owned. `redis` has a
 * blocking connection for each shard, for looking, in what follows too; the caller frees it with redisFree, also
 * after a failure if it is not NULL. */
bool servers_begin(struct servers *servers, unsigned workers, unsigned gateways, struct redisContext **redis);

/* Waits until the gateway or worker answers on its ports. */
bool servers_wait_for(struct server *server);

void servers_owners(const struct servers *servers, struct redisContext *const *redis,
                    struct servers_owner owners[SERVERS_PARTITIONS]);

/* Waits until the living workers own even shares, and then for what is under way to end. */
bool servers_balance(struct servers *servers, struct redisContext **redis);

#endif
