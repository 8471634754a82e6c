/* A growable byte buffer: append at the end, consume from the front.
 *
 * The owner bounds it: check `len` before appending what came from outside. A zero-initialised struct is a valid
 * empty buffer, so an embedding struct needs no init call. Growth doubles; memory exhaustion aborts (common/mem.h).
 */
#ifndef HEYA_COMMON_BUF_H
#define HEYA_COMMON_BUF_H

#include "common/bytes.h"

#include <stdarg.h>
#include <stddef.h>

struct buf {
  unsigned char *data; /* owned; NULL until the first append; moves when the buffer grows */
  size_t len;          /* bytes in use, from data[0] */
  size_t cap;          /* bytes allocated */
};

void buf_init(struct buf *buf);

/* Frees the memory and leaves a valid empty buffer, so calling it twice is harmless. */
void buf_close(struct buf *buf);

/* Makes room for `extra` more bytes and returns where they go; the caller writes up to that many and adds them to
 * len. */
unsigned char *buf_reserve(struct buf *buf, size_t extra);

/* `data` may be NULL when len is 0, and must not point into this buffer. */
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_bytes(struct buf *buf, struct bytes bytes);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Drops `len` bytes from the front (at most buf->len) and moves the rest down. */
void buf_consume(struct buf *buf, size_t len);

/* Empties the buffer and keeps its memory for the next use. */
void buf_clear(struct buf *buf);

/* Hands the memory over and leaves an empty buffer. The result holds *len bytes and a NUL that is not counted, is
 * never NULL and is released with free(). `len` may be NULL. */
void *buf_take(struct buf *buf, size_t *len);

/* The content as text: a NUL is kept after the last byte. Valid until the next change of the buffer. */
const char *buf_str(struct buf *buf);

/* The content as a view; valid until the next change of the buffer. */
static inline struct bytes buf_bytes(const struct buf *buf) {
  return bytes_of(buf->data, buf->len);
}

#endif
