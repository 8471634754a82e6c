/* Base64 in both directions. Called by proto/json_encode.c, proto/json_decode.c and gateway/jwt.c. */
#include "proto/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out) {
  const unsigned char *in = data;
  for (; len >= 3; len -= 3, in += 3) {
    uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    *out++ = alphabet[group >> 18];
    *out++ = alphabet[group >> 12 & 63];
    *out++ = alphabet[group >> 6 & 63];
    *out++ = alphabet[group & 63];
  }
  if (len == 0) return;
  uint32_t group = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
  *out++ = alphabet[group >> 18];
  *out++ = alphabet[group >> 12 & 63];
  *out++ = len == 2 ? alphabet[group >> 6 & 63] : '=';
  *out++ = '=';
}

/* 0 to 63, or -1. */
static int digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

bool base64_decode(const char *text, size_t len, void *out, size_t *out_len) {
  unsigned char *bytes = out;
  size_t count = 0;
  if (len % 4 == 0 && len > 0 && text[len - 1] == '=') len -= text[len - 2] == '=' ? 2 : 1;
  if (len % 4 == 1) return false;
  uint32_t bits = 0;
  unsigned held = 0; /* how many low bits of `bits` are not written yet */
  for (size_t i = 0; i < len; i++) {
    int value = digit(text[i]);
    if (value < 0) return false;
    bits = bits << 6 | (uint32_t)value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[count++] = (unsigned char)(bits >> held);
    bits &= (1u << held) - 1;
  }
  if (bits != 0) return false;
  *out_len = count;
  return true;
}
