/* A WebSocket client that never waits without a deadline (RFC 6455; frames by wslay).
 *
 * Opening is blocking with a deadline; after that the socket is non-blocking, and everything that arrived is taken by
 * wsclient_pump, which wsclient_receive calls. Pings of the server are answered while pumping: a client that is not
 * pumped is a client that does not read.
 */
#ifndef HEYA_TESTS_SUPPORT_WSCLIENT_H
#define HEYA_TESTS_SUPPORT_WSCLIENT_H

#include "common/buf.h"
#include "common/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct wsclient;

enum wsclient_format { WSCLIENT_PROTO, WSCLIENT_JSON }; /* heya.v1.proto: binary; heya.v1.json: text */

struct wsclient_options {
  const char *path; /* NULL: /v1 */
  enum wsclient_format format;
  const char *headers; /* further header lines, each ending in CRLF; may be NULL */
  int receive_bytes;   /* the kernel's receive buffer; 0: as it is */
};

/* Connects to "HOST:PORT" and upgrades. NULL when the server refuses; *status is then its HTTP status, or 0 for none.
 * Both `options` and `status` may be NULL. */
struct wsclient *wsclient_open(const char *address, const struct wsclient_options *options, unsigned *status);

/* Closes the socket without a word, whatever state it is in, and frees everything. NULL is harmless. */
void wsclient_destroy(struct wsclient *client);

/* Queues a message and sends what the socket takes; the rest goes when it is pumped. */
void wsclient_send(struct wsclient *client, struct bytes message);
void wsclient_send_text(struct wsclient *client, const char *text);

/* Puts these bytes on the wire as they are: malformed frames. False when the connection is gone. */
bool wsclient_send_raw(struct wsclient *client, struct bytes data);
/* Queues one masked frame of any shape: FIN, RSV bits and opcode as given in `head` (0x81 is a whole text message).
 */
bool wsclient_send_frame(struct wsclient *client, uint8_t head, struct bytes payload);

/* Starts an orderly close with this code. The server's answer shows in wsclient_close_code. */
void wsclient_close(struct wsclient *client, uint16_t code);

/* Sends and receives what is possible now. False when the connection is over. */
bool wsclient_pump(struct wsclient *client);

enum wsclient_result { WSCLIENT_MESSAGE, WSCLIENT_TIMEOUT, WSCLIENT_CLOSED };
/* The next message, moved into `message` (closed by the caller). Messages that came before the end are given first.
 * `deadline` is wait_deadline's; 0 does not wait. */
enum wsclient_result wsclient_receive(struct wsclient *client, uint64_t deadline, struct buf *message);

/* Waits for the end of the connection, throwing messages away, and returns the server's close code: 1005 for a Close
 * frame without one, 1006 for none at all, 0 when the connection was still there after `ms`. */
uint16_t wsclient_wait_close(struct wsclient *client, uint64_t ms);
/* What the server's Close frame said; 0 and "" before, 1006 when the connection ended without one. */
uint16_t wsclient_close_code(const struct wsclient *client);
const char *wsclient_close_reason(const struct wsclient *client);

/* To poll several clients at once. */
int wsclient_fd(const struct wsclient *client);
bool wsclient_wants_write(const struct wsclient *client);

#endif
