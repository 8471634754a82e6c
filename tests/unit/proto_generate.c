/* The generator behind the tests of codec and JSON. */
#include "tests/unit/proto_generate.h"

#include "proto/bus.pb-c.h"
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/image.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/kinds/gomoku.pb-c.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/payload.h"

#include <stdio.h>

const ProtobufCMessageDescriptor *const generate_descriptors[] = {
    &heya__v1__client_message__descriptor,
    &heya__v1__server_message__descriptor,
    &heya__bus__batch__descriptor,
    &heya__bus__deliveries__descriptor,
    &heya__image__room__descriptor,
    &heya__kinds__chat__options__descriptor,
    &heya__kinds__chat__command__descriptor,
    &heya__kinds__chat__event__descriptor,
    &heya__kinds__chat__state__descriptor,
    &heya__kinds__live__options__descriptor,
    &heya__kinds__live__profile__descriptor,
    &heya__kinds__live__command__descriptor,
    &heya__kinds__live__event__descriptor,
    &heya__kinds__live__state__descriptor,
    &heya__kinds__gomoku__command__descriptor,
    &heya__kinds__gomoku__event__descriptor,
    &heya__kinds__gomoku__state__descriptor,
};
const size_t generate_descriptor_count = sizeof generate_descriptors / sizeof *generate_descriptors;

/* xorshift64* */
uint32_t generate_number(struct generator *generator, uint32_t below) {
  generator->state ^= generator->state >> 12;
  generator->state ^= generator->state << 25;
  generator->state ^= generator->state >> 27;
  return (uint32_t)((generator->state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static uint64_t generate_integer(struct generator *generator) {
  static const uint64_t edges[] = {0,         1, 127, 128, INT32_MAX, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
                                   UINT64_MAX};
  return edges[generate_number(generator, sizeof edges / sizeof *edges)];
}

static char *generate_string(struct generator *generator, const char *field) {
  static const char *const pieces[] = {"a", "Z9", " ", "\"", "\\", "\n", "\t", "\x01", "/", "é", "部屋", "🎵", "\x7f"};
  char text[64] = "";
  if (strcmp(field, "room") == 0) {
    snprintf(text, sizeof text, "%s/r%u", generator->kind, generate_number(generator, 9));
  } else if (strcmp(field, "kind") == 0) {
    snprintf(text, sizeof text, "%s", generator->kind);
  } else {
    for (uint32_t n = generate_number(generator, 8); n > 0; n--)
      strcat(text, pieces[generate_number(generator, sizeof pieces / sizeof *pieces)]);
  }
  return arena_copy(generator->arena, bytes_of_str(text));
}

static ProtobufCBinaryData generate_bytes(struct generator *generator, const ProtobufCMessageDescriptor *owner,
                                          const ProtobufCFieldDescriptor *field) {
  struct payload_registry registry;
  payload_registry_init(&registry);
  enum payload_role role;
  struct bytes bytes;
  const ProtobufCMessageDescriptor *payload = NULL;
  if (payload_role_of(owner->name, field->name, &role))
    payload = payload_find(&registry, generator->kind, strlen(generator->kind), role);
  if (payload) {
    codec_pack(generator->arena, generate_message(generator, payload), &bytes);
  } else {
    size_t len = generate_number(generator, 20);
    unsigned char *data = arena_alloc(generator->arena, len);
    for (size_t i = 0; i < len; i++) data[i] = (unsigned char)generate_number(generator, 256);
    bytes = bytes_of(data, len);
  }
  return (ProtobufCBinaryData){.len = bytes.len, .data = arena_copy(generator->arena, bytes)};
}

static void generate_value(struct generator *generator, const ProtobufCMessageDescriptor *owner,
                           const ProtobufCFieldDescriptor *field, void *to) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_MESSAGE: *(ProtobufCMessage **)to = generate_message(generator, field->descriptor); break;
  case PROTOBUF_C_TYPE_STRING: *(char **)to = generate_string(generator, field->name); break;
  case PROTOBUF_C_TYPE_BYTES: *(ProtobufCBinaryData *)to = generate_bytes(generator, owner, field); break;
  case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = (int)generate_number(generator, 2); break;
  case PROTOBUF_C_TYPE_ENUM: {
    const ProtobufCEnumDescriptor *values = field->descriptor;
    *(int *)to = values->values[generate_number(generator, values->n_values)].value;
    break;
  }
  default: {
    uint64_t value = generate_integer(generator);
    memcpy(to, &value, codec_value_size(field->type));
  }
  }
}

ProtobufCMessage *generate_message(struct generator *generator, const ProtobufCMessageDescriptor *descriptor) {
  ProtobufCMessage *message = arena_alloc(generator->arena, descriptor->sizeof_message);
  protobuf_c_message_init(descriptor, message);
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
    char *base = (char *)message;
    void *quantifier = base + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
      size_t count = generate_number(generator, 4), size = codec_value_size(field->type);
      char *elements = arena_alloc(generator->arena, count * size);
      for (size_t k = 0; k < count; k++) generate_value(generator, descriptor, field, elements + k * size);
      *(size_t *)quantifier = count;
      *(void **)(void *)(base + field->offset) = elements;
    } else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
      uint32_t *set = quantifier;
      if (*set != 0 || generate_number(generator, 5) != 0) continue;
      *set = field->id;
      generate_value(generator, descriptor, field, base + field->offset);
    } else if (generate_number(generator, 4) != 0 || strcmp(field->name, "room") == 0 ||
               strcmp(field->name, "kind") == 0) {
      generate_value(generator, descriptor, field, base + field->offset);
    }
  }
  return message;
}
