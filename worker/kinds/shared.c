/* dlopen, and the checks of the registry. */
#include "worker/kinds/shared.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* RTLD_NOW: a function that is missing is missed at start, not in a game. */
static void *open_object(const char *path) {
  char here[4096];
  if (strchr(path, '/')) return dlopen(path, RTLD_NOW | RTLD_LOCAL);
  snprintf(here, sizeof here, "./%s", path);
  return dlopen(here, RTLD_NOW | RTLD_LOCAL);
}

const struct kind *kind_shared_add(struct kind_registry *registry, const char *path, char *error, size_t error_size) {
  void *object = open_object(path);
  if (!object) {
    snprintf(error, error_size, "%s: cannot be loaded: %s", path, dlerror());
    return NULL;
  }
  const struct kind *kind = dlsym(object, KIND_SYMBOL);
  if (!kind) {
    snprintf(error, error_size, "%s: is no kind: it has no " KIND_SYMBOL, path);
    dlclose(object);
    return NULL;
  }
  enum kind_added added = kind_registry_add(registry, kind);
  if (added == KIND_ADDED) return kind;
  snprintf(error, error_size, "%s: %s", path, kind_added_text(added));
  dlclose(object);
  return NULL;
}
