/* One gateway without sockets: sessions, uplinks and downlinks, and the id under which they act in Redis.
 *
 * The gateway opens its id, keeps it alive, opens it again after every lost connection, and takes a new one when it
 * is dead. It knows no event loop and no clock but the store's, so it runs under a simulator as it does in main.c,
 * which calls gateway_turn once per loop turn and passes the network's callbacks to gateway_sessions.
 */
#ifndef HEYA_GATEWAY_GATEWAY_H
#define HEYA_GATEWAY_GATEWAY_H

#include "gateway/session.h"
#include "gateway/uplink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failpoints;

#define GATEWAY_NEVER UINT64_MAX

/* Plain values, copied; what it points at outlives the gateway, strings excepted. */
struct gateway_config {
  const char *id;      /* NULL or "": g-<random>; a checked process id of at most GATEWAY_ID_MAX bytes */
  const char *address; /* of the admin port, for people and peers */
  uint32_t partitions;
  uint32_t shards; /* of the deployment; 0 is 1 */
  uint64_t ttl_ms; /* the id is renewed each third of it */
  uint64_t drain_timeout_ms;
  size_t partition_entries, partition_bytes; /* waiting here, see uplink_config */
  uint64_t pace_us;                          /* of calls of the store, see common/pace.h */
  struct sessions_config sessions;
  const struct auth *auth;
  const struct payload_registry *registry;
  const struct session_output *output;
  struct failpoints *failpoints;
};
#define GATEWAY_ID_MAX 31 /* leaves room for a suffix when a new id must be taken */

struct gateway;

/* As many stores as the config says shards, in order. Takes over their on_ready. Destroy after them (which then call
 * back no more) and after every session was closed. */
struct gateway *gateway_create(struct store *const *, const struct gateway_config *, struct gateway_metrics *,
                               struct log *);
void gateway_destroy(struct gateway *);

struct sessions *gateway_sessions(struct gateway *);

/* Does whatever is due: to be called once per loop turn, after messages and answers were handled. Returns after how
 * many microseconds to be called again at the latest; 0 when connections were sent something, GATEWAY_NEVER when only
 * a callback changes anything. */
uint64_t gateway_turn(struct gateway *);

/* Opened, reading, renewed, and not draining, on one shard at least; and Redis takes what is sent, as far as is
 * known: a broken append is held against it until one is taken, but for two seconds at most, since without clients
 * nothing is sent. Otherwise *why is a short static phrase, or what Redis refused. */
bool gateway_is_ready(const struct gateway *, const char **why);

/* On so many shards all is well. */
uint32_t gateway_shards(const struct gateway *);

/* The id in use, "" while there is none. */
const char *gateway_id(const struct gateway *);

/* The store refused this process at start, for good (partition count, version, eviction policy); NULL otherwise. */
const char *gateway_refused(const struct gateway *);

/* Begins the orderly end: not ready, everybody is told to reconnect elsewhere and closed. Idempotent. */
void gateway_drain(struct gateway *);

/* The drain is over: every room was told and the id is closed, or left to its TTL while Redis is away; or the time
 * was up. */
bool gateway_is_finished(const struct gateway *);

/* It was up with somebody still connected, a room not told, or Redis there and the id not closed. */
bool gateway_drain_timed_out(const struct gateway *);

#endif
