/* The file, and the checks of the registry. */
#include "gateway/kind_proto.h"

#include "common/shared_object.h"
#include <dlfcn.h>
#include <stdio.h>

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

/* RTLD_LAZY: the kind's code may be in the same file, and calls what is in workers only. */
const char *kind_proto_add(struct payload_registry *registry, const char *path, char *error, size_t error_size) {
  void *object = shared_object_open(path, RTLD_LAZY | RTLD_LOCAL, error, error_size);
  if (!object) return NULL;
  const struct payload_kind *kind = dlsym(object, KIND_PROTO_SYMBOL);
  const char *fault = "has no " KIND_PROTO_SYMBOL;
  if (kind) fault = has_messages(kind) ? fault_of(payload_registry_add(registry, kind)) : "names no messages";
  if (!fault) {
    shared_object_keep();
    return kind->name;
  }
  snprintf(error, error_size, "%s: %s", path, fault);
  shared_object_drop(object);
  return NULL;
}
