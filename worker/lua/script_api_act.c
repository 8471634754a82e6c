/* The methods of `room` that change something: each checks its arguments and adds an effect. */
#include "worker/lua/script_api.h"
#include "worker/lua/script_payload.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX 9007199254740992.0 /* 2^53 */

/* ---- adding ---- */

struct script_call *script_act_allow(lua_State *L) {
  struct script_call *call = script_call_of(L);
  if (call->function == SCRIPT_SNAPSHOT || call->function == SCRIPT_DESCRIBE)
    luaL_error(L, "%s only looks: it may not change the room", script_function_name(call->function));
  return call;
}

struct script_effect *script_act_add(lua_State *L, enum script_effect_what what) {
  struct script_effect *effect = script_effects_add(&script_act_allow(L)->effects, what);
  if (!effect) luaL_error(L, "more than %d events and changes in one call", SCRIPT_EFFECTS_MAX);
  return effect;
}

void script_act_carry(lua_State *L, struct script_effect *effect, struct bytes bytes) {
  struct script_effects *effects = &script_call_of(L)->effects;
  if (script_effects_carry(effects, effect, bytes)) return;
  script_effects_drop(effects, effect); /* the script may catch the error */
  luaL_error(L, "more than 4 MiB of events in one call");
}

/* The payload at `index`, encoded, for the effect that `what` adds. */
static struct script_effect *add_payload(lua_State *L, enum script_effect_what what, int index,
                                         enum payload_role role) {
  struct script_call *call = script_call_of(L);
  luaL_checktype(L, index, LUA_TTABLE);
  buf_clear(&call->scratch);
  script_payload_append(L, index, call->script, room_arena(call->room), role, &call->scratch);
  struct script_effect *effect = script_act_add(L, what);
  script_act_carry(L, effect, buf_bytes(&call->scratch));
  return effect;
}

/* A whole number from `least` to `most`. */
static double number_arg(lua_State *L, int index, double least, double most) {
  double number = luaL_checknumber(L, index);
  if (number != floor(number) || number < least || number > most)
    luaL_argerror(L, index, lua_pushfstring(L, "expected a whole number from %f to %f", least, most));
  return number;
}

/* A member who has a seat. */
static struct member *seated_arg(lua_State *L, int index) {
  struct member *member = script_member_at(L, index);
  if (room_member(script_call_of(L)->room, member_player(member)) != member)
    luaL_error(L, "%s'%s' has no seat", script_method(L), member_player(member));
  return member;
}

/* ---- events ---- */

static int send_all(lua_State *L) {
  add_payload(L, EFFECT_SEND_ALL, 2, PAYLOAD_EVENT);
  return 0;
}

static int send_except(lua_State *L) {
  struct member *member = script_member_at(L, 2);
  struct script_effect *effect = add_payload(L, EFFECT_SEND_EXCEPT, 3, PAYLOAD_EVENT);
  script_effects_concern(&script_call_of(L)->effects, effect, member);
  return 0;
}

static int send_one(lua_State *L) {
  struct member *member = seated_arg(L, 2);
  struct script_effect *effect = add_payload(L, EFFECT_SEND_ONLY, 3, PAYLOAD_EVENT);
  script_effects_concern(&script_call_of(L)->effects, effect, member);
  return 0;
}

static int send_only(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  size_t n = lua_objlen(L, 2);
  script_vm_charge(L, 2 * n);
  for (size_t i = 1; i <= n; i++) { /* before anything is added: the script may catch the error */
    lua_rawgeti(L, 2, (int)i);
    seated_arg(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  struct script_effect *effect = add_payload(L, EFFECT_SEND_ONLY, 3, PAYLOAD_EVENT);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, 2, (int)i);
    script_effects_concern(&script_call_of(L)->effects, effect, seated_arg(L, lua_gettop(L)));
    lua_pop(L, 1);
  }
  return 0;
}

/* ---- timers ---- */

static void set_timer(lua_State *L, double at_ms) {
  if (!script_call_of(L)->script->has[SCRIPT_TIMER]) luaL_error(L, "the script has no function 'timer'");
  double id = number_arg(L, 2, 1, ROOM_TIMERS_MAX);
  struct script_effect *effect = script_act_add(L, EFFECT_TIMER_SET);
  effect->number = (uint32_t)id;
  effect->at_ms = (uint64_t)at_ms;
}

static int timer_set(lua_State *L) {
  double at_ms = ceil(luaL_checknumber(L, 3));
  if (!(at_ms >= 0 && at_ms <= TIME_MAX)) return luaL_argerror(L, 3, "expected milliseconds of Unix time");
  set_timer(L, at_ms);
  return 0;
}

static int timer_after(lua_State *L) {
  double ms = ceil(luaL_checknumber(L, 3));
  if (!(ms >= 0 && ms < TIME_MAX / 2)) return luaL_argerror(L, 3, "expected milliseconds");
  set_timer(L, (double)room_time_ms(script_call_of(L)->room) + ms);
  return 0;
}

static int timer_cancel(lua_State *L) {
  double id = number_arg(L, 2, 1, ROOM_TIMERS_MAX);
  script_act_add(L, EFFECT_TIMER_CANCEL)->number = (uint32_t)id;
  return 0;
}

/* ---- the room itself ---- */

static int lock_room(lua_State *L) {
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  script_act_add(L, EFFECT_LOCK)->number = (uint32_t)lua_toboolean(L, 2);
  return 0;
}

static int complete(lua_State *L) {
  const ProtobufCEnumValue *reason = protobuf_c_enum_descriptor_get_value_by_name(&heya__v1__close_reason__descriptor,
                                                                                  luaL_optstring(L, 2, "DISBANDED"));
  if (!reason) return luaL_argerror(L, 2, "expected DISBANDED, COMPLETED, EXPIRED or FAILED");
  script_act_add(L, EFFECT_COMPLETE)->number = (uint32_t)reason->value;
  return 0;
}

static int set_options(lua_State *L) {
  add_payload(L, EFFECT_SET_OPTIONS, 2, PAYLOAD_OPTIONS);
  return 0;
}

static int set_tick_hz(lua_State *L) {
  const struct script_call *call = script_call_of(L);
  if (call->function != SCRIPT_OPEN || !call->script->kind.tick_hz)
    return luaL_error(L, "only in open, and of a kind with tick_hz");
  double hz = number_arg(L, 2, 1, KIND_TICK_HZ_MAX);
  script_act_add(L, EFFECT_SET_TICK_HZ)->number = (uint32_t)hz;
  return 0;
}

/* ---- for people ---- */

static int deadline_show(lua_State *L) {
  double round = number_arg(L, 2, 0, UINT32_MAX), at_ms = number_arg(L, 3, 1, TIME_MAX);
  struct script_effect *effect = script_act_add(L, EFFECT_DEADLINE_SHOW);
  effect->number = (uint32_t)round;
  effect->at_ms = (uint64_t)at_ms;
  return 0;
}

static int deadline_hide(lua_State *L) {
  script_act_add(L, EFFECT_DEADLINE_HIDE);
  return 0;
}

/* Also of somebody who has left: what he has reached stays. */
static int result_show(lua_State *L) {
  size_t len;
  const char *player = script_player_at(L, 2, &len);
  if (!player || !player_is_valid(player, len)) return luaL_argerror(L, 2, "expected a member or a player id");
  struct bytes text;
  text.data = luaL_checklstring(L, 3, &text.len);
  struct script_effect *effect = script_act_add(L, EFFECT_RESULT_SHOW);
  snprintf(effect->player, sizeof effect->player, "%s", player);
  script_act_carry(L, effect, text);
  return 0;
}

static int results_hide(lua_State *L) {
  script_act_add(L, EFFECT_RESULTS_HIDE);
  return 0;
}

const luaL_Reg script_api_acts[] = {{"send_all", send_all},           {"send_except", send_except},
                                    {"send_only", send_only},         {"send_one", send_one},
                                    {"timer_set", timer_set},         {"after", timer_after},
                                    {"timer_cancel", timer_cancel},   {"lock", lock_room},
                                    {"complete", complete},           {"set_options", set_options},
                                    {"set_tick_hz", set_tick_hz},     {"deadline_show", deadline_show},
                                    {"deadline_hide", deadline_hide}, {"result_show", result_show},
                                    {"results_hide", results_hide},   {NULL, NULL}};
