/* Caution: how a partition is worked on whose owners died one after another and said nothing.
 *
 * A kind that crashes leaves last words (worker/last_words.h), and nobody has to be cautious. A process that is
 * killed by the system for its memory, or that waits for ever, leaves none. So from the second death in
 * a row on, the new owner notes in Redis what it is about to do, before it does it: loading a room, letting its time
 * pass, applying an entry; and commits after each entry of the stream. The note that a dead owner left convicts its
 * room. Caution ends when everything that waited at the claim is committed. Other partitions of the worker are not
 * slowed down, but those that need caution too take turns, from a note to the commit of what it was about: or the
 * death that one of them causes would convict a room in each of them.
 */
#ifndef HEYA_WORKER_CAUTION_H
#define HEYA_WORKER_CAUTION_H

#include "common/store.h"
#include "worker/walk.h"

#define CAUTION_DEATHS 2

struct slot;
struct worker;
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
  bool waits; /* for its turn, to send its next note */
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

/* In the middle of something: no entry is to be read for it. (Nor is it clean, so it is not released.) */
static inline bool caution_is_busy(const struct caution *caution) {
  return caution->state != CAUTION_REST;
}
/* In the middle of an entry: what it did so far is not to be committed. */
static inline bool caution_is_walking(const struct caution *caution) {
  return caution->state == CAUTION_WALKING;
}
/* Who waits for his turn gets it when nobody has it. */
void caution_turn(struct worker *);

/* What it did is in the commit that is sent now; Redis has that commit. */
void caution_frozen(struct slot *);
void caution_committed(struct slot *);

#endif
