/* What a script sees of its room and may do to it: the objects `room` and `member`. docs/writing-a-kind-in-lua.md
 * lists their fields and methods; each is one row of a table in script_api.c, script_api_act.c or
 * script_api_ask.c.
 *
 * A member object holds his player id and finds him again at each use, so it may be kept for as long as a call lasts
 * or longer: when he is gone, using it is an error and no more.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_API_H
#define HEYA_WORKER_LUA_SCRIPT_API_H

#include "worker/lua/script_call.h"

#include <lauxlib.h>

/* Puts the room object and what members need into the registry. */
void script_api_open(lua_State *L);
void script_member_push(lua_State *L, const struct member *member);
/* The member object, or the player id, at `index`: raises an error if he is neither seated nor the call's guest. */
struct member *script_member_at(lua_State *L, int index);

/* The id of the member object, or the text, at `index`; NULL if it is neither. Valid while that is on the stack. */
const char *script_player_at(lua_State *L, int index, size_t *len);

/* "send_one: ", for errors: the method that runs. Pushed, or "" if nobody knows. */
const char *script_method(lua_State *L);

/* The methods that change something (script_api_act.c), and those that concern other rooms (script_api_ask.c). */
extern const luaL_Reg script_api_acts[], script_api_asks[];

/* ---- what they share ---- */

/* The call that runs; raises an error if it is one that only looks. */
struct script_call *script_act_allow(lua_State *L);
/* An effect of that call, in which such a payload or text is put; raises an error if it is too much. */
struct script_effect *script_act_add(lua_State *L, enum script_effect_what what);
void script_act_carry(lua_State *L, struct script_effect *effect, struct bytes bytes);

#endif
