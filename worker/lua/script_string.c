/* See worker/lua/script_string.h. The functions do what the manual of Lua 5.1 says. */
#include "worker/lua/script_string.h"
#include "worker/lua/script_pattern.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

/* ---- matching ---- */

static struct bytes string_arg(lua_State *L, int index) {
  struct bytes bytes;
  bytes.data = luaL_checklstring(L, index, &bytes.len);
  return bytes;
}

static bool find_next(lua_State *L, struct pattern *pattern, size_t from) {
  struct script_vm *vm = script_vm_of(L);
  uint64_t steps = pattern->steps = vm->left > 0 ? (uint64_t)vm->left : 0;
  enum pattern_found found = pattern_find(pattern, from);
  script_vm_charge(L, found == PATTERN_SPENT ? steps + 1 : steps - pattern->steps);
  if (found == PATTERN_WRONG) luaL_error(L, "%s", pattern->fault);
  return found == PATTERN_FOUND;
}

static void push_part(lua_State *L, const struct pattern *pattern, size_t from, size_t len) {
  lua_pushlstring(L, (const char *)pattern->subject.data + from, len);
}

/* The capture of this index, from 0; the whole match if there are none and it is 0. */
static void push_capture(lua_State *L, const struct pattern *pattern, size_t index) {
  if (index >= pattern->n_captures) {
    if (index > 0) luaL_error(L, "invalid capture index");
    push_part(L, pattern, pattern->from, pattern->end - pattern->from);
    return;
  }
  const struct pattern_capture *capture = &pattern->captures[index];
  if (capture->what == CAPTURE_POSITION)
    lua_pushinteger(L, (lua_Integer)capture->from + 1);
  else
    push_part(L, pattern, capture->from, capture->len);
}

/* All captures; the whole match if there are none and it is wanted. */
static int push_captures(lua_State *L, const struct pattern *pattern, bool whole) {
  size_t n = pattern->n_captures ? pattern->n_captures : whole;
  luaL_checkstack(L, (int)n, "too many captures");
  for (size_t i = 0; i < n; i++) push_capture(L, pattern, i);
  return (int)n;
}

/* Where to begin, from 0, as the optional third argument says. */
static size_t start_arg(lua_State *L, size_t len) {
  lua_Integer at = luaL_optinteger(L, 3, 1);
  if (at < 0) at += (lua_Integer)len + 1;
  if (at < 1) at = 1;
  return (size_t)at - 1 < len ? (size_t)at - 1 : len;
}

static int find_plain(lua_State *L, struct bytes subject, struct bytes text, size_t from) {
  script_vm_charge(L, subject.len / 16);
  const char *at = text.len ? memmem((const char *)subject.data + from, subject.len - from, text.data, text.len)
                            : (const char *)subject.data + from;
  if (!at) return 0;
  lua_Integer first = at - (const char *)subject.data + 1;
  lua_pushinteger(L, first);
  lua_pushinteger(L, first + (lua_Integer)text.len - 1);
  return 2;
}

/* A pattern without anything special is just text, of any length. */
static bool is_plain(struct bytes text) {
  const char *c = text.data;
  for (size_t i = 0; i < text.len; i++)
    if (c[i] == '\0' || strchr("^$*+?.([%-", c[i])) return false;
  return true;
}

static int string_find(lua_State *L) {
  struct pattern pattern = {.subject = string_arg(L, 1), .text = string_arg(L, 2)};
  size_t from = start_arg(L, pattern.subject.len);
  if (lua_toboolean(L, 4) || is_plain(pattern.text)) return find_plain(L, pattern.subject, pattern.text, from);
  if (!find_next(L, &pattern, from)) return 0;
  lua_pushinteger(L, (lua_Integer)pattern.from + 1);
  lua_pushinteger(L, (lua_Integer)pattern.end);
  return 2 + push_captures(L, &pattern, false);
}

static int string_match(lua_State *L) {
  struct pattern pattern = {.subject = string_arg(L, 1), .text = string_arg(L, 2)};
  return find_next(L, &pattern, start_arg(L, pattern.subject.len)) ? push_captures(L, &pattern, true) : 0;
}

/* Upvalues: subject, pattern, where to go on. */
static int gmatch_next(lua_State *L) {
  struct pattern pattern = {.subject = string_arg(L, lua_upvalueindex(1)),
                            .text = string_arg(L, lua_upvalueindex(2))};
  size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
  if (from > pattern.subject.len || !find_next(L, &pattern, from)) return 0;
  lua_pushinteger(L, (lua_Integer)(pattern.end > pattern.from ? pattern.end : pattern.end + 1));
  lua_replace(L, lua_upvalueindex(3));
  return push_captures(L, &pattern, true);
}

static int string_gmatch(lua_State *L) {
  string_arg(L, 1);
  struct bytes text = string_arg(L, 2);
  if (text.len && *(const char *)text.data == '^') return luaL_error(L, "a pattern of gmatch may not begin with '^'");
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, gmatch_next, 3);
  return 1;
}

/* ---- gsub ---- */

static void add_text(lua_State *L, luaL_Buffer *out, const struct pattern *pattern, struct bytes text) {
  const char *c = text.data;
  for (size_t i = 0; i < text.len; i++) {
    if (c[i] != '%' || ++i == text.len) {
      luaL_addchar(out, c[i < text.len ? i : i - 1]);
    } else if (c[i] < '0' || c[i] > '9') {
      luaL_addchar(out, c[i]);
    } else if (c[i] == '0') {
      push_part(L, pattern, pattern->from, pattern->end - pattern->from);
      luaL_addvalue(out);
    } else {
      push_capture(L, pattern, (size_t)(c[i] - '1'));
      luaL_addvalue(out);
    }
  }
}

/* What stands in for one match, by the third argument. */
static void add_replacement(lua_State *L, luaL_Buffer *out, const struct pattern *pattern) {
  switch (lua_type(L, 3)) {
  case LUA_TTABLE:
    push_capture(L, pattern, 0);
    lua_gettable(L, 3);
    break;
  case LUA_TFUNCTION:
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(L, pattern, true), 1);
    break;
  default: add_text(L, out, pattern, string_arg(L, 3)); return;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    push_part(L, pattern, pattern->from, pattern->end - pattern->from);
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  }
  luaL_addvalue(out);
}

static int string_gsub(lua_State *L) {
  struct pattern pattern = {.subject = string_arg(L, 1), .text = string_arg(L, 2)};
  const char *subject = pattern.subject.data;
  bool anchored = pattern.text.len && *(const char *)pattern.text.data == '^';
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)pattern.subject.len + 1), done = 0;
  int type = lua_type(L, 3);
  luaL_argcheck(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                "string/function/table expected");
  if (type == LUA_TNUMBER) lua_tostring(L, 3);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  size_t at = 0;
  while (done < most && at <= pattern.subject.len && find_next(L, &pattern, at)) {
    done++;
    luaL_addlstring(&out, subject + at, pattern.from - at);
    add_replacement(L, &out, &pattern);
    at = pattern.end;
    if (pattern.end == pattern.from && at < pattern.subject.len) luaL_addchar(&out, subject[at]);
    if (pattern.end == pattern.from) at++;
    if (anchored) break;
  }
  if (at < pattern.subject.len) luaL_addlstring(&out, subject + at, pattern.subject.len - at);
  luaL_pushresult(&out);
  lua_pushinteger(L, done);
  return 2;
}

/* ---- others ---- */

/* Upvalue: Lua's own. Pays for the strings among its arguments and for the length of a table in front, then calls. */
static int call_charged(lua_State *L) {
  int n = lua_gettop(L);
  uint64_t steps = lua_istable(L, 1) ? lua_objlen(L, 1) / 4 : 0;
  for (int i = 1; i <= n; i++)
    if (lua_type(L, i) == LUA_TSTRING) steps += lua_objlen(L, i) / 16;
  script_vm_charge(L, steps);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, LUA_MULTRET);
  return lua_gettop(L);
}

static int string_rep(lua_State *L) {
  size_t len = string_arg(L, 1).len;
  lua_Number n = luaL_checknumber(L, 2);
  if (len == 0 || !(n >= 1)) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (n > (lua_Number)SCRIPT_REP_MAX / (lua_Number)len) return luaL_error(L, "resulting string too long");
  lua_settop(L, 2);
  script_vm_charge(L, (uint64_t)n * len / 16);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

/* The library's function becomes the upvalue of `function`. */
static void wrap(lua_State *L, const char *name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

void script_string_install(lua_State *L) {
  static const luaL_Reg ours[] = {
      {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL}};
  static const char *const charged[] = {"byte", "format", "lower", "reverse", "sub", "upper"};
  luaL_register(L, NULL, ours);
  wrap(L, "rep", string_rep);
  for (size_t i = 0; i < sizeof charged / sizeof *charged; i++) wrap(L, charged[i], call_charged);
}

void script_table_install(lua_State *L) {
  static const char *const charged[] = {"concat", "insert", "remove", "sort"};
  for (size_t i = 0; i < sizeof charged / sizeof *charged; i++) wrap(L, charged[i], call_charged);
}
