/* A view of bytes that somebody else owns.
 *
 * Used wherever a length travels with its data: payloads, Redis arguments, log values. The view is valid for as long
 * as its owner says; nothing here allocates. The bytes need not be text and need not end in NUL.
 */
#ifndef HEYA_COMMON_BYTES_H
#define HEYA_COMMON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bytes {
  const void *data; /* may be NULL when len is 0 */
  size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len) {
  return (struct bytes){.data = data, .len = len};
}

/* The characters of `text` without the NUL; NULL gives an empty view. */
static inline struct bytes bytes_of_str(const char *text) {
  return (struct bytes){.data = text, .len = text ? strlen(text) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Below 0, 0 or above 0: by bytes, the shorter of two with a common beginning first. Of UTF-8: by code points. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool bytes_equal_str(struct bytes a, const char *text) {
  return bytes_equal(a, bytes_of_str(text));
}

#endif
