/* Which rooms a connection is in, or may be in: one record per join it sent and has not seen the end of.
 *
 * A record is made when a join is handed to the uplink, before anybody knows its outcome, because from then on a
 * worker may come to believe that this connection speaks for a member: when the connection goes, every record becomes
 * a `disconnected`. A record is named by room and attempt, not by room alone. A client may leave and join again
 * without waiting for answers, so an older join on its way out and a newer one on its way in live side by side. Pure;
 * used by sessions and by the downlink.
 */
#ifndef HEYA_GATEWAY_ATTACHMENT_H
#define HEYA_GATEWAY_ATTACHMENT_H

#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attachment {
  char room[ROOM_ID_MAX + 1];
  uint32_t attempt;
  bool attached; /* the room has answered the join; false: joining */
  bool leaving;  /* a leave is on its way: commands and a second leave are refused, a new join is not */
};

/* Zero-initialised it is valid and empty. */
struct attachments {
  struct attachment *items; /* owned; oldest join first */
  size_t count, cap;
};

void attachments_close(struct attachments *);

/* The record commands go to: the newest one of this room that is not leaving. NULL: this connection is not in it. */
struct attachment *attachments_live(struct attachments *, const char *room);

/* The record of exactly this join; NULL when there is none (any more). */
struct attachment *attachments_find(struct attachments *, const char *room, uint32_t attempt);

/* How many are not leaving: what counts against the limit of rooms. */
size_t attachments_live_count(const struct attachments *);

/* `room` is a checked room id. At most twice `limit` records are kept, leaving ones included, and `limit` live ones;
 * NULL when that is reached. Pointers got before become invalid. */
struct attachment *attachments_add(struct attachments *, const char *room, uint32_t attempt, size_t limit);

/* The room answered this join: older records of the room are over, since its owner sees joins in their order and now
 * knows this connection by this attempt. A record that is not there is made, whatever the limits: its owner believes
 * in it. Returns by how many the records grew, negative when they shrank. */
int attachments_confirm(struct attachments *, const char *room, uint32_t attempt);

/* True when there was such a record. */
bool attachments_remove(struct attachments *, const char *room, uint32_t attempt);

#endif
