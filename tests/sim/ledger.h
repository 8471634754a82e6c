/* A kind whose state is a ledger: the tokens of all commands that were applied, in order, and its timers. Each
 * command has a token that is never used again, so whatever is lost, doubled or reordered shows. */
#ifndef HEYA_TESTS_SIM_LEDGER_H
#define HEYA_TESTS_SIM_LEDGER_H

#include "common/buf.h"
#include "tests/sim/sim.h"
#include "worker/kinds/registry.h"

#define LEDGER_KIND   "sim"
#define LEDGER_MAX    600 /* tokens */
#define LEDGER_TIMERS 4

/* Times of the kinds here, `live` included: short, so that runs are. */
#define SIM_EMPTY_MS 500
#define SIM_AWAY_MS  700

enum ledger_op {
  LEDGER_ALL,    /* everybody hears of it */
  LEDGER_EXCEPT, /* all but who said it */
  LEDGER_ONE,    /* one member, chosen by the argument */
  LEDGER_SILENT, /* nobody */
  LEDGER_REFUSE, /* refused, and not in the ledger */
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

/* What save writes and a snapshot shows. */
struct ledger {
  uint32_t n;
  uint32_t set, fired;            /* timers so far */
  uint64_t due_ms[LEDGER_TIMERS]; /* 0: none */
  uint32_t poison;                /* an enum poison that the room carries */
  uint64_t culprit;               /* the token that brought it */
  uint64_t tokens[LEDGER_MAX];
};
bool ledger_read(struct bytes, struct ledger *);

/* With this kind and `live`, both in a hurry; belongs to the run. */
const struct kind_registry *ledger_kinds(struct sim *);

#endif
