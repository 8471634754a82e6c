/* proto3's JSON mapping (https://protobuf.dev/programming-guides/json/) over protobuf-c descriptors, for the
 * subprotocol heya.v1.json and for tools.
 *
 * Out: lowerCamelCase names, 64-bit integers as strings, enums by name, bytes in standard base64; fields at their
 * default are left out, except a set member of a oneof. In: both spellings of a name, integers as numbers or strings
 * (beyond +-2^63 only as strings), either base64 alphabet, null as the default. Refused, with the path of the fault:
 * unknown names, a field or a oneof given twice, values out of range, strings with NUL.
 *
 * A bytes field that holds a kind's message (payload_role_of) stands as that message's object. The kind is that of
 * the nearest enclosing message with a string field `room` ("<kind>/<name>") or `kind`. Out, an unknown kind's
 * payload, or one that does not decode, is base64; in, base64 is always accepted. The payload of a kind whose
 * payloads are JSON (payload_is_json) stands as it is, if it is an object.
 */
#ifndef HEYA_PROTO_JSON_H
#define HEYA_PROTO_JSON_H

#include "common/bytes.h"
#include "proto/arena.h"
#include "proto/codec.h"
#include "proto/payload.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_DEPTH_MAX         32   /* of nested objects and arrays in a text */
#define JSON_PAYLOAD_DEPTH_MAX 24   /* of a payload that is JSON itself: it stands within other objects */
#define JSON_VALUES_MAX        4096 /* in a text */
#define JSON_ELEMENTS_MAX      256  /* in one array */

struct json_error {
  char text[256];           /* "command.payload.say.txt: unknown field"; valid UTF-8 without control characters */
  struct codec_about about; /* what could be read although something is wrong; nothing when it is not JSON */
};

/* The message as one line of JSON, in the arena. False only over the arena's limit. The message must be one that
 * passed codec_unpack or was made by the program with valid strings. `registry` may be NULL: all payloads base64. */
bool json_encode(const struct payload_registry *registry, struct arena *arena, const ProtobufCMessage *message,
                 struct bytes *out);

/* False with *error filled when `text` is not such a message, or over the arena's limit; *out is then NULL. Otherwise
 * *out is the message, in the arena; it has passed the same checks as one from codec_unpack. */
bool json_decode(const struct payload_registry *registry, struct arena *arena,
                 const ProtobufCMessageDescriptor *descriptor, struct bytes text, ProtobufCMessage **out,
                 struct json_error *error);

#endif
