/* libFuzzer target: a pattern and a subject, split at the first newline. A match must lie within the subject, and the
 * steps are never exceeded.
 *
 *   make fuzz T=lua_pattern
 */
#include "worker/lua/script_pattern.h"

#include <stdbool.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

#define STEPS 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *split = size ? memchr(data, '\n', size) : NULL;
  if (!split) return 0;
  size_t len = (size_t)(split - data);
  struct pattern pattern = {
      .text = bytes_of(data, len), .subject = bytes_of(split + 1, size - len - 1), .steps = STEPS};
  enum pattern_found found = pattern_find(&pattern, 0);
  must(pattern.steps <= STEPS && (found != PATTERN_WRONG) == !pattern.fault);
  if (found != PATTERN_FOUND) return 0;
  must(pattern.from <= pattern.end && pattern.end <= pattern.subject.len);
  for (size_t i = 0; i < pattern.n_captures; i++) {
    must(pattern.captures[i].what != CAPTURE_OPEN);
    must(pattern.captures[i].from <= pattern.subject.len);
    must(pattern.captures[i].len <= pattern.subject.len - pattern.captures[i].from);
  }
  return 0;
}
