/* A bump allocator for messages that live as long as one step of work: decode, handle, reset.
 *
 * Its `allocator` goes to protobuf-c, so that unpacking a message costs no malloc and freeing it costs nothing.
 * A limit bounds what one hostile message can make it allocate: over it arena_alloc gives NULL, which protobuf-c
 * reports as a failed unpack.
 */
#ifndef HEYA_PROTO_ARENA_H
#define HEYA_PROTO_ARENA_H

#include "common/bytes.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
  ProtobufCAllocator allocator; /* for protobuf-c; points back here, so an initialised arena must not be moved */
  struct arena_block *first;    /* owned; kept by arena_reset */
  struct arena_block *block;    /* owned; the one being filled, newest in the chain */
  size_t used;                  /* bytes handed out since the last reset, alignment included */
  size_t limit;                 /* of `used`; may be changed at any time */
  bool refused;                 /* a request passed the limit since the last reset */
};

#define ARENA_NO_LIMIT ((size_t)-1)

/* `first_bytes` are allocated now and kept; later blocks double. `limit_bytes` bounds what is handed out between two
 * resets; ARENA_NO_LIMIT for data the program made itself. */
void arena_init(struct arena *arena, size_t first_bytes, size_t limit_bytes);

/* Idempotent. */
void arena_close(struct arena *arena);

/* Everything handed out becomes invalid; the first block stays, so a loop of typical messages never allocates. */
void arena_reset(struct arena *arena);

/* Aligned for any type, not zeroed. NULL when it would pass the limit; never for lack of memory (that aborts). A size
 * of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same, never NULL: for data the program made itself, of which there is no end in sight when it passes the limit:
 * that ends the process, as lack of memory does (common/mem.h). */
void *arena_take(struct arena *arena, size_t size);

/* A copy followed by a NUL that is not counted; NULL over the limit. */
void *arena_copy(struct arena *arena, struct bytes bytes);

#endif
