/* The commands that wait in a ticking room for its next frame, in the order in which they came.
 *
 * A waiting command is part of the room's image, so it survives its worker. It is answered when it is executed, by
 * the connection that its player has then; when it can no longer be (he left, the room ended) it is answered with an
 * error. Bounded: over QUEUE_MAX or QUEUE_BYTES the room answers BUSY. Pure.
 */
#ifndef HEYA_WORKER_QUEUE_H
#define HEYA_WORKER_QUEUE_H

#include "common/bytes.h"
#include "proto/names.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_MAX   1024
#define QUEUE_BYTES (256u << 10)

struct queued {
  char player[PLAYER_MAX + 1];
  uint32_t number;  /* in his session */
  uint32_t request; /* to be echoed: of the last time that it was sent */
  bool manage;      /* the payload is an encoded heya.v1.Manage, else the kind's */
  void *payload;    /* owned */
  size_t len;
};

/* Zero-initialised it is empty. */
struct queue {
  struct queued *items; /* see queue_at */
  size_t first, n, cap, bytes;
};

void queue_close(struct queue *);
/* Copies the item with its payload. False when it is full: then nothing has changed. */
bool queue_add(struct queue *, const struct queued *);
/* Oldest first, i < n. */
static inline struct queued *queue_at(const struct queue *queue, size_t i) {
  return &queue->items[queue->first + i];
}
/* NULL: it does not wait. */
struct queued *queue_find(const struct queue *, const char *player, uint32_t number);
/* How many of his wait. */
uint32_t queue_count(const struct queue *, const char *player);
/* Takes the oldest out (of this player, if one is named); its payload is the caller's to free. False: there is none.
 */
bool queue_take(struct queue *, const char *player, struct queued *out);

#endif
