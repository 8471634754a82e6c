/* The line on standard error that says, once a second, how far a run is. Whoever runs a phase says what stands there.
 */
#ifndef HEYA_TESTS_LOAD_PROGRESS_H
#define HEYA_TESTS_LOAD_PROGRESS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
  ev_timer timer;
  bool on; /* wanted at all */
  uint64_t began_us;
  void (*say)(const void *arg, char *text, size_t size);
  const void *arg;
};

void progress_open(struct progress *progress, bool on);
/* `say` is asked each second, until progress_stop. */
void progress_start(struct progress *progress, struct ev_loop *loop, void (*say)(const void *, char *, size_t),
                    const void *arg);
/* Clears the line. Harmless when it was not started. */
void progress_stop(struct progress *progress, struct ev_loop *loop);

#endif
