/* The two clocks of the process.
 *
 * The monotonic clock measures durations and drives timers; its zero is arbitrary. The wall clock is for people and
 * for comparing with other machines, and may step. Neither decides anything about a room: a room's time is its
 * stream's.
 */
#ifndef HEYA_COMMON_CLOCK_H
#define HEYA_COMMON_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
uint64_t clock_wall_ms(void);

#endif
