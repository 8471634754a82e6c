/* Kinds from scripts: `heya-worker --kind FILE.lua`. */
#ifndef HEYA_WORKER_LUA_SCRIPT_ADD_H
#define HEYA_WORKER_LUA_SCRIPT_ADD_H

#include "worker/kinds/registry.h"
#include "worker/lua/script.h"

/* Whether the path is one of a script: it ends in ".lua". */
bool script_is_named(const char *path);

/* Loads the script (script_load) and adds its kind. NULL with a sentence in `error`, which names file and line; then
 * the registry is as it was. The script is to be destroyed after the last room. */
struct script *script_add(struct kind_registry *registry, const char *path, struct script_limits limits,
                          struct log *log, uint64_t *failures, char *error, size_t error_size);

#endif
