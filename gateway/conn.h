/* A WebSocket connection as the gateway's logic sees it: open, messages, closed.
 *
 * The network half (listener, http, handshake, ws, outbox, conn) owns sockets, frames and limits and knows nothing of
 * players or rooms; the logic half (session, uplink, downlink) knows nothing of sockets. This header is all that is
 * between them. Output is collected in the connection's outbox and leaves in one send per connection and loop turn.
 */
#ifndef HEYA_GATEWAY_CONN_H
#define HEYA_GATEWAY_CONN_H

#include "common/bytes.h"
#include <stdint.h>

struct conn;
struct frame;

enum conn_format { CONN_PROTO, CONN_JSON }; /* the subprotocol chosen in the handshake */

/* What the upgrade request said, already checked. */
struct conn_open {
  enum conn_format format;
  const char *room;    /* "<kind>/<name>" from /v1/<kind>/<name>, or NULL; valid during the callback */
  const char *address; /* of the client, X-Forwarded-For applied when the peer is a trusted proxy */
};

/* The callbacks of the logic half. None may destroy the connection: conn_close marks it, it is reaped later. */
struct conn_handler {
  void (*open)(void *arg, struct conn *, const struct conn_open *);
  /* A whole message, at most max_message_bytes; valid UTF-8 if the format is CONN_JSON. Not after conn_close. */
  void (*message)(void *arg, struct conn *, struct bytes);
  /* Exactly once for every open, whoever closed it; the connection is invalid afterwards. */
  void (*closed)(void *arg, struct conn *);
  void *arg;
};

/* Unique in this process and never reused; starts at 1. */
uint64_t conn_number(const struct conn *);
enum conn_format conn_format(const struct conn *);
const char *conn_address(const struct conn *);
/* NULL when there is no such connection, or it is closing. */
struct listener;
struct conn *conn_find(struct listener *, uint64_t number);

/* One pointer for the logic half. */
void conn_set_data(struct conn *, void *data);
void *conn_data(const struct conn *);

/* The connection has said hello: the handshake timeout no longer applies, the idle timeout does. */
void conn_set_ready(struct conn *);

/* An encoded WebSocket frame, header and payload, shared between any number of receivers. The payload is copied. The
 * creator holds one reference; conn_send takes its own. */
struct frame *frame_create(enum conn_format, struct bytes payload);
struct frame *frame_ref(struct frame *);
void frame_unref(struct frame *);

/* Queue a frame; when the connection's output is over its limit, it is closed as SLOW_CONSUMER. A closing connection
 * takes nothing. */
void conn_send(struct conn *, struct frame *);

/* Send what is queued, then a Close frame with this code (RFC 6455 section 7.4; 4000 + Error.Code for ours) and
 * reason (at most 123 bytes), then close. Idempotent. */
void conn_close(struct conn *, uint16_t code, const char *reason);

#endif
