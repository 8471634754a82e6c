/* How long things take: fail-over, hand-over, the loss of a gateway, a worker with very many rooms, a
 * command that crashes its worker, a loop full of arenas, a crowd that looks for rooms. */
#ifndef HEYA_TESTS_CHAOS_MEASURE_H
#define HEYA_TESTS_CHAOS_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

/* Prints what it did and found; the exit status: 0, 1 when it could not measure or something was lost or wrong, 2 for
 * an unknown name. times 0: as often as usual. The times themselves are not judged: they depend on the machine. */
int measure(const char *name, uint32_t times, unsigned seed);

/* Prints the names and what they measure. */
void measure_print_names(void);

/* One each; false when something went wrong. */
bool measure_failover(uint32_t times, unsigned seed);
bool measure_handover(uint32_t times, unsigned seed);
bool measure_gateway(uint32_t times, unsigned seed);
bool measure_rooms(uint32_t times, unsigned seed);
bool measure_poison(uint32_t times, unsigned seed);
bool measure_arena(uint32_t times, unsigned seed);
bool measure_quick(uint32_t times, unsigned seed);
bool measure_match(uint32_t times, unsigned seed);

#endif
