/* What a script sees of its room and may do to it: the objects `room` and `member`. docs/writing-a-kind-in-lua.md
 * lists their fields and methods; each is one row of a table in script_api.c or script_api_act.c.
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

/* The methods that change something (script_api_act.c). */
extern const luaL_Reg script_api_acts[];

#endif
