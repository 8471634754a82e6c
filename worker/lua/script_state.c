/* See worker/lua/script_state.h. */
#include "worker/lua/script_state.h"
#include "worker/lua/script_keys.h"
#include "worker/lua/script_sandbox.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <math.h>
#include <stdint.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53 */
#define NAN_BITS  0x7ff8000000000000u

static uint64_t bits_of(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return number != number ? NAN_BITS : bits;
}

static bool is_whole(double number) {
  return fabs(number) <= EXACT_MAX && number == floor(number) && !(number == 0 && signbit(number));
}

/* ---- out ---- */

struct writer {
  struct buf *out;
  size_t start; /* of ours in out */
};

/* Where a value stands, for errors: the last step of the way to it; NULL is the state itself. */
struct place {
  const struct place *up;
  const struct script_key *key;
};

static void put_value(lua_State *L, struct writer *writer, int index, int depth, const struct place *place);

/* Pushes the path of a place as one text. */
static void push_path(lua_State *L, const struct place *place) {
  if (!place) {
    lua_pushliteral(L, "room.state");
    return;
  }
  push_path(L, place->up);
  if (place->key->text)
    lua_pushfstring(L, "%s.%s", lua_tostring(L, -1), place->key->text);
  else
    lua_pushfstring(L, "%s[%f]", lua_tostring(L, -1), place->key->number);
  lua_remove(L, -2);
}

static void fail(lua_State *L, const struct place *place, const char *what, const char *detail) {
  luaL_checkstack(L, 8, "too deep");
  push_path(L, place);
  luaL_error(L, "%s: %s%s", lua_tostring(L, -1), what, detail);
}

static void put_varint(struct writer *writer, uint64_t number) {
  unsigned char *to = buf_reserve(writer->out, 10), *at = to;
  for (; number >= 0x80; number >>= 7) *at++ = (unsigned char)(number | 0x80);
  *at++ = (unsigned char)number;
  writer->out->len += (size_t)(at - to);
}

static void put_number(struct writer *writer, double number) {
  if (is_whole(number)) {
    int64_t whole = (int64_t)number;
    buf_append_char(writer->out, 'i');
    put_varint(writer, ((uint64_t)whole << 1) ^ (whole < 0 ? UINT64_MAX : 0));
    return;
  }
  uint64_t bits = bits_of(number);
  buf_append_char(writer->out, 'd');
  for (int i = 0; i < 8; i++) buf_append_char(writer->out, (char)(bits >> (8 * i)));
}

static void put_text(struct writer *writer, const char *text, size_t len) {
  buf_append_char(writer->out, 's');
  put_varint(writer, len);
  buf_append(writer->out, text, len);
}

/* The value of this key of the table at `index`, which is at `up`. */
static void put_at(lua_State *L, struct writer *writer, int index, const struct script_key *key, int depth,
                   const struct place *up) {
  struct place place = {.up = up, .key = key};
  script_key_get(L, index, key);
  put_value(L, writer, lua_gettop(L), depth, &place);
  lua_pop(L, 1);
}

static void put_key(struct writer *writer, const struct script_key *key) {
  if (key->text)
    put_text(writer, key->text, key->len);
  else
    put_number(writer, key->number);
}

static void put_table(lua_State *L, struct writer *writer, int index, int depth, const struct place *place) {
  const char *odd;
  bool is_array = script_array_is(L, index);
  if (depth == 0) fail(L, place, "tables are nested too deep, or in themselves", "");
  if (!is_array && lua_getmetatable(L, index)) fail(L, place, "a table with a metatable cannot be saved", "");
  luaL_checkstack(L, 8, "too deep");
  size_t sequence = script_keys_sequence(L, index), n;
  struct script_key *keys = script_keys_push(L, index, sequence, &n, &odd);
  if (!keys) fail(L, place, "a key must be a text or a number, and not a ", odd);
  buf_append_char(writer->out, is_array ? '[' : '{');
  put_varint(writer, sequence);
  for (size_t i = 1; i <= sequence; i++)
    put_at(L, writer, index, &(struct script_key){.number = (double)i}, depth - 1, place);
  put_varint(writer, n);
  for (size_t i = 0; i < n; i++) {
    put_key(writer, &keys[i]);
    put_at(L, writer, index, &keys[i], depth - 1, place);
  }
  lua_pop(L, 1);
}

static void put_value(lua_State *L, struct writer *writer, int index, int depth, const struct place *place) {
  size_t len;
  if (writer->out->len - writer->start > SCRIPT_STATE_MAX) fail(L, place, "the state takes more than 1 MiB", "");
  script_vm_charge(L, 1);
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN: buf_append_char(writer->out, lua_toboolean(L, index) ? 't' : 'f'); break;
  case LUA_TNUMBER: put_number(writer, lua_tonumber(L, index)); break;
  case LUA_TTABLE: put_table(L, writer, index, depth, place); break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, index, &len);
    if (len > SCRIPT_STATE_MAX) fail(L, place, "the state takes more than 1 MiB", "");
    put_text(writer, text, len);
    break;
  }
  default: fail(L, place, luaL_typename(L, index), " cannot be saved: it is no plain data");
  }
}

void script_state_append(lua_State *L, int index, struct buf *out) {
  struct writer writer = {.out = out, .start = out->len};
  if (index < 0) index += lua_gettop(L) + 1;
  put_table(L, &writer, index, SCRIPT_STATE_DEPTH_MAX, NULL);
  if (out->len - writer.start > SCRIPT_STATE_MAX) fail(L, NULL, "the state takes more than 1 MiB", "");
}

/* ---- in ---- */

struct reader {
  const unsigned char *at, *end;
};

static bool push_value(lua_State *L, struct reader *in, int depth);

static bool take_varint(struct reader *in, uint64_t *number) {
  *number = 0;
  for (unsigned shift = 0; shift < 63 && in->at < in->end; shift += 7) {
    unsigned char byte = *in->at++;
    *number |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return byte || shift == 0; /* the shortest form */
  }
  return false;
}

static bool push_integer(lua_State *L, struct reader *in) {
  uint64_t zigzag;
  if (!take_varint(in, &zigzag)) return false;
  int64_t whole = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
  if (whole > (int64_t)EXACT_MAX || whole < -(int64_t)EXACT_MAX) return false;
  lua_pushnumber(L, (lua_Number)whole);
  return true;
}

static bool push_double(lua_State *L, struct reader *in) {
  uint64_t bits = 0;
  double number;
  if (in->end - in->at < 8) return false;
  for (int i = 0; i < 8; i++) bits |= (uint64_t)*in->at++ << (8 * i);
  memcpy(&number, &bits, sizeof number);
  if (is_whole(number) || bits_of(number) != bits) return false;
  lua_pushnumber(L, number);
  return true;
}

static bool push_text(lua_State *L, struct reader *in) {
  uint64_t len;
  if (!take_varint(in, &len) || len > (uint64_t)(in->end - in->at)) return false;
  lua_pushlstring(L, (const char *)in->at, (size_t)len);
  in->at += len;
  return true;
}

/* A key in the order of the last one, and not of the sequence 1 to n or its next. */
static bool push_key(lua_State *L, struct reader *in, uint64_t sequence, struct script_key *last, bool first) {
  struct script_key key = {.text = NULL};
  if (in->at == in->end || (*in->at != 'i' && *in->at != 'd' && *in->at != 's')) return false;
  if (!push_value(L, in, 0)) return false;
  if (lua_type(L, -1) == LUA_TSTRING) {
    key.text = lua_tolstring(L, -1, &key.len);
  } else {
    key.number = lua_tonumber(L, -1);
    bool whole = key.number == floor(key.number);
    if (key.number != key.number || (whole && key.number >= 1 && key.number <= (double)sequence + 1)) return false;
    if (key.number == 0 && signbit(key.number)) return false; /* as a key it is 0 */
  }
  if (!first && script_key_compare(last, &key) >= 0) return false;
  *last = key;
  return true;
}

/* Every value takes a byte at least: a count over what is left is a lie, and nothing is made for it. */
static bool take_count(struct reader *in, uint64_t bytes_each, uint64_t *n) {
  return take_varint(in, n) && *n <= (uint64_t)(in->end - in->at) / bytes_each;
}

/* The table is at the top, and stays there in any case. */
static bool fill_table(lua_State *L, struct reader *in, uint64_t sequence, int depth) {
  struct script_key last = {.text = NULL};
  uint64_t n;
  for (uint64_t i = 1; i <= sequence; i++) {
    if (!push_value(L, in, depth)) return false;
    lua_rawseti(L, -2, (int)i);
  }
  if (!take_count(in, 2, &n)) return false;
  int table = lua_gettop(L);
  for (uint64_t i = 0; i < n; i++) {
    if (!push_key(L, in, sequence, &last, i == 0) || !push_value(L, in, depth)) {
      lua_settop(L, table);
      return false;
    }
    lua_rawset(L, table);
  }
  return true;
}

static bool push_table(lua_State *L, struct reader *in, bool is_array, int depth) {
  uint64_t sequence;
  if (depth == 0 || !take_count(in, 1, &sequence)) return false;
  luaL_checkstack(L, 8, "too deep");
  lua_createtable(L, sequence < 64 ? (int)sequence : 64, 0);
  if (!fill_table(L, in, sequence, depth - 1)) {
    lua_pop(L, 1);
    return false;
  }
  if (is_array) script_array_mark(L, -1);
  return true;
}

/* Exactly one, or false and none. */
static bool push_value(lua_State *L, struct reader *in, int depth) {
  if (in->at == in->end) return false;
  unsigned char tag = *in->at++;
  switch (tag) {
  case 'f':
  case 't': lua_pushboolean(L, tag == 't'); return true;
  case 'i': return push_integer(L, in);
  case 'd': return push_double(L, in);
  case 's': return push_text(L, in);
  case '{':
  case '[': return push_table(L, in, tag == '[', depth);
  default: return false;
  }
}

bool script_state_push(lua_State *L, struct bytes bytes) {
  struct reader in = {.at = bytes.data, .end = bytes.data ? (const unsigned char *)bytes.data + bytes.len : NULL};
  if (bytes.len > SCRIPT_STATE_MAX || bytes.len == 0) return false;
  if (*in.at != '{' && *in.at != '[') return false;
  if (!push_value(L, &in, SCRIPT_STATE_DEPTH_MAX)) return false;
  if (in.at == in.end) return true;
  lua_pop(L, 1);
  return false;
}
