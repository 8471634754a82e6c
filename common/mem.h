/* Allocation that does not return failure: without memory the process says so and aborts, and its supervisor restarts
 * it.
 *
 * Only for sizes the program chose or has already checked against a limit; a size read from a client, from Redis or
 * from a file is checked first. A size of 0 gives a pointer that may be freed. Everything is released with free().
 */
#ifndef HEYA_COMMON_MEM_H
#define HEYA_COMMON_MEM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static inline void mem_exhausted(size_t size) {
  fprintf(stderr, "heya: out of memory: %zu bytes refused\n", size);
  abort();
}

static inline void *xmalloc(size_t size) {
  void *memory = malloc(size ? size : 1);
  if (!memory) mem_exhausted(size);
  return memory;
}

/* Zeroed; count * size may not overflow (it aborts). */
static inline void *xcalloc(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size ? size : 1);
  if (!memory) mem_exhausted(size);
  return memory;
}

static inline void *xrealloc(void *old, size_t size) {
  void *memory = realloc(old, size ? size : 1);
  if (!memory) mem_exhausted(size);
  return memory;
}

/* A copy of `len` bytes followed by a NUL that is not counted. `data` may be NULL when len is 0. */
static inline void *xmemdup(const void *data, size_t len) {
  char *copy = xmalloc(len + 1);
  if (len) memcpy(copy, data, len);
  copy[len] = '\0';
  return copy;
}

static inline char *xstrdup(const char *text) {
  return xmemdup(text, strlen(text));
}

#endif
