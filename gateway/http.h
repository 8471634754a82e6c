/* Building HTTP/1.1 responses (RFC 9110, RFC 9112): bytes into a buffer, nothing else.
 *
 * What a request gets is decided in handshake.c; conn.c sends what is built here. A new header for every answer goes
 * into http.c's begin.
 */
#ifndef HEYA_GATEWAY_HTTP_H
#define HEYA_GATEWAY_HTTP_H

#include "common/buf.h"
#include "gateway/conn.h"

#include <stdbool.h>
#include <stdint.h>

struct file;

#define HTTP_ACCEPT_BYTES 29 /* of Sec-WebSocket-Accept, NUL included */

/* "Not Found" for 404; "Error" for a status this gateway does not use. */
const char *http_status_text(unsigned status);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, section 4.2.2). */
void http_accept_key(struct bytes key, char accept[HTTP_ACCEPT_BYTES]);

/* 101; from here on the connection is a WebSocket. */
void http_switching(struct buf *out, const char *accept, enum conn_format format);

/* An error: `text` as text/plain, with the header the status asks for (Allow, Retry-After, Sec-WebSocket-Version),
 * and Connection: close. Without the body if `head`. `wall_ms` is for the Date. */
void http_error(struct buf *out, unsigned status, const char *text, bool head, uint64_t wall_ms);

/* 200 for a file, or 304 if `not_modified`: the header only, the body is file->body. */
void http_file(struct buf *out, const struct file *file, bool not_modified, bool keep_alive, uint64_t wall_ms);

/* An If-None-Match value names this ETag (weak comparison), or is "*". */
bool http_etag_matches(struct bytes if_none_match, const char *etag);

/* The name of a subprotocol in Sec-WebSocket-Protocol. */
const char *http_subprotocol(enum conn_format format);

#endif
