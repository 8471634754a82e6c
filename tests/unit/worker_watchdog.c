/* Promises of the watchdog: one call that does not end is ended by SIGABRT; many short ones, what is no call, and a
 * call that merely waits are not. Each in a child, since the timer and the signal are the process's. */
#include "worker/watchdog.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS  40
#define ENOUGH_MS (LIMIT_MS * 5)

TestSuite(watchdog, .timeout = 20);

static struct scene scene;

static uint64_t cpu_ms(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static void enter(uint32_t index) {
  scene_enter(&scene, 1, 1, (struct stream_id){1, 1}, index, "chat/a");
}

static void compute(void) {
  for (uint64_t until = cpu_ms() + ENOUGH_MS; cpu_ms() < until;) continue;
}

static void one_long_call(void) {
  enter(0);
  compute();
}

static void many_short_calls(void) {
  uint32_t index = 0;
  for (uint64_t until = cpu_ms() + ENOUGH_MS; cpu_ms() < until;) {
    enter(index++);
    scene_leave(&scene);
  }
}

static void no_call(void) {
  enter(0);
  scene_leave(&scene);
  compute();
}

/* Until a timer of the time of day, which goes on for a process that does nothing. */
static void a_call_that_waits(void) {
  sigset_t wanted;
  int number;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGALRM);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  enter(0);
  ualarm(ENOUGH_MS * 1000, 0);
  sigwait(&wanted, &number);
}

static void closed(void) {
  watchdog_close();
  one_long_call();
}

/* Whether the child was ended by SIGABRT, else it came to its end. */
static bool is_ended(uint64_t limit_ms, void (*live)(void)) {
  int status;
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    char error[128];
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 1; i < 32; i++) signal(i, SIG_DFL); /* the test's own */
    if (!watchdog_open(&scene, limit_ms, error, sizeof error)) _exit(99);
    live();
    _exit(0);
  }
  cr_assert_eq(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    cr_assert_eq(WTERMSIG(status), SIGABRT);
    return true;
  }
  cr_assert_eq(WEXITSTATUS(status), 0);
  return false;
}

Test(watchdog, ends_a_call_that_does_not_end) {
  cr_assert(is_ended(LIMIT_MS, one_long_call));
}

Test(watchdog, lets_many_short_calls_be) {
  cr_assert_not(is_ended(LIMIT_MS, many_short_calls));
}

Test(watchdog, looks_at_calls_only) {
  cr_assert_not(is_ended(LIMIT_MS, no_call));
}

Test(watchdog, counts_no_time_in_which_nothing_is_computed) {
  cr_assert_not(is_ended(LIMIT_MS, a_call_that_waits));
}

Test(watchdog, has_no_limit_at_zero_and_none_when_closed) {
  cr_assert_not(is_ended(0, one_long_call));
  cr_assert_not(is_ended(LIMIT_MS, closed));
}
