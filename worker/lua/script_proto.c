/* See worker/lua/script_proto.h. A walk along the descriptor in each direction. */
#include "worker/lua/script_proto.h"
#include "proto/codec.h"
#include "worker/lua/script_sandbox.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static bool is_exact(int64_t number) {
  return number <= (int64_t)EXACT_MAX && number >= -(int64_t)EXACT_MAX;
}

/* ---- in ---- */

/* Exactly one value, or false with none. */
static bool push_message(lua_State *L, const ProtobufCMessage *message);

static void push_enum(lua_State *L, const ProtobufCEnumDescriptor *descriptor, int number) {
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(descriptor, number);
  lua_pushstring(L, value ? value->name : ""); /* the codec lets only known ones in */
}

/* `at` points to one value in its struct or array. */
static bool push_value(lua_State *L, const ProtobufCFieldDescriptor *field, const void *at) {
  switch (field->type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32: lua_pushnumber(L, *(const int32_t *)at); return true;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32: lua_pushnumber(L, *(const uint32_t *)at); return true;
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64:
    if (!is_exact(*(const int64_t *)at)) return false;
    lua_pushnumber(L, (lua_Number) * (const int64_t *)at);
    return true;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64:
    if (*(const uint64_t *)at > (uint64_t)EXACT_MAX) return false;
    lua_pushnumber(L, (lua_Number) * (const uint64_t *)at);
    return true;
  case PROTOBUF_C_TYPE_FLOAT: lua_pushnumber(L, (lua_Number) * (const float *)at); return true;
  case PROTOBUF_C_TYPE_DOUBLE: lua_pushnumber(L, *(const double *)at); return true;
  case PROTOBUF_C_TYPE_BOOL: lua_pushboolean(L, *(const protobuf_c_boolean *)at); return true;
  case PROTOBUF_C_TYPE_ENUM: push_enum(L, field->descriptor, *(const int *)at); return true;
  case PROTOBUF_C_TYPE_STRING: lua_pushstring(L, *(const char *const *)at); return true;
  case PROTOBUF_C_TYPE_BYTES: {
    const ProtobufCBinaryData *bytes = at;
    lua_pushlstring(L, bytes->len ? (const char *)bytes->data : "", bytes->len);
    return true;
  }
  case PROTOBUF_C_TYPE_MESSAGE: {
    const ProtobufCMessage *message = *(const ProtobufCMessage *const *)at;
    if (message) return push_message(L, message);
    lua_pushnil(L);
    return true;
  }
  }
  return false;
}

static bool push_repeated(lua_State *L, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *base = (const char *)message;
  size_t n = *(const size_t *)(const void *)(base + field->quantifier_offset);
  const char *elements = *(const char *const *)(const void *)(base + field->offset);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    if (!push_value(L, field, elements + i * codec_value_size(field->type))) {
      lua_pop(L, 1);
      return false;
    }
    lua_rawseti(L, -2, (int)i + 1);
  }
  return true;
}

static bool push_message(lua_State *L, const ProtobufCMessage *message) {
  const ProtobufCMessageDescriptor *descriptor = message->descriptor;
  const char *base = (const char *)message;
  luaL_checkstack(L, 8, "too deep");
  lua_createtable(L, 0, (int)descriptor->n_fields);
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
      continue;
    bool pushed = field->label == PROTOBUF_C_LABEL_REPEATED ? push_repeated(L, message, field)
                                                            : push_value(L, field, base + field->offset);
    if (!pushed) {
      lua_pop(L, 1);
      return false;
    }
    lua_setfield(L, -2, field->name);
  }
  return true;
}

bool script_proto_push(lua_State *L, struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                       struct bytes bytes, char reason[SCRIPT_REASON_MAX]) {
  ProtobufCMessage *message = NULL;
  enum codec_result result = codec_unpack(&codec_limits_client, descriptor, arena, bytes.data, bytes.len, &message);
  if (result != CODEC_OK) {
    snprintf(reason, SCRIPT_REASON_MAX, "%s", codec_result_text(result));
    return false;
  }
  if (push_message(L, message)) return true;
  snprintf(reason, SCRIPT_REASON_MAX, "a number beyond 2^53");
  return false;
}

/* ---- out ---- */

struct taker {
  struct arena *arena;
  char path[80]; /* of the value being taken; cut when it does not fit */
  size_t path_len;
};

static ProtobufCMessage *take_message(lua_State *L, struct taker *taker, int index,
                                      const ProtobufCMessageDescriptor *descriptor);

_Noreturn static void fail(lua_State *L, const struct taker *taker, const char *what) {
  luaL_error(L, "not a message of this kind: %s%s%s", taker->path, taker->path_len ? ": " : "", what);
  abort(); /* luaL_error does not return, but does not say so */
}

static void *allocate(lua_State *L, struct taker *taker, size_t size) {
  void *memory = arena_alloc(taker->arena, size);
  if (!memory) fail(L, taker, "it takes too much memory");
  memset(memory, 0, size);
  return memory;
}

static size_t path_enter(struct taker *taker, const char *name, size_t number) {
  size_t mark = taker->path_len, space = sizeof taker->path - mark;
  int len = name ? snprintf(taker->path + mark, space, "%s%.40s", mark ? "." : "", name)
                 : snprintf(taker->path + mark, space, "[%zu]", number);
  taker->path_len = len < 0 || (size_t)len >= space ? sizeof taker->path - 1 : mark + (size_t)len;
  return mark;
}

static void path_leave(struct taker *taker, size_t mark) {
  taker->path_len = mark;
  taker->path[mark] = '\0';
}

/* A whole number within the bounds. */
static double whole_at(lua_State *L, struct taker *taker, double least, double most) {
  if (lua_type(L, -1) != LUA_TNUMBER) fail(L, taker, "expected a number");
  double number = lua_tonumber(L, -1);
  if (number != floor(number)) fail(L, taker, "expected a whole number");
  if (!(number >= least && number <= most)) fail(L, taker, "a number out of range");
  return number;
}

static double number_at(lua_State *L, struct taker *taker) {
  if (lua_type(L, -1) != LUA_TNUMBER) fail(L, taker, "expected a number");
  return lua_tonumber(L, -1);
}

static int enum_at(lua_State *L, struct taker *taker, const ProtobufCEnumDescriptor *descriptor) {
  const ProtobufCEnumValue *value =
      lua_type(L, -1) == LUA_TSTRING ? protobuf_c_enum_descriptor_get_value_by_name(descriptor, lua_tostring(L, -1))
                                     : NULL;
  if (!value) fail(L, taker, "expected the name of an enum value");
  return value->value;
}

static struct bytes text_at(lua_State *L, struct taker *taker) {
  struct bytes text;
  if (lua_type(L, -1) != LUA_TSTRING) fail(L, taker, "expected a text");
  text.data = lua_tolstring(L, -1, &text.len);
  struct bytes copy = bytes_of(arena_copy(taker->arena, text), text.len);
  if (!copy.data) fail(L, taker, "it takes too much memory");
  return copy;
}

/* The value at the top, which is not nil, into one place in a struct or array. */
static void take_value(lua_State *L, struct taker *taker, const ProtobufCFieldDescriptor *field, void *to) {
  script_vm_charge(L, 1);
  switch (field->type) {
  case PROTOBUF_C_TYPE_INT32:
  case PROTOBUF_C_TYPE_SINT32:
  case PROTOBUF_C_TYPE_SFIXED32: *(int32_t *)to = (int32_t)whole_at(L, taker, INT32_MIN, INT32_MAX); break;
  case PROTOBUF_C_TYPE_UINT32:
  case PROTOBUF_C_TYPE_FIXED32: *(uint32_t *)to = (uint32_t)whole_at(L, taker, 0, UINT32_MAX); break;
  case PROTOBUF_C_TYPE_INT64:
  case PROTOBUF_C_TYPE_SINT64:
  case PROTOBUF_C_TYPE_SFIXED64: *(int64_t *)to = (int64_t)whole_at(L, taker, -EXACT_MAX, EXACT_MAX); break;
  case PROTOBUF_C_TYPE_UINT64:
  case PROTOBUF_C_TYPE_FIXED64: *(uint64_t *)to = (uint64_t)whole_at(L, taker, 0, EXACT_MAX); break;
  case PROTOBUF_C_TYPE_FLOAT: *(float *)to = (float)number_at(L, taker); break;
  case PROTOBUF_C_TYPE_DOUBLE: *(double *)to = number_at(L, taker); break;
  case PROTOBUF_C_TYPE_BOOL:
    if (!lua_isboolean(L, -1)) fail(L, taker, "expected true or false");
    *(protobuf_c_boolean *)to = lua_toboolean(L, -1);
    break;
  case PROTOBUF_C_TYPE_ENUM: *(int *)to = enum_at(L, taker, field->descriptor); break;
  case PROTOBUF_C_TYPE_STRING: {
    struct bytes text = text_at(L, taker);
    if (text.len && memchr(text.data, '\0', text.len)) fail(L, taker, "a text with a zero byte");
    *(const char **)to = text.data;
    break;
  }
  case PROTOBUF_C_TYPE_BYTES: {
    struct bytes text = text_at(L, taker);
    union {
      const void *in;
      uint8_t *out;
    } data = {.in = text.data};
    *(ProtobufCBinaryData *)to = (ProtobufCBinaryData){.len = text.len, .data = data.out};
    break;
  }
  case PROTOBUF_C_TYPE_MESSAGE:
    *(ProtobufCMessage **)to = take_message(L, taker, lua_gettop(L), field->descriptor);
    break;
  }
}

static void take_repeated(lua_State *L, struct taker *taker, const ProtobufCFieldDescriptor *field, char *base) {
  if (!lua_istable(L, -1)) fail(L, taker, "expected an array");
  size_t n = lua_objlen(L, -1), size = codec_value_size(field->type);
  if (n > codec_limits_internal.elements) fail(L, taker, "too many elements");
  char *elements = allocate(L, taker, n * size);
  for (size_t i = 0; i < n; i++) {
    size_t mark = path_enter(taker, NULL, i + 1);
    lua_rawgeti(L, -1, (int)i + 1);
    if (lua_isnil(L, -1)) fail(L, taker, "a hole in an array");
    take_value(L, taker, field, elements + i * size);
    lua_pop(L, 1);
    path_leave(taker, mark);
  }
  *(size_t *)(void *)(base + field->quantifier_offset) = n;
  *(void **)(void *)(base + field->offset) = elements;
}

static void take_field(lua_State *L, struct taker *taker, const ProtobufCFieldDescriptor *field, char *base) {
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    take_repeated(L, taker, field, base);
    return;
  }
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    uint32_t *set = (uint32_t *)(void *)(base + field->quantifier_offset);
    if (*set) fail(L, taker, "only one of the alternatives may be given");
    *set = field->id;
  }
  take_value(L, taker, field, base + field->offset);
}

static ProtobufCMessage *take_message(lua_State *L, struct taker *taker, int index,
                                      const ProtobufCMessageDescriptor *descriptor) {
  if (!lua_istable(L, index)) fail(L, taker, "expected a table");
  luaL_checkstack(L, 8, "too deep");
  ProtobufCMessage *message = allocate(L, taker, descriptor->sizeof_message);
  protobuf_c_message_init(descriptor, message);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) != LUA_TSTRING) fail(L, taker, "a name that is no text");
    const char *name = lua_tostring(L, -2);
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
    size_t mark = path_enter(taker, name, 0);
    if (!field) fail(L, taker, "unknown field");
    take_field(L, taker, field, (char *)message);
    path_leave(taker, mark);
    lua_pop(L, 1);
  }
  return message;
}

void script_proto_append(lua_State *L, int index, struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                         struct buf *out) {
  struct taker taker = {.arena = arena};
  if (index < 0) index += lua_gettop(L) + 1;
  ProtobufCMessage *message = take_message(L, &taker, index, descriptor);
  enum codec_result result = codec_check(&codec_limits_internal, message);
  if (result != CODEC_OK) fail(L, &taker, codec_result_text(result));
  size_t size = protobuf_c_message_get_packed_size(message);
  if (size > SCRIPT_PAYLOAD_MAX) fail(L, &taker, "over 256 KiB");
  script_vm_charge(L, size / 16);
  out->len += protobuf_c_message_pack(message, buf_reserve(out, size));
}
