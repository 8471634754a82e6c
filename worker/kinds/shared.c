/* The file, and the checks of the registry. */
#include "worker/kinds/shared.h"

#include "common/shared_object.h"
#include <dlfcn.h>
#include <stdio.h>

/* RTLD_NOW: a function that is missing is missed at start, not in a game. */
const struct kind *kind_shared_add(struct kind_registry *registry, const char *path, char *error, size_t error_size) {
  void *object = shared_object_open(path, RTLD_NOW | RTLD_LOCAL, error, error_size);
  if (!object) return NULL;
  const struct kind *kind = dlsym(object, KIND_SYMBOL);
  if (!kind) {
    snprintf(error, error_size, "%s: is no kind: it has no " KIND_SYMBOL, path);
    shared_object_drop(object);
    return NULL;
  }
  enum kind_added added = kind_registry_add(registry, kind);
  if (added == KIND_ADDED) {
    shared_object_keep();
    return kind;
  }
  snprintf(error, error_size, "%s: %s", path, kind_added_text(added));
  shared_object_drop(object);
  return NULL;
}
