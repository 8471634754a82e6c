/* Checked unpacking (proto/codec.h) in three steps: scan the bytes, let protobuf-c unpack them, check the values.
 *
 * The scan sees what unpacking would hide or pay for: NUL within strings, the number of fields, unknown ones, depth.
 */
#include "proto/codec.h"

#include "proto/utf8.h"

const struct codec_limits codec_limits_client = {.fields = 4096, .elements = 1024, .unknown = 16, .depth = 8};
/* Who writes these is trusted not to be hostile, and memory is bound to their length: the limits only keep a faulty
 * one from costing seconds. Deliveries, of 5 fields each, are the most numerous: 16 M fields are some 3 M of them. */
const struct codec_limits codec_limits_internal = {
    .fields = 1u << 24, .elements = 1u << 24, .unknown = 64, .depth = 8};

const char *codec_result_text(enum codec_result result) {
  switch (result) {
  case CODEC_OK: return "ok";
  case CODEC_MALFORMED: return "not a valid protobuf message";
  case CODEC_TOO_MANY: return "too many fields or elements";
  case CODEC_TOO_DEEP: return "nested too deep";
  case CODEC_TOO_BIG: return "takes too much memory";
  case CODEC_UNKNOWN_FIELD: return "too many unknown fields";
  case CODEC_BAD_STRING: return "a string is not UTF-8 or contains NUL";
  case CODEC_UNKNOWN_ENUM: return "an unknown enum value";
  }
  return "unknown result";
}

size_t codec_value_size(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_MESSAGE:
  case PROTOBUF_C_TYPE_STRING: return sizeof(void *);
  case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
  case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
  case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_DOUBLE: return 8;
  default: return 4;
  }
}

/* ---- before unpacking: the bytes ---- */

struct scan {
  const struct codec_limits *limits;
  uint32_t fields;
  uint32_t unknown;
};

/* Reads a varint (at most 10 bytes) and moves *at behind it. */
static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
    unsigned char byte = *(*at)++;
    *value |= (uint64_t)(byte & 0x7F) << shift;
    if (!(byte & 0x80)) return true;
  }
  return false;
}

/* Moves *at behind a field's value; *length is that of a length-delimited one, which ends at *at. */
static bool skip_value(const unsigned char **at, const unsigned char *end, unsigned wire_type, size_t *length) {
  uint64_t value = 0;
  size_t skip = 0;
  switch (wire_type) {
  case PROTOBUF_C_WIRE_TYPE_VARINT: return read_varint(at, end, &value);
  case PROTOBUF_C_WIRE_TYPE_64BIT: skip = 8; break;
  case PROTOBUF_C_WIRE_TYPE_32BIT: skip = 4; break;
  case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
    if (!read_varint(at, end, &value) || value > (size_t)(end - *at)) return false;
    *length = skip = (size_t)value;
    break;
  default: return false; /* groups are not in proto3 */
  }
  if (skip > (size_t)(end - *at)) return false;
  *at += skip;
  return true;
}

static bool string_is_valid(const void *data, size_t len) {
  return (len == 0 || !memchr(data, '\0', len)) && utf8_is_valid(data, len);
}

static enum codec_result scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                                      const unsigned char *at, const unsigned char *end, uint32_t depth) {
  if (depth > scan->limits->depth) return CODEC_TOO_DEEP;
  while (at < end) {
    uint64_t tag;
    size_t length = 0;
    if (!read_varint(&at, end, &tag) || tag > UINT32_MAX || tag >> 3 == 0) return CODEC_MALFORMED;
    unsigned wire_type = tag & 7;
    if (!skip_value(&at, end, wire_type, &length)) return CODEC_MALFORMED;
    if (++scan->fields > scan->limits->fields) return CODEC_TOO_MANY;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
    if (!field) {
      if (++scan->unknown > scan->limits->unknown) return CODEC_UNKNOWN_FIELD;
    } else if (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
      const unsigned char *value = at - length;
      if (field->type == PROTOBUF_C_TYPE_STRING && !string_is_valid(value, length)) return CODEC_BAD_STRING;
      if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        enum codec_result result = scan_message(scan, field->descriptor, value, at, depth + 1);
        if (result != CODEC_OK) return result;
      }
    }
  }
  return CODEC_OK;
}

/* ---- after unpacking: the values ---- */

static enum codec_result check_message(const struct codec_limits *limits, const ProtobufCMessage *message,
                                       uint32_t depth);

/* `at` points to one value in its struct or array. */
static enum codec_result check_value(const struct codec_limits *limits, const ProtobufCFieldDescriptor *field,
                                     const void *at, uint32_t depth) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING: {
    const char *text = *(const char *const *)at;
    return !text || utf8_is_valid(text, strlen(text)) ? CODEC_OK : CODEC_BAD_STRING;
  }
  case PROTOBUF_C_TYPE_ENUM:
    return protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at) ? CODEC_OK : CODEC_UNKNOWN_ENUM;
  case PROTOBUF_C_TYPE_MESSAGE: {
    const ProtobufCMessage *nested = *(const ProtobufCMessage *const *)at;
    return nested ? check_message(limits, nested, depth + 1) : CODEC_OK;
  }
  default: return CODEC_OK;
  }
}

static bool is_checked(const ProtobufCFieldDescriptor *field) {
  return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_ENUM ||
         field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static enum codec_result check_repeated(const struct codec_limits *limits, const ProtobufCMessage *message,
                                        const ProtobufCFieldDescriptor *field, uint32_t depth) {
  const char *base = (const char *)message;
  size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
  if (count > limits->elements) return CODEC_TOO_MANY;
  if (!is_checked(field)) return CODEC_OK;
  const char *elements = *(const char *const *)(const void *)(base + field->offset);
  for (size_t i = 0; i < count; i++) {
    enum codec_result result = check_value(limits, field, elements + i * codec_value_size(field->type), depth);
    if (result != CODEC_OK) return result;
  }
  return CODEC_OK;
}

static enum codec_result check_message(const struct codec_limits *limits, const ProtobufCMessage *message,
                                       uint32_t depth) {
  if (depth > limits->depth) return CODEC_TOO_DEEP;
  const char *base = (const char *)message;
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    enum codec_result result = CODEC_OK;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
      result = check_repeated(limits, message, field, depth);
    } else {
      bool is_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
      if (is_oneof && *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id) continue;
      result = check_value(limits, field, base + field->offset, depth);
    }
    if (result != CODEC_OK) return result;
  }
  return CODEC_OK;
}

enum codec_result codec_check(const struct codec_limits *limits, const ProtobufCMessage *message) {
  return check_message(limits, message, 1);
}

/* ---- what a refused message was about ---- */

void codec_about_room(struct codec_about *about, const char *room, size_t len) {
  if (!room || len > CODEC_ABOUT_ROOM || !utf8_is_text(room, len, UTF8_ONE_LINE)) return;
  memcpy(about->room, room, len);
  about->room[len] = '\0';
}

/* The fields of one level; messages below it while `nested`. */
static void peek(const ProtobufCMessageDescriptor *descriptor, const unsigned char *at, const unsigned char *end,
                 bool nested, struct codec_about *about) {
  while (at < end) {
    uint64_t tag, value = 0;
    size_t length = 0;
    if (!read_varint(&at, end, &tag) || tag > UINT32_MAX) return;
    const unsigned char *begin = at;
    if (!skip_value(&at, end, tag & 7, &length)) return;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
    if (!field) continue;
    if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_VARINT && field->type == PROTOBUF_C_TYPE_UINT32) {
      read_varint(&begin, end, &value);
      uint32_t number = value > UINT32_MAX ? 0 : (uint32_t)value;
      if (nested && strcmp(field->name, "request") == 0) about->request = number;
      if (!nested && strcmp(field->name, "number") == 0) about->number = number;
    } else if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
      if (nested && field->type == PROTOBUF_C_TYPE_MESSAGE) peek(field->descriptor, at - length, at, false, about);
      if (!nested && field->type == PROTOBUF_C_TYPE_STRING && strcmp(field->name, "room") == 0)
        codec_about_room(about, (const char *)(at - length), length);
    }
  }
}

void codec_peek(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len,
                struct codec_about *about) {
  const unsigned char *bytes = data;
  *about = (struct codec_about){0};
  if (len) peek(descriptor, bytes, bytes + len, true, about);
}

/* ---- both ---- */

/* How far the arena may fill while unpacking `len` bytes. */
static size_t unpack_limit(const struct arena *arena, size_t len) {
  size_t growth =
      len > (SIZE_MAX / 2 - CODEC_GROWTH_BASE) / CODEC_GROWTH ? SIZE_MAX / 2 : CODEC_GROWTH_BASE + len * CODEC_GROWTH;
  if (arena->used > arena->limit || growth > arena->limit - arena->used) return arena->limit;
  return arena->used + growth;
}

enum codec_result codec_unpack(const struct codec_limits *limits, const ProtobufCMessageDescriptor *descriptor,
                               struct arena *arena, const void *data, size_t len, ProtobufCMessage **out) {
  static const unsigned char nothing[1];
  const unsigned char *bytes = len ? data : nothing;
  struct scan scan = {.limits = limits};
  *out = NULL;
  enum codec_result result = scan_message(&scan, descriptor, bytes, bytes + len, 1);
  if (result != CODEC_OK) return result;

  size_t arena_limit = arena->limit;
  arena->limit = unpack_limit(arena, len);
  arena->refused = false;
  ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &arena->allocator, len, bytes);
  arena->limit = arena_limit;
  if (!message) return arena->refused ? CODEC_TOO_BIG : CODEC_MALFORMED;

  result = codec_check(limits, message);
  if (result == CODEC_OK) *out = message;
  return result;
}

bool codec_pack(struct arena *arena, const ProtobufCMessage *message, struct bytes *out) {
  size_t len = protobuf_c_message_get_packed_size(message);
  unsigned char *data = arena_alloc(arena, len);
  if (!data) return false;
  *out = bytes_of(data, protobuf_c_message_pack(message, data));
  return true;
}
