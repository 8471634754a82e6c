/* Calls when a schedule's commands are due, from the event loop. */
#ifndef HEYA_TESTS_LOAD_PACER_H
#define HEYA_TESTS_LOAD_PACER_H

#include "tests/load/schedule.h"

#include <ev.h>

struct pacer {
  struct schedule schedule;
  struct ev_loop *loop;
  int timer_fd; /* libev's own timers are of whole milliseconds */
  ev_io timer;
  void (*send)(void *arg, uint64_t due_us);
  void *arg;
};

/* False without descriptors. Nothing is due before pacer_begin. */
bool pacer_open(struct pacer *pacer, struct ev_loop *loop, void (*send)(void *, uint64_t), void *arg);
/* Harmless on a zeroed one. */
void pacer_close(struct pacer *pacer);

void pacer_begin(struct pacer *pacer, uint64_t begin_us, uint64_t end_us, double rate);
void pacer_end(struct pacer *pacer);

/* Sends what is due by now. For whoever is busy with what came in, so that what falls due meanwhile does not wait for
 * the end of it. */
void pacer_catch_up(struct pacer *pacer, uint64_t now_us);

#endif
