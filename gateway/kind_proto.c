/* dlopen, and the checks of the registry. */
#include "gateway/kind_proto.h"
#include <dlfcn.h>
#include <stdio.h>

/* RTLD_LAZY: the kind's code may be in the same file, and calls what is in workers only. */
static void *open_object(const char *path) {
  char here[4096];
  if (strchr(path, '/')) return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  snprintf(here, sizeof here, "./%s", path);
  return dlopen(here, RTLD_LAZY | RTLD_LOCAL);
}

static bool has_messages(const struct payload_kind *kind) {
  bool any = false;
  for (size_t i = 0; i < PAYLOAD_ROLES; i++) {
    if (kind->messages[i] && kind->messages[i]->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC) return false;
    any |= kind->messages[i] != NULL;
  }
  return any && kind->name;
}

static const char *fault_of(enum payload_added added) {
  switch (added) {
  case PAYLOAD_ADDED: return NULL;
  case PAYLOAD_BAD_NAME: return "its name is not a kind's name";
  case PAYLOAD_DUPLICATE: return "its name is taken";
  case PAYLOAD_FULL: return "there are too many kinds";
  }
  return "unknown";
}

const char *kind_proto_add(struct payload_registry *registry, const char *path, char *error, size_t error_size) {
  void *object = open_object(path);
  if (!object) {
    snprintf(error, error_size, "%s: cannot be loaded: %s", path, dlerror());
    return NULL;
  }
  const struct payload_kind *kind = dlsym(object, KIND_PROTO_SYMBOL);
  const char *fault = "has no " KIND_PROTO_SYMBOL;
  if (kind) fault = has_messages(kind) ? fault_of(payload_registry_add(registry, kind)) : "names no messages";
  if (!fault) return kind->name;
  snprintf(error, error_size, "%s: %s", path, fault);
  dlclose(object);
  return NULL;
}
