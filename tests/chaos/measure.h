/* How long things take: fail-over, hand-over, the loss of a gateway, a worker with very many rooms. */
#ifndef HEYA_TESTS_CHAOS_MEASURE_H
#define HEYA_TESTS_CHAOS_MEASURE_H

#include <stdint.h>

/* Prints what it found; the exit status: 0, 1 when it could not measure, 2 for an unknown name. times 0: as often as
 * usual.
 */
int measure(const char *name, uint32_t times, unsigned seed);

#endif
