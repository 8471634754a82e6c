/* Poison: a command of the ledger kind that kills every worker in whose hands it takes effect, as a bug in a game
 * would. It says where: while it is applied, or later, when the room that took it is saved or loaded or its timer
 * fires. Some of the dead leave last words, some do not, as the plan says.
 */
#ifndef HEYA_TESTS_SIM_POISON_H
#define HEYA_TESTS_SIM_POISON_H

#include "tests/sim/sim.h"

enum poison {
  POISON_NONE,
  POISON_APPLY, /* kills at once, and is never in a ledger */
  POISON_SAVE,  /* kills before anybody has heard of it */
  POISON_LOAD,  /* is acknowledged, and kills the next owner */
  POISON_TIMER, /* is acknowledged, and kills when a timer fires */
  POISONS
};

/* Whether the next command may be one. */
bool poison_is_due(struct sim *);

/* At the beginning of each call into the kind, by the process that runs now. */
void poison_call(struct sim *, const char *room);

/* The process that runs now dies where it is. From here on nothing that it says arrives anywhere and nothing reaches
 * it; but its code runs on to the end of the step, over memory that nobody will look at again. Jumping out of it
 * would leak whatever the frames in between own, and show nothing more. */
void poison_strike(struct sim *, uint64_t token);

#endif
