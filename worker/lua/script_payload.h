/* Payloads of a script's kind: JSON objects, or the messages it says, by their role. */
#ifndef HEYA_WORKER_LUA_SCRIPT_PAYLOAD_H
#define HEYA_WORKER_LUA_SCRIPT_PAYLOAD_H

#include "worker/lua/script.h"
#include "worker/lua/script_json.h"

struct arena;

/* As script_json_push and script_proto_push. */
bool script_payload_push(lua_State *L, const struct script *script, struct arena *arena, enum payload_role role,
                         struct bytes bytes, char reason[SCRIPT_REASON_MAX]);
/* As script_json_append and script_proto_append. */
void script_payload_append(lua_State *L, int index, const struct script *script, struct arena *arena,
                           enum payload_role role, struct buf *out);

#endif
