/* What waits to be sent on one connection: a queue of shared frames.
 *
 * A frame is bytes that many connections may queue: a broadcast is encoded once. The outbox offers the next bytes as
 * iovecs and is told how many of them went out; it never sees a socket. It is bounded by its owner, conn.c, which
 * looks at `bytes` after each push.
 */
#ifndef HEYA_GATEWAY_OUTBOX_H
#define HEYA_GATEWAY_OUTBOX_H

#include "common/bytes.h"
#include "gateway/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* frame_create, frame_ref, frame_unref are in gateway/conn.h. Not for several threads. */

/* The bytes as they are, without a WebSocket header. */
struct frame *frame_create_raw(struct bytes bytes);

enum frame_control { FRAME_CLOSE = 0x8, FRAME_PING = 0x9, FRAME_PONG = 0xa };

/* A control frame; the payload is at most 125 bytes (RFC 6455, section 5.5). */
struct frame *frame_create_control(enum frame_control opcode, struct bytes payload);

/* A Close frame. The reason is cut to 123 bytes of whole characters, and must be UTF-8; NULL is none. Code 0 makes an
 * empty one. */
struct frame *frame_create_close(uint16_t code, const char *reason);

/* All of it, header included; valid as long as the frame. */
struct bytes frame_bytes(const struct frame *frame);

#define OUTBOX_INLINE 4

/* Zero-initialised it is empty. Holds one reference of each frame in it. */
struct outbox {
  struct frame *few[OUTBOX_INLINE]; /* the ring while it is small: most flushes need no memory */
  struct frame **many;              /* the ring when it was not enough; NULL otherwise */
  uint32_t capacity;                /* of `many`, a power of two */
  uint32_t head, count;
  size_t head_sent; /* bytes of the first frame that are gone */
  size_t bytes;     /* not sent yet */
};

/* Takes its own reference. */
void outbox_push(struct outbox *outbox, struct frame *frame);

/* Fills at most `max` iovecs with what comes next; returns how many. Valid until the next call that changes it. */
size_t outbox_fill(const struct outbox *outbox, struct iovec *iov, size_t max);

/* `sent` bytes, at most outbox->bytes, have gone out. */
void outbox_advance(struct outbox *outbox, size_t sent);

/* Forgets everything but the frame that is partly sent, so that what is pushed next begins where a frame may. */
void outbox_drop(struct outbox *outbox);

/* Empties it and frees its memory. Idempotent. */
void outbox_close(struct outbox *outbox);

static inline bool outbox_is_empty(const struct outbox *outbox) {
  return outbox->count == 0;
}

#endif
