/* Lua's patterns (reference manual 5.1, section 5.4.1), matched in a bounded number of steps. Pure.
 *
 * Lua's own matcher can take exponentially long and cannot be interrupted; this one counts, and gives up. Captures,
 * position captures, back references, %b and %f are there; a pattern is at most PATTERN_MAX bytes.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_PATTERN_H
#define HEYA_WORKER_LUA_SCRIPT_PATTERN_H

#include "common/bytes.h"

#include <stdint.h>

#define PATTERN_MAX          256
#define PATTERN_CAPTURES_MAX 32
#define PATTERN_DEPTH_MAX    200 /* of what is open in the pattern at once */

enum pattern_found {
  PATTERN_NONE, /* it does not match */
  PATTERN_FOUND,
  PATTERN_WRONG, /* the pattern is none: see `fault` */
  PATTERN_SPENT  /* no steps left */
};

struct pattern_capture {
  size_t from, len;
  enum { CAPTURE_OPEN, CAPTURE_TEXT, CAPTURE_POSITION } what;
};

struct pattern {
  struct bytes text, subject;
  uint64_t steps;    /* that may be taken; what is left of them afterwards */
  const char *fault; /* of PATTERN_WRONG. Static */
  size_t from, end;  /* of what was found */
  struct pattern_capture captures[PATTERN_CAPTURES_MAX];
  size_t n_captures;
  int depth;
};

/* The first match that begins at or after `from` (at most subject.len), or exactly there if the pattern begins with
 * "^". Text, subject and steps are to be set. */
enum pattern_found pattern_find(struct pattern *pattern, size_t from);

#endif
