/* Protobuf messages as Lua tables and back, by their descriptors: the payloads of a script that says `messages`.
 *
 * Names are those of the .proto file. In: every field is there, with proto3's default if it was not given; a message
 * that is absent is nil, and of a oneof only the member that is set is there. Repeated fields are arrays, enums the
 * names of their values, bytes and strings texts. A 64-bit number beyond 2^53 is refused, not rounded. Out: what is
 * missing is the default; an unknown name or a value that does not fit is an error.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_PROTO_H
#define HEYA_WORKER_LUA_SCRIPT_PROTO_H

#include "common/buf.h"
#include "proto/arena.h"
#include "worker/lua/script_json.h"

#include <lua.h>
#include <protobuf-c/protobuf-c.h>

/* Pushes the message; false, with nothing pushed and one line in `reason`, if the bytes are none that a client may
 * send. The arena is scratch. */
bool script_proto_push(lua_State *L, struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                       struct bytes bytes, char reason[SCRIPT_REASON_MAX]);

/* Appends the encoded message that the table at `index` says. Raises an error with the path of what does not fit. */
void script_proto_append(lua_State *L, int index, struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                         struct buf *out);

#endif
