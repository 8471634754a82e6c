/* Base64 (RFC 4648): bytes fields in JSON, and the parts of a JWT. */
#ifndef HEYA_PROTO_BASE64_H
#define HEYA_PROTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* With padding, without a NUL. */
static inline size_t base64_encoded_len(size_t len) {
  return (len + 2) / 3 * 4;
}

/* Enough for anything `len` characters can decode to. */
static inline size_t base64_decoded_max(size_t len) {
  return len / 4 * 3 + 2;
}

/* Standard alphabet, padded; writes base64_encoded_len(len) characters and no NUL. */
void base64_encode(const void *data, size_t len, char *out);

/* Takes the standard and the URL-safe alphabet, padded or not. False for anything else: other characters, white
 * space, wrong padding, bits set in what the last character has too many. `out` has room for base64_decoded_max. */
bool base64_decode(const char *text, size_t len, void *out, size_t *out_len);

#endif
