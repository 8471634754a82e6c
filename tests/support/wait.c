/* Deadlines on the monotonic clock. A condition that no descriptor announces is asked again every POLL_MS. */
#include "tests/support/wait.h"

#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define POLL_MS         3
#define SANITIZED_TIMES 5

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

bool wait_is_sanitized(void) {
  return SANITIZED || getenv("HEYA_SANITIZED") != NULL;
}

uint64_t wait_patience_ms(uint64_t ms) {
  return wait_is_sanitized() ? ms * SANITIZED_TIMES : ms;
}

uint64_t wait_deadline(uint64_t ms) {
  return clock_monotonic_us() / 1000 + wait_patience_ms(ms);
}

uint64_t wait_left(uint64_t deadline) {
  uint64_t now = clock_monotonic_us() / 1000;
  return now >= deadline ? 0 : deadline - now;
}

bool wait_until(uint64_t ms, bool (*condition)(void *arg), void *arg) {
  uint64_t deadline = wait_deadline(ms);
  for (;;) {
    bool last = wait_left(deadline) == 0;
    if (condition(arg)) return true;
    if (last) return false;
    poll(NULL, 0, POLL_MS);
  }
}

static bool wait_fd(int fd, short events, uint64_t deadline) {
  for (;;) {
    struct pollfd poller = {.fd = fd, .events = events};
    int n = poll(&poller, 1, (int)wait_left(deadline));
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
  }
}

bool wait_readable(int fd, uint64_t deadline) {
  return wait_fd(fd, POLLIN, deadline);
}

bool wait_writable(int fd, uint64_t deadline) {
  return wait_fd(fd, POLLOUT, deadline);
}
