/* Messages as JSON text (proto/json.h), written straight into the arena. */
#include "proto/base64.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/json_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct writer {
  const struct payload_registry *registry; /* may be NULL */
  struct arena *arena;
  char *text;
  size_t len;
  size_t cap;
  bool full; /* the arena's limit was passed: everything after is dropped */
};

/* Room for `len` more characters, or NULL when full. */
static char *reserve(struct writer *out, size_t len) {
  if (!out->full && len > out->cap - out->len) {
    size_t cap = out->cap * 2 > out->len + len ? out->cap * 2 : out->len + len;
    char *grown = arena_alloc(out->arena, cap);
    if (grown) {
      if (out->len) memcpy(grown, out->text, out->len);
      out->text = grown;
      out->cap = cap;
    } else {
      out->full = true;
    }
  }
  return out->full ? NULL : out->text + out->len;
}

static void put(struct writer *out, const char *text, size_t len) {
  char *to = reserve(out, len);
  if (!to) return;
  memcpy(to, text, len);
  out->len += len;
}

static void put_char(struct writer *out, char c) {
  put(out, &c, 1);
}

static void put_text(struct writer *out, const char *text) {
  put(out, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_number(struct writer *out, const char *format, ...) {
  char text[48];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  put(out, text, (size_t)len);
}

static void put_string(struct writer *out, const char *text) {
  put_char(out, '"');
  for (;;) {
    size_t plain = 0;
    while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\') plain++;
    put(out, text, plain);
    text += plain;
    if (!*text) break;
    unsigned char c = (unsigned char)*text++;
    if (c == '\n')
      put_text(out, "\\n");
    else if (c == '\t')
      put_text(out, "\\t");
    else if (c < 0x20)
      put_number(out, "\\u%04x", c);
    else
      put_number(out, "\\%c", c);
  }
  put_char(out, '"');
}

static void put_base64(struct writer *out, struct bytes bytes) {
  size_t len = base64_encoded_len(bytes.len);
  put_char(out, '"');
  char *to = reserve(out, len);
  if (to) {
    base64_encode(bytes.data, bytes.len, to);
    out->len += len;
  }
  put_char(out, '"');
}

static void put_float(struct writer *out, double value, int digits) {
  if (isnan(value))
    put_text(out, "\"NaN\"");
  else if (isinf(value))
    put_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
  else
    put_number(out, "%.*g", digits, value);
}

static void put_enum(struct writer *out, const ProtobufCEnumDescriptor *descriptor, int number) {
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
  if (value)
    put_string(out, value->name);
  else
    put_number(out, "%d", number);
}

static void put_message(struct writer *out, const ProtobufCMessage *message, struct bytes kind);

/* The text as it is, on one line; false if it is no object in JSON. */
static bool put_text_object(struct writer *out, struct bytes text) {
  char reason[JSON_TEXT_REASON_MAX];
  json_t *json = json_text_load(text, JSON_PAYLOAD_DEPTH_MAX, reason);
  bool is_object = json_is_object(json);
  json_decref(json);
  char *to = is_object ? reserve(out, text.len) : NULL;
  if (!to) return is_object;
  const char *from = text.data;
  for (size_t i = 0; i < text.len; i++) to[i] = from[i] == '\n' || from[i] == '\r' ? ' ' : from[i];
  out->len += text.len;
  return true;
}

/* A bytes field: the kind's message as an object if it is one and can be read, base64 otherwise. */
static void put_bytes(struct writer *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                      struct bytes bytes, struct bytes kind) {
  enum payload_role role;
  const ProtobufCMessageDescriptor *descriptor = NULL;
  if (out->registry && payload_role_of(message->descriptor->name, field->name, &role)) {
    if (payload_is_json(out->registry, kind.data, kind.len) && put_text_object(out, bytes)) return;
    descriptor = payload_find(out->registry, kind.data, kind.len, role);
  }
  ProtobufCMessage *payload = NULL;
  if (descriptor) codec_unpack(&codec_limits_client, descriptor, out->arena, bytes.data, bytes.len, &payload);
  if (payload)
    put_message(out, payload, bytes_of(NULL, 0));
  else
    put_base64(out, bytes);
}

/* `at` points to one value in its struct or array. */
static void put_value(struct writer *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                      const void *at, struct bytes kind) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32: put_number(out, "%" PRId32, *(const int32_t *)at); break;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32: put_number(out, "%" PRIu32, *(const uint32_t *)at); break;
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64: put_number(out, "\"%" PRId64 "\"", *(const int64_t *)at); break;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64: put_number(out, "\"%" PRIu64 "\"", *(const uint64_t *)at); break;
  case PROTOBUF_C_TYPE_FLOAT: put_float(out, (double)*(const float *)at, 9); break;
  case PROTOBUF_C_TYPE_DOUBLE: put_float(out, *(const double *)at, 17); break;
  case PROTOBUF_C_TYPE_BOOL: put_text(out, *(const protobuf_c_boolean *)at ? "true" : "false"); break;
  case PROTOBUF_C_TYPE_ENUM: put_enum(out, field->descriptor, *(const int *)at); break;
  case PROTOBUF_C_TYPE_STRING: {
    const char *text = *(const char *const *)at;
    put_string(out, text ? text : "");
    break;
  }
  case PROTOBUF_C_TYPE_BYTES: {
    const ProtobufCBinaryData *bytes = at;
    put_bytes(out, message, field, bytes_of(bytes->data, bytes->len), kind);
    break;
  }
  case PROTOBUF_C_TYPE_MESSAGE: put_message(out, *(const ProtobufCMessage *const *)at, kind); break;
  }
}

/* Whether a field outside of a oneof holds what a reader assumes without it. */
static bool is_default(const ProtobufCFieldDescriptor *field, const void *at) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_MESSAGE: return !*(const void *const *)at;
  case PROTOBUF_C_TYPE_STRING: {
    const char *text = *(const char *const *)at;
    return !text || !*text;
  }
  case PROTOBUF_C_TYPE_BYTES: return ((const ProtobufCBinaryData *)at)->len == 0;
  case PROTOBUF_C_TYPE_BOOL: return !*(const protobuf_c_boolean *)at;
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_DOUBLE: return *(const uint64_t *)at == 0; /* -0.0 is not the default */
  default: return *(const uint32_t *)at == 0;
  }
}

/* The kind that payloads in `message` belong to: its own if it says one, else that of what it stands in. */
static struct bytes kind_of(const ProtobufCMessage *message, struct bytes outer) {
  const ProtobufCFieldDescriptor *field = payload_kind_field(message->descriptor);
  if (!field) return outer;
  return payload_kind_in(*(const char *const *)(const void *)((const char *)message + field->offset));
}

static void put_name(struct writer *out, const char *name) {
  put_char(out, '"');
  for (bool upper = false; *name; name++) {
    if (*name != '_') put_char(out, upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
    upper = *name == '_';
  }
  put_text(out, "\":");
}

static void put_repeated(struct writer *out, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                         size_t count, struct bytes kind) {
  const char *elements = *(const char *const *)(const void *)((const char *)message + field->offset);
  put_char(out, '[');
  for (size_t i = 0; i < count && !out->full; i++) {
    if (i > 0) put_char(out, ',');
    put_value(out, message, field, elements + i * codec_value_size(field->type), kind);
  }
  put_char(out, ']');
}

static void put_message(struct writer *out, const ProtobufCMessage *message, struct bytes outer_kind) {
  struct bytes kind = kind_of(message, outer_kind);
  const char *base = (const char *)message;
  bool first = true;
  put_char(out, '{');
  for (unsigned i = 0; i < message->descriptor->n_fields && !out->full; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    const void *quantifier = base + field->quantifier_offset;
    bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    bool is_oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    size_t count = is_repeated ? *(const size_t *)quantifier : 0;
    if (is_repeated ? count == 0
        : is_oneof  ? *(const uint32_t *)quantifier != field->id
                    : is_default(field, base + field->offset))
      continue;
    if (!first) put_char(out, ',');
    first = false;
    put_name(out, field->name);
    if (is_repeated)
      put_repeated(out, message, field, count, kind);
    else
      put_value(out, message, field, base + field->offset, kind);
  }
  put_char(out, '}');
}

bool json_encode(const struct payload_registry *registry, struct arena *arena, const ProtobufCMessage *message,
                 struct bytes *out) {
  struct writer writer = {.registry = registry, .arena = arena, .cap = 512};
  writer.text = arena_alloc(arena, writer.cap);
  if (!writer.text) return false;
  put_message(&writer, message, bytes_of(NULL, 0));
  *out = bytes_of(writer.text, writer.len);
  return !writer.full;
}
