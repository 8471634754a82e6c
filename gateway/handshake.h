/* Reading an HTTP request and deciding what it gets: an upgrade to a WebSocket (RFC 6455, section 4.2), a file, or an
 * error. Pure: bytes in, a decision out. Wraps http-parser; nothing else includes it.
 *
 * The head is collected first, within limits, and then parsed whole. http-parser forgives much that proxies may read
 * differently (lone line feeds, folded lines, repeated headers, bodies), so those are refused here.
 */
#ifndef HEYA_GATEWAY_HANDSHAKE_H
#define HEYA_GATEWAY_HANDSHAKE_H

#include "common/buf.h"
#include "gateway/conn.h"
#include "gateway/gateway_metrics.h"
#include "gateway/http.h"
#include "gateway/limits.h"
#include "proto/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDSHAKE_HEADERS_MAX 64    /* lines; more get 431 */
#define HANDSHAKE_BYTES_MAX   65536 /* whatever the rules say; http-parser's own limit is 80 KB */

struct handshake_rules {
  size_t max_header_bytes; /* of request line and headers */
  char *const *origins; /* allowed ones; none: any. A request without Origin, not from a browser, is always allowed */
  size_t origin_count;
  const struct cidr *trusted; /* proxies */
  size_t trusted_count;
};

/* The collected head. Zero-initialised it waits for a request. */
struct handshake {
  struct buf head;
  uint16_t bad_status;    /* 0, or what is wrong with it already */
  const char *bad_reason; /* a literal */
  bool started;           /* some byte has come, other than empty lines */
  bool complete;
};

/* Takes bytes up to the end of the head; *used says how many. True when handshake_decide can be called: the head is
 * complete, or certainly bad. What is left of `in` then belongs to whatever follows. Do not feed it again before
 * handshake_reset. */
bool handshake_feed(struct handshake *handshake, const struct handshake_rules *rules, struct bytes in, size_t *used);

enum handshake_action { HANDSHAKE_UPGRADE, HANDSHAKE_FILE, HANDSHAKE_REFUSE };

struct handshake_decision {
  enum handshake_action action;
  bool head;                   /* the method was HEAD: no body */
  bool keep_alive;             /* of a file: the client wants to ask more */
  char address[ADDRESS_BYTES]; /* of the client, behind trusted proxies; always set */

  /* HANDSHAKE_UPGRADE */
  enum conn_format format;
  char accept[HTTP_ACCEPT_BYTES];
  char room[ROOM_ID_MAX + 1]; /* "" when the path names none */

  /* HANDSHAKE_FILE; the views end with the next handshake_feed, _reset or _close */
  struct bytes path; /* without the query */
  struct bytes if_none_match;

  /* HANDSHAKE_REFUSE */
  unsigned status;
  const char *reason; /* a literal sentence for the client */
  enum gateway_refusal refusal;
};

/* `peer` is the other end of the socket. */
void handshake_decide(const struct handshake *handshake, const struct handshake_rules *rules,
                      const struct address *peer, struct handshake_decision *decision);

/* Ready for the next request; keeps its memory. */
void handshake_reset(struct handshake *handshake);

/* Idempotent. */
void handshake_close(struct handshake *handshake);

#endif
