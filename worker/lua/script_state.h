/* room.state as bytes: what of a Lua room is saved in its image, and what its next owner goes on with.
 *
 * Plain data: booleans, numbers, texts, and tables of them with numbers and texts as keys. One state has one
 * encoding, so equal bytes mean that nothing has changed; what is not that encoding is not read. A table that occurs
 * twice is two tables afterwards. Marked arrays (script_sandbox.h) stay marked.
 *
 *   value   := 'f' | 't' | 'i' zigzag-varint | 'd' 8 bytes, little endian | 's' varint bytes | table
 *   table   := ('{' | '[') varint-n value{n} varint-m (key value){m}
 *   key     := a value of 'i', 'd' or 's'
 *
 * The n values are those of the keys 1, 2, 3 ... without a hole; the m others are sorted, numbers before texts. 'i'
 * is for whole numbers within +-2^53, 'd' for all others, of NaNs only 0x7ff8000000000000.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_STATE_H
#define HEYA_WORKER_LUA_SCRIPT_STATE_H

#include "common/buf.h"

#include <lua.h>
#include <stdbool.h>

#define SCRIPT_STATE_MAX       (1u << 20) /* bytes */
#define SCRIPT_STATE_DEPTH_MAX 32         /* of tables in tables */

/* Appends the table at `index`. Raises an error that names the place ("room.state.players[3].move: a function cannot
 * be saved"); `out` may then have the begin of it. */
void script_state_append(lua_State *L, int index, struct buf *out);

/* Pushes the table. False with nothing pushed if the bytes are no encoding of one. To be called protected: memory. */
bool script_state_push(lua_State *L, struct bytes bytes);

#endif
