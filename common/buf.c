/* The growable byte buffer. One byte more than the content is always allocated, for the NUL of buf_str and buf_take.
 */
#include "common/buf.h"

#include "common/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#define BUF_FIRST_BYTES 64

void buf_init(struct buf *buf) {
  *buf = (struct buf){0};
}

void buf_close(struct buf *buf) {
  free(buf->data);
  *buf = (struct buf){0};
}

unsigned char *buf_reserve(struct buf *buf, size_t extra) {
  if (extra > SIZE_MAX / 4 - buf->len) mem_exhausted(extra);
  size_t need = buf->len + extra + 1;
  if (need > buf->cap) {
    size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
    while (cap < need) cap *= 2;
    buf->data = xrealloc(buf->data, cap);
    buf->cap = cap;
  }
  return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len) {
  if (len == 0) return;
  memcpy(buf_reserve(buf, len), data, len);
  buf->len += len;
}

void buf_append_bytes(struct buf *buf, struct bytes bytes) {
  buf_append(buf, bytes.data, bytes.len);
}

void buf_append_str(struct buf *buf, const char *text) {
  buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c) {
  buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...) {
  va_list args;
  va_start(args, format);
  buf_vprintf(buf, format, args);
  va_end(args);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  size_t room = 128;
  char *to = (char *)buf_reserve(buf, room);
  int len = vsnprintf(to, room + 1, format, args);
  assert(len >= 0);
  if ((size_t)len > room) {
    to = (char *)buf_reserve(buf, (size_t)len);
    vsnprintf(to, (size_t)len + 1, format, again);
  }
  va_end(again);
  buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t len) {
  assert(len <= buf->len);
  buf->len -= len;
  if (buf->len && len) memmove(buf->data, buf->data + len, buf->len);
}

void buf_clear(struct buf *buf) {
  buf->len = 0;
}

void *buf_take(struct buf *buf, size_t *len) {
  *buf_reserve(buf, 0) = '\0';
  void *data = buf->data;
  if (len) *len = buf->len;
  buf_init(buf);
  return data;
}

const char *buf_str(struct buf *buf) {
  *buf_reserve(buf, 0) = '\0';
  return (const char *)buf->data;
}
