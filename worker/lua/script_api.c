/* See worker/lua/script_api.h. Here is what only reads. */
#include "worker/lua/script_api.h"
#include "worker/lua/script_payload.h"

#include <stdio.h>
#include <string.h>

struct handle {
  char player[PLAYER_MAX + 1];
};

/* ---- members ---- */

void script_member_push(lua_State *L, const struct member *member) {
  struct handle *handle = lua_newuserdata(L, sizeof *handle);
  snprintf(handle->player, sizeof handle->player, "%s", member_player(member));
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_MEMBER);
  lua_setmetatable(L, -2);
}

static bool is_handle(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_MEMBER);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

const char *script_player_at(lua_State *L, int index, size_t *len) {
  const char *player = NULL;
  *len = 0;
  if (is_handle(L, index)) {
    player = ((struct handle *)lua_touserdata(L, index))->player;
    *len = strlen(player);
  } else if (lua_type(L, index) == LUA_TSTRING) {
    player = lua_tolstring(L, index, len);
  }
  return player;
}

const char *script_method(lua_State *L) {
  lua_Debug frame;
  bool named = lua_getstack(L, 0, &frame) && lua_getinfo(L, "n", &frame) && frame.name;
  return named ? lua_pushfstring(L, "%s: ", frame.name) : "";
}

/* The first argument is that of a metamethod, which nobody has called by its name. */
static const char *blamed(lua_State *L, int index) {
  return index > 1 ? script_method(L) : "";
}

static const char *player_at(lua_State *L, int index) {
  size_t len;
  const char *player = script_player_at(L, index, &len);
  if (!player) luaL_error(L, "%sexpected a member or a player id, not %s", blamed(L, index), luaL_typename(L, index));
  return player;
}

struct member *script_member_at(lua_State *L, int index) {
  const struct script_call *call = script_call_of(L);
  const char *player = player_at(L, index);
  struct member *member = room_member(call->room, player);
  if (member) return member;
  if (script_call_has_guest(call) && strcmp(player, member_player(call->member)) == 0) return call->member;
  luaL_error(L, "%s'%s' is no member", blamed(L, index), player);
  return NULL;
}

static void push_profile(lua_State *L, const struct member *member) {
  struct script_call *call = script_call_of(L);
  char reason[SCRIPT_REASON_MAX];
  if (!script_payload_push(L, call->script, room_arena(call->room), PAYLOAD_PROFILE, member_profile(member), reason))
    lua_newtable(L); /* it was read when he joined: his image is from another version of the script */
}

static int member_index(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "player") == 0) {
    lua_pushstring(L, player_at(L, 1));
    return 1;
  }
  const struct member *member = script_member_at(L, 1);
  if (strcmp(key, "name") == 0) {
    lua_pushstring(L, member_name(member));
  } else if (strcmp(key, "away") == 0) {
    lua_pushboolean(L, member_is_away(member));
  } else if (strcmp(key, "profile") == 0) {
    push_profile(L, member);
  } else {
    return luaL_error(L, "a member has no '%s': there are player, name, away and profile", key);
  }
  return 1;
}

static int member_equal(lua_State *L) {
  lua_pushboolean(L, strcmp(player_at(L, 1), player_at(L, 2)) == 0);
  return 1;
}

static int member_text(lua_State *L) {
  lua_pushstring(L, player_at(L, 1));
  return 1;
}

/* ---- the room ---- */

static int room_get_members(lua_State *L) {
  const struct room *room = script_call_of(L)->room;
  size_t n = room_member_count(room);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    script_member_push(L, room_member_at(room, i));
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

static int push_or_nil(lua_State *L, const struct member *member) {
  if (member)
    script_member_push(L, member);
  else
    lua_pushnil(L);
  return 1;
}

static int room_get_member(lua_State *L) {
  return push_or_nil(L, room_member(script_call_of(L)->room, player_at(L, 2)));
}

static int room_get_host(lua_State *L) {
  return push_or_nil(L, room_host(script_call_of(L)->room));
}

static int room_get_count(lua_State *L) {
  lua_pushnumber(L, (lua_Number)room_member_count(script_call_of(L)->room));
  return 1;
}

static int room_get_time(lua_State *L) {
  lua_pushnumber(L, (lua_Number)room_time_ms(script_call_of(L)->room));
  return 1;
}

static int room_get_frame(lua_State *L) {
  lua_pushnumber(L, (lua_Number)room_frame(script_call_of(L)->room));
  return 1;
}

static int room_get_tick_hz(lua_State *L) {
  lua_pushnumber(L, room_tick_hz(script_call_of(L)->room));
  return 1;
}

static int room_get_options(lua_State *L) {
  struct script_call *call = script_call_of(L);
  char reason[SCRIPT_REASON_MAX];
  if (!script_payload_push(L, call->script, room_arena(call->room), PAYLOAD_OPTIONS, room_options(call->room),
                           reason))
    return luaL_error(L, "options: %s", reason);
  return 1;
}

static int room_random(lua_State *L) {
  lua_remove(L, 1);
  return script_call_random(L);
}

static const luaL_Reg reads[] = {{"members", room_get_members}, {"member", room_get_member},
                                 {"host", room_get_host},       {"count", room_get_count},
                                 {"time_ms", room_get_time},    {"frame", room_get_frame},
                                 {"tick_hz", room_get_tick_hz}, {"options", room_get_options},
                                 {"random", room_random},       {NULL, NULL}};

/* Upvalue: the methods. */
static int room_index(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "state") == 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_STATE);
  } else if (strcmp(key, "id") == 0) {
    lua_pushstring(L, room_id(script_call_of(L)->room));
  } else if (strcmp(key, "max_members") == 0) {
    lua_pushnumber(L, room_max_members(script_call_of(L)->room));
  } else {
    lua_pushstring(L, key);
    lua_rawget(L, lua_upvalueindex(1));
    if (lua_isnil(L, -1)) return luaL_error(L, "a room has no '%s'", key);
  }
  return 1;
}

static int room_newindex(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "this";
  if (strcmp(key, "state") != 0) return luaL_error(L, "room.%s cannot be set; room.state.%s is kept", key, key);
  if (!lua_istable(L, 3)) return luaL_error(L, "room.state is a table");
  lua_pushvalue(L, 3);
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_STATE);
  return 0;
}

static void seal(lua_State *L) {
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

static void open_members(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"__index", member_index}, {"__eq", member_equal}, {"__tostring", member_text}, {NULL, NULL}};
  lua_newtable(L);
  luaL_register(L, NULL, methods);
  seal(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_MEMBER);
}

void script_api_open(lua_State *L) {
  open_members(L);
  lua_newuserdata(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  luaL_register(L, NULL, reads);
  luaL_register(L, NULL, script_api_acts);
  luaL_register(L, NULL, script_api_asks);
  lua_pushcclosure(L, room_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, room_newindex);
  lua_setfield(L, -2, "__newindex");
  seal(L);
  lua_setmetatable(L, -2);
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_ROOM);
}
