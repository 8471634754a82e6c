/* protobuf-c's structs have `char *` and `uint8_t *` also where a message that is being packed is only read. These
 * put constant data there; a message made with them is packed, never freed or written to. */
#ifndef HEYA_PROTO_PB_H
#define HEYA_PROTO_PB_H

#include "common/bytes.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

static inline char *pb_text(const char *text) {
  union {
    const char *in;
    char *out;
  } cast = {.in = text};
  return cast.out;
}

static inline ProtobufCBinaryData pb_bytes(struct bytes bytes) {
  union {
    const void *in;
    uint8_t *out;
  } cast = {.in = bytes.data};
  return (ProtobufCBinaryData){.len = bytes.len, .data = cast.out};
}

#endif
