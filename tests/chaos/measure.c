/* See tests/chaos/measure.h. A new measurement is a row of `measurements`. */
#include "tests/chaos/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name;
  bool (*run)(uint32_t times, unsigned seed);
  uint32_t usual_times;
  const char *what;
} measurements[] = {
    {"failover", measure_failover, 50, "kill -9 of the owner of busy rooms, until these go on"},
    {"handover", measure_handover, 10, "a worker is drained, another one added; what clients notice"},
    {"gateway", measure_gateway, 10, "kill -9 of a gateway with 1000 clients, until all have resumed"},
    {"rooms", measure_rooms, 10, "kill -9 of a worker with 10 000 rooms, until another one serves all of them"},
    {"poison", measure_poison, 10, "a command that crashes its worker, in two ways; what others notice"},
    {"arena", measure_arena, 1, "1200 rooms that tick on one worker for a minute, durable and lossy"},
    {"quick", measure_quick, 100, "200 players at once ask for rooms of four"},
    {"match", measure_match, 3, "1000 players of different skills are matched, while a worker is killed"},
};
#define N_MEASUREMENTS (sizeof measurements / sizeof *measurements)

void measure_print_names(void) {
  for (size_t i = 0; i < N_MEASUREMENTS; i++)
    printf("  %-10s %s (%" PRIu32 " times)\n", measurements[i].name, measurements[i].what,
           measurements[i].usual_times);
}

int measure(const char *name, uint32_t times, unsigned seed) {
  for (size_t i = 0; i < N_MEASUREMENTS; i++) {
    if (strcmp(measurements[i].name, name) != 0) continue;
    if (!times) times = measurements[i].usual_times;
    printf("%s: %s, %" PRIu32 " times; clients, servers and Redis (fsync each second) on %ld processors\n", name,
           measurements[i].what, times, sysconf(_SC_NPROCESSORS_ONLN));
    bool fine = measurements[i].run(times, seed);
    if (!fine) printf("  FAILED\n");
    return fine ? 0 : 1;
  }
  fprintf(stderr, "chaos: no measurement '%s'\n", name);
  return 2;
}
