/* What the paths that every command takes cost, in instructions: so that a regression shows on a machine whose times
 * mean nothing. Each path is set up once and then run as often as it is told; scripts/cost counts with callgrind,
 * twice, and takes the difference. Nothing here waits, sleeps or asks for the time. */
#ifndef HEYA_TESTS_COST_H
#define HEYA_TESTS_COST_H

#include <stddef.h>

struct cost_path {
  const char *name;
  const char *what;      /* one run does */
  void (*run)(size_t n); /* sets up, runs n times, takes down */
};

extern const struct cost_path cost_worker_paths[], cost_gateway_paths[]; /* up to one without a name */

/* Ends the program with a message unless the condition holds: a path that does something else has no cost worth
 * knowing. */
#define COST_CHECK(condition) ((condition) ? (void)0 : cost_fail(__FILE__, __LINE__, #condition))
_Noreturn void cost_fail(const char *file, int line, const char *condition);

#endif
