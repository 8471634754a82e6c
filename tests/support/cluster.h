/* A whole deployment for one test: a private Redis, workers, gateways, HAProxy if wanted, and the players.
 *
 *   struct cluster *cluster = cluster_start(&(struct cluster_options){.haproxy = true});
 *   struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, CLUSTER_LB, "bob");
 *   ...
 *   cluster_stop(cluster);
 *
 * Everything listens on loopback with free ports and lives in one temporary directory. cluster_stop is part of the
 * test: it asserts that every server that was not killed by the test ends with exit code 0 on SIGTERM. A test that
 * fails never gets there; then the players' logs and the ends of the servers' logs are printed when its process
 * exits, and everything is killed. HEYA_KEEP=1 in the environment keeps the directory of a failed test.
 *
 * The servers are those beside this test binary, or in HEYA_BIN_DIR. The working directory is the repository's root.
 */
#ifndef HEYA_TESTS_SUPPORT_CLUSTER_H
#define HEYA_TESTS_SUPPORT_CLUSTER_H

#include "tests/support/player.h"
#include "tests/support/process.h"
#include "tests/support/redis_client.h"
#include "tests/support/tmpdir.h"

#include <stdbool.h>
#include <stdint.h>

#define CLUSTER_LB          (-1) /* instead of a gateway's index */
#define CLUSTER_PROCESS_MAX 16   /* of workers, and of gateways */
#define CLUSTER_SHARDS_MAX  3    /* of Redis */
#define CLUSTER_LEASE_MS    3000 /* of the workers, unless the options say otherwise */
/* The longest time from the kill -9 of a worker until another one applies its partitions' commands: its lease, the
 * third of a lease until a peer looks, the wait before a free partition may be claimed, and loading. */
#define CLUSTER_FAILOVER_MS (CLUSTER_LEASE_MS + CLUSTER_LEASE_MS / 3 + 1000)

struct cluster_options {
  unsigned workers, gateways; /* 0: 2 */
  unsigned shards;            /* so many Redis; 0: 1 */
  bool bare;                  /* Redis only; the test starts the servers it wants */
  bool haproxy;
  unsigned partitions;             /* 0: the servers' default */
  unsigned lease_ms;               /* 0: CLUSTER_LEASE_MS */
  const char *const *worker_args;  /* further arguments, NULL-terminated; literals, or valid until cluster_stop */
  const char *const *gateway_args; /* likewise; --auth dev is given before them */
  const char *const *redis_args;   /* likewise */
};

struct cluster;

struct cluster *cluster_start(const struct cluster_options *options);
void cluster_stop(struct cluster *cluster);

/* ---- players ---- */

/* Connects and says hello; belongs to the cluster, which destroys it in cluster_stop. `gateway`: index or CLUSTER_LB.
 */
struct player *cluster_player(struct cluster *cluster, int gateway, const char *name);
/* Upgraded, but no hello said. `options` may be NULL. */
struct player *cluster_stranger(struct cluster *cluster, int gateway, const char *name,
                                const struct wsclient_options *options);

/* ---- parts ---- */

/* HOST:PORT for clients; of HAProxy with CLUSTER_LB. Valid until cluster_stop, as the other addresses. */
const char *cluster_address(const struct cluster *cluster, int gateway);
const char *cluster_gateway_admin(const struct cluster *cluster, unsigned index);
const char *cluster_worker_admin(const struct cluster *cluster, unsigned index);
struct process *cluster_worker(struct cluster *cluster, unsigned index);
struct process *cluster_gateway(struct cluster *cluster, unsigned index);
struct process *cluster_haproxy(struct cluster *cluster);
struct process *cluster_redis_process(struct cluster *cluster);
struct redis_client *cluster_redis(struct cluster *cluster);
/* Of several Redis; number 0 is that of the calls above. */
unsigned cluster_shards(const struct cluster *cluster);
struct process *cluster_shard_process(struct cluster *cluster, unsigned shard);
struct redis_client *cluster_shard(struct cluster *cluster, unsigned shard);
const char *cluster_shard_url(const struct cluster *cluster, unsigned shard);
const struct tmpdir *cluster_dir(const struct cluster *cluster);
/* The path of a file in the tree of the servers, such as "heya-worker". */
const char *cluster_program(struct cluster *cluster, const char *name, char *path, size_t size);
/* "unix:///...": for servers started by hand. */
const char *cluster_redis_url(const struct cluster *cluster);

/* A port that was free a moment ago; who uses it must be ready to lose the race. */
unsigned cluster_free_port(void);

/* ---- changing it ---- */

/* Starts one more; returns its index at once. `args`, NULL-terminated or NULL, come after the options' own; those
 * with
 * --redis replace the cluster's. */
unsigned cluster_spawn_worker(struct cluster *cluster, const char *const *args);
unsigned cluster_spawn_gateway(struct cluster *cluster, const char *const *args);
/* Fails the test when it does not become ready. Its addresses are known afterwards. */
void cluster_await_worker(struct cluster *cluster, unsigned index);
void cluster_await_gateway(struct cluster *cluster, unsigned index);

/* Redis, after it was killed: on the same directory and addresses. */
void cluster_restart_redis(struct cluster *cluster);

/* Ends the test unless this server refuses to run: a nonzero exit code, and `text` in its log. */
void cluster_refuses(struct process *process, const char *text);

/* ---- looking at it ---- */

uint32_t cluster_partition(struct cluster *cluster, const char *room);
/* The index of the worker that owns the room's partition, or -1 when nobody that runs does. */
int cluster_owner(struct cluster *cluster, const char *room);
/* Waits until a running worker other than `not_this` (an index, or -1) owns it; fails the test when none does. */
unsigned cluster_await_owner(struct cluster *cluster, const char *room, int not_this);
/* Waits until every partition has an owner among the running workers. */
void cluster_await_all_owned(struct cluster *cluster);

/* Redis keys that match, as SCAN sees them. */
size_t cluster_count_keys(struct cluster *cluster, const char *pattern);
/* Waits until no key of the room is left, for at most `ms`. */
bool cluster_await_no_keys(struct cluster *cluster, const char *room, uint64_t ms);

#endif
