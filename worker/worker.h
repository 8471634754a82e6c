/* A worker: owns partitions, reads their streams, applies what comes, commits what it did.
 *
 * Runs without a loop of its own: worker_turn does whatever can be done now and says when it wants to be called
 * again; the store's callbacks only note what they learned. So main.c drives it with libev, and a simulation with
 * virtual time.
 *
 *   worker.c     life: start, turn, stop
 *   ownership.c  leases and claims: which partitions are ours, and getting there
 *   intake.c     one blocking read over all partitions that are live
 *   loop.c       the frames of rooms that tick
 *   commit.c     freezing the effects of all partitions into one commit, one in flight at a time
 *   forward.c    what partitions say to those of another shard
 *   caution.c    single steps, where owners died in a row
 *
 * Where a deployment has several Redis (shards), all of this is done for each of them by itself: leases, views,
 * claims, reads, commits. Nothing that happens to one concerns the partitions of another.
 *
 * After any doubt (a lost connection, a commit without an answer) a partition's memory is dropped and the partition
 * is claimed again: the one recovery path.
 */
#ifndef HEYA_WORKER_WORKER_H
#define HEYA_WORKER_WORKER_H

#include "common/log.h"
#include "common/pace.h"
#include "common/store.h"
#include "proto/arena.h"
#include "worker/caution.h"
#include "worker/forward.h"
#include "worker/kinds/registry.h"
#include "worker/partition.h"
#include "worker/worker_metrics.h"

enum slot_state {
  SLOT_FREE, /* not ours, or ours and not loaded */
  SLOT_CLAIMING,
  SLOT_LOADING,
  SLOT_LIVE,
  SLOT_LEAVING, /* takes no more entries; released when its effects are committed */
  SLOT_RELEASING,
};

/* A commit failed half-way: what its events and answers said is in the rooms, and perhaps nobody has heard it. */
enum slot_resync {
  RESYNC_NONE,
  RESYNC_WANTED, /* when it is loaded, members are told */
  RESYNC_TOLD,   /* in effects, or in the outstanding commit */
};

/* A connection of a member of a room whose keys are unsound. */
struct stranded {
  char gateway[PROCESS_ID_MAX + 1];
  uint64_t conn;
  uint32_t attempt;
};

struct slot {
  struct worker *worker;
  struct shard *shard; /* where it is */
  enum slot_state state;
  uint64_t epoch;                     /* while not FREE or CLAIMING */
  uint64_t tenure;                    /* counts how often `partition` was opened; an epoch may come again, granted by
                                         a Redis that has forgotten the first time */
  uint64_t since_ms;                  /* Redis's clock when it became LIVE */
  int64_t ahead_us;                   /* of Redis's clock to our monotonic one, for frames; see loop.c */
  uint64_t followed_us;               /* when that was adjusted last; 0: never */
  uint64_t retry_at_us;               /* not claimed before, after an error */
  uint64_t read_epoch;                /* when the outstanding read was sent; 0: not in it */
  uint64_t commit_epoch;              /* in the outstanding commit; 0: not in it */
  bool abandon;                       /* CLAIMING or LOADING: the connection broke, give it up */
  char successor[PROCESS_ID_MAX + 1]; /* LEAVING, RELEASING: who should have it; "" if nobody */
  char heal[ROOM_ID_MAX + 1];         /* a room whose keys are unsound; "" if none */
  struct stranded *stranded;          /* its members, to be told if it cannot be loaded; owned */
  size_t n_stranded;
  enum slot_resync resync;
  struct partition partition; /* open while LOADING, LIVE, LEAVING */
  struct caution caution;     /* likewise */
};

struct worker_config {
  char id[PROCESS_ID_MAX + 1];
  char host[64], address[64]; /* for people; address of the admin port */
  const char *version;
  int64_t pid;
  uint32_t partitions;
  uint32_t shards; /* 0 is 1 */
  uint64_t lease_ms;
  uint64_t pace_us; /* see common/pace.h */
};

/* Whoever drives the worker may watch its peers, which the core cannot: it is told of each view of a shard. */
struct worker_observer {
  void (*view)(void *arg, uint32_t shard, const struct store_view *);
  void *arg;
};

enum worker_state { WORKER_STARTING, WORKER_RUNNING, WORKER_STOPPING, WORKER_STOPPED, WORKER_FAILED };

/* One Redis of the deployment: what this worker does there, and no other one has a part in. Its partitions are those
 * whose number leaves `number` when divided by the shards. */
struct shard {
  struct worker *worker;
  uint32_t number;
  struct store *store;            /* not owned */
  bool joined;                    /* the checks at start were passed once */
  uint64_t init_at_us;            /* they are not tried before */
  bool initialising, initialised; /* of this connection */
  bool renewing, renewed;
  uint64_t renew_at_us;
  uint64_t renewed_at_us;             /* when the last renewal was answered */
  uint64_t lapsed_are_alive_until_us; /* see ownership.c */
  bool expecting;                     /* a partition that should be ours is held by somebody who will release it */
  bool retiring, retired;             /* at the end */
  bool reading, wake_wanted;
  size_t reading_n;    /* so many partitions are in the read */
  uint64_t n_reads;    /* answered */
  bool read_refused;   /* the last one, and it was no partition's fault */
  uint64_t read_at_us; /* not read before, after an error */
  struct pace reads;
  bool reading_singly;    /* one partition at a time, to find the one that cannot be read; */
  uint32_t read_next;     /* from here on */
  uint64_t waiting_bytes; /* of effects, when that was last looked at; */
  bool full;              /* too much then, see intake_is_full */
  bool committing;
  struct pace commits; /* of what no read brought: frames, timers */
  bool commit_waits;   /* for its pace */
  uint64_t commit_sent_us;
  uint64_t commit_refused_us; /* when the last one was; 0: it was not */
  struct forwarding forwarding;
};

struct worker {
  struct worker_config config;
  struct shard *shards; /* config.shards of them */
  struct log *log;
  struct worker_metrics *metrics;
  const struct kind_registry *kinds;
  struct worker_observer observer; /* view NULL: none */
  enum worker_state state;
  char failure[512]; /* WORKER_FAILED: what to tell whoever started it */
  char cluster[33];  /* the deployment, as the first shard that was reached says; "": none was */
  uint64_t created_us;
  struct slot *slots;  /* one per partition of the deployment */
  struct slot *noting; /* whose turn it is to be cautious, see worker/caution.h; NULL: nobody's */
  struct scene scene;  /* of all of them: one thread */
  struct log_limit read_limit;
  struct log_limit slow_limit;
  struct log_limit forward_limit;
  struct arena frozen; /* what a commit points to */
};

static inline uint64_t worker_now_us(const struct worker *worker) {
  const struct store *store = worker->shards[0].store;
  return store->ops->monotonic_us(store);
}

/* As many stores as the config says shards, in order. Their on_ready becomes the worker's. */
struct worker *worker_create(const struct worker_config *, struct store *const *, const struct kind_registry *,
                             struct worker_metrics *, struct log *);
/* The stores must be destroyed before: their callbacks point here. */
void worker_destroy(struct worker *);

/* Does what can be done now. Returns in how many microseconds it wants to be called at the latest. */
uint64_t worker_turn(struct worker *);

/* Somebody saw them die: their lease, or stream, ends now, and what was theirs is taken over. Harmless if they live.
 */
void worker_suspect(struct worker *, const char *worker_id);
void worker_suspect_gateway(struct worker *, const char *gateway_id);

/* Begin an orderly end: commit, release everything, give up the lease; then the state is WORKER_STOPPED. */
void worker_stop(struct worker *);

/* Ready to own partitions; else appends why not. */
bool worker_ready(const struct worker *, struct buf *reason);

/* ---- between the files of the worker ---- */

void ownership_turn(struct shard *);
uint64_t ownership_wait_us(const struct shard *, uint64_t now_us);
/* Somebody released a partition for us, in this epoch. */
void ownership_freed(struct shard *, uint32_t partition, uint64_t epoch);
/* This Redis was away, or we were: so may others have been. */
void ownership_forgive(struct shard *);
/* Throws the slot's memory away. It becomes FREE, and is claimed again when Redis says it is ours. */
void slot_drop(struct slot *, const char *reason);
/* A key of this room has the wrong type: it is to be written whole after the next load, or its members are to be told
 * that it is lost. While LIVE or LEAVING. */
void slot_heal(struct slot *, const char *room);
/* While LOADING: one room as Redis has it; and that there are no more, or that it failed. */
void slot_load(struct slot *, const char *id, struct bytes image, uint64_t tomb_until_ms);
void slot_loaded(struct slot *, bool ok);
/* Soon: a view is needed. */
void ownership_hurry(struct shard *);
/* LEAVING slots that are clean are released. */
void ownership_release_clean(struct shard *);
uint32_t slot_number(const struct slot *);

void intake_turn(struct shard *);
/* Until it reads again; at most `most_us`. */
uint64_t intake_wait_us(const struct shard *, uint64_t now_us, uint64_t most_us);
/* So much waits for a commit of this shard that nothing may add to it. */
bool intake_is_full(struct shard *);
void loop_turn(struct worker *);
/* Until the next frame; at most `most_us`. */
uint64_t loop_wait_us(struct worker *, uint64_t now_us, uint64_t most_us);
void commit_turn(struct shard *);
/* Until what waits is committed; at most `most_us`. */
uint64_t commit_wait_us(const struct shard *, uint64_t now_us, uint64_t most_us);

#endif
