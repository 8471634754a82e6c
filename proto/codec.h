/* Messages in and out of protobuf's binary form, safely.
 *
 * protobuf-c's own unpack accepts bad UTF-8, NUL within strings and unknown enum values, and allocates for every
 * unknown field. codec_unpack counts before anything is allocated and checks every value after, so code behind it may
 * trust strings to be text-safe C strings and enums to be known. What a value means is checked by its user.
 */
#ifndef HEYA_PROTO_CODEC_H
#define HEYA_PROTO_CODEC_H

#include "common/bytes.h"
#include "proto/arena.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_result {
  CODEC_OK,
  CODEC_MALFORMED,     /* not protobuf, cut short, or a wire type that does not fit its field */
  CODEC_TOO_MANY,      /* more fields, or more elements in one repeated field, than the limits allow */
  CODEC_TOO_DEEP,      /* messages nested deeper than the limit */
  CODEC_TOO_BIG,       /* the arena's limit, or more than CODEC_GROWTH bytes of memory per byte of message */
  CODEC_UNKNOWN_FIELD, /* more unknown fields than the limit */
  CODEC_BAD_STRING,    /* a string that is not UTF-8 or contains NUL */
  CODEC_UNKNOWN_ENUM   /* an enum value this version does not know */
};

struct codec_limits {
  uint32_t fields;   /* in the whole message, nested ones included; an element of a repeated field counts as one */
  uint32_t elements; /* in one repeated field, packed ones included */
  uint32_t unknown;  /* unknown fields in the whole message; they are ignored, so that a newer peer can be heard */
  uint32_t depth;    /* of nesting; the outermost message is 1 */
};

/* What a client sends, or a kind's payload. */
extern const struct codec_limits codec_limits_client;
/* What another process of the deployment wrote to Redis: batches, deliveries, images. */
extern const struct codec_limits codec_limits_internal;

#define CODEC_GROWTH      128  /* memory per byte of message: an empty element of 2 bytes becomes a struct */
#define CODEC_ABOUT_ROOM  128  /* bytes */
#define CODEC_GROWTH_BASE 4096 /* and this much in any case */

/* On CODEC_OK *out is the message, in the arena and valid until its reset; otherwise *out is NULL (and the arena may
 * hold scraps until its reset). `data` is not kept: strings and bytes are copied. */
enum codec_result codec_unpack(const struct codec_limits *limits, const ProtobufCMessageDescriptor *descriptor,
                               struct arena *arena, const void *data, size_t len, ProtobufCMessage **out);

/* What a message that is refused was about, so that the answer can say it: 0 and "" for what cannot be read. */
struct codec_about {
  uint32_t request, number;
  char room[CODEC_ABOUT_ROOM + 1]; /* UTF-8 on one line as it was given, a room id or not */
};

/* Looks into bytes that codec_unpack refuses for the outermost field `request` and, in the messages directly below,
 * `room` and `number`. Reads each of those two levels once, up to what is not protobuf. */
void codec_peek(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len,
                struct codec_about *about);

/* Notes the room unless it is too long or not text. `room` may be NULL. */
void codec_about_room(struct codec_about *about, const char *room, size_t len);

/* The same checks on a message made elsewhere: strings, enum values, element counts, depth. */
enum codec_result codec_check(const struct codec_limits *limits, const ProtobufCMessage *message);

/* Packs into the arena; false only over the arena's limit. An empty message is 0 bytes. */
bool codec_pack(struct arena *arena, const ProtobufCMessage *message, struct bytes *out);

/* The size of one value of this type in a message's struct or in a repeated field's array. */
size_t codec_value_size(ProtobufCType type);

/* One short English phrase, e.g. for Error.message. */
const char *codec_result_text(enum codec_result result);

#endif
