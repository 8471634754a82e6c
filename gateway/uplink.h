/* The way from the gateway into the partitions: collects bus entries, sends one append at a time, never doubles or
 * reorders.
 *
 * Sessions push, the gateway flushes once per loop turn, and appends at its pace. Every partition with something
 * waiting gets one batch; all of them go in one call of the store, and at most one such call is in flight, so
 * whatever arrives meanwhile makes the next batches bigger: the busier Redis is, the fewer calls it gets.
 *
 * - Client entries (join, leave, command) wait in a bounded queue per partition; over it uplink_push refuses at once.
 *   When a partition answers BUSY, each client entry of that batch goes back to its connection through `busy`.
 * - System entries (disconnected) are never refused or lost: after BUSY they are sent again by themselves, in a
 * system batch that may use the partition's reserve. There are at most as many as there are attachments, and no more
 * join once the client queue is full.
 * - A batch once sent is frozen. If the answer is lost, nothing is sent until uplink_resume has compared append
 *   numbers with Redis; then what was not taken goes out again, byte for byte under the same number.
 *
 * System entries overtake waiting client entries. That is safe: they speak of connections that are gone, whose own
 * waiting entries are dropped when a batch is made.
 */
#ifndef HEYA_GATEWAY_UPLINK_H
#define HEYA_GATEWAY_UPLINK_H

#include "common/pace.h"
#include "common/store.h"
#include "gateway/uplink_queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failpoints;
struct gateway_metrics;
struct log;

#define UPLINK_BATCH_ENTRIES  1024
#define UPLINK_BATCH_BYTES    524288 /* one larger entry makes a batch alone */
#define UPLINK_ORPHANS        256    /* waiting per partition; further ones are dropped, see uplink_push_orphan */
#define UPLINK_ANY_ATTEMPT    0xffffffffu
#define UPLINK_RETRY_AFTER_MS 100 /* what clients are told with BUSY */
#define UPLINK_NEVER          UINT64_MAX

struct uplink_config {
  uint32_t partitions;
  size_t max_entries;            /* client entries waiting per partition */
  size_t max_bytes;              /* of those */
  uint64_t pace_us;              /* of appends, see common/pace.h */
  struct failpoints *failpoints; /* "gateway.append"; NULL: none */
};

enum uplink_trouble {
  UPLINK_DOUBT, /* an answer was lost or makes no sense: open again, then uplink_resume */
  UPLINK_GONE,  /* this gateway id is dead: uplink_reset, then a new id */
  UPLINK_BROKEN /* an append failed half-way: likewise, but a new id may fare no better */
};

/* None of these may push, flush or free; `trouble` may suspend and reset. */
struct uplink_handler {
  /* Whether that connection is still there; asked about client entries when a batch is made. */
  bool (*alive)(void *arg, uint64_t conn);
  /* This client entry was not taken, for lack of room: answer BUSY. No command number is consumed. */
  void (*busy)(void *arg, const struct ticket *);
  /* Last thing within the store's callback. Nothing is sent until uplink_resume or uplink_open. */
  void (*trouble)(void *arg, enum uplink_trouble);
  void *arg;
};

struct uplink;

/* Starts suspended. Config and handler are copied. Destroy after the store, which then calls back no more. */
struct uplink *uplink_create(struct store *, const struct uplink_config *, const struct uplink_handler *,
                             struct gateway_metrics *, struct log *);
void uplink_destroy(struct uplink *);

/* There is one for each shard, with the lanes of its partitions in use: all of them, in order. Whichever is pushed to
 * finds the one that an entry is for. The array must stay; without this call there is one. */
void uplink_join(struct uplink *, struct uplink *const *all, uint32_t shards);

/* Begins with a new gateway id, after uplink_create or uplink_reset; what was pushed since then goes out.
 * numbers[p] as answered by gateway_open. */
void uplink_open(struct uplink *, const char *gateway, uint64_t generation, const uint64_t *numbers, size_t n);

/* Goes on after uplink_suspend or a doubt, under the generation gateway_open(again) answered; not while
 * uplink_in_flight. False when the numbers cannot be explained: then the id must be given up. */
bool uplink_resume(struct uplink *, uint64_t generation, const uint64_t *numbers, size_t n);

/* Sends nothing more; pushing goes on. */
void uplink_suspend(struct uplink *);

/* Suspends and forgets everything, also what an append in flight will answer. */
void uplink_reset(struct uplink *);

/* A client's entry. False: too much is waiting for this room's partition, answer BUSY. */
bool uplink_push(struct uplink *, const Heya__Bus__Entry *);

/* The connection is gone, and with it the join `attempt` to this room. */
void uplink_push_disconnected(struct uplink *, const char *room, uint64_t conn, uint32_t attempt, const char *player);

/* A room still speaks to a connection that is not there. Said once per batch, and only UPLINK_ORPHANS times: what is
 * dropped is said again at the room's next event. */
void uplink_push_orphan(struct uplink *, const char *room, uint64_t conn);

/* Sends what may be sent. Returns after how many microseconds to be called again at the latest, or UPLINK_NEVER when
 * only a push or an answer will change anything. */
uint64_t uplink_flush(struct uplink *, uint64_t now_us);

bool uplink_in_flight(const struct uplink *);

/* The last append that was answered failed half-way, under whichever id. */
bool uplink_is_broken(const struct uplink *);

/* Nothing waits, is frozen or in flight. */
bool uplink_is_idle(const struct uplink *);

#endif
