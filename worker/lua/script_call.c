/* See worker/lua/script_call.h. */
#include "worker/lua/script_call.h"
#include "worker/lua/script_api.h"
#include "worker/lua/script_payload.h"
#include "worker/lua/script_proto.h"
#include "worker/lua/script_state.h"

#include <math.h>

typedef Heya__V1__Error__Code code;
#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* ---- what functions of the script's may ask for ---- */

struct script_call *script_call_of(lua_State *L) {
  struct script_call *call = script_vm_of(L)->context;
  if (!call) luaL_error(L, "not while the script is being loaded");
  return call;
}

bool script_call_has_guest(const struct script_call *call) {
  return call->function == SCRIPT_JOIN || call->function == SCRIPT_LEAVE;
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016): 53 bits. */
static double draw(struct script_call *call) {
  uint64_t x = call->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  call->random = x;
  return (double)((x * 0x2545F4914F6CDD1DULL) >> 11) / 9007199254740992.0;
}

int script_call_random(lua_State *L) {
  struct script_call *call = script_call_of(L);
  if (lua_gettop(L) == 0) {
    lua_pushnumber(L, draw(call));
    return 1;
  }
  double least = lua_gettop(L) > 1 ? floor(luaL_checknumber(L, 1)) : 1;
  double most = floor(luaL_checknumber(L, lua_gettop(L) > 1 ? 2 : 1));
  if (!(least <= most && most - least < 9007199254740992.0)) return luaL_error(L, "the interval is empty");
  lua_pushnumber(L, least + floor(draw(call) * (most - least + 1)));
  return 1;
}

void script_call_say(lua_State *L, struct bytes text) {
  const struct script_call *call = script_vm_of(L)->context;
  if (!call) return;
  const struct script *script = call->script;
  log_limited(script->voice->log, &script->voice->said, LOG_LEVEL_INFO, "script_says", F_S("kind", script->name),
              F_S("room", room_id(call->room)), F_BYTES("text", text));
}

/* ---- arguments ---- */

static bool push_payload(lua_State *L, struct script_call *call, enum payload_role role) {
  if (script_payload_push(L, call->script, room_arena(call->room), role, call->payload, call->message)) return true;
  call->code = CODE(INVALID_ARGUMENT);
  return false;
}

static void push_tick(lua_State *L, const struct kind_tick *tick) {
  lua_createtable(L, 0, 3);
  lua_pushnumber(L, (lua_Number)tick->frame);
  lua_setfield(L, -2, "frame");
  lua_pushnumber(L, (lua_Number)tick->skipped);
  lua_setfield(L, -2, "skipped");
  lua_pushnumber(L, (lua_Number)tick->length_ns / 1e9);
  lua_setfield(L, -2, "seconds");
}

static void push_reason(lua_State *L, uint32_t number) {
  const ProtobufCEnumValue *value =
      protobuf_c_enum_descriptor_get_value(&heya__v1__leave_reason__descriptor, (int)number);
  lua_pushstring(L, value ? value->name : "");
}

/* The action as the message that it is, { kick = "ann" }. */
static bool push_manage(lua_State *L, struct script_call *call) {
  struct buf *bytes = &call->scratch;
  buf_clear(bytes);
  bytes->len +=
      heya__v1__manage__pack(call->manage, buf_reserve(bytes, heya__v1__manage__get_packed_size(call->manage)));
  if (script_proto_push(L, room_arena(call->room), &heya__v1__manage__descriptor, buf_bytes(bytes), call->message))
    return true;
  call->code = CODE(INVALID_ARGUMENT);
  return false;
}

static void push_answer(lua_State *L, const struct script_call *call) {
  const ProtobufCEnumValue *value =
      protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, (int)call->answer);
  lua_pushnumber(L, (lua_Number)call->token);
  lua_pushstring(L, call->other);
  lua_pushstring(L, value ? value->name : "INTERNAL");
}

static void push_vacancy(lua_State *L, const struct script_call *call) {
  lua_pushstring(L, call->other);
  lua_pushnumber(L, call->number);
  lua_pushboolean(L, call->ended);
}

/* Behind the room; false if a payload is none. */
static bool push_arguments(lua_State *L, struct script_call *call) {
  switch (call->function) {
  case SCRIPT_OPEN: return push_payload(L, call, PAYLOAD_OPTIONS);
  case SCRIPT_JOIN:
    if (!push_payload(L, call, PAYLOAD_PROFILE)) return false; /* others are shown it: it must at least be one */
    lua_pop(L, 1);
    script_member_push(L, call->member);
    return true;
  case SCRIPT_LEAVE:
    script_member_push(L, call->member);
    push_reason(L, call->number);
    return true;
  case SCRIPT_COMMAND: script_member_push(L, call->member); return push_payload(L, call, PAYLOAD_COMMAND);
  case SCRIPT_PROFILE: script_member_push(L, call->member); return push_payload(L, call, PAYLOAD_PROFILE);
  case SCRIPT_MANAGE: script_member_push(L, call->member); return push_manage(L, call);
  case SCRIPT_OPENED: push_answer(L, call); return true;
  case SCRIPT_VACANCY: push_vacancy(L, call); return true;
  case SCRIPT_TICK: push_tick(L, call->tick); return true;
  case SCRIPT_TIMER: lua_pushnumber(L, call->number); return true;
  case SCRIPT_SNAPSHOT:
    if (call->member)
      script_member_push(L, call->member);
    else
      lua_pushnil(L);
    return true;
  case SCRIPT_DESCRIBE:
  case SCRIPT_FUNCTIONS: break;
  }
  return true;
}

/* ---- results ---- */

static bool may_refuse(enum script_function function) {
  switch (function) {
  case SCRIPT_OPEN:
  case SCRIPT_JOIN:
  case SCRIPT_COMMAND:
  case SCRIPT_PROFILE:
  case SCRIPT_MANAGE: return true;
  default: return false;
  }
}

/* What a script may refuse with. */
static bool may_refuse_with(code why) {
  switch (why) {
  case CODE(ROOM_FULL):
  case CODE(ROOM_LOCKED):
  case CODE(WRONG_STATE):
  case CODE(NOT_HOST):
  case CODE(INVALID_ARGUMENT):
  case CODE(ALREADY_SUBMITTED):
  case CODE(TOO_LATE):
  case CODE(UNKNOWN_ROUND):
  case CODE(WRONG_PASSWORD):
  case CODE(BANNED):
  case CODE(NO_SUCH_MEMBER):
  case CODE(NOT_A_PLAYER): return true;
  default: return false;
  }
}

/* nil or false, a code, and maybe why. */
static void take_refusal(lua_State *L, struct script_call *call) {
  const ProtobufCEnumValue *why =
      lua_type(L, 2) == LUA_TSTRING
          ? protobuf_c_enum_descriptor_get_value_by_name(&heya__v1__error__code__descriptor, lua_tostring(L, 2))
          : NULL;
  if (!why || !may_refuse_with((code)why->value))
    luaL_error(L, "it refuses with %s, which is no code for that",
               lua_tostring(L, 2) ? lua_tostring(L, 2) : "something");
  call->code = (code)why->value;
  struct kind_reply reply;
  reply.message[0] = '\0';
  if (lua_type(L, 3) == LUA_TSTRING) kind_refuse(&reply, "%s", lua_tostring(L, 3));
  memcpy(call->message, reply.message, sizeof call->message);
}

static void take_property(lua_State *L, struct script_call *call) {
  size_t name_len, len;
  lua_pushvalue(L, -2); /* or converting a number would confuse the walk over the table */
  lua_pushvalue(L, -2);
  if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1)) luaL_error(L, "describe returns names and texts");
  const char *name = lua_tolstring(L, -2, &name_len), *value = lua_tolstring(L, -1, &len);
  if (!property_name_is_valid(name, name_len)) luaL_error(L, "describe: '%s' is no name of a property", name);
  if (!property_value_is_valid(value, len)) luaL_error(L, "describe: %s is not one line of up to 64 bytes", name);
  buf_append(&call->properties, name, name_len + 1);
  buf_append(&call->properties, value, len + 1);
  lua_pop(L, 2);
}

static void take_properties(lua_State *L, struct script_call *call) {
  if (lua_isnil(L, 1)) return;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    take_property(L, call);
    lua_pop(L, 1);
  }
}

static void take_results(lua_State *L, struct script_call *call) {
  bool can_refuse = may_refuse(call->function);
  enum payload_role role = call->function == SCRIPT_COMMAND ? PAYLOAD_RESULT : PAYLOAD_STATE;
  if (can_refuse && !lua_toboolean(L, 1) && !lua_isnil(L, 2)) {
    take_refusal(L, call);
  } else if (can_refuse && lua_isboolean(L, 1) && !lua_toboolean(L, 1)) {
    luaL_error(L, "a refusal needs a code: return nil, \"INVALID_ARGUMENT\", \"why\"");
  } else if (call->function == SCRIPT_SNAPSHOT || (call->function == SCRIPT_COMMAND && lua_istable(L, 1))) {
    script_payload_append(L, 1, call->script, room_arena(call->room), role, &call->result);
  } else if (call->function == SCRIPT_DESCRIBE) {
    take_properties(L, call);
  } else if (call->function == SCRIPT_COMMAND && !lua_isnil(L, 1) && !lua_isboolean(L, 1)) {
    luaL_error(L, "command returns a table, or nothing, and not a %s", luaL_typename(L, 1));
  }
}

/* ---- the call ---- */

static int body(lua_State *L) {
  struct script_call *call = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_FUNCTION + (int)call->function);
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_ROOM);
  if (!push_arguments(L, call) || !call->script->has[call->function]) return 0;
  lua_call(L, lua_gettop(L) - 1, 3);
  take_results(L, call);
  script_room_put_head(&call->image, call->random);
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_STATE);
  script_state_append(L, -1, &call->image);
  return 0;
}

static bool only_looks(const struct script_call *call) {
  return call->function == SCRIPT_SNAPSHOT || call->function == SCRIPT_DESCRIBE;
}

/* Whether the state is not what it was; the sequence of random numbers counts as well. */
static bool has_changed(const struct script_call *call) {
  return call->image.len && !bytes_equal(buf_bytes(&call->image), buf_bytes(&call->self->image));
}

static void undo(struct script_call *call, const char *error) {
  call->code = CODE(INTERNAL);
  call->message[0] = '\0';
  call->changed = false;
  buf_clear(&call->result);
  buf_clear(&call->properties);
  script_room_report(call->script, call->room, script_function_name(call->function), error);
  script_room_start(call->script, call->self, call->room);
}

static void settle(struct script_call *call) {
  struct script_room *self = call->self;
  bool changed = has_changed(call);
  if (call->code == CODE(OK)) {
    call->changed = changed;
    if (changed) {
      struct buf old = self->image;
      self->image = call->image;
      call->image = old;
    }
    self->random = call->random;
    script_effects_apply(&call->effects, call->room);
  } else if (changed) {
    script_room_start(call->script, self, call->room);
  }
}

kind_code script_call_run(struct script_call *call) {
  struct script_room *self = call->self;
  char error[SCRIPT_ERROR_MAX] = "";
  self->room = call->room;
  call->code = CODE(OK);
  call->random = self->random;
  if (!self->vm.L && !script_room_start(call->script, self, call->room)) {
    call->code = CODE(INTERNAL);
    return call->code;
  }
  self->vm.context = call;
  bool done = script_vm_run(&self->vm, body, call, error);
  self->vm.context = NULL;
  if (!done) {
    undo(call, error);
  } else if (only_looks(call) && has_changed(call)) {
    undo(call, "it only looks, and has changed room.state");
  } else {
    settle(call);
  }
  return call->code;
}

void script_call_close(struct script_call *call) {
  buf_close(&call->result);
  buf_close(&call->scratch);
  buf_close(&call->image);
  buf_close(&call->properties);
  script_effects_close(&call->effects);
}
