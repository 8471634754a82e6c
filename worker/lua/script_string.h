/* The functions of Lua's string and table libraries whose cost is not one instruction's: find, match, gmatch and gsub
 * on the bounded matcher (script_pattern.h), rep with a bound, and the others behind a charge. */
#ifndef HEYA_WORKER_LUA_SCRIPT_STRING_H
#define HEYA_WORKER_LUA_SCRIPT_STRING_H

#include <lua.h>

#define SCRIPT_REP_MAX (1u << 20) /* bytes that string.rep makes at most */

/* Replaces them in the library at the top of the stack. */
void script_string_install(lua_State *L);
void script_table_install(lua_State *L);

#endif
