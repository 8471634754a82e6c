/* The built-in kinds' messages, and the table of fields that hold them. */
#include "proto/payload.h"

#include "proto/kinds/arena.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/kinds/gomoku.pb-c.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/kinds/lobby.pb-c.h"

#include <string.h>

#define ARENA_MESSAGES                                                                                               \
  {                                                                                                                  \
    &heya__kinds__arena__options__descriptor, &heya__kinds__arena__profile__descriptor,                              \
        &heya__kinds__arena__command__descriptor, &heya__kinds__arena__event__descriptor,                            \
        &heya__kinds__arena__state__descriptor, &heya__kinds__arena__result__descriptor                              \
  }

static const struct payload_kind built_in[] = {
    {.name = "chat",
     .messages = {&heya__kinds__chat__options__descriptor, &heya__kinds__chat__profile__descriptor,
                  &heya__kinds__chat__command__descriptor, &heya__kinds__chat__event__descriptor,
                  &heya__kinds__chat__state__descriptor, &heya__kinds__chat__result__descriptor}},
    {.name = "gomoku",
     .messages = {&heya__kinds__gomoku__options__descriptor, &heya__kinds__gomoku__profile__descriptor,
                  &heya__kinds__gomoku__command__descriptor, &heya__kinds__gomoku__event__descriptor,
                  &heya__kinds__gomoku__state__descriptor, &heya__kinds__gomoku__result__descriptor}},
    {.name = "live",
     .messages = {&heya__kinds__live__options__descriptor, &heya__kinds__live__profile__descriptor,
                  &heya__kinds__live__command__descriptor, &heya__kinds__live__event__descriptor,
                  &heya__kinds__live__state__descriptor, &heya__kinds__live__result__descriptor}},
    {.name = "arena", .messages = ARENA_MESSAGES},
    {.name = "skirmish", .messages = ARENA_MESSAGES},
    {.name = "lobby",
     .messages = {&heya__kinds__lobby__options__descriptor, &heya__kinds__lobby__profile__descriptor,
                  &heya__kinds__lobby__command__descriptor, &heya__kinds__lobby__event__descriptor,
                  &heya__kinds__lobby__state__descriptor, &heya__kinds__lobby__result__descriptor}},
};

/* Every field of client.proto, and of the lobby's commands, whose comment says "a kind's X". */
static const struct {
  const char *message, *field;
  enum payload_role role;
} fields[] = {
    {"heya.v1.Create", "options", PAYLOAD_OPTIONS},
    {"heya.v1.Create", "profile", PAYLOAD_PROFILE},
    {"heya.v1.Join", "options", PAYLOAD_OPTIONS},
    {"heya.v1.Join", "profile", PAYLOAD_PROFILE},
    {"heya.v1.Manage", "profile", PAYLOAD_PROFILE},
    {"heya.v1.Command", "payload", PAYLOAD_COMMAND},
    {"heya.v1.Event", "payload", PAYLOAD_EVENT},
    {"heya.v1.Snapshot", "options", PAYLOAD_OPTIONS},
    {"heya.v1.Snapshot", "state", PAYLOAD_STATE},
    {"heya.v1.Member", "profile", PAYLOAD_PROFILE},
    {"heya.v1.Ack", "result", PAYLOAD_RESULT},
    {"heya.kinds.lobby.Quick", "options", PAYLOAD_OPTIONS},
    {"heya.kinds.lobby.Enqueue", "options", PAYLOAD_OPTIONS},
};

void payload_registry_init(struct payload_registry *registry) {
  registry->count = 0;
  for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) registry->kinds[registry->count++] = built_in[i];
}

enum payload_added payload_registry_add(struct payload_registry *registry, const struct payload_kind *kind) {
  size_t len = strlen(kind->name);
  if (!kind_is_valid(kind->name, len)) return PAYLOAD_BAD_NAME;
  if (payload_kind_find(registry, kind->name, len)) return PAYLOAD_DUPLICATE;
  if (registry->count == PAYLOAD_KINDS_MAX) return PAYLOAD_FULL;
  char *name = registry->names[registry->count];
  memcpy(name, kind->name, len + 1);
  registry->kinds[registry->count] = *kind;
  registry->kinds[registry->count++].name = name;
  return PAYLOAD_ADDED;
}

const struct payload_kind *payload_kind_find(const struct payload_registry *registry, const char *kind, size_t len) {
  for (size_t i = 0; i < registry->count; i++) {
    const char *name = registry->kinds[i].name;
    if (strlen(name) == len && memcmp(name, kind, len) == 0) return &registry->kinds[i];
  }
  return NULL;
}

const ProtobufCMessageDescriptor *payload_find(const struct payload_registry *registry, const char *kind, size_t len,
                                               enum payload_role role) {
  const struct payload_kind *found = payload_kind_find(registry, kind, len);
  return found ? found->messages[role] : NULL;
}

bool payload_is_json(const struct payload_registry *registry, const char *kind, size_t len) {
  const struct payload_kind *found = payload_kind_find(registry, kind, len);
  return found && found->is_json;
}

bool payload_kind_of_package(const char *package, struct payload_kind *out) {
  for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
    if (strcmp(built_in[i].messages[PAYLOAD_COMMAND]->package_name, package) != 0) continue;
    *out = built_in[i];
    return true;
  }
  return false;
}

bool payload_role_of(const char *message, const char *field, enum payload_role *role) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i].field, field) != 0 || strcmp(fields[i].message, message) != 0) continue;
    *role = fields[i].role;
    return true;
  }
  return false;
}

const ProtobufCFieldDescriptor *payload_kind_field(const ProtobufCMessageDescriptor *descriptor) {
  static const char *const names[] = {"room", "kind"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(descriptor, names[i]);
    if (field && field->type == PROTOBUF_C_TYPE_STRING && field->label != PROTOBUF_C_LABEL_REPEATED) return field;
  }
  return NULL;
}

struct bytes payload_kind_in(const char *text) {
  return bytes_of(text, text ? strcspn(text, "/") : 0);
}
