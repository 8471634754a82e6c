/* What a script may use: an allow-list of Lua's functions, a few of ours, and nothing that reaches out of the room.
 *
 * Not there: io, os, ffi, debug, package, require, load and its relatives, dofile, string.dump, collectgarbage,
 * getfenv, setfenv, newproxy, rawset, jit; coroutine and xpcall, which would be further ways to catch what may not be
 * caught. Ours: print (a line in the log), array(t) (which is [] in JSON also when it is empty), text.valid,
 * text.cut; math.random draws from the room's own saved sequence.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_SANDBOX_H
#define HEYA_WORKER_LUA_SCRIPT_SANDBOX_H

#include <lua.h>
#include <stdbool.h>

/* Pushes the table of globals that a script is loaded with. It can still be written to. */
void script_sandbox_push(lua_State *L);
/* From here on, globals are what they are. The table at this index is that of script_sandbox_push. */
void script_sandbox_lock(lua_State *L, int index);

/* Tables that are arrays whatever is in them: array(t) of scripts, and those that come from JSON. */
void script_array_mark(lua_State *L, int index);
bool script_array_is(lua_State *L, int index);

#endif
