/* A watchdog over the kinds: a call that does not end ends the process, with last words.
 *
 * It counts the processor time of this process, not the time of day, so a worker that was stopped, swapped out or
 * starved by its neighbours is not suspected. When one and the same call into a kind (worker/scene.h) has had all of
 * `limit_ms`, SIGABRT is raised: its handler (worker/last_words.h) names the room, and the next owner closes it. A
 * call that waits without computing, for a lock or a file, is not seen; for that the lease remains.
 */
#ifndef HEYA_WORKER_WATCHDOG_H
#define HEYA_WORKER_WATCHDOG_H

#include "worker/scene.h"

#include <stdbool.h>
#include <stddef.h>

/* One in a process, opened after the last words; `scene` outlives it. Takes SIGVTALRM for itself. False with a
 * sentence in `error`. limit_ms 0: it does nothing. */
bool watchdog_open(const struct scene *scene, uint64_t limit_ms, char *error, size_t error_size);
/* Harmless when it is not open. */
void watchdog_close(void);

#endif
