/* The registry of payloads covers the whole client protocol. */
#include "proto/client.pb-c.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/payload.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void every_bytes_field_has_a_role(const ProtobufCMessageDescriptor *descriptor) {
  enum payload_role role;
  for (unsigned i = 0; i < descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
    if (field->type == PROTOBUF_C_TYPE_BYTES)
      cr_assert(payload_role_of(descriptor->name, field->name, &role), "%s.%s", descriptor->name, field->name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) every_bytes_field_has_a_role(field->descriptor);
  }
}

Test(payload, every_bytes_field_of_the_client_protocol_has_a_role) {
  every_bytes_field_has_a_role(&heya__v1__client_message__descriptor);
  every_bytes_field_has_a_role(&heya__v1__server_message__descriptor);
  enum payload_role role;
  cr_assert_not(payload_role_of("heya.bus.Command", "payload", &role));
  cr_assert(payload_role_of("heya.v1.Ack", "result", &role));
  cr_assert_eq(role, PAYLOAD_RESULT);
}

Test(payload, built_in_kinds_have_all_their_messages) {
  struct payload_registry registry;
  payload_registry_init(&registry);
  for (size_t i = 0; i < registry.count; i++)
    for (int role = 0; role < PAYLOAD_ROLES; role++) cr_assert_not_null(registry.kinds[i].messages[role]);
  cr_assert_eq(payload_find(&registry, "livex", 4, PAYLOAD_COMMAND), &heya__kinds__live__command__descriptor);
  cr_assert_null(payload_find(&registry, "livex", 5, PAYLOAD_COMMAND));
  cr_assert_null(payload_find(&registry, "", 0, PAYLOAD_COMMAND));
}

Test(payload, kinds_can_be_added_once_and_up_to_a_limit) {
  struct payload_registry registry;
  static char names[PAYLOAD_KINDS_MAX][16];
  payload_registry_init(&registry);
  cr_assert_eq(payload_registry_add(&registry, &(struct payload_kind){.name = "live"}), PAYLOAD_DUPLICATE);
  cr_assert_eq(payload_registry_add(&registry, &(struct payload_kind){.name = "No"}), PAYLOAD_BAD_NAME);
  for (int i = 0; registry.count < PAYLOAD_KINDS_MAX; i++) {
    snprintf(names[i], sizeof names[i], "k%d", i);
    cr_assert_eq(payload_registry_add(&registry, &(struct payload_kind){.name = names[i]}), PAYLOAD_ADDED);
  }
  cr_assert_eq(payload_registry_add(&registry, &(struct payload_kind){.name = "more"}), PAYLOAD_FULL);
  cr_assert_not_null(payload_kind_find(&registry, "k0", 2));
}

Test(payload, kinds_may_speak_json_or_the_messages_of_another) {
  struct payload_registry registry;
  struct payload_kind kind;
  char name[] = "mine";
  payload_registry_init(&registry);
  cr_assert_eq(payload_registry_add(&registry, &(struct payload_kind){.name = name, .is_json = true}), PAYLOAD_ADDED);
  name[0] = 'x'; /* it was copied */
  cr_assert(payload_is_json(&registry, "mine", 4));
  cr_assert_not(payload_is_json(&registry, "live", 4));
  cr_assert_not(payload_is_json(&registry, "nobody", 6));
  cr_assert_null(payload_find(&registry, "mine", 4, PAYLOAD_COMMAND));
  cr_assert(payload_kind_of_package("heya.kinds.live", &kind));
  cr_assert_eq(kind.messages[PAYLOAD_COMMAND], &heya__kinds__live__command__descriptor);
  cr_assert_not(payload_kind_of_package("heya.kinds", &kind));
}
