/* See worker/lua/script_sandbox.h. Every room has an interpreter of its own, so what a script breaks here is its own
 * room's; the locks are for mistakes, since a global that is changed in a game is forgotten with the worker. */
#include "worker/lua/script_sandbox.h"
#include "common/bytes.h"
#include "proto/utf8.h"
#include "worker/lua/script_call.h"
#include "worker/lua/script_string.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#define ARRAY_MARK "heya.array"

static const struct {
  const char *library; /* "": the globals */
  const char *names[28];
} allowed[] = {
    {"",
     {"assert", "error", "getmetatable", "ipairs", "next", "pairs", "rawequal", "rawget", "select", "setmetatable",
      "tonumber", "tostring", "type", "unpack"}},
    {"math", {"abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh", "deg", "exp",
              "floor", "fmod", "frexp", "huge", "ldexp", "log",  "log10", "max",  "min", "modf",
              "pi",    "pow",  "rad",   "sin",  "sinh",  "sqrt", "tan",   "tanh"}},
    {"string",
     {"byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper"}},
    {"table", {"concat", "insert", "remove", "sort"}},
    {"bit", {"arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift", "tobit", "tohex"}},
};

/* ---- functions of ours ---- */

#define CATCH_STEPS 500 /* unwinding takes as long as so many instructions */

/* Lua's pcall, but what stops a script passes through it. */
static int sandbox_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  if (status) script_vm_charge(L, CATCH_STEPS); /* does not return after a stop */
  lua_pushboolean(L, status == 0);
  lua_insert(L, 1);
  return lua_gettop(L);
}

static int sandbox_print(lua_State *L) {
  luaL_Buffer line;
  int n = lua_gettop(L);
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&line, ' ');
    switch (lua_type(L, i)) {
    case LUA_TSTRING:
    case LUA_TNUMBER: lua_pushvalue(L, i); break;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, i) ? "true" : "false"); break;
    default: lua_pushstring(L, luaL_typename(L, i)); break;
    }
    luaL_addvalue(&line);
  }
  luaL_pushresult(&line);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  script_call_say(L, bytes_of(text, len));
  return 0;
}

static int sandbox_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_getmetatable(L, 1) && !script_array_is(L, 1)) return luaL_error(L, "it has a metatable already");
  lua_settop(L, 1);
  script_array_mark(L, 1);
  return 1;
}

/* text.valid(s): on one line; text.valid(s, true): newlines and tabs are fine. */
static int text_valid(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  script_vm_charge(L, len / 4);
  lua_pushboolean(L, utf8_is_text(text, len, lua_toboolean(L, 2) ? UTF8_LINES : UTF8_ONE_LINE));
  return 1;
}

/* text.cut(s, max): as much of it as is at most `max` bytes and does not end within a character. */
static int text_cut(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_Number max = luaL_checknumber(L, 2);
  script_vm_charge(L, len / 4);
  lua_pushlstring(L, text, max >= 1 ? utf8_cut(text, len, max < (lua_Number)len ? (size_t)max : len) : 0);
  return 1;
}

/* ---- locked tables ---- */

static int refuse_write(lua_State *L) {
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "this";
  return luaL_error(L,
                    "'%s' cannot be set here: globals are fixed once the script is loaded; keep what belongs to "
                    "the room in room.state, and use local variables",
                    name);
}

/* Moves what is in the table at `index` behind a metatable, so that it can be read only. */
static void lock(lua_State *L, int index) {
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index); /* an existing key may be cleared on the way */
  }
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, refuse_write);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, index);
}

void script_sandbox_lock(lua_State *L, int index) {
  lock(L, index);
}

/* ---- arrays ---- */

void script_array_mark(lua_State *L, int index) {
  if (index < 0) index += lua_gettop(L) + 1;
  lua_getfield(L, LUA_REGISTRYINDEX, ARRAY_MARK);
  lua_setmetatable(L, index);
}

bool script_array_is(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_getfield(L, LUA_REGISTRYINDEX, ARRAY_MARK);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

/* ---- the whole ---- */

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

/* The allowed ones of a library, from the table at `from` into the one at the top. */
static void copy_allowed(lua_State *L, int from, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, from, *names);
    lua_setfield(L, -2, *names);
  }
}

static void add_function(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, name);
}

static void open_libraries(lua_State *L) {
  open_library(L, "", luaopen_base);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  open_library(L, LUA_BITLIBNAME, luaopen_bit);
  lua_settop(L, 0);
  lua_getglobal(L, LUA_STRLIBNAME);
  script_string_install(L);
  lua_getglobal(L, LUA_TABLIBNAME);
  script_table_install(L);
  lua_settop(L, 0);
  luaL_newmetatable(L, ARRAY_MARK);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_settop(L, 0);
}

/* Strings find their methods in what is behind the locked library, and nowhere else. */
static void lock_strings(lua_State *L, int library) {
  lua_pushliteral(L, "");
  lua_createtable(L, 0, 2);
  lua_getmetatable(L, library);
  lua_getfield(L, -1, "__index");
  lua_remove(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void script_sandbox_push(lua_State *L) {
  open_libraries(L);
  lua_newtable(L);
  copy_allowed(L, LUA_GLOBALSINDEX, allowed[0].names);
  add_function(L, "pcall", sandbox_pcall);
  add_function(L, "print", sandbox_print);
  add_function(L, "array", sandbox_array);
  for (size_t i = 1; i < sizeof allowed / sizeof *allowed; i++) {
    lua_getglobal(L, allowed[i].library);
    lua_newtable(L);
    copy_allowed(L, lua_gettop(L) - 1, allowed[i].names);
    lua_remove(L, -2);
    if (strcmp(allowed[i].library, "math") == 0) add_function(L, "random", script_call_random);
    lock(L, lua_gettop(L));
    if (strcmp(allowed[i].library, "string") == 0) lock_strings(L, lua_gettop(L));
    lua_setfield(L, -2, allowed[i].library);
  }
  lua_newtable(L);
  add_function(L, "valid", text_valid);
  add_function(L, "cut", text_cut);
  lock(L, lua_gettop(L));
  lua_setfield(L, -2, "text");
  lua_pushvalue(L, -1);
  lua_replace(L, LUA_GLOBALSINDEX); /* what is not allowed is gone, also from here */
}
