/* See worker/lua/script_keys.h. */
#include "worker/lua/script_keys.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

int script_key_compare(const struct script_key *a, const struct script_key *b) {
  if (!a->text || !b->text) {
    if (a->text || b->text) return a->text ? 1 : -1;
    return (a->number > b->number) - (a->number < b->number);
  }
  int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
  return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare(const void *a, const void *b) {
  return script_key_compare(a, b);
}

/* The key at the top; false if it is among 1 to `skip`. */
static bool key_at_top(lua_State *L, size_t skip, struct script_key *key) {
  *key = (struct script_key){.text = NULL};
  if (lua_type(L, -1) == LUA_TSTRING) {
    key->text = lua_tolstring(L, -1, &key->len);
    return true;
  }
  key->number = lua_tonumber(L, -1);
  return !(key->number >= 1 && key->number <= (double)skip && key->number == (double)(size_t)key->number);
}

static bool count(lua_State *L, int index, size_t skip, size_t *n, const char **odd) {
  struct script_key key;
  *n = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER) {
      *odd = luaL_typename(L, -1);
      lua_pop(L, 1);
      return false;
    }
    *n += key_at_top(L, skip, &key);
  }
  return true;
}

struct script_key *script_keys_push(lua_State *L, int index, size_t skip, size_t *n, const char **odd) {
  if (!count(L, index, skip, n, odd)) return NULL;
  script_vm_charge(L, *n + skip / 4);
  struct script_key *keys = lua_newuserdata(L, (*n ? *n : 1) * sizeof *keys);
  size_t filled = 0;
  lua_pushnil(L);
  while (filled < *n && lua_next(L, index)) {
    lua_pop(L, 1);
    filled += key_at_top(L, skip, &keys[filled]);
  }
  lua_pop(L, 1); /* the key at which the walk ended */
  qsort(keys, *n, sizeof *keys, compare);
  return keys;
}

void script_key_get(lua_State *L, int index, const struct script_key *key) {
  if (!key->text && key->number >= 0 && key->number <= INT32_MAX && key->number == (int)key->number) {
    lua_rawgeti(L, index, (int)key->number);
    return;
  }
  if (key->text)
    lua_pushlstring(L, key->text, key->len);
  else
    lua_pushnumber(L, key->number);
  lua_rawget(L, index);
}

size_t script_keys_sequence(lua_State *L, int index) {
  size_t n = 0;
  for (;;) {
    lua_rawgeti(L, index, (int)n + 1);
    bool there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!there) return n;
    n++;
  }
}
