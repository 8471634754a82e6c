/* A timer of processor time that fires LOOKS times within the limit; the call that it finds each time is too long. */
#include "worker/watchdog.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOKS 4

/* Of the process, like its timer and signals. A handler is given nothing else that it could know it by. */
static struct {
  const struct scene *scene; /* NULL: not open */
  timer_t timer;
  struct sigaction before;
  uint32_t seen; /* the call that was found last */
  unsigned times;
} watch;

static void say_why(void) {
  static const char text[] = "heya-worker: a call into a kind does not end: over --kind-limit\n";
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written;
}

static void look(int number) {
  const struct scene *scene = watch.scene;
  int saved_errno = errno;
  (void)number;
  if (!scene->playing || scene->number != watch.seen) watch.times = 0;
  watch.seen = scene->number;
  if (scene->playing && ++watch.times > LOOKS) {
    say_why();
    raise(SIGABRT);
  }
  errno = saved_errno;
}

static bool fail(const char *what, char *error, size_t error_size) {
  snprintf(error, error_size, "%s: %s", what, strerror(errno));
  watch.scene = NULL;
  return false;
}

bool watchdog_open(const struct scene *scene, uint64_t limit_ms, char *error, size_t error_size) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
  struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART | SA_ONSTACK};
  uint64_t step_us = limit_ms * 1000 / LOOKS;
  struct timespec step = {.tv_sec = (time_t)(step_us / 1000000), .tv_nsec = (long)(step_us % 1000000 * 1000)};
  if (limit_ms == 0) return true;
  watch.scene = scene;
  watch.times = 0;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGVTALRM, &action, &watch.before) != 0) return fail("sigaction", error, error_size);
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &watch.timer) != 0) {
    sigaction(SIGVTALRM, &watch.before, NULL);
    return fail("timer_create", error, error_size);
  }
  timer_settime(watch.timer, 0, &(struct itimerspec){.it_interval = step, .it_value = step}, NULL);
  return true;
}

void watchdog_close(void) {
  if (!watch.scene) return;
  timer_delete(watch.timer);
  sigaction(SIGVTALRM, &watch.before, NULL);
  watch.scene = NULL;
}
