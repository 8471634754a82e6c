/* A partition that this worker owns: its rooms, its place in its command stream, its time, and its uncommitted
 * effects.
 *
 * Time is the millisecond part of the id of the entry being applied: Redis's clock, the same for every owner. Timers
 * fire in that time, before the entry that passes them is applied; when nobody sends anything, the partition asks for
 * an entry of its own. Pure: no store, no loop. All of it is thrown away when the partition is lost, and made again
 * by partition_open and partition_load.
 */
#ifndef HEYA_WORKER_PARTITION_H
#define HEYA_WORKER_PARTITION_H

#include "common/log.h"
#include "common/store.h"
#include "worker/effects.h"
#include "worker/repository.h"
#include "worker/tick.h"
#include "worker/timers.h"

struct kind_registry;
struct worker_metrics;

struct partition {
  uint32_t number;
  uint32_t partitions; /* of the deployment; 0: rooms are not checked to belong here */
  uint32_t shards;     /* likewise; 0 is 1 */
  const struct kind_registry *kinds;
  struct log *log;
  struct worker_metrics *metrics;
  struct stream_id cursor; /* last entry that was consumed */
  bool time_asked;         /* an entry Time is on its way */
  uint64_t time_due_ms;    /* for what was due then */
  uint64_t time_asked_us;  /* when it was asked for, by the monotonic clock */
  uint64_t time_wait_us;   /* for so long it is not asked for again: it came too early */
  struct effects effects;
  struct repository repository;
  struct timers rooms_due;
  struct timers tombs_due;
  struct timers frames_due;      /* in microseconds of Redis's clock */
  struct store_blame *condemned; /* rooms in which their kind killed an owner, and up to where; owned */
  size_t n_condemned;
  struct scene *scene; /* where a kind's code may run is said there; NULL: nowhere */
  struct log_limit bad_input;
};

/* Begins to own: nothing is loaded, everything up to `done` is in the images. */
void partition_open(struct partition *, uint64_t epoch, struct stream_id done);
void partition_close(struct partition *);

/* Between opening and loading. The room is closed when it is loaded, without a call to its kind, and what is
 * addressed to it up to the blamed entry is refused (ROOM_FAILED). */
void partition_condemn(struct partition *, const struct store_blame *);

/* One room as Redis has it (store_room_cb). `heal`: its keys are unsound and are to be written whole. */
void partition_load(struct partition *, const char *id, struct bytes image, uint64_t tomb_until_ms, bool heal);

/* After loading: events and answers of a commit before may not have been heard. */
void partition_resync(struct partition *);
/* No frame and no entry will come any more: what of its rooms is not saved yet will be in the next commit. */
void partition_prepare_to_leave(struct partition *);

/* Applies an entry of its stream, all of its batch; entries at or below the cursor are ignored. */
void partition_consume(struct partition *, const struct store_entry *);

/* When it needs an entry to come, in stream time; 0: never. */
uint64_t partition_next_due_ms(const struct partition *);
/* By Redis's clock it is now_ms: asks for an entry Time if one is needed and none is on its way. One that came too
 * early, since Redis's clock is not where we think, is asked for again after a pause; one that does not come after
 * PARTITION_ASK_AGAIN_US has been lost. */
#define PARTITION_ASK_AGAIN_US 5000000
void partition_ask_time(struct partition *, uint64_t now_ms, uint64_t monotonic_us);
/* How long until then, from now; UINT64_MAX: for ever. */
uint64_t partition_ask_wait_us(const struct partition *, uint64_t now_ms, uint64_t monotonic_us);
/* An entry Time has come. */
void partition_time_came(struct partition *);

/* When the next frame of any room begins, in microseconds of Redis's clock; 0: none will. */
uint64_t partition_next_frame_us(const struct partition *);
/* Runs it, if it is due. For whoever measures: which room that was, valid until its end. */
struct partition_frame {
  struct tick_report report;
  char room[ROOM_ID_MAX + 1];
  const char *kind;
  uint32_t hz;
  uint64_t number;
};
void partition_run_frame(struct partition *, uint64_t now_us, struct partition_frame *);

/* That shard gets again what is said to it: rooms whose lobby is there say what they held back. */
void partition_unclogged(struct partition *, uint32_t shard);

/* A gateway is dead: says so in the partition's own stream, once, if any member is bound to it. */
void partition_gateway_gone(struct partition *, const char *gateway);
/* The same for every gateway that a view from now_ms does not know. `absent` is told first, so that it can see to it
 * that such a gateway is really dead: one that lives must not go on believing that its members hear. */
void partition_check_gateways(struct partition *, const char *const *living, size_t n, uint64_t now_ms,
                              void (*absent)(void *arg, const char *gateway), void *arg);

/* Whether rooms of this id live in this partition. */
bool partition_has(const struct partition *, const struct room_id *);

/* For worker/apply.c: why what is being applied is not for this room; NULL: it is. */
const struct store_blame *partition_blames(const struct partition *, const char *room);

/* For worker/walk.c, at the time of the entry being applied: the room whose timer is the earliest of those that are
 * due, NULL if none is; and what is to be done with it, and with tombs. */
struct room *partition_room_due(const struct partition *);
void partition_fire(struct partition *, struct room *);
void partition_let_tombs_pass(struct partition *);

/* For worker/apply.c: a room was touched at the current time. Renews its timer, or forgets it if it has ended. */
void partition_settle(struct partition *, struct room *);
/* Likewise: a room that never came to be, or that was settled as ended, leaves memory. */
void partition_forget(struct partition *, struct room *);

#endif
