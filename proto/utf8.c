/* The decoder behind proto/utf8.h: RFC 3629, section 4, as ranges of the second byte. */
#include "proto/utf8.h"

size_t utf8_next(const void *data, size_t len, uint32_t *code_point) {
  const unsigned char *in = data;
  if (len == 0) return 0;
  unsigned char lead = in[0];
  size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || size > len) return 0;
  uint32_t value = size == 1 ? lead : lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((in[i] & 0xC0) != 0x80) return 0;
    value = value << 6 | (in[i] & 0x3Fu);
  }
  if (size == 3 && (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF))) return 0;
  if (size == 4 && (value < 0x10000 || value > 0x10FFFF)) return 0;
  if (code_point) *code_point = value;
  return size;
}

bool utf8_is_valid(const void *data, size_t len) {
  const unsigned char *in = data;
  while (len > 0) {
    size_t size = in[0] < 0x80 ? 1 : utf8_next(in, len, NULL);
    if (size == 0) return false;
    in += size;
    len -= size;
  }
  return true;
}

static bool is_control(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F);
}

bool utf8_is_text(const void *data, size_t len, enum utf8_breaks breaks) {
  const unsigned char *in = data;
  while (len > 0) {
    uint32_t c;
    size_t size = utf8_next(in, len, &c);
    if (size == 0) return false;
    if (is_control(c) && !(breaks == UTF8_LINES && (c == '\n' || c == '\t'))) return false;
    in += size;
    len -= size;
  }
  return true;
}

/* Separators of lines, controls of direction, and the byte order mark. */
static bool is_deceptive(uint32_t c) {
  return (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* White_Space of the Unicode character database as far as text may have it, and the spaces without width. */
static bool is_space(uint32_t c) {
  return c == ' ' || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200D) || c == 0x202F || c == 0x205F ||
         c == 0x2060 || c == 0x3000;
}

bool utf8_is_name(const void *data, size_t len) {
  const unsigned char *in = data;
  bool blank = true;
  while (len > 0) {
    uint32_t c;
    size_t size = utf8_next(in, len, &c);
    if (size == 0 || is_control(c) || is_deceptive(c)) return false;
    blank = blank && is_space(c);
    in += size;
    len -= size;
  }
  return !blank;
}

size_t utf8_cut(const void *data, size_t len, size_t max) {
  if (len <= max) return len;
  const unsigned char *in = data;
  size_t cut = max;
  while (cut > 0 && (in[cut] & 0xC0) == 0x80) cut--;
  return cut;
}
