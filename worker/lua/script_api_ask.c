/* The methods of `room` that concern other rooms. A question is checked here as worker/ask.c will check it, since it
 * is asked only when the call has succeeded, and then nobody is left to hear that it makes no sense. */
#include "worker/lua/script_api.h"
#include "worker/lua/script_payload.h"
#include "worker/lua/script_proto.h"
#include "worker/seats.h"

#include <math.h>
#include <string.h>

#define NEW_ID_STEPS 20                 /* what making an id takes of the budget */
#define TOKEN_MAX    9007199254740992.0 /* 2^53 */
#define NEEDED       (-1)               /* in place of a default */
#define ROOM         2                  /* where arguments are */
#define FIELDS       3

/* ---- arguments: each error begins with the method's name ---- */

static struct room_id room_arg(lua_State *L, const char *method) {
  struct room_id id = {.id_len = 0};
  size_t len = 0;
  const char *text = lua_type(L, ROOM) == LUA_TSTRING ? lua_tolstring(L, ROOM, &len) : "";
  if (!room_id_parse(text, len, &id)) luaL_error(L, "%s: the first argument must be a room's id, kind/name", method);
  return id;
}

static void check_fields(lua_State *L, const char *method, bool opens) {
  static const char *const known[] = {"players", "keep_ms", "token", "options", "max_members"};
  size_t n = opens ? 5 : 3, i;
  if (!lua_istable(L, FIELDS))
    luaL_error(L, "%s: the second argument must be a table, { players = {}, keep_ms = 1000 }", method);
  lua_pushnil(L);
  while (lua_next(L, FIELDS)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "a number or the like";
    for (i = 0; i < n && strcmp(known[i], name) != 0; i++) {
    }
    if (i == n) luaL_error(L, "%s: '%s' is nothing that it takes", method, name);
    lua_pop(L, 1);
  }
}

/* A whole number from `least` to `most`. */
static double number_field(lua_State *L, const char *method, const char *name, double least, double most,
                           double fallback) {
  lua_pushstring(L, name);
  lua_rawget(L, FIELDS);
  double number = lua_isnil(L, -1) ? fallback : lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
  lua_pop(L, 1);
  if (!(number >= least && number <= most) || number != floor(number))
    luaL_error(L, "%s: '%s' must be a whole number from %f to %f", method, name, least, most);
  return number;
}

/* The table at the top, as the kind of that room writes options: a built-in one's are its messages. */
static void put_options_table(lua_State *L, struct script_call *call, const struct room_id *id) {
  struct payload_registry built_in;
  const struct script *script = call->script;
  struct arena *arena = room_arena(call->room);
  int top = lua_gettop(L);
  payload_registry_init(&built_in);
  const struct payload_kind *kind = payload_kind_find(&built_in, id->kind, id->kind_len);
  if (strcmp(id->kind, script->name) == 0)
    script_payload_append(L, top, script, arena, PAYLOAD_OPTIONS, &call->scratch);
  else if (kind)
    script_proto_append(L, top, arena, kind->messages[PAYLOAD_OPTIONS], &call->scratch);
  else
    script_json_append(L, top, &call->scratch);
}

static void put_options(lua_State *L, struct script_call *call, const struct room_id *id, const char *method) {
  lua_pushliteral(L, "options");
  lua_rawget(L, FIELDS);
  size_t len = lua_type(L, -1) == LUA_TSTRING ? lua_objlen(L, -1) : 0;
  if (len > SCRIPT_PAYLOAD_MAX) luaL_error(L, "%s: 'options' are over 256 KiB", method);
  if (lua_istable(L, -1))
    put_options_table(L, call, id);
  else if (lua_type(L, -1) == LUA_TSTRING)
    buf_append(&call->scratch, lua_tostring(L, -1), len);
  else if (!lua_isnil(L, -1))
    luaL_error(L, "%s: 'options' must be a table, or a text of bytes, and is a %s", method, luaL_typename(L, -1));
  lua_pop(L, 1);
}

/* ---- seats ---- */

/* Whether it is among the texts, each with its NUL, from this place in `scratch` on. */
static bool is_named(const struct buf *scratch, size_t from, const char *player) {
  for (size_t at = from; at < scratch->len;) {
    const char *text = (const char *)scratch->data + at;
    if (strcmp(text, player) == 0) return true;
    at += strlen(text) + 1;
  }
  return false;
}

/* Appends their ids, each with its NUL. How many. */
static size_t put_players(lua_State *L, struct buf *scratch, const char *method) {
  size_t from = scratch->len, len;
  lua_pushliteral(L, "players");
  lua_rawget(L, FIELDS);
  if (!lua_isnil(L, -1) && !lua_istable(L, -1))
    luaL_error(L, "%s: 'players' must be an array, and is a %s", method, luaL_typename(L, -1));
  size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
  if (n > ROOM_ASK_SEATS_MAX) luaL_error(L, "%s: more than %d players", method, ROOM_ASK_SEATS_MAX);
  script_vm_charge(L, n + n * n / 16);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, (int)i);
    const char *player = script_player_at(L, lua_gettop(L), &len);
    if (!player || !player_is_valid(player, len))
      luaL_error(L, "%s: 'players[%d]' is no member and no player id", method, (int)i);
    if (is_named(scratch, from, player)) luaL_error(L, "%s: 'players[%d]' is named twice", method, (int)i);
    buf_append(scratch, player, len + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return n;
}

/* ---- asking ---- */

/* Whether it is asked: false if too many questions wait for an answer already. */
static int ask(lua_State *L, enum script_effect_what what, const char *method) {
  struct script_call *call = script_act_allow(L);
  bool opens = what == EFFECT_OPEN_ELSEWHERE;
  struct room_id id = room_arg(L, method);
  check_fields(L, method, opens);
  double max_members = opens ? number_field(L, method, "max_members", 0, UINT32_MAX, 0) : 0;
  double keep_ms = number_field(L, method, "keep_ms", 1, SEATS_KEEP_MAX_MS, NEEDED);
  double token = number_field(L, method, "token", 0, TOKEN_MAX, 0);
  buf_clear(&call->scratch);
  if (opens) put_options(L, call, &id, method);
  size_t options_len = call->scratch.len, n_players = put_players(L, &call->scratch, method);
  bool asked = room_asks_left(call->room) > call->effects.n_asks;
  if (asked) {
    struct script_effect *effect = script_act_add(L, what);
    effect->ask = (struct script_ask){.token = (uint64_t)token,
                                      .options_len = options_len,
                                      .n_players = n_players,
                                      .max_members = (uint32_t)max_members};
    effect->at_ms = (uint64_t)keep_ms;
    memcpy(effect->ask.room, id.id, sizeof effect->ask.room);
    script_act_carry(L, effect, buf_bytes(&call->scratch));
    call->effects.n_asks++;
  }
  lua_pushboolean(L, asked);
  return 1;
}

static int open_elsewhere(lua_State *L) {
  return ask(L, EFFECT_OPEN_ELSEWHERE, "open_elsewhere");
}

static int reserve_elsewhere(lua_State *L) {
  return ask(L, EFFECT_RESERVE_ELSEWHERE, "reserve_elsewhere");
}

/* Not an effect: nobody sees an id that was made for nothing. */
static int new_id(lua_State *L) {
  const struct script_call *call = script_act_allow(L);
  char id[ROOM_ID_MAX + 1];
  size_t len = 0;
  const char *kind = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : "";
  if (!kind_is_valid(kind, len)) return luaL_error(L, "new_id: the argument must be the name of a kind");
  script_vm_charge(L, NEW_ID_STEPS);
  room_new_id(call->room, kind, id);
  lua_pushstring(L, id);
  return 1;
}

const luaL_Reg script_api_asks[] = {
    {"open_elsewhere", open_elsewhere}, {"reserve_elsewhere", reserve_elsewhere}, {"new_id", new_id}, {NULL, NULL}};
