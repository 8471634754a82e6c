/* Checked unpacking: round trips, hostile bytes, every limit. */
#include "proto/bus.pb-c.h"
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "tests/unit/proto_generate.h"

#include <criterion/criterion.h>

static struct arena arena;

static void open_arena(void) {
  arena_init(&arena, 4096, 16u << 20);
}

static void close_arena(void) {
  arena_close(&arena);
}

TestSuite(codec, .init = open_arena, .fini = close_arena);

static enum codec_result unpack_as(const struct codec_limits *limits, const ProtobufCMessageDescriptor *descriptor,
                                   const void *data, size_t len) {
  ProtobufCMessage *message;
  enum codec_result result = codec_unpack(limits, descriptor, &arena, data, len, &message);
  cr_assert_eq(message != NULL, result == CODEC_OK);
  return result;
}

#define UNPACK(text) unpack_as(&codec_limits_client, &heya__v1__client_message__descriptor, text, sizeof(text) - 1)

/* Feeds a copy of exactly this size, so that a sanitizer sees any read beyond it. */
static enum codec_result unpack_exact(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len) {
  unsigned char *copy = malloc(len ? len : 1);
  ProtobufCMessage *message;
  struct bytes again;
  memcpy(copy, data, len);
  enum codec_result result = codec_unpack(&codec_limits_internal, descriptor, &arena, copy, len, &message);
  free(copy);
  if (result == CODEC_OK) {
    cr_assert_eq(codec_check(&codec_limits_internal, message), CODEC_OK);
    cr_assert(codec_pack(&arena, message, &again));
    cr_assert_eq(codec_unpack(&codec_limits_internal, descriptor, &arena, again.data, again.len, &message), CODEC_OK);
  }
  return result;
}

Test(codec, every_message_comes_back_as_it_went) {
  struct generator generator = {.state = 1, .kind = "live", .arena = &arena};
  for (int round = 0; round < 300; round++) {
    for (size_t i = 0; i < generate_descriptor_count; i++) {
      struct bytes packed, again;
      ProtobufCMessage *message;
      arena_reset(&arena);
      cr_assert(codec_pack(&arena, generate_message(&generator, generate_descriptors[i]), &packed));
      enum codec_result result =
          codec_unpack(&codec_limits_client, generate_descriptors[i], &arena, packed.data, packed.len, &message);
      cr_assert_eq(result, CODEC_OK, "%s: %s", generate_descriptors[i]->name, codec_result_text(result));
      cr_assert(codec_pack(&arena, message, &again));
      cr_assert(bytes_equal(packed, again));
    }
  }
}

Test(codec, any_prefix_of_a_message_is_taken_or_refused_cleanly) {
  struct generator generator = {.state = 2, .kind = "chat", .arena = &arena};
  for (int round = 0; round < 20; round++) {
    for (size_t i = 0; i < generate_descriptor_count; i++) {
      struct bytes packed;
      arena_reset(&arena);
      codec_pack(&arena, generate_message(&generator, generate_descriptors[i]), &packed);
      for (size_t len = 0; len < packed.len; len++) unpack_exact(generate_descriptors[i], packed.data, len);
      cr_assert_eq(unpack_exact(generate_descriptors[i], packed.data, packed.len), CODEC_OK);
    }
  }
}

Test(codec, mutated_messages_are_taken_or_refused_cleanly) {
  struct generator generator = {.state = 3, .kind = "live", .arena = &arena};
  for (int round = 0; round < 1500; round++) {
    for (size_t i = 0; i < generate_descriptor_count; i++) {
      struct bytes packed;
      arena_reset(&arena);
      codec_pack(&arena, generate_message(&generator, generate_descriptors[i]), &packed);
      if (packed.len == 0) continue;
      unsigned char *bytes = arena_copy(&arena, packed);
      for (uint32_t n = 1 + generate_number(&generator, 4); n > 0; n--)
        bytes[generate_number(&generator, (uint32_t)packed.len)] = (unsigned char)generate_number(&generator, 256);
      unpack_exact(generate_descriptors[i], bytes, packed.len);
    }
  }
}

Test(codec, random_bytes_are_taken_or_refused_cleanly) {
  struct generator generator = {.state = 4, .kind = "live", .arena = &arena};
  for (int round = 0; round < 20000; round++) {
    unsigned char bytes[32];
    size_t len = generate_number(&generator, sizeof bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)generate_number(&generator, 256);
    arena_reset(&arena);
    unpack_exact(generate_descriptors[(size_t)round % generate_descriptor_count], bytes, len);
  }
}

Test(codec, an_empty_message_is_zero_bytes) {
  cr_assert_eq(unpack_as(&codec_limits_client, &heya__v1__client_message__descriptor, NULL, 0), CODEC_OK);
}

Test(codec, strings_are_utf8_without_nul) {
  cr_assert_eq(UNPACK("\x12\x05\x0a\x03"
                      "abc"),
               CODEC_OK);
  cr_assert_eq(UNPACK("\x12\x05\x0a\x03"
                      "a\0c"),
               CODEC_BAD_STRING);
  cr_assert_eq(UNPACK("\x12\x04\x0a\x02\xc0\x80"), CODEC_BAD_STRING);
  cr_assert_eq(UNPACK("\x12\x05\x0a\x03\xed\xa0\x80"), CODEC_BAD_STRING);
}

Test(codec, enum_values_are_known) {
  const ProtobufCMessageDescriptor *goodbye = &heya__v1__goodbye__descriptor;
  cr_assert_eq(unpack_as(&codec_limits_client, goodbye, "\x08\x2a", 2), CODEC_OK);
  cr_assert_eq(unpack_as(&codec_limits_client, goodbye, "\x08\x0f", 2), CODEC_UNKNOWN_ENUM);
  cr_assert_eq(unpack_as(&codec_limits_client, goodbye, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
               CODEC_UNKNOWN_ENUM);
}

Test(codec, a_few_unknown_fields_are_ignored_and_many_refused_before_they_cost) {
  unsigned char fields[10000];
  for (size_t i = 0; i < sizeof fields; i += 2) {
    fields[i] = 0x78; /* field 15, varint */
    fields[i + 1] = 1;
  }
  const ProtobufCMessageDescriptor *ping = &heya__v1__ping__descriptor;
  cr_assert_eq(unpack_as(&codec_limits_client, ping, fields, 2 * codec_limits_client.unknown), CODEC_OK);
  size_t used = arena.used;
  cr_assert_eq(unpack_as(&codec_limits_client, ping, fields, sizeof fields), CODEC_UNKNOWN_FIELD);
  cr_assert_eq(arena.used, used);
}

Test(codec, fields_and_elements_are_counted) {
  unsigned char bytes[20000];
  for (size_t i = 0; i < sizeof bytes; i += 2) {
    bytes[i] = 0x12; /* List.where, empty */
    bytes[i + 1] = 0;
  }
  const ProtobufCMessageDescriptor *list = &heya__v1__list__descriptor;
  cr_assert_eq(unpack_as(&codec_limits_client, list, bytes, 2 * codec_limits_client.elements), CODEC_OK);
  size_t used = arena.used;
  cr_assert_eq(unpack_as(&codec_limits_client, list, bytes, 2 * codec_limits_client.elements + 2), CODEC_TOO_MANY);
  used = arena.used;
  cr_assert_eq(unpack_as(&codec_limits_client, list, bytes, 2 * codec_limits_client.fields + 2), CODEC_TOO_MANY);
  cr_assert_eq(arena.used, used);
  cr_assert_eq(unpack_as(&codec_limits_internal, list, bytes, sizeof bytes), CODEC_OK);

  memset(bytes, 1, sizeof bytes);
  memcpy(bytes, "\x0a\x88\x27", 3); /* Delivery.conns: 5000 packed numbers */
  const ProtobufCMessageDescriptor *delivery = &heya__bus__delivery__descriptor;
  cr_assert_eq(unpack_as(&codec_limits_client, delivery, bytes, 5003), CODEC_TOO_MANY);
  cr_assert_eq(unpack_as(&codec_limits_internal, delivery, bytes, 5003), CODEC_OK);
}

/* What one commit of a busy room says to one gateway, which has no other way of hearing it. */
Test(codec, an_entry_of_a_quarter_million_deliveries_is_no_fault) {
  static const char delivery[20] = "\x0a\x12\x0a\x01\x01\x12\x01x\x1a\x06"
                                   "chat/a\x20\x01\x28\x01";
  const size_t n = 250000;
  char *bytes = malloc(n * sizeof delivery);
  for (size_t i = 0; i < n; i++) memcpy(bytes + i * sizeof delivery, delivery, sizeof delivery);
  struct arena big;
  ProtobufCMessage *message;
  arena_init(&big, 65536, 256u << 20);
  cr_assert_eq(codec_unpack(&codec_limits_internal, &heya__bus__deliveries__descriptor, &big, bytes,
                            n * sizeof delivery, &message),
               CODEC_OK);
  cr_assert_eq(((Heya__Bus__Deliveries *)message)->n_deliveries, n);
  arena_close(&big);
  free(bytes);
}

Test(codec, memory_is_bounded_by_the_arena) {
  unsigned char bytes[2000];
  for (size_t i = 0; i < sizeof bytes; i += 2) {
    bytes[i] = 0x12;
    bytes[i + 1] = 0;
  }
  arena.limit = arena.used + 1000;
  cr_assert_eq(unpack_as(&codec_limits_client, &heya__v1__list__descriptor, bytes, sizeof bytes), CODEC_TOO_BIG);
  cr_assert_leq(arena.used, arena.limit);
}

Test(codec, depth_is_bounded) {
  struct codec_limits shallow = codec_limits_client;
  shallow.depth = 1;
  cr_assert_eq(unpack_as(&shallow, &heya__v1__client_message__descriptor, "\x12\x00", 2), CODEC_TOO_DEEP);
  cr_assert_eq(unpack_as(&shallow, &heya__v1__client_message__descriptor, "\x08\x01", 2), CODEC_OK);
}

Test(codec, what_is_not_protobuf_is_malformed) {
  cr_assert_eq(UNPACK("\x0b\x0c"), CODEC_MALFORMED);     /* a group */
  cr_assert_eq(UNPACK("\x00\x00"), CODEC_MALFORMED);     /* field 0 */
  cr_assert_eq(UNPACK("\x0a\x01\x01"), CODEC_MALFORMED); /* request as bytes */
  cr_assert_eq(UNPACK("\x10\x01"), CODEC_MALFORMED);     /* hello as a number */
  cr_assert_eq(UNPACK("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), CODEC_MALFORMED);
  cr_assert_eq(UNPACK("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), CODEC_MALFORMED);
}
