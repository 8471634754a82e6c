/* See worker/lua/script_payload.h. */
#include "worker/lua/script_payload.h"
#include "worker/lua/script_proto.h"

bool script_payload_push(lua_State *L, const struct script *script, struct arena *arena, enum payload_role role,
                         struct bytes bytes, char reason[SCRIPT_REASON_MAX]) {
  if (script->is_proto) return script_proto_push(L, arena, script->messages.messages[role], bytes, reason);
  return script_json_push(L, bytes, reason);
}

void script_payload_append(lua_State *L, int index, const struct script *script, struct arena *arena,
                           enum payload_role role, struct buf *out) {
  if (script->is_proto)
    script_proto_append(L, index, arena, script->messages.messages[role], out);
  else
    script_json_append(L, index, out);
}
