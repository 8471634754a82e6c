/* Short ways for the kinds' tests to make and read messages. Everything made is freed by the caller. */
#ifndef HEYA_TESTS_KINDS_MESSAGES_H
#define HEYA_TESTS_KINDS_MESSAGES_H

#include "common/buf.h"
#include <criterion/criterion.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

static inline struct buf packed(const ProtobufCMessage *message) {
  struct buf out = {0};
  size_t len = protobuf_c_message_get_packed_size(message);
  out.len = protobuf_c_message_pack(message, buf_reserve(&out, len));
  return out;
}

/* A string as a message's field: protobuf-c's are not const, but packing only reads them. */
static inline char *field_text(const char *text) {
  union {
    const char *in;
    char *out;
  } field = {.in = text};
  return field.out;
}

/* To be freed with protobuf_c_message_free_unpacked. */
static inline void *unpacked(const ProtobufCMessageDescriptor *descriptor, struct bytes bytes) {
  static const uint8_t nothing[1];
  ProtobufCMessage *message =
      protobuf_c_message_unpack(descriptor, NULL, bytes.len, bytes.len ? bytes.data : nothing);
  cr_assert_not_null(message, "%s cannot be unpacked", descriptor->name);
  return message;
}

/* xorshift64*: the same walk for the same seed, on every machine. */
static inline uint32_t dice(uint64_t *seed, uint32_t sides) {
  *seed ^= *seed >> 12;
  *seed ^= *seed << 25;
  *seed ^= *seed >> 27;
  return (uint32_t)((*seed * 0x2545F4914F6CDD1DULL) >> 33) % sides;
}

#endif
