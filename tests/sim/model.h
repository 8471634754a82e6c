/* Redis as the rest of the deployment can observe it: the functions of proto/heya.lua and the few commands that the
 * store uses besides them, each one atomic, in virtual time.
 *
 * Whoever changes proto/heya.lua changes the function of the same name here. Kept is what anybody reads back: owners,
 * leases, streams, images, which keys a room has and until when. Expired keys are gone at the time a function begins
 * and stay until it ends, as in Redis.
 */
#ifndef HEYA_TESTS_SIM_MODEL_H
#define HEYA_TESTS_SIM_MODEL_H

#include "common/store.h"
#include "proto/keys.h"
#include "tests/sim/sim.h"

#define MODEL_PROCESSES_MAX 256
#define MODEL_ROOMS_MAX     512

struct model_entry {
  struct stream_id id;
  uint32_t to; /* of a parcel: the partition */
  const char *sender;
  struct bytes payload; /* a batch, or deliveries */
};

struct model_stream {
  struct model_entry *entries;
  size_t head, n, cap; /* alive: head to n */
  struct stream_id last;
};

struct model_gateway {
  char id[PROCESS_ID_MAX + 1];
  bool exists; /* its hash and stream, which live and die together */
  uint64_t expire_ms;
  bool listed; /* in the set of gateways */
  uint64_t listed_until_ms;
  uint64_t generation;
  uint64_t numbers[SIM_PARTITIONS_MAX];
  uint64_t queued_bytes;
  struct model_stream events;
};

struct model_worker {
  char id[PROCESS_ID_MAX + 1];
  bool has_lease; /* an entry, which may have run out */
  uint64_t lease_until_ms;
  uint64_t renewed_ms, known_until_ms; /* of what it says of itself; 0: never, or it closed */
  bool draining;
  struct model_stream control; /* payload: struct model_freed */
};

struct model_freed {
  uint32_t partition;
  uint64_t epoch;
};

enum model_room_key { ROOM_MAIN, ROOM_MEMBERS, ROOM_RESULTS, ROOM_LOG, ROOM_DEADLINE, ROOM_KEYS };

struct model_names { /* the fields of a hash */
  char (*names)[PLAYER_MAX + 1];
  size_t n, cap;
};

struct model_room {
  char id[ROOM_ID_MAX + 1];
  bool exists[ROOM_KEYS];
  uint64_t expire_ms[ROOM_KEYS]; /* 0: never */
  struct bytes image;
  struct model_names members, results;
  bool in_set; /* of its partition's rooms */
  uint64_t tomb_until_ms;
};

struct model_partition {
  char owner[PROCESS_ID_MAX + 1];
  uint64_t epoch, freed_ms, claimed_ms;
  struct stream_id done;
  uint32_t deaths;             /* of owners in a row, at the last claim */
  struct stream_id death_done; /* `done` then */
  struct store_blame blames[STORE_BLAMES_MAX];
  size_t n_blames;
  struct stream_id late_done; /* see PLANT_CHECKPOINT_LATE */
  struct model_stream commands;
  int64_t bytes;
  struct model_stream out[SIM_SHARDS_MAX];   /* parcels for partitions of other shards */
  struct stream_id from[SIM_PARTITIONS_MAX]; /* the last one taken of each partition of other shards */
};

/* An XREAD. The answer's memory belongs to the run. */
struct model_read {
  /* asked */
  const struct store_position *positions;
  size_t n_positions;
  const char *worker; /* whose control stream is read too, or NULL */
  struct stream_id control_after;
  const char *gateway; /* whose deliveries are read, or NULL */
  struct stream_id after;
  void (*served)(struct model_read *); /* a blocked one has its answer */
  /* answered */
  struct store_entry *entries;
  size_t n_entries;
  struct model_freed *freed;
  size_t n_freed;
  struct store_delivery *deliveries;
  size_t n_deliveries;
  bool blocked;
};
#define MODEL_READ_COUNT 256 /* entries of one stream in an answer */

struct model {
  struct sim *sim;
  uint32_t shard;
  uint64_t ahead_ms;         /* its clock, of the simulation's */
  uint64_t stalled_until_us; /* it executes nothing before; what comes waits in */
  struct sim_queue inbox;
  uint32_t partitions_told; /* 0: nobody has asked yet */
  char server[32];          /* run id */
  uint32_t runs;
  struct model_partition partitions[SIM_PARTITIONS_MAX];
  struct model_gateway *gateways[MODEL_PROCESSES_MAX];
  size_t n_gateways;
  struct model_worker *workers[MODEL_PROCESSES_MAX];
  size_t n_workers;
  struct model_room *rooms[MODEL_ROOMS_MAX];
  size_t n_rooms;
  struct model_read *blocked[SIM_PROCESSES_MAX * 2];
  size_t n_blocked;
};

struct model *model_create(struct sim *, uint32_t shard);
static inline struct model *model_at(const struct sim *sim, uint32_t partition) {
  return sim->models[partition % sim->plan.shards];
}
/* Where rooms of this id are. */
static inline struct model *model_of(const struct sim *sim, const char *room) {
  return model_at(sim, room_partition(room, strlen(room), sim->plan.partitions));
}
uint64_t model_now_ms(const struct model *);

/* ---- model.c: streams, reading ---- */
struct stream_id model_stream_add(struct model *, struct model_stream *, const char *sender, struct bytes payload);
size_t model_stream_trim(struct model_stream *, struct stream_id done); /* up to and with; how many went */
static inline size_t model_stream_len(const struct model_stream *stream) {
  return stream->n - stream->head;
}
/* True: answered. False: blocked, and `served` comes later unless it is unblocked. */
bool model_read(struct model *, struct model_read *, bool block);
/* Whether it was blocked. */
bool model_unblock(struct model *, struct model_read *);
/* After every function: blocked reads that have something now. */
void model_serve(struct model *);
/* It comes up again with all it knew, under another run id. */
void model_restart(struct model *);

/* ---- model_gateway.c ---- */
struct model_gateway *model_gateway_find(struct model *, const char *id); /* NULL unless it is alive */
enum store_result model_gateway_open(struct model *, const char *id, bool again, uint64_t ttl_ms,
                                     uint64_t *generation, uint64_t *numbers);
enum store_result model_gateway_renew(struct model *, const char *id, uint64_t generation, uint64_t ttl_ms);
enum store_result model_gateway_close(struct model *, const char *id);
enum store_result model_gateway_trim(struct model *, const char *id, struct stream_id);
enum store_result model_append(struct model *, const char *id, uint64_t generation, const struct store_append *,
                               size_t n, enum store_append_verdict *verdicts);

/* ---- model_forward.c ---- */
void model_post(struct model *, const struct commit_segment *, struct store_posted *, size_t *n);
enum store_result model_forward(struct model *, const char *worker, const struct store_forward *, size_t n,
                                enum store_append_verdict *verdicts);

/* ---- model_worker.c ---- */
enum store_result model_renew(struct model *, const struct store_worker_info *, struct store_view *);
enum store_result model_suspect(struct model *, const char *worker);
enum store_result model_worker_close(struct model *, const char *worker);
enum store_result model_claim(struct model *, uint32_t partition, const char *worker, const struct store_owner *seen,
                              struct store_claimed *);
enum store_result model_release(struct model *, uint32_t partition, const char *worker, uint64_t epoch,
                                const char *successor);

/* ---- model_blame.c ---- */
enum store_result model_blame(struct model *, uint32_t partition, const char *worker, uint64_t epoch,
                              const struct store_blame *);
/* Whether its owner noted a step, and that is still to be done. */
bool model_has_open_note(const struct model_partition *);
/* The part of a claim that is about deaths, before the partition changes hands. */
void model_blames_claimed(const struct model *, struct model_partition *, const char *claimant,
                          struct store_claimed *);

/* ---- model_commit.c ---- */
/* The arrays of the outcome belong to the run. */
enum store_result model_commit(struct model *, const struct commit *, struct store_commit_outcome *);
struct model_room *model_room_find(struct model *, const char *id); /* with or without keys; NULL: never heard of */
bool model_room_has(const struct model *, const struct model_room *, enum model_room_key);

#endif
