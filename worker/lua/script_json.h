/* JSON texts as Lua values and back: the payloads of a script that does not say `messages`. A payload is an object.
 *
 * Objects are tables with text keys, arrays are marked tables (script_sandbox.h) from 1; null is nil, and may not
 * stand in an array. Numbers are doubles: an integer beyond 2^53 is refused, not rounded. Written with sorted names,
 * so that the same value is the same text.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_JSON_H
#define HEYA_WORKER_LUA_SCRIPT_JSON_H

#include "common/buf.h"

#include <lua.h>
#include <stdbool.h>

#define SCRIPT_REASON_MAX  160
#define SCRIPT_PAYLOAD_MAX (256u << 10) /* bytes that a script sends at once */

/* Pushes the object; false, with nothing pushed, and one line in `reason` if the text is none. Empty is {}. */
bool script_json_push(lua_State *L, struct bytes text, char reason[SCRIPT_REASON_MAX]);

/* Appends the table at `index` as an object; raises an error with the path of what cannot be written. */
void script_json_append(lua_State *L, int index, struct buf *out);

#endif
