/* A kind whose state is a ledger: the tokens of all commands that were applied, in order, its timers, and what became
 * of its frames. Each command has a token that is never used again, so whatever is lost, doubled or reordered shows.
 * It comes three times: without frames, with frames, and lossy. ledger_frames.c is what it does in a frame. */
#ifndef HEYA_TESTS_SIM_LEDGER_H
#define HEYA_TESTS_SIM_LEDGER_H

#include "common/buf.h"
#include "tests/sim/sim.h"
#include "worker/kinds/registry.h"

#define LEDGER_KIND       "sim"
#define LEDGER_TICK_KIND  "ticks"
#define LEDGER_LOSSY_KIND "lossy"
#define LEDGER_MAX        600 /* tokens */
#define LEDGER_TIMERS     4

/* Times of the kinds here, `live` included: short, so that runs are. */
#define SIM_EMPTY_MS 500
#define SIM_AWAY_MS  700
#define SIM_WATCHERS 2 /* at most, of a room */

enum ledger_op {
  LEDGER_ALL,    /* everybody hears of it */
  LEDGER_EXCEPT, /* all but who said it */
  LEDGER_ONE,    /* one member, chosen by the argument */
  LEDGER_SILENT, /* nobody */
  LEDGER_REFUSE, /* refused, and not in the ledger */
  LEDGER_RUN,    /* and so many frames that come, the argument modulo 8, speak; everybody hears of it */
  LEDGER_TIMER,  /* and sets a timer, the argument * 8 ms from now */
  LEDGER_CLOSE,  /* and ends the room */
  LEDGER_POISON, /* kills the worker, the argument says when: tests/sim/poison.h */
  LEDGER_OPS
};

/* A command and what is said of it: 10 bytes. */
struct ledger_command {
  uint8_t op, argument;
  uint64_t token;
};
#define LEDGER_COMMAND_BYTES 10
void ledger_encode(const struct ledger_command *, uint8_t out[LEDGER_COMMAND_BYTES]);
bool ledger_decode(struct bytes, struct ledger_command *);

/* What became of the frames of a room, of which all but those without members are to be accounted for. */
struct ledger_frames {
  uint64_t last; /* that ran; last = ran + skipped + idle */
  uint64_t ran, skipped;
  uint64_t idle;     /* nobody was in the room */
  uint64_t clock_ms; /* room_time_ms in the last one */
  uint32_t left;     /* so many are still to speak */
  uint32_t empty;    /* somebody has to come first: 1; else 0 */
};

/* The event of a frame that speaks. */
#define LEDGER_FRAME_EVENT 0xfe
#define LEDGER_FRAME_BYTES 9
/* 0: it is another event. */
uint64_t ledger_frame_of(struct bytes event);

/* What save writes and a snapshot shows. */
struct ledger {
  uint32_t n;
  struct ledger_frames frames;
  uint32_t set, fired;            /* timers so far */
  uint64_t due_ms[LEDGER_TIMERS]; /* 0: none */
  uint32_t poison;                /* an enum poison that the room carries */
  uint64_t culprit;               /* the token that brought it */
  uint64_t tokens[LEDGER_MAX];
};
bool ledger_read(struct bytes, struct ledger *);

/* Whether rooms of this id tick. */
bool ledger_ticks(const char *room);
bool ledger_is_lossy(const char *room);

struct kind_tick;
struct room;
/* Its frame, and what is told in it. */
bool ledger_tick(struct sim *, struct room *, struct ledger *, const struct kind_tick *);

/* With these kinds, `live` and `lobby`, all in a hurry; belongs to the run. */
const struct kind_registry *ledger_kinds(struct sim *);

#endif
