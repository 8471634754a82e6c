/* Seats that are kept for players who are not there yet: reserved by whoever opened the room, until a stream time. A
 * kept seat counts as taken for everybody else, and opens the lock for its player. Part of the room, of which this
 * knows nothing but how many are in it. */
#ifndef HEYA_WORKER_SEATS_H
#define HEYA_WORKER_SEATS_H

#include "proto/names.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct room;

#define SEATS_KEEP_MAX_MS (10 * 60 * 1000)

struct kept_seat {
  char player[PLAYER_MAX + 1];
  uint64_t until_ms;
};

/* Zero-initialised: none. Nobody in it is a member. */
struct seats {
  struct kept_seat *kept;
  size_t n;
};

void seats_close(struct seats *);

/* Keeps one; who has one already keeps the later time. */
void seats_keep(struct seats *, const char *player, uint64_t until_ms);
bool seats_are_kept_for(const struct seats *, const char *player);
/* He has come, or will not. */
void seats_give_up(struct seats *, const char *player);

/* When the first one is given up, and the last; 0: there is none. */
uint64_t seats_first_end_ms(const struct seats *);
uint64_t seats_last_end_ms(const struct seats *);
/* Gives up what is due. */
void seats_let_pass(struct seats *, uint64_t now_ms);

/* How many newcomers without a kept seat the room takes; 0 while it is locked. */
uint32_t seats_free(const struct room *);

#endif
