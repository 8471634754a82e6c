/* JSON text as messages (proto/json.h): jansson parses, a walk along the descriptor takes the values.
 *
 * Values of numbers are read in proto/json_number.c. Every refusal goes through fail(), which puts the path before
 * the reason.
 */
#include "proto/base64.h"
#include "proto/json.h"
#include "proto/json_number.h"
#include "proto/json_text.h"
#include "proto/utf8.h"

#include <jansson.h>
#include <stdio.h>

struct reader {
  const struct payload_registry *registry; /* may be NULL */
  struct arena *arena;
  struct json_error *error;
  char path[128]; /* of the value being read; cut when it does not fit */
  size_t path_len;
};

/* ---- errors ---- */

/* Appends what a client wrote: invalid bytes and control characters become "?", the rest at most `max` bytes. */
static void append_shown(char *to, size_t size, size_t *len, const char *text, size_t text_len, size_t max) {
  size_t start = *len;
  for (size_t i = 0; i < text_len;) {
    uint32_t c;
    size_t n = utf8_next(text + i, text_len - i, &c);
    bool shown = n > 0 && utf8_is_text(text + i, n, UTF8_ONE_LINE);
    size_t add = shown ? n : 1;
    if (*len + add >= size || *len - start + add > max) break;
    memcpy(to + *len, shown ? text + i : "?", add);
    *len += add;
    i += n ? n : 1;
  }
  to[*len] = '\0';
}

static bool fail(struct reader *in, const char *reason) {
  char *text = in->error->text;
  size_t len = 0;
  append_shown(text, sizeof in->error->text, &len, in->path, in->path_len, sizeof in->path);
  if (len > 0) append_shown(text, sizeof in->error->text, &len, ": ", 2, 2);
  append_shown(text, sizeof in->error->text, &len, reason, strlen(reason), sizeof in->error->text);
  return false;
}

/* Memory of the arena, or NULL after noting the fault. */
static void *allocate(struct reader *in, size_t size) {
  void *memory = arena_alloc(in->arena, size);
  if (!memory) fail(in, "the message takes too much memory");
  return memory;
}

/* Enters a field; returns what path_leave needs to go back. */
static size_t path_enter(struct reader *in, const char *name) {
  size_t mark = in->path_len;
  if (mark > 0) append_shown(in->path, sizeof in->path, &in->path_len, ".", 1, 1);
  append_shown(in->path, sizeof in->path, &in->path_len, name, strlen(name), 40);
  return mark;
}

static size_t path_enter_index(struct reader *in, size_t index) {
  size_t mark = in->path_len;
  char text[24];
  int len = snprintf(text, sizeof text, "[%zu]", index);
  append_shown(in->path, sizeof in->path, &in->path_len, text, (size_t)len, sizeof text);
  return mark;
}

static void path_leave(struct reader *in, size_t mark) {
  in->path_len = mark;
}

/* ---- values ---- */

static bool read_message(struct reader *in, const ProtobufCMessageDescriptor *descriptor, json_t *json,
                         struct bytes kind, ProtobufCMessage **out);

static bool read_string(struct reader *in, json_t *json, char **out) {
  if (!json_is_string(json)) return fail(in, "expected a string");
  *out = arena_copy(in->arena, bytes_of(json_string_value(json), json_string_length(json))); /* jansson refuses NUL */
  return *out || fail(in, "the message takes too much memory");
}

static bool read_enum(struct reader *in, const ProtobufCEnumDescriptor *descriptor, json_t *json, int *out) {
  const ProtobufCEnumValue *value = NULL;
  if (json_is_string(json)) {
    value = protobuf_c_enum_descriptor_get_value_by_name(descriptor, json_string_value(json));
  } else if (json_is_integer(json)) {
    json_int_t number = json_integer_value(json);
    if (number >= INT32_MIN && number <= INT32_MAX)
      value = protobuf_c_enum_descriptor_get_value(descriptor, (int)number);
  } else {
    return fail(in, "expected the name of an enum value");
  }
  if (!value) return fail(in, "unknown enum value");
  *out = value->value;
  return true;
}

static bool read_base64(struct reader *in, json_t *json, ProtobufCBinaryData *out) {
  size_t len = json_string_length(json);
  out->data = allocate(in, base64_decoded_max(len));
  if (!out->data) return false;
  return base64_decode(json_string_value(json), len, out->data, &out->len) || fail(in, "not valid base64");
}

/* The object as the text that a kind of JSON gets. */
static bool read_text(struct reader *in, json_t *json, ProtobufCBinaryData *out) {
  size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
  char *text = allocate(in, len);
  if (!text) return false;
  json_dumpb(json, text, len, JSON_COMPACT);
  *out = (ProtobufCBinaryData){.len = len, .data = (uint8_t *)text};
  return true;
}

/* A bytes field: base64, or the object of the kind's message if it holds one. */
static bool read_bytes(struct reader *in, const ProtobufCMessageDescriptor *owner,
                       const ProtobufCFieldDescriptor *field, json_t *json, struct bytes kind,
                       ProtobufCBinaryData *out) {
  enum payload_role role;
  bool is_payload = payload_role_of(owner->name, field->name, &role);
  if (json_is_string(json)) return read_base64(in, json, out);
  if (!is_payload) return fail(in, "expected a string of base64");
  if (!json_is_object(json)) return fail(in, "expected an object, or a string of base64");
  if (in->registry && payload_is_json(in->registry, kind.data, kind.len)) return read_text(in, json, out);
  const ProtobufCMessageDescriptor *descriptor =
      in->registry && kind.len ? payload_find(in->registry, kind.data, kind.len, role) : NULL;
  if (!descriptor) return fail(in, "of an unknown kind, so it must be a string of base64");
  ProtobufCMessage *payload;
  if (!read_message(in, descriptor, json, bytes_of(NULL, 0), &payload)) return false;
  out->data = allocate(in, protobuf_c_message_get_packed_size(payload));
  if (!out->data) return false;
  out->len = protobuf_c_message_pack(payload, out->data);
  return true;
}

/* `to` points to one value in its struct or array. */
static bool read_value(struct reader *in, const ProtobufCMessageDescriptor *owner,
                       const ProtobufCFieldDescriptor *field, json_t *json, struct bytes kind, void *to) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_STRING: return read_string(in, json, to);
  case PROTOBUF_C_TYPE_BYTES: return read_bytes(in, owner, field, json, kind, to);
  case PROTOBUF_C_TYPE_ENUM: return read_enum(in, field->descriptor, json, to);
  case PROTOBUF_C_TYPE_MESSAGE: return read_message(in, field->descriptor, json, kind, to);
  case PROTOBUF_C_TYPE_BOOL:
    if (!json_is_boolean(json)) return fail(in, "expected true or false");
    *(protobuf_c_boolean *)to = json_is_true(json);
    return true;
  default: {
    const char *reason = json_number_read(json, field->type, to);
    return !reason || fail(in, reason);
  }
  }
}

static bool read_repeated(struct reader *in, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          json_t *json, struct bytes kind) {
  if (!json_is_array(json)) return fail(in, "expected an array");
  size_t count = json_array_size(json), size = codec_value_size(field->type);
  if (count > JSON_ELEMENTS_MAX) return fail(in, "too many elements");
  char *elements = allocate(in, count * size);
  if (!elements) return false;
  memset(elements, 0, count * size);
  for (size_t i = 0; i < count; i++) {
    size_t mark = path_enter_index(in, i);
    json_t *element = json_array_get(json, i);
    if (json_is_null(element)) return fail(in, "null is not an element");
    if (!read_value(in, message->descriptor, field, element, kind, elements + i * size)) return false;
    path_leave(in, mark);
  }
  *(size_t *)(void *)((char *)message + field->quantifier_offset) = count;
  *(void **)(void *)((char *)message + field->offset) = elements;
  return true;
}

/* ---- messages ---- */

/* Whether `key` is the field's name as in the .proto file, or in lowerCamelCase. */
static bool name_matches(const char *name, const char *key) {
  if (strcmp(name, key) == 0) return true;
  for (bool upper = false; *name; name++) {
    if (*name != '_') {
      char c = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
      if (*key++ != c) return false;
    }
    upper = *name == '_';
  }
  return !*key;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor, const char *key) {
  for (unsigned i = 0; i < descriptor->n_fields; i++)
    if (name_matches(descriptor->fields[i].name, key)) return &descriptor->fields[i];
  return NULL;
}

/* The kind that payloads in this object belong to: its own if its message can say one, else the outer one. */
static struct bytes kind_of(const ProtobufCMessageDescriptor *descriptor, const json_t *json, struct bytes outer) {
  const ProtobufCFieldDescriptor *field = payload_kind_field(descriptor);
  if (!field) return outer;
  return payload_kind_in(json_string_value(json_object_get(json, field->name))); /* NULL unless it is a string */
}

/* One name and value of an object. `seen` has one entry per field of the message. */
static bool read_field(struct reader *in, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       json_t *json, struct bytes kind, bool *seen) {
  if (!field) return fail(in, "unknown field");
  bool *given = &seen[field - message->descriptor->fields];
  if (*given) return fail(in, "given twice");
  *given = true;
  if (json_is_null(json)) return true;
  if (field->label == PROTOBUF_C_LABEL_REPEATED) return read_repeated(in, message, field, json, kind);
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    uint32_t *set = (uint32_t *)(void *)((char *)message + field->quantifier_offset);
    if (*set != 0) return fail(in, "only one of the alternatives may be given");
    *set = field->id;
  }
  return read_value(in, message->descriptor, field, json, kind, (char *)message + field->offset);
}

static bool read_message(struct reader *in, const ProtobufCMessageDescriptor *descriptor, json_t *json,
                         struct bytes outer_kind, ProtobufCMessage **out) {
  if (!json_is_object(json)) return fail(in, "expected an object");
  ProtobufCMessage *message = allocate(in, descriptor->sizeof_message);
  if (!message) return false;
  protobuf_c_message_init(descriptor, message);
  bool *seen = allocate(in, descriptor->n_fields);
  if (!seen) return false;
  memset(seen, 0, descriptor->n_fields);

  struct bytes kind = kind_of(descriptor, json, outer_kind);
  const char *key;
  json_t *value;
  json_object_foreach(json, key, value) {
    size_t mark = path_enter(in, key);
    if (!read_field(in, message, find_field(descriptor, key), value, kind, seen)) return false;
    path_leave(in, mark);
  }
  *out = message;
  return true;
}

/* ---- what a refused text was about ---- */

static uint32_t peek_u32(const json_t *object, const char *name) {
  uint32_t number = 0;
  json_t *value = json_object_get(object, name);
  return value && !json_number_read(value, PROTOBUF_C_TYPE_UINT32, &number) ? number : 0;
}

/* The same fields as codec_peek finds, in the first alternative that has any. */
static void peek(const json_t *root, const ProtobufCMessageDescriptor *descriptor, struct codec_about *about) {
  about->request = peek_u32(root, "request");
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
    const json_t *body = field->type == PROTOBUF_C_TYPE_MESSAGE ? json_object_get(root, field->name) : NULL;
    const json_t *room = json_object_get(body, "room"); /* NULL of anything but an object */
    if (!body) continue;
    codec_about_room(about, json_string_value(room), json_string_length(room));
    about->number = peek_u32(body, "number");
    if (*about->room || about->number) return;
  }
}

bool json_decode(const struct payload_registry *registry, struct arena *arena,
                 const ProtobufCMessageDescriptor *descriptor, struct bytes text, ProtobufCMessage **out,
                 struct json_error *error) {
  struct reader in = {.registry = registry, .arena = arena, .error = error};
  *out = NULL;
  *error = (struct json_error){0};
  char reason[JSON_TEXT_REASON_MAX];
  json_t *root = json_text_load(text, JSON_DEPTH_MAX, reason);
  if (!root) return fail(&in, reason);
  ProtobufCMessage *message = NULL;
  bool ok = read_message(&in, descriptor, root, bytes_of(NULL, 0), &message);
  if (!ok) peek(root, descriptor, &error->about);
  json_decref(root);
  if (ok) *out = message;
  return ok;
}
