/* What a load generator needs to know of a server's message, read without unpacking it: a few fields of a few bodies,
 * the others are skipped. The generated code allocates for each message and would be most of what the generator does.
 * A message that the generated code refuses may pass here; tests/unit/load_wire.c compares the two on those that it
 * makes. Wire format: protobuf.dev/programming-guides/encoding. */
#ifndef HEYA_TESTS_LOAD_WIRE_H
#define HEYA_TESTS_LOAD_WIRE_H

#include "common/bytes.h"

#include <stdint.h>

/* What a message did not say is zero. Views are into the message. */
struct wire_message {
  uint32_t request;
  uint32_t body;        /* a HEYA__V1__SERVER_MESSAGE__BODY_*, 0 for none or an unknown one */
  struct bytes room;    /* of all bodies that have one */
  uint32_t code;        /* Error.code; reason of Joined, Detached and Goodbye */
  uint32_t number;      /* of Ack and Error */
  struct bytes text;    /* Error.message */
  uint64_t epoch, seq;  /* of Event and Joined */
  uint32_t event;       /* a HEYA__V1__EVENT__BODY_* */
  struct bytes payload; /* of that event, when it is one of the kind */
};

/* False when it cannot be read. */
bool wire_read(struct bytes message, struct wire_message *out);

/* For the messages of kinds. One field of a message: the first of that number, from *rest on, which is left behind
 * it. False when there is none (any more). */
struct wire_field {
  uint64_t value;     /* of numbers; of fixed ones their bits */
  struct bytes bytes; /* of what has a length: texts, bytes, messages */
};
bool wire_find(struct bytes *rest, uint32_t number, struct wire_field *field);

/* Shorter: the bytes, or the number, of a field that stands there once; empty or 0 if it does not. */
struct bytes wire_bytes(struct bytes message, uint32_t number);
uint64_t wire_number(struct bytes message, uint32_t number);

#endif
