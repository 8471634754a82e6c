/* See tests/load/pacer.h. */
#include "tests/load/pacer.h"

#include "common/clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#define BURST  256 /* commands that are overdue, before what has come in is read */
#define NAP_US 50  /* no shorter sleeps: a wake-up costs as much as several commands */

void pacer_catch_up(struct pacer *pacer, uint64_t now_us) {
  uint64_t due_us;
  for (unsigned i = 0; i < BURST && schedule_take(&pacer->schedule, now_us, &due_us); i++)
    pacer->send(pacer->arg, due_us);
}

static void sleep_until_due(struct pacer *pacer) {
  uint64_t next_us = schedule_next_us(&pacer->schedule), now_us = clock_monotonic_us();
  if (next_us == SCHEDULE_OVER) return;
  if (next_us < now_us + NAP_US) next_us = now_us + NAP_US;
  struct timespec at = {.tv_sec = (time_t)(next_us / 1000000), .tv_nsec = (long)(next_us % 1000000 * 1000)};
  timerfd_settime(pacer->timer_fd, TFD_TIMER_ABSTIME, &(struct itimerspec){.it_value = at}, NULL);
}

static void on_timer(struct ev_loop *loop, ev_io *io, int events) {
  struct pacer *pacer = io->data;
  uint64_t times;
  (void)loop, (void)events;
  if (read(pacer->timer_fd, &times, sizeof times) < 0) return;
  pacer_catch_up(pacer, clock_monotonic_us());
  sleep_until_due(pacer);
}

bool pacer_open(struct pacer *pacer, struct ev_loop *loop, void (*send)(void *, uint64_t), void *arg) {
  *pacer = (struct pacer){.loop = loop, .send = send, .arg = arg, .schedule = {.rate = 1}};
  pacer->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (pacer->timer_fd < 0) return false;
  ev_io_init(&pacer->timer, on_timer, pacer->timer_fd, EV_READ);
  pacer->timer.data = pacer;
  ev_io_start(loop, &pacer->timer);
  return true;
}

void pacer_close(struct pacer *pacer) {
  if (!ev_is_active(&pacer->timer)) return;
  ev_io_stop(pacer->loop, &pacer->timer);
  close(pacer->timer_fd);
}

void pacer_begin(struct pacer *pacer, uint64_t begin_us, uint64_t end_us, double rate) {
  pacer->schedule = (struct schedule){.begin_us = begin_us, .end_us = end_us, .rate = rate};
  sleep_until_due(pacer);
}

void pacer_end(struct pacer *pacer) {
  pacer->schedule.end_us = 0;
}
