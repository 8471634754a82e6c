/* What one atomic commit carries: plain data, no I/O.
 *
 * The worker's effects fill these structs, a store makes them true: all of a segment, or nothing of it. Every pointer
 * belongs to whoever built the commit and must stay valid until `store_commit` returns (not until it is answered).
 * A new thing to write is a new field here, in common/store_commit.c that flattens it, and in proto/heya.lua; one
 * that rooms have which go on as they were is also a step in common/store_redis_commit.c, any other makes
 * store_commit_is_plain say no.
 */
#ifndef HEYA_COMMON_COMMIT_H
#define HEYA_COMMON_COMMIT_H

#include "common/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The id of a stream entry. Its first half is Redis's clock in Unix milliseconds, the only clock rooms have. */
struct stream_id {
  uint64_t ms;
  uint64_t seq;
};

static inline int stream_id_compare(struct stream_id a, struct stream_id b) {
  if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
  return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

/* A hash field to set, or to delete when value.data is NULL. */
struct commit_field {
  struct bytes name;
  struct bytes value;
};

/* An event of the room as it goes to heya:room:<id>:log; the entry's id is (epoch of the segment, seq). */
struct commit_log_entry {
  uint64_t seq;
  struct bytes to; /* "*": everybody; "!" or "=", then players, each after a newline: all but these, only these */
  struct bytes message; /* encoded heya.v1.ServerMessage */
};

enum commit_deadline { COMMIT_DEADLINE_KEEP, COMMIT_DEADLINE_SET, COMMIT_DEADLINE_CLEAR };

/* Everything that changes of one room. */
struct commit_room {
  const char *id;
  const char *kind;
  bool whole;                  /* first delete every key of the room, whatever is there: this write is complete */
  bool gone;                   /* delete every key and forget the room; nothing below but the tomb is looked at */
  uint64_t tomb_until_ms;      /* with gone: leave heya:tomb:<id> until this Unix time; 0: none */
  uint64_t expire_at_ms;       /* all keys of the room expire at this Unix time; 0: they are persistent */
  struct commit_field *fields; /* of heya:room:<id>, image included */
  size_t n_fields;
  struct commit_field *members; /* of heya:room:<id>:members */
  size_t n_members;
  bool clear_results;           /* before results are set */
  struct commit_field *results; /* of heya:room:<id>:results */
  size_t n_results;
  enum commit_deadline deadline;
  uint64_t deadline_ms; /* with SET: when heya:room:<id>:deadline expires, Unix time */
  uint32_t round;       /* with SET: its value */
  struct commit_log_entry *log;
  size_t n_log;
  uint64_t listed_ms; /* score in heya:rooms:<kind>, where it is put; 0: nothing is done there */
  bool unlisted;      /* it is taken out of there; listed_ms is then 0 */
};

/* A batch for a command stream of the same shard; the own partition is allowed. */
struct commit_append {
  uint32_t partition;
  struct bytes batch; /* encoded heya.bus.Batch */
};

/* A batch for a partition of another shard: it waits in the outbox of this one until it is there (worker/parcels.h).
 */
struct commit_parcel {
  uint32_t partition, shard;
  struct bytes batch; /* encoded heya.bus.Batch */
};

/* A shard has everything that the outbox held for it up to this number. */
struct commit_settled {
  uint32_t shard;
  struct stream_id number;
};

/* What a gateway is to hand out; batches of all segments for one gateway become one entry of its stream. */
struct commit_delivery {
  const char *gateway;
  struct bytes deliveries; /* encoded heya.bus.Deliveries: any concatenation of these is one too */
};

/* The part of a commit that concerns one partition. Applied whole iff its owner and epoch are still these. */
struct commit_segment {
  uint32_t partition;
  uint64_t epoch;
  struct stream_id done;   /* last entry whose effects are in here or in earlier commits */
  uint64_t consumed_bytes; /* payload bytes of the entries consumed since the last commit */
  struct commit_room *rooms;
  size_t n_rooms;
  struct commit_append *appends;
  size_t n_appends;
  struct commit_delivery *deliveries;
  size_t n_deliveries;
  /* Where there are several shards. */
  struct commit_parcel *parcels;
  size_t n_parcels;
  struct commit_settled *settled;
  size_t n_settled;
};

struct commit {
  const char *worker;
  struct commit_segment *segments;
  size_t n_segments;
};

#endif
