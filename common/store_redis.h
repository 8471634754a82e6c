/* The store (common/store.h) on one Redis server: the functions of proto/heya.lua over two connections, one for
 * commands and one for blocking reads.
 *
 * It connects by itself and becomes ready when both connections are up and the function libraries are loaded (they
 * are loaded when what Redis has differs). A connection that breaks makes it not ready; every call under way on it
 * answers STORE_LOST. So does a Redis that refuses `init` for a reason that passes (full, busy with a script, unable
 * to persist, without its replicas): then it is not ready for a second, and init may be asked again.
 *
 * Errors: an error reply that begins with a word of heya.lua's own becomes STORE_GONE, STORE_DENIED, or STORE_FAILED;
 * OOM becomes STORE_FULL. What Redis itself refuses before it runs anything is STORE_FAILED too, except for a server
 * that cannot serve at all (LOADING, READONLY, MASTERDOWN, or without our functions after a restart): that one is
 * treated as a lost connection, since recovery is the same. Any other error from a function that writes is
 * STORE_BROKEN.
 *
 * Failpoints: store.append, store.commit, store.read, store.deliveries, store.load, store.claim ...: one per call of
 * the table, named like it. A delay puts off the sending (and all that is sent later); `error` breaks the connection
 * right after sending, so that the outcome is unknown to the caller.
 *
 * Most commits and appends are transactions in place of these functions (store_redis_fence.c): what goes before their
 * EXEC has the failpoint store.transaction.
 *
 * A call of the table is an entry in store_redis.c and a function in store_redis_worker.c, store_redis_commit.c,
 * store_redis_gateway.c or store_redis_read.c; what they share is in store_redis_call.h.
 */
#ifndef HEYA_COMMON_STORE_REDIS_H
#define HEYA_COMMON_STORE_REDIS_H

#include "common/failpoint.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/store.h"

struct ev_loop;

struct store_redis_metrics {
  uint64_t
      clock_ahead_ms; /* by which the newest stream id that was read is ahead of Redis's clock: it was set back */
  uint64_t ahead_ms[STORE_SHARDS_MAX]; /* of each shard; the one above is the most */
};
#define STORE_REDIS_METRICS 1
extern const struct metric_row store_redis_metric_rows[STORE_REDIS_METRICS];

struct store_redis_options {
  const char *url;     /* common/redis_url.h */
  const char *prefix;  /* of every key; checked with key_prefix_is_valid */
  uint32_t partitions; /* of the deployment */
  uint32_t shards;     /* likewise; 0 is 1 */
  uint32_t shard;      /* which of them this is */
  struct store_limits limits;
  uint64_t log_max;          /* entries a room's log keeps */
  uint64_t reply_timeout_ms; /* a Redis that is silent for longer is given up; 0: 5 s */
  struct failpoints *failpoints;
  struct store_redis_metrics *metrics; /* outlives the store; NULL: nobody wants to know */
};

/* What Redis said when it last refused to serve this process at all, or for now, for /readyz; NULL when it serves. */
const char *store_redis_refusal(const struct store *);

/* NULL with a sentence in `error` when an option is wrong; connecting comes later and does not fail here. The options
 * are copied; log and failpoints must outlive the store. Destroyed through its table, never from inside one of its
 * callbacks: pending callbacks then do not fire. */
struct store *store_redis_create(struct ev_loop *loop, const struct store_redis_options *options, struct log *log,
                                 char *error, size_t error_size);

#endif
