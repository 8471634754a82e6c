/* Faults on demand, for tests: delays, failures and crashes at named places of the real servers.
 *
 * The spec comes from the option --failpoints and is a list of NAME=ACTION, split at semicolons:
 *
 *   gateway.append=delay:0..5ms   a random delay, both bounds included; units us, ms, s; one number is a fixed delay
 *   worker.commit=error:3         every third hit fails; without a number every hit
 *   worker.commit=crash:3         the third hit kills the process as SIGKILL does; without a number the first
 *   seed=42                       makes the delays reproducible; otherwise they differ from run to run
 *
 * A name may carry several actions. Without a spec the pointer is NULL and a seam costs one comparison. A new seam is
 * one call with a literal "module.place"; it needs no registration, and a spec naming an unknown place simply never
 * fires.
 */
#ifndef HEYA_COMMON_FAILPOINT_H
#define HEYA_COMMON_FAILPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAILPOINT_MAX          32       /* entries in a spec */
#define FAILPOINT_NAME_BYTES   64       /* NUL included */
#define FAILPOINT_MAX_DELAY_US 60000000 /* one minute */

struct failpoints;

/* Reads `spec` into *failpoints, which is set to NULL when the spec is NULL or empty (off). Returns false, with
 * *failpoints NULL and a sentence in `error`, when the spec is malformed. The result is released with
 * failpoints_destroy. */
bool failpoints_create(const char *spec, struct failpoints **failpoints, char *error, size_t error_size);
void failpoints_destroy(struct failpoints *failpoints);

/* How long to put off, by a timer, what comes next at this place: 0 when nothing is asked. Never waits itself. */
static inline uint64_t failpoint_delay_us(struct failpoints *failpoints, const char *name);

/* Counts a hit: true when the place is to fail now. Does not return when it is to crash. */
static inline bool failpoint_hit(struct failpoints *failpoints, const char *name);

/* ---- how the two inline functions cost nothing when off ---- */

uint64_t failpoint_delay_us_on(struct failpoints *failpoints, const char *name);
bool failpoint_hit_on(struct failpoints *failpoints, const char *name);

static inline uint64_t failpoint_delay_us(struct failpoints *failpoints, const char *name) {
  return failpoints ? failpoint_delay_us_on(failpoints, name) : 0;
}

static inline bool failpoint_hit(struct failpoints *failpoints, const char *name) {
  return failpoints ? failpoint_hit_on(failpoints, name) : false;
}

#endif
