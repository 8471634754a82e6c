/* See proto/decimal.h. */
#include "proto/decimal.h"

static size_t count_digits(const char *at, size_t len) {
  size_t n = 0;
  while (n < len && at[n] >= '0' && at[n] <= '9') n++;
  return n;
}

bool decimal_parse(struct bytes text, struct decimal *out) {
  const char *at = text.data;
  size_t left = text.len;
  *out = (struct decimal){.negative = left > 0 && *at == '-'};
  if (out->negative) at++, left--;
  out->whole = bytes_of(at, count_digits(at, left));
  if (out->whole.len == 0) return false;
  at += out->whole.len, left -= out->whole.len;
  if (left > 0) {
    if (*at != '.') return false;
    out->fraction = bytes_of(at + 1, count_digits(at + 1, left - 1));
    if (out->fraction.len == 0 || out->fraction.len != left - 1) return false;
  }
  for (at = out->whole.data; out->whole.len && *at == '0'; at++) out->whole = bytes_of(at + 1, out->whole.len - 1);
  at = out->fraction.data;
  while (out->fraction.len && at[out->fraction.len - 1] == '0') out->fraction.len--;
  if (out->whole.len + out->fraction.len == 0) out->negative = false;
  return true;
}

static int compare_magnitudes(const struct decimal *a, const struct decimal *b) {
  if (a->whole.len != b->whole.len) return a->whole.len < b->whole.len ? -1 : 1;
  int order = bytes_compare(a->whole, b->whole);
  return order ? order : bytes_compare(a->fraction, b->fraction);
}

int decimal_compare(const struct decimal *a, const struct decimal *b) {
  if (a->negative != b->negative) return a->negative ? -1 : 1;
  return a->negative ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}
