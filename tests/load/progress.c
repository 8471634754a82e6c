/* See tests/load/progress.h. */
#include "tests/load/progress.h"

#include "common/clock.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH 110

static void on_second(struct ev_loop *loop, ev_timer *timer, int events) {
  const struct progress *progress = timer->data;
  char text[WIDTH + 1] = "";
  (void)loop, (void)events;
  progress->say(progress->arg, text, sizeof text);
  fprintf(stderr, isatty(2) ? "\r%5.0f s  %-*s" : "%5.0f s  %.*s\n",
          (double)(clock_monotonic_us() - progress->began_us) / 1e6, WIDTH, text);
}

void progress_open(struct progress *progress, bool on) {
  *progress = (struct progress){.on = on};
  ev_timer_init(&progress->timer, on_second, 1., 1.);
  progress->timer.data = progress;
}

void progress_start(struct progress *progress, struct ev_loop *loop, void (*say)(const void *, char *, size_t),
                    const void *arg) {
  if (!progress->on) return;
  progress_stop(progress, loop);
  progress->say = say;
  progress->arg = arg;
  progress->began_us = clock_monotonic_us();
  ev_timer_set(&progress->timer, 1., 1.);
  ev_timer_start(loop, &progress->timer);
}

void progress_stop(struct progress *progress, struct ev_loop *loop) {
  if (!ev_is_active(&progress->timer)) return;
  ev_timer_stop(loop, &progress->timer);
  if (isatty(2)) fprintf(stderr, "\r%*s\r", WIDTH + 9, "");
}
