/* When each command of an open loop is due: at a constant rate, whatever the servers do. The time of a command
 * follows from its number alone, so that being late once does not move the ones after it, and a command that is sent
 * late is still measured from when it was due: a server that stalls for a second is seen by all that should have been
 * sent in it ("coordinated omission" is what hides them otherwise). */
#ifndef HEYA_TESTS_LOAD_SCHEDULE_H
#define HEYA_TESTS_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
  uint64_t begin_us; /* the first one is due then */
  uint64_t end_us;   /* none is due at or after it */
  double rate;       /* a second, above 0 */
  uint64_t taken;    /* how many have been */
};

#define SCHEDULE_OVER UINT64_MAX

/* When the next one is due; SCHEDULE_OVER if there is none. */
uint64_t schedule_next_us(const struct schedule *schedule);

/* Takes the next one if it is due by now; false: it is not. */
bool schedule_take(struct schedule *schedule, uint64_t now_us, uint64_t *due_us);

#endif
