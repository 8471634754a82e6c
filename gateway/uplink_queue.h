/* Encoded bus entries in order, each with a ticket that says whom to answer when it is not taken.
 *
 * The bytes of a queue whose front was never taken are an encoded heya.bus.Batch as they stand: entries are framed as
 * elements of its repeated field. The uplink keeps three per partition: system entries and client entries that wait,
 * and the batch that was frozen for sending. Unbounded by itself: the uplink looks at count and bytes before adding.
 */
#ifndef HEYA_GATEWAY_UPLINK_QUEUE_H
#define HEYA_GATEWAY_UPLINK_QUEUE_H

#include "common/buf.h"
#include "proto/bus.pb-c.h"
#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the uplink remembers of an entry. */
struct ticket {
  uint64_t conn;
  uint32_t attempt;
  uint32_t request;
  uint32_t number;                 /* of a command; else 0 */
  Heya__Bus__Entry__BodyCase what; /* join, leave, command: a client's; disconnected: the gateway's own */
  char room[ROOM_ID_MAX + 1];
};

struct uplink_item {
  struct ticket ticket;
  size_t len; /* of the framed entry */
};

/* Zero-initialised it is valid and empty. */
struct uplink_queue {
  struct uplink_item *items; /* owned; those before `head` are taken already */
  size_t head, end, cap;
  struct buf bytes;  /* framed entries from head_bytes on */
  size_t head_bytes; /* bytes of taken entries, not yet moved away */
};

void uplink_queue_close(struct uplink_queue *);
void uplink_queue_clear(struct uplink_queue *);

static inline size_t uplink_queue_count(const struct uplink_queue *queue) {
  return queue->end - queue->head;
}

static inline size_t uplink_queue_bytes(const struct uplink_queue *queue) {
  return queue->bytes.len - queue->head_bytes;
}

/* The i-th waiting item's ticket, 0 being the front. Valid until the next change. */
static inline const struct ticket *uplink_queue_ticket(const struct uplink_queue *queue, size_t i) {
  return &queue->items[queue->head + i].ticket;
}

/* How many bytes the entry takes in a batch. */
size_t uplink_entry_size(const Heya__Bus__Entry *);

/* Everything is copied; the ticket is made from the entry. The entry's room is a checked room id. */
void uplink_queue_add(struct uplink_queue *, const Heya__Bus__Entry *);

/* Takes from the front of `from` to the end of `to` until `to` holds max_count entries or the next one would bring it
 * over max_bytes (one always fits into an empty `to`). Entries for which keep(arg, ticket) is false are dropped on
 * the way; keep may be NULL. Returns how many were dropped. */
size_t uplink_queue_move(struct uplink_queue *from, struct uplink_queue *to, size_t max_count, size_t max_bytes,
                         bool (*keep)(void *arg, const struct ticket *), void *arg);

/* Keeps the first `count` entries only. */
void uplink_queue_truncate(struct uplink_queue *, size_t count);

#endif
