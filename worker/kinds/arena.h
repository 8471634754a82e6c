/* The state of the kinds `arena` and `skirmish`. Shared by arena.c (the rules), arena_view.c (who is told what) and
 * arena_state.c (saving, loading, showing). */
#ifndef HEYA_WORKER_KINDS_ARENA_H
#define HEYA_WORKER_KINDS_ARENA_H

#include "proto/kinds/arena.pb-c.h"
#include "proto/names.h"
#include "worker/kinds/kinds.h"

#define ARENA_FIGHTERS_MAX 64
#define ARENA_UNIT         1000 /* places and distances are integers, in thousandths of a unit */
#define ARENA_SPEED        5000 /* per second, at most */
#define ARENA_REACH        2000 /* of a strike */
#define ARENA_DAMAGE       25

/* Where he is, and what is left of him. */
struct arena_figure {
  uint32_t x, y, hp;
};

struct arena_fighter {
  char player[PLAYER_MAX + 1];
  struct arena_figure now;
  struct arena_figure shown; /* as of the last frame: what everybody in sight knows */
  bool is_shown;             /* false until a frame has told of him */
  int32_t run_x, run_y;      /* per second */
  uint64_t ready_frame;      /* may strike from then on */
  uint32_t score;
};

/* One fighter per member. */
struct arena_game {
  Heya__Kinds__Arena__Options options; /* checked, with the defaults filled in */
  uint32_t spawned;                    /* how often somebody was given a place: decides which */
  uint32_t fighter_count;
  struct arena_fighter fighters[ARENA_FIGHTERS_MAX]; /* in the order in which they came */
};

/* NULL: he has none. */
struct arena_fighter *arena_find(struct arena_game *, const char *player);
bool arena_is_within(const struct arena_figure *, const struct arena_figure *, uint32_t distance);
/* Unpacks the options into the game; false, with a reason: they are none. */
bool arena_options_take(struct room *, struct bytes options, struct kind_reply *);

/* ---- arena_view.c ---- */

/* Whether this one's player sees the other one, as both are now. */
bool arena_sees(const struct arena_game *, const struct arena_fighter *viewer, const struct arena_fighter *);
/* What has changed since it was last shown, to everybody who sees it. False: nothing had changed. */
bool arena_show_frame(struct room *, uint64_t number);
/* To all who see the one or the other. */
void arena_send(struct room *, const Heya__Kinds__Arena__Event *, const struct arena_fighter *,
                const struct arena_fighter *);
void arena_fighter_message(struct arena_fighter *, Heya__Kinds__Arena__Fighter *);
void arena_pack(struct buf *out, const ProtobufCMessage *message);

/* ---- arena_state.c: for the table ---- */

void arena_save(struct room *, struct buf *out);
bool arena_load(struct room *, struct bytes);
void arena_snapshot(struct room *, const struct member *viewer, struct buf *out);

#endif
