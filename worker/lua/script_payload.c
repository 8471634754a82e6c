/* See worker/lua/script_payload.h. */
#include "worker/lua/script_payload.h"
#include "worker/lua/script_proto.h"

#include <string.h>

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

static bool is_complete(const struct payload_kind *kind, const char *package) {
  for (size_t i = 0; i < PAYLOAD_ROLES; i++)
    if (!kind->messages[i] || strcmp(kind->messages[i]->package_name, package) != 0) return false;
  return true;
}

bool script_payload_resolve(const char *package, struct payload_kind *out) {
  struct payload_registry registry;
  payload_registry_init(&registry);
  for (size_t i = 0; i < registry.count; i++) {
    if (!is_complete(&registry.kinds[i], package)) continue;
    *out = registry.kinds[i];
    return true;
  }
  return false;
}
