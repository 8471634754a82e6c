/* The outside world of gateways and workers, as one table of calls: Redis in earnest (common/store_redis.c), memory
 * and virtual time under test. Nothing else in a gateway's or worker's core may read a clock, draw a random number or
 * talk to anybody but clients.
 *
 * Calls and callbacks
 * - Arguments are copied during the call; what a callback is given is valid during the callback.
 * - Every callback fires exactly once and never inside the call that asked for it; after store_destroy, never.
 * - STORE_LOST: the connection broke before the answer. The call may have taken effect, or may yet: the caller must
 *   find out by claiming again (worker) or opening again (gateway), never by repeating it.
 * - STORE_FAILED: refused with a message for the log; nothing took effect (errors after the check phase of a function
 *   are reported as STORE_BROKEN: something may have been written, drop the partition).
 *
 * Shards
 * - A deployment may have several Redis. Partition p lives on number p mod shards, with everything that belongs to
 * it, and there is one store for each (store_redis), which is asked about its own partitions only. Everything that
 * "one at a time" is said of is so for each of them: nothing on one waits for another. common/store_shards.h asks
 * all.
 *
 * What the calls mean is written at the Redis functions of the same names in proto/heya.lua.
 */
#ifndef HEYA_COMMON_STORE_H
#define HEYA_COMMON_STORE_H

#include "common/commit.h"
#include "proto/facts.h"
#include "proto/names.h"

enum store_result {
  STORE_OK,
  STORE_LOST,   /* no answer: unknown whether it took effect */
  STORE_GONE,   /* the gateway is dead for Redis, or of an older generation */
  STORE_DENIED, /* claim, release: somebody else was faster */
  STORE_FULL,   /* Redis is out of memory */
  STORE_FAILED, /* refused, nothing took effect; see the message */
  STORE_BROKEN, /* failed half-way; see the message */
};
const char *store_result_name(enum store_result);

/* ---- start ---- */

/* Checked by every process at start and after each reconnect. */
struct store_deployment {
  uint32_t partitions; /* in: what the process was told; out: what heya:config says */
  char cluster[33];    /* out: random id of the deployment. In, where there are several shards: what another one said
                          it is; "" if none has yet. The first shard makes it, others wait for it. */
  char server[96];     /* out: run id and replication id of the Redis that answers; another one of either may have
                          forgotten the last writes */
};
/* STORE_FAILED with a message that says what to do: Redis too old, eviction policy, partition count or schema
 * differs, a command forbidden by ACL. What passes (Redis is full, busy, loading, a replica) is STORE_LOST, and the
 * store is not ready for a while. */
typedef void store_init_cb(void *arg, enum store_result, const char *message, const struct store_deployment *);

/* ---- workers ---- */

struct store_worker {
  char id[64];
  uint64_t expires_ms; /* lease end by Redis's clock, in the future */
  bool draining;       /* wants no partitions */
  char address[64];    /* of its admin port; "" if unknown */
};
struct store_owner {
  char worker[64]; /* "" : free */
  uint64_t epoch;
  uint64_t freed_ms; /* when it was released; 0: it was not */
  bool lapsed;       /* the owner's lease ran out by itself; not: it holds one, or a peer or itself ended it */
};
/* The deployment as one call saw it. */
struct store_view {
  uint64_t now_ms; /* Redis's clock */
  const struct store_worker *workers;
  size_t n_workers;
  const struct store_owner *owners; /* one per partition */
  size_t n_owners;
  const char *const *gateways;          /* the living ones */
  const char *const *gateway_addresses; /* as many: of their admin ports, "" if unknown */
  size_t n_gateways;
};
struct store_worker_info {
  const char *id, *host, *address, *version; /* address: of the admin port */
  int64_t pid;
  uint64_t lease_ms;
  uint32_t n_partitions; /* held */
  uint64_t n_rooms;
  bool draining; /* renews the lease but wants no partitions */
};
typedef void store_view_cb(void *arg, enum store_result, const struct store_view *);

/* What a worker was doing when it died: it was in a kind's code for this room. Left by the dying worker itself
 * (`sure`), or, by one that had reason to expect the worst, as a note before each step. */
struct store_blame {
  bool sure;
  struct stream_id entry; /* last one begun; while loading, the last one done */
  uint32_t index;         /* within the entry's batch; STORE_BLAME_ALL: all of it was applied */
  char room[ROOM_ID_MAX + 1];
};
#define STORE_BLAME_ALL  UINT32_MAX
#define STORE_BLAMES_MAX 16

struct store_claimed {
  uint64_t epoch;
  struct stream_id done;
  struct stream_id tail; /* the last entry of the stream; not after `done`: nothing waits */
  uint32_t deaths;       /* owners in a row that died, or lost their lease, soon and without moving `done` */
  /* Rooms that dead owners were in, at entries which are still to be applied (or, while loading, at `done`). One
   * each: who closes the first may die of the second before he could commit. */
  struct store_blame blames[STORE_BLAMES_MAX];
  size_t n_blames;
};
typedef void store_claim_cb(void *arg, enum store_result, const struct store_claimed *); /* NULL unless STORE_OK */
typedef void store_done_cb(void *arg, enum store_result);
/* One room of a partition being loaded. image.data is NULL when only its id is left: it expired, or it is closed and
 * has a tomb until tomb_until_ms (0: none). */
typedef void store_room_cb(void *arg, const char *id, struct bytes image, uint64_t tomb_until_ms);

struct store_position {
  uint32_t partition;
  struct stream_id after; /* entries after this one */
};
struct store_entry {
  uint32_t partition;
  struct stream_id id;
  struct bytes sender; /* gateway or worker id, as checked by Redis */
  struct bytes batch;  /* encoded heya.bus.Batch; hostile until checked */
};
typedef void store_read_cb(void *arg, enum store_result, const struct store_entry *, size_t n);

/* Keys of a segment's partition, or of a room in it, are damaged: it was not applied, or all of it but those keys.
 * The partition is to be claimed and loaded again. */
struct store_refused {
  uint32_t partition;
  const char *message;
  const char *wrong_room; /* a key of this room has the wrong type: commit it `whole`; NULL: it is not about a room */
};
/* Where the outbox of a partition has a parcel of the commit. */
struct store_posted {
  uint32_t partition;
  struct stream_id number;
};
struct store_commit_outcome {
  const uint32_t *fenced; /* partitions whose segment was not applied, because they are not this worker's any more */
  size_t n_fenced;
  const char *const *gone; /* gateways that are dead: their deliveries were dropped */
  size_t n_gone;
  const struct store_refused *refused;
  size_t n_refused;
  const struct store_posted *posted; /* the parcels of the segments that were applied, in their order */
  size_t n_posted;
  const char *message; /* with STORE_FAILED, STORE_BROKEN: about all of it */
};

/* What one shard has for another: see worker/parcels.h. */
struct store_forward {
  uint32_t from, to; /* partitions */
  struct stream_id number;
  struct bytes batch;
};
/* One of those that an outbox still has, in the order of their numbers for each shard. */
typedef void store_parcel_cb(void *arg, uint32_t to, struct stream_id number, struct bytes batch);

typedef void store_commit_cb(void *arg, enum store_result, const struct store_commit_outcome *);

/* ---- gateways ---- */

struct store_append {
  uint32_t partition;
  uint64_t number;    /* of this gateway's appends to this partition: 1, 2, 3 */
  bool system;        /* holds no client commands and may use the reserve */
  struct bytes batch; /* encoded heya.bus.Batch */
};
enum store_append_verdict {
  STORE_APPENDED, /* also when it had been already: nothing is doubled */
  STORE_BUSY,     /* the partition is full; the number is not consumed */
  STORE_REFUSED,  /* not the next number */
  STORE_BEHIND,   /* Redis's clock is behind the partition, which takes nothing for now; likewise not consumed */
  STORE_VANISHED, /* the partition's stream is gone, or not a stream: the number is used up, the batch is nowhere */
};
typedef void store_append_cb(void *arg, enum store_result, const enum store_append_verdict *, size_t n);

struct store_limits {
  uint64_t partition_entries; /* unprocessed stream entries of a partition */
  uint64_t partition_bytes;
  uint64_t gateway_entries; /* unread entries of a gateway's stream */
  uint64_t gateway_bytes;
};
/* numbers[p]: the last append number that partition p has of this gateway. */
typedef void store_open_cb(void *arg, enum store_result, uint64_t generation, const uint64_t *numbers, size_t n);

struct store_delivery {
  struct stream_id id;
  struct bytes deliveries; /* encoded heya.bus.Deliveries */
};
typedef void store_deliveries_cb(void *arg, enum store_result, const struct store_delivery *, size_t n);

struct store_list {
  const char *kind;
  const struct property *where;
  size_t n_where;
  bool joinable;
  uint32_t limit;
  const char *after;
};
struct store_list_row {
  const char *room, *status, *host;
  uint32_t members, max_members;
  uint32_t kept;       /* seats, for players who are not there yet */
  uint64_t created_ms; /* its place in the listing index */
  const char *title;   /* NULL or "": none */
  bool password;       /* it has one */
  uint32_t spectators;
  const struct property *properties;
  size_t n_properties;
};
struct store_list_page {
  const struct store_list_row *rows; /* newest first, those of one millisecond by id, downwards */
  size_t n;
  const char *after; /* for the next page; "" at the end */
  uint64_t examined; /* rooms looked at, those that did not match too */
  bool incomplete;   /* a shard is away: rooms there are not among them */
};
/* The page is empty unless STORE_OK; valid during the call. */
typedef void store_list_cb(void *arg, enum store_result, const struct store_list_page *);

/* ---- for people ---- */

enum store_report { STORE_REPORT_WORKERS, STORE_REPORT_PARTITIONS, STORE_REPORT_GATEWAYS };
/* JSON, as proto/heya_people.lua makes it; a message unless STORE_OK. */
typedef void store_report_cb(void *arg, enum store_result, struct bytes text);

/* ---- the table ---- */

#define STORE_SHARDS_MAX 16 /* of a deployment */

struct store;

struct store_ops {
  void (*destroy)(struct store *);
  bool (*ready)(const struct store *); /* connected; calls made while not ready answer STORE_LOST */
  uint64_t (*now_ms)(const struct store *, uint32_t partition); /* best estimate of that Redis's clock */
  uint64_t (*monotonic_us)(const struct store *);
  void (*random)(struct store *, void *out, size_t n);
  void (*init)(struct store *, struct store_deployment, store_init_cb *, void *arg);

  void (*renew)(struct store *, const struct store_worker_info *, store_view_cb *, void *arg);
  void (*retire)(struct store *, const char *worker, store_done_cb *, void *arg); /* end one's own lease */
  void (*suspect)(struct store *, const char *worker, store_done_cb *, void *arg);
  void (*claim)(struct store *, uint32_t partition, const char *worker, const struct store_owner *seen,
                store_claim_cb *, void *arg);
  /* Before each step of one that expects to die of it; room "" takes the last such note back. */
  void (*blame)(struct store *, uint32_t partition, const char *worker, uint64_t epoch, const struct store_blame *,
                store_done_cb *, void *arg);
  /* `successor` is woken (on_freed) if it is not "". */
  void (*release)(struct store *, uint32_t partition, const char *worker, uint64_t epoch, const char *successor,
                  store_done_cb *, void *arg);
  void (*load)(struct store *, uint32_t partition, store_room_cb *, store_done_cb *, void *arg);
  /* One read at a time: blocks until any position has more, somebody released a partition for this worker (on_freed
   * comes first), block_ms passed, or read_wake; then answers, n = 0 too. Without positions it waits for the rest. */
  void (*read)(struct store *, const char *worker, const struct store_position *, size_t n, uint64_t block_ms,
               store_read_cb *, void *arg);
  void (*read_wake)(struct store *);
  void (*commit)(struct store *, const struct commit *, store_commit_cb *, void *arg);

  /* Where there are several shards, and only there: what a partition has left for others to have, and bringing it to
   * the shard that `to` is of. STORE_BUSY, STORE_BEHIND: not taken; to be brought again, before anything that is
   * younger. */
  void (*outbox)(struct store *, uint32_t partition, store_parcel_cb *, store_done_cb *, void *arg);
  void (*forward)(struct store *, const char *worker, const struct store_forward *, size_t n, store_append_cb *,
                  void *arg);

  void (*gateway_open)(struct store *, const char *gateway, bool again, const char *address, uint64_t ttl_ms,
                       store_open_cb *, void *arg); /* again: one that exists, or STORE_GONE */
  void (*gateway_renew)(struct store *, const char *gateway, uint64_t generation, uint64_t ttl_ms, store_done_cb *,
                        void *arg);
  void (*gateway_close)(struct store *, const char *gateway, store_done_cb *, void *arg);
  void (*gateway_suspect)(struct store *, const char *gateway, store_done_cb *, void *arg);
  void (*append)(struct store *, const char *gateway, uint64_t generation, const struct store_append *, size_t n,
                 store_append_cb *, void *arg);
  /* One at a time, like read, and woken like it; entries up to `after` are trimmed. */
  void (*deliveries)(struct store *, const char *gateway, struct stream_id after, uint64_t block_ms,
                     store_deliveries_cb *, void *arg);
  void (*list)(struct store *, const struct store_list *, store_list_cb *, void *arg);

  /* Only for the internal API: others may leave them NULL. */
  void (*report)(struct store *, enum store_report, store_report_cb *, void *arg);
  /* The worker is to hand its partitions over and take none, or takes some again. STORE_DENIED: there is no such
   * worker, or no other one that would take them. */
  void (*drain)(struct store *, const char *worker, bool drain, store_done_cb *, void *arg);
};

struct store {
  const struct store_ops *ops;
  /* Called when `ready` changes; set by the owner of the store before the first loop turn. */
  void (*on_ready)(void *arg, bool ready);
  /* Another worker released this partition, in this epoch, for the reading one. A hint. NULL: not wanted. */
  void (*on_freed)(void *arg, uint32_t partition, uint64_t epoch);
  void *on_ready_arg; /* of both */
};

#endif
