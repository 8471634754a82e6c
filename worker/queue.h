/* The commands that wait in a ticking room for its next frame, in the order in which they came.
 *
 * A waiting command is part of the room's image, so it survives its worker. It is answered when it is executed, by
 * the connection that its player has then; when it can no longer be (he left, the room ended) it is answered with an
 * error. Bounded: over QUEUE_MAX, QUEUE_BYTES or one player's QUEUE_PLAYER_MAX the room answers BUSY. Pure.
 */
#ifndef HEYA_WORKER_QUEUE_H
#define HEYA_WORKER_QUEUE_H

#include "common/bytes.h"
#include "proto/names.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_MAX        1024
#define QUEUE_BYTES      (256u << 10)
#define QUEUE_PLAYER_MAX 64 /* of one player: as many as a client may have unanswered */

struct queued {
  char player[PLAYER_MAX + 1];
  uint32_t number;  /* in his session */
  uint32_t request; /* to be echoed: of the last time that it was sent */
  void *payload;    /* owned */
  size_t len;
};

/* Zero-initialised it is empty. */
struct queue {
  struct queued *items; /* oldest first */
  size_t n, cap, bytes;
};

void queue_close(struct queue *);
/* Copies the payload. False when it is full, also for this player alone: then nothing has changed. */
bool queue_add(struct queue *, const char *player, uint32_t number, uint32_t request, struct bytes payload);
/* NULL: it does not wait. */
struct queued *queue_find(const struct queue *, const char *player, uint32_t number);
/* How many of his wait. */
uint32_t queue_count(const struct queue *, const char *player);
/* Takes the oldest out (of this player, if one is named); its payload is the caller's to free. False: there is none.
 */
bool queue_take(struct queue *, const char *player, struct queued *out);

#endif
