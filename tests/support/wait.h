/* Waiting in tests: always for a condition, always with a deadline.
 *
 * Deadlines are stretched in sanitized builds, where everything runs several times slower; what a promise allows (for
 * instance how late results may be) is not, and stands in the test itself.
 */
#ifndef HEYA_TESTS_SUPPORT_WAIT_H
#define HEYA_TESTS_SUPPORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* True when this test binary is sanitized, or HEYA_SANITIZED is set because the servers are. */
bool wait_is_sanitized(void);

/* `ms`, or several times that when sanitized: for how long a test is patient before it fails. */
uint64_t wait_patience_ms(uint64_t ms);

/* A deadline `ms` from now (patience included), for calls that take one. */
uint64_t wait_deadline(uint64_t ms);
/* Milliseconds left until the deadline; 0 when it has passed. */
uint64_t wait_left(uint64_t deadline);

/* Asks `condition` every few milliseconds until it is true; false when `ms` (patience included) passed without. */
bool wait_until(uint64_t ms, bool (*condition)(void *arg), void *arg);

/* Waits for input, or end of file, on a descriptor. False when the deadline passed first. */
bool wait_readable(int fd, uint64_t deadline);
bool wait_writable(int fd, uint64_t deadline);

#endif
