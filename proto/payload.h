/* Which messages a kind's payloads are: the link between the opaque `bytes` fields of client.proto and
 * proto/kinds/<kind>.proto.
 *
 * A worker needs none of it, nor does the binary protocol; the JSON mapping (proto/json.h) shows a known kind's
 * payload as an object. A new built-in kind is one row in payload.c; others are added at start with
 * payload_registry_add.
 */
#ifndef HEYA_PROTO_PAYLOAD_H
#define HEYA_PROTO_PAYLOAD_H

#include "common/bytes.h"
#include "proto/names.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum payload_role {
  PAYLOAD_OPTIONS,
  PAYLOAD_PROFILE,
  PAYLOAD_COMMAND,
  PAYLOAD_EVENT,
  PAYLOAD_STATE,
  PAYLOAD_RESULT,
  PAYLOAD_ROLES /* how many */
};

struct payload_kind {
  const char *name;
  const ProtobufCMessageDescriptor *messages[PAYLOAD_ROLES]; /* NULL: this kind has no such message known here */
  bool is_json; /* its payloads are JSON objects as text, and it has no messages */
};

#define PAYLOAD_KINDS_MAX 64

/* Points into itself: it may not be moved. */
struct payload_registry {
  struct payload_kind kinds[PAYLOAD_KINDS_MAX];
  char names[PAYLOAD_KINDS_MAX][KIND_MAX + 1]; /* of those that were added */
  size_t count;
};

/* With the built-in kinds in it. Nothing to close. */
void payload_registry_init(struct payload_registry *registry);

enum payload_added { PAYLOAD_ADDED, PAYLOAD_BAD_NAME, PAYLOAD_DUPLICATE, PAYLOAD_FULL };

/* Copies *kind and its name. */
enum payload_added payload_registry_add(struct payload_registry *registry, const struct payload_kind *kind);

/* NULL when the kind is not known; `kind` need not end in NUL. */
const struct payload_kind *payload_kind_find(const struct payload_registry *registry, const char *kind, size_t len);

/* The descriptor of a kind's message, or NULL. */
const ProtobufCMessageDescriptor *payload_find(const struct payload_registry *registry, const char *kind, size_t len,
                                               enum payload_role role);

/* Whether it is known that this kind's payloads are JSON. */
bool payload_is_json(const struct payload_registry *registry, const char *kind, size_t len);

/* The messages of the built-in kind whose package this is, "heya.kinds.chat", for a kind of another name that speaks
 * them: as it stands in *out, to be renamed. False if there is none. */
bool payload_kind_of_package(const char *package, struct payload_kind *out);

/* Whether the bytes field `field` of the message `message` (full protobuf names, e.g. "heya.v1.Command", "payload")
 * holds a kind's message, and which. */
bool payload_role_of(const char *message, const char *field, enum payload_role *role);

/* The string field of a message that says the kind of the payloads in it, and in what it contains: `room`, else
 * `kind`; NULL when it has neither, and the message around it decides. */
const ProtobufCFieldDescriptor *payload_kind_field(const ProtobufCMessageDescriptor *descriptor);

/* The kind in such a field's text; `text` may be NULL, which gives an empty one. */
struct bytes payload_kind_in(const char *text);

#endif
