/* A partition on the bench: entries go in one at a time, at stream ids of the test's choice; what it says and writes
 * comes out decoded. No store, no loop.
 *
 * The bench keeps the stream and what a Redis would hold, applying each commit's records as proto/heya.lua does,
 * field by field. After each commit it asserts that what is stored of every room equals what a whole write would
 * store, so a forgotten field or line fails every test. bench_drop throws the partition's memory away and recovers as
 * a new owner does: load, then replay what is after `done`.
 */
#ifndef HEYA_TESTS_PARTITION_BENCH_H
#define HEYA_TESTS_PARTITION_BENCH_H

#include "proto/bus.pb-c.h"
#include "proto/client.pb-c.h"
#include "worker/kinds/registry.h"
#include "worker/partition.h"
#include "worker/worker_metrics.h"

#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* A message to connections, as committed. */
struct bench_message {
  const char *gateway;
  const Heya__Bus__Delivery *delivery;
  const Heya__V1__ServerMessage *message;
};

struct bench_pair {
  char *name;
  struct buf value;
};

/* A Redis hash. */
struct bench_hash {
  struct bench_pair *pairs;
  size_t n;
};

struct bench_log_line {
  uint64_t epoch, seq;
  char *to;
  Heya__V1__ServerMessage *message; /* owned */
};

/* The keys of a room. */
struct bench_room {
  char id[ROOM_ID_MAX + 1];
  struct bench_hash fields, members, results;
  struct bench_log_line *log;
  size_t n_log;
  uint64_t expire_at_ms; /* of its keys; 0: persistent */
  uint64_t deadline_ms;  /* 0: no such key */
  uint32_t round;
  bool listed;
};

struct bench_tomb {
  char id[ROOM_ID_MAX + 1];
  uint64_t until_ms;
};

struct bench_entry {
  struct stream_id id;
  char *sender;
  struct buf batch;
};

/* All that a gateway was ever told of a room, as text lines without epochs, for comparing runs. */
struct bench_heard {
  char gateway[PROCESS_ID_MAX + 1];
  char room[ROOM_ID_MAX + 1];
  struct buf text;
};

struct bench {
  size_t sealed; /* rooms in Redis that this worker leaves alone */
  struct partition partition;
  struct kind_registry kinds;
  struct worker_metrics metrics;
  bool by_hand; /* commit only when told; otherwise after every entry */
  uint64_t epoch;
  struct stream_id done;
  uint64_t consumed_bytes;  /* of the last commit */
  struct store_blame blame; /* told to the next owner by bench_drop; room "": nobody is to blame */

  struct bench_entry *stream;
  size_t n_stream;
  struct bench_room **rooms;
  size_t n_rooms;
  struct bench_tomb *tombs;
  size_t n_tombs;
  struct bench_heard *heard;
  size_t n_heard;

  struct partition_frame frame; /* the last one that ran */
  size_t commits;               /* that had anything in them */

  /* Of the last commit, valid until the next. */
  struct arena arena;
  struct bench_message *said;
  size_t n_said;
  struct buf own; /* encoded Batch for its own stream */
  bool whole;     /* a room was written whole */
};

/* Partition 3, epoch 7, nothing loaded. */
void bench_open(struct bench *);
void bench_close(struct bench *);

/* ---- in ---- */

/* A batch of any bytes from any sender. */
void bench_feed(struct bench *, struct stream_id, struct bytes sender, struct bytes batch);
/* A batch with these entries, at ms-0, or behind the last entry of that millisecond. */
void bench_batch(struct bench *, uint64_t ms, const char *sender, Heya__Bus__Entry **entries, size_t n);

/* Who speaks: a gateway's connection, and the join of it. */
struct bench_from {
  const char *gateway;
  uint64_t conn;
  uint32_t attempt;
};
/* Options NULL: the kind's smallest valid ones. */
void bench_join(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player,
                Heya__Bus__Mode);
/* A join of a client that says which one it is, and which of its connections this is. */
struct bench_client {
  const char *instance;
  uint32_t connection;
};
void bench_join_by(struct bench *, uint64_t ms, struct bench_from, struct bench_client, const char *room,
                   const char *player, Heya__Bus__Mode);
/* A join with all that it says. */
void bench_join_saying(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player,
                       const Heya__Bus__Join *);
/* Where somebody was before his connection was lost. */
struct bench_place {
  char session[64], incarnation[64];
  uint64_t epoch, seq;
  uint32_t answered;
};
void bench_resume(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player,
                  const struct bench_place *);
void bench_leave(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player);
void bench_command(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player,
                   uint32_t number, struct bytes payload);
void bench_manage(struct bench *, uint64_t ms, struct bench_from, const char *room, const char *player,
                  uint32_t number, const Heya__V1__Manage *);
void bench_disconnected(struct bench *, uint64_t ms, struct bench_from, const char *room);
void bench_time(struct bench *, uint64_t ms);
void bench_gateway_gone(struct bench *, uint64_t ms, const char *gateway);

/* What the last commit appended to its own stream comes in; false if that was nothing. */
bool bench_pass_on(struct bench *, uint64_t ms);
/* The next frame of any room, if it is due by this time of Redis's clock. */
void bench_frame(struct bench *, uint64_t now_ms);

/* Encoded kinds' commands; valid until the next commit. */
struct bytes bench_say(struct bench *, const char *text);
struct bytes bench_start(struct bench *);
struct bytes bench_submit(struct bench *, uint32_t round, uint32_t score);
struct bytes bench_dissolve(struct bench *);
struct bytes bench_choose(struct bench *, uint32_t live_id);

/* By Redis's clock it is now_us: runs all frames that are due, each in a commit of its own unless by_hand; how many
 * ran. `frame` is the last one's. */
size_t bench_frames(struct bench *, uint64_t now_us);

/* ---- out ---- */

void bench_commit(struct bench *);
/* Everything uncommitted is lost; a new owner loads, and consumes what is after `done`. */
void bench_drop(struct bench *);
/* The owner leaves in order: he commits what there is, and a new one loads it. */
void bench_hand_over(struct bench *);

/* The nth message (from 0) of the last commit to this connection; NULL if there are not so many. */
const struct bench_message *bench_to(const struct bench *, const char *gateway, uint64_t conn, size_t nth);
size_t bench_count_to(const struct bench *, const char *gateway, uint64_t conn);
/* The first message to it must be an error; its code. */
Heya__V1__Error__Code bench_error(const struct bench *, const char *gateway, uint64_t conn);
/* The events about a room in the last commit to this connection of this sort. */
size_t bench_events(const struct bench *, const char *gateway, uint64_t conn, Heya__V1__Event__BodyCase);

/* How many entries of this sort are in the last commit's batch for the own stream. */
size_t bench_own(struct bench *, Heya__Bus__Entry__BodyCase);

/* The nth of them; NULL if there are not so many. */
const Heya__Bus__Entry *bench_own_entry(struct bench *, Heya__Bus__Entry__BodyCase, size_t nth);

struct room *bench_room(const struct bench *, const char *id);               /* in memory; NULL */
const struct bench_room *bench_stored(const struct bench *, const char *id); /* in Redis; NULL */
/* A field's value as text; NULL if there is no such field. */
const char *bench_text(const struct bench_hash *, const char *name);

/* What a gateway was told of a room from the beginning. */
const char *bench_heard(struct bench *, const char *gateway, const char *room);
/* Everything that is stored, as text without epochs, in an order of its own. Not the logs: a whole write begins a new
 * one, with what the same commit has of the time before. */
void bench_print(const struct bench *, struct buf *out);

#endif
