/* See worker/lua/script_json.h. */
#include "worker/lua/script_json.h"
#include "proto/json.h"
#include "proto/json_text.h"
#include "proto/utf8.h"
#include "worker/lua/script_keys.h"
#include "worker/lua/script_sandbox.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53 */
#define BOX       "heya.json"

/* ---- in ---- */

/* jansson's value in a userdata, so that it is released also when an error of Lua's goes past. */
static int box_close(lua_State *L) {
  json_t **box = lua_touserdata(L, 1);
  json_decref(*box);
  *box = NULL;
  return 0;
}

static json_t **box_push(lua_State *L) {
  json_t **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  if (luaL_newmetatable(L, BOX)) {
    lua_pushcfunction(L, box_close);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return box;
}

/* Pushes exactly one value, or fails with nothing pushed. */
static bool push_value(lua_State *L, json_t *json, const char **reason);

static bool push_object(lua_State *L, json_t *json, const char **reason) {
  const char *name;
  json_t *value;
  lua_createtable(L, 0, (int)json_object_size(json));
  json_object_foreach(json, name, value) {
    if (!push_value(L, value, reason)) {
      lua_pop(L, 1);
      return false;
    }
    lua_setfield(L, -2, name);
  }
  return true;
}

static bool push_array(lua_State *L, json_t *json, const char **reason) {
  size_t n = json_array_size(json);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    json_t *value = json_array_get(json, i);
    if (json_is_null(value)) *reason = "null in an array";
    if (json_is_null(value) || !push_value(L, value, reason)) {
      lua_pop(L, 1);
      return false;
    }
    lua_rawseti(L, -2, (int)i + 1);
  }
  script_array_mark(L, -1);
  return true;
}

static bool push_integer(lua_State *L, json_int_t number, const char **reason) {
  if (number > (json_int_t)EXACT_MAX || number < -(json_int_t)EXACT_MAX) {
    *reason = "an integer beyond 2^53";
    return false;
  }
  lua_pushnumber(L, (lua_Number)number);
  return true;
}

static bool push_value(lua_State *L, json_t *json, const char **reason) {
  luaL_checkstack(L, 4, "too deep");
  switch (json_typeof(json)) {
  case JSON_OBJECT: return push_object(L, json, reason);
  case JSON_ARRAY: return push_array(L, json, reason);
  case JSON_STRING: lua_pushlstring(L, json_string_value(json), json_string_length(json)); return true;
  case JSON_INTEGER: return push_integer(L, json_integer_value(json), reason);
  case JSON_REAL: lua_pushnumber(L, json_real_value(json)); return true;
  case JSON_TRUE:
  case JSON_FALSE: lua_pushboolean(L, json_is_true(json)); return true;
  case JSON_NULL: lua_pushnil(L); return true;
  }
  *reason = "it cannot be read";
  return false;
}

bool script_json_push(lua_State *L, struct bytes text, char reason[SCRIPT_REASON_MAX]) {
  char syntax[JSON_TEXT_REASON_MAX];
  const char *why = "not an object";
  if (text.len == 0) {
    lua_newtable(L);
    return true;
  }
  json_t **box = box_push(L);
  *box = json_text_load(text, JSON_PAYLOAD_DEPTH_MAX, syntax);
  bool pushed = *box && json_is_object(*box) && push_value(L, *box, &why);
  if (!pushed) snprintf(reason, SCRIPT_REASON_MAX, "%.*s", SCRIPT_REASON_MAX - 1, *box ? why : syntax);
  json_decref(*box);
  *box = NULL;
  lua_remove(L, pushed ? -2 : -1);
  return pushed;
}

/* ---- out ---- */

/* Where a value stands, for errors: the last step of the way to it; NULL is the payload itself. */
struct place {
  const struct place *up;
  const char *name; /* NULL: of an array */
  size_t number;
};

static void put_value(lua_State *L, struct buf *out, int index, int depth, const struct place *place);

/* Pushes the path of a place as one text, "" for the payload. */
static void push_path(lua_State *L, const struct place *place) {
  if (!place) {
    lua_pushliteral(L, "");
    return;
  }
  push_path(L, place->up);
  const char *up = lua_tostring(L, -1);
  if (place->name)
    lua_pushfstring(L, "%s%s%s", up, *up ? "." : "", place->name);
  else
    lua_pushfstring(L, "%s[%d]", up, (int)place->number);
  lua_remove(L, -2);
}

static void fail(lua_State *L, const struct place *place, const char *what, const char *detail) {
  luaL_checkstack(L, 8, "too deep");
  push_path(L, place);
  luaL_error(L, "not JSON: %s%s%s%s", lua_tostring(L, -1), place ? ": " : "", what, detail);
}

static void put_string(lua_State *L, struct buf *out, struct bytes text, const struct place *place) {
  static const char hex[] = "0123456789abcdef";
  const char *c = text.data;
  if (!utf8_is_valid(text.data, text.len)) fail(L, place, "a text that is not UTF-8", "");
  if (text.len && memchr(text.data, '\0', text.len)) fail(L, place, "a text with a zero byte", "");
  buf_append_char(out, '"');
  for (size_t i = 0; i < text.len; i++) {
    unsigned char byte = (unsigned char)c[i];
    if (byte == '"' || byte == '\\') buf_append_char(out, '\\');
    if (byte < 0x20) {
      buf_append_str(out, "\\u00");
      buf_append_char(out, hex[byte >> 4]);
      buf_append_char(out, hex[byte & 15]);
    } else {
      buf_append_char(out, c[i]);
    }
  }
  buf_append_char(out, '"');
}

static void put_number(lua_State *L, struct buf *out, lua_Number number, const struct place *place) {
  if (!isfinite(number)) fail(L, place, "a number that is not finite", "");
  if (number == floor(number) && fabs(number) <= EXACT_MAX)
    buf_printf(out, "%.0f", number == 0 ? 0.0 : number);
  else
    buf_printf(out, "%.17g", number);
}

static void put_array(lua_State *L, struct buf *out, int index, size_t n, int depth, const struct place *up) {
  buf_append_char(out, '[');
  for (size_t i = 1; i <= n; i++) {
    struct place place = {.up = up, .number = i};
    if (i > 1) buf_append_char(out, ',');
    lua_rawgeti(L, index, (int)i);
    put_value(L, out, lua_gettop(L), depth, &place);
    lua_pop(L, 1);
  }
  buf_append_char(out, ']');
}

static void put_object(lua_State *L, struct buf *out, int index, const struct script_key *keys, size_t n, int depth,
                       const struct place *up) {
  buf_append_char(out, '{');
  for (size_t i = 0; i < n; i++) {
    struct place place = {.up = up, .name = keys[i].text};
    if (i > 0) buf_append_char(out, ',');
    put_string(L, out, bytes_of(keys[i].text, keys[i].len), &place);
    buf_append_char(out, ':');
    script_key_get(L, index, &keys[i]);
    put_value(L, out, lua_gettop(L), depth, &place);
    lua_pop(L, 1);
  }
  buf_append_char(out, '}');
}

/* An array if it is marked as one, or has 1 to n and nothing else; {} is an object. */
static void put_table(lua_State *L, struct buf *out, int index, int depth, const struct place *place) {
  const char *odd = NULL;
  size_t sequence = script_keys_sequence(L, index), n;
  if (depth == 0) fail(L, place, "nested too deep", " (or in itself)");
  luaL_checkstack(L, 8, "too deep");
  struct script_key *keys = script_keys_push(L, index, sequence, &n, &odd);
  if (!keys) fail(L, place, "a key that is a ", odd);
  if (n == 0 && (sequence > 0 || script_array_is(L, index))) {
    put_array(L, out, index, sequence, depth - 1, place);
  } else if (sequence > 0 || (n && !keys[0].text)) {
    fail(L, place, "keys that are numbers, and not 1 to n", "");
  } else {
    put_object(L, out, index, keys, n, depth - 1, place);
  }
  lua_pop(L, 1);
}

static void put_value(lua_State *L, struct buf *out, int index, int depth, const struct place *place) {
  if (out->len > SCRIPT_PAYLOAD_MAX) fail(L, place, "over 256 KiB", "");
  script_vm_charge(L, 1);
  switch (lua_type(L, index)) {
  case LUA_TTABLE: put_table(L, out, index, depth, place); break;
  case LUA_TNUMBER: put_number(L, out, lua_tonumber(L, index), place); break;
  case LUA_TBOOLEAN: buf_append_str(out, lua_toboolean(L, index) ? "true" : "false"); break;
  case LUA_TSTRING: {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    script_vm_charge(L, len / 8);
    put_string(L, out, bytes_of(text, len), place);
    break;
  }
  default: fail(L, place, "a ", luaL_typename(L, index));
  }
}

void script_json_append(lua_State *L, int index, struct buf *out) {
  if (index < 0) index += lua_gettop(L) + 1;
  if (!lua_istable(L, index)) fail(L, NULL, "a payload is a table, not a ", luaL_typename(L, index));
  if (script_array_is(L, index) || script_keys_sequence(L, index)) fail(L, NULL, "a payload is no array", "");
  put_table(L, out, index, JSON_PAYLOAD_DEPTH_MAX, NULL);
  if (out->len > SCRIPT_PAYLOAD_MAX) fail(L, NULL, "over 256 KiB", "");
}
