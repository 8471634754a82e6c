/* Random valid messages of any descriptor, for round trips and as seeds of mutations. Deterministic from a seed. */
#ifndef HEYA_TESTS_UNIT_PROTO_GENERATE_H
#define HEYA_TESTS_UNIT_PROTO_GENERATE_H

#include "proto/arena.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

struct generator {
  uint64_t state;      /* of the random numbers; not 0 */
  const char *kind;    /* of every room and payload */
  struct arena *arena; /* where messages go */
};

uint32_t generate_number(struct generator *generator, uint32_t below);

/* Payload fields hold a message of the generator's kind, or random bytes when it is none of the built-in ones. */
ProtobufCMessage *generate_message(struct generator *generator, const ProtobufCMessageDescriptor *descriptor);

/* The outermost messages of every .proto file; all others are within them. */
extern const ProtobufCMessageDescriptor *const generate_descriptors[];
extern const size_t generate_descriptor_count;

#endif
