/* Caution: how a partition is worked on whose owners died one after another and said nothing.
 *
 * A kind that crashes leaves last words (worker/last_words.h), and nobody has to be cautious. A process that is
 * killed by the system for its memory, or by a watchdog for an endless loop, leaves none. So from the second death in
 * a row on, the new owner notes in Redis what it is about to do, before it does it: loading a room, letting its time
 * pass, applying an entry; and commits after each entry of the stream. The note that a dead owner left convicts its
 * room. Caution ends when everything that waited at the claim is committed. Other partitions of the worker are not
 * slowed down.
 */
#ifndef HEYA_WORKER_CAUTION_H
#define HEYA_WORKER_CAUTION_H

#include "common/store.h"
#include "worker/walk.h"

#define CAUTION_DEATHS 2

struct slot;
struct kept_room;

enum caution_state {
  CAUTION_REST,
  CAUTION_LOADING,
  CAUTION_WALKING,
  CAUTION_WALKED,     /* to be committed */
  CAUTION_COMMITTING, /* in the outstanding commit */
};

struct caution {
  bool on;
  enum caution_state state;
  struct stream_id until; /* the last entry that waited at the claim */
  struct walk walk;       /* while WALKING */
  struct kept_room *kept; /* owned; rooms as Redis has them, while LOADING */
  size_t n_kept, cap_kept, next;
};

/* After a claim; and whenever the partition's memory goes. */
void caution_open(struct slot *, const struct store_claimed *);
void caution_close(struct slot *);

/* False: there is no need, load it at once. Otherwise it is kept until caution_load. */
bool caution_keeps(struct slot *, const char *id, struct bytes image, uint64_t tomb_until_ms);
/* Loads what was kept, and calls slot_loaded when that is done or has failed. False: nothing was kept. */
bool caution_load(struct slot *);

/* False: there is no need, consume it at once. Otherwise it is being worked on, or will be read again. */
bool caution_takes(struct slot *, const struct store_entry *);

/* In the middle of something: no entry is to be read for it, and it is not to be released. */
static inline bool caution_is_busy(const struct caution *caution) {
  return caution->state != CAUTION_REST;
}
/* In the middle of an entry: what it did so far is not to be committed. */
static inline bool caution_is_walking(const struct caution *caution) {
  return caution->state == CAUTION_WALKING;
}
/* What it did is in the commit that is sent now; Redis has that commit. */
void caution_frozen(struct slot *);
void caution_committed(struct slot *);

#endif
