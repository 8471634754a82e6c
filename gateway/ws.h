/* Reading WebSocket frames (RFC 6455) from the bytes of connections. Wraps wslay; nothing else includes it.
 *
 * Bytes go in, whole messages and control frames come out through callbacks. A parser takes 4.3 KB, so connections
 * share a pool: one is borrowed when bytes arrive and given back as soon as no frame or message is incomplete. An
 * idle connection owns none. Written frames are made in outbox.c.
 */
#ifndef HEYA_GATEWAY_WS_H
#define HEYA_GATEWAY_WS_H

#include "common/bytes.h"
#include "gateway/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_pool;

/* At most `spare` unused parsers are kept; their number is otherwise that of the connections in mid-message. What one
 * of those holds grows with the bytes that really came, up to max_message_bytes. */
struct ws_pool *ws_pool_create(uint32_t max_message_bytes, size_t spare);

/* Every struct ws has been closed. NULL is harmless. */
void ws_pool_destroy(struct ws_pool *pool);

/* Borrowed now. */
size_t ws_pool_in_use(const struct ws_pool *pool);

/* What a connection keeps between reads. Zero-initialised it is ready. */
struct ws {
  struct ws_reader *reader; /* NULL unless in mid-frame or mid-message */
};

/* Called while ws_feed runs; all are set. Each returns whether to go on; after false ws_feed returns at once, and the
 * rest of the bytes is ignored: the connection is closing. None may close this struct ws. */
struct ws_events {
  bool (*frame)(void *arg); /* before any other, for each frame that begins, control frames and fragments too */
  bool (*message)(void *arg, struct bytes message);
  bool (*ping)(void *arg, struct bytes payload);
  bool (*pong)(void *arg, struct bytes payload);
  /* The peer's Close, checked; code 0 when it gave none. Nothing comes after it, whatever is returned. */
  bool (*close)(void *arg, uint16_t code);
};

enum ws_result {
  WS_OK,
  WS_STOPPED,      /* a callback said so, or the peer's Close has come */
  WS_BAD_PROTOCOL, /* 1002: unmasked, reserved bits or opcodes, a length not in its shortest form, bad order */
  WS_BAD_TYPE,     /* 1003: text where the subprotocol is binary, or the other way round */
  WS_BAD_UTF8,     /* 1007: in a text message or in the reason of a Close */
  WS_TOO_LARGE     /* 1009 */
};

/* Takes all of `in`. After anything but WS_OK call only ws_close. */
enum ws_result ws_feed(struct ws_pool *pool, struct ws *ws, enum conn_format format, struct bytes in,
                       const struct ws_events *events, void *arg);

/* Gives back what is borrowed. Idempotent. */
void ws_close(struct ws_pool *pool, struct ws *ws);

#endif
