/* See worker/lua/script_add.h. */
#include "worker/lua/script_add.h"

#include <stdio.h>

bool script_is_named(const char *path) {
  size_t len = strlen(path);
  return len > 4 && strcmp(path + len - 4, ".lua") == 0;
}

struct script *script_add(struct kind_registry *registry, const char *path, struct script_limits limits,
                          struct log *log, uint64_t *failures, char *error, size_t error_size) {
  struct script *script = script_load(path, limits, log, failures, error, error_size);
  if (!script) return NULL;
  enum kind_added added = kind_registry_add(registry, &script->kind);
  if (added == KIND_ADDED) return script;
  snprintf(error, error_size, "%s: %s", path, kind_added_text(added));
  script_destroy(script);
  return NULL;
}
