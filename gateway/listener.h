/* The listening socket of a gateway and all its connections: accepting, finding, timing out, flushing, reaping.
 *
 * The gateway creates one, gives it the logic half's callbacks (gateway/conn.h), and calls listener_flush once per
 * loop turn. Connections live from accept to the listener_flush that reaps them; nothing else frees one. What one
 * connection does is in conn.c; what both share is gateway/conn_impl.h.
 */
#ifndef HEYA_GATEWAY_LISTENER_H
#define HEYA_GATEWAY_LISTENER_H

#include "gateway/conn.h"
#include "gateway/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct files;
struct gateway_metrics;
struct listener;
struct log;

/* Plain values; see LISTENER_CONFIG_DEFAULTS. What it points at must outlive the listener. */
struct listener_config {
  const char *host; /* a numeric IPv4 or IPv6 address; NULL: 127.0.0.1 */
  uint16_t port;    /* 0: any free one, see listener_port */

  const struct files *www; /* answers plain GET; NULL: nothing there (404) */
  char *const *origins;    /* of browsers that may connect, "https://example.org"; none: any */
  size_t origin_count;
  const struct cidr *trusted; /* proxies whose X-Forwarded-For is believed */
  size_t trusted_count;

  uint32_t max_connections;             /* one more gets 503 */
  uint32_t max_connections_per_address; /* WebSockets; 0: no limit. One more gets 429 */
  uint32_t max_header_bytes;            /* of the HTTP request, its first line included; at most 64 KiB */
  uint32_t max_message_bytes;           /* of a WebSocket message; more closes with 1009 */
  uint32_t max_output_bytes;            /* waiting in one connection; more closes with 4041 SLOW_CONSUMER */
  uint32_t max_frames_per_s; /* frames of any sort, pings and fragments too; more closes with 4012; 0: off */
  uint32_t frame_burst;

  /* times; none may be 0 */
  uint32_t handshake_timeout_ms; /* from accept to the end of the HTTP request; 408 */
  uint32_t keep_alive_ms;        /* between two HTTP requests */
  uint32_t hello_timeout_ms;     /* from the upgrade to conn_set_ready; 4043 */
  uint32_t ping_interval_ms;     /* a connection silent for so long is pinged */
  uint32_t idle_timeout_ms;      /* nothing heard for so long, noticed up to one ping interval later; 4043 */
  uint32_t linger_ms;            /* from deciding to close to giving up on the peer */
};

/* The frame rate is far above the rate of messages that sessions answer with RATE_LIMITED: who exceeds it does not
 * listen to answers. */
#define LISTENER_CONFIG_DEFAULTS                                                                                     \
  {                                                                                                                  \
    .max_connections = 20000, .max_header_bytes = 8192, .max_message_bytes = 65536, .max_output_bytes = 1048576,     \
    .max_frames_per_s = 240, .frame_burst = 480, .handshake_timeout_ms = 10000, .keep_alive_ms = 10000,              \
    .hello_timeout_ms = 10000, .ping_interval_ms = 20000, .idle_timeout_ms = 60000, .linger_ms = 2000                \
  }

/* Binds and listens; NULL with a sentence in `error` when the address cannot be used. Config and handler are copied.
 * `log` may be NULL. */
struct listener *listener_create(struct ev_loop *loop, const struct listener_config *config,
                                 const struct conn_handler *handler, struct gateway_metrics *metrics, struct log *log,
                                 char *error, size_t error_size);

/* "127.0.0.1:8080", "[::1]:8080": what is really bound. Valid as long as the listener. */
const char *listener_address(const struct listener *listener);
uint16_t listener_port(const struct listener *listener);

/* Draining: closes the listening socket, refuses further upgrades with 503. Open WebSockets stay. Idempotent. */
void listener_stop_accepting(struct listener *listener);

/* Calls `fn` for every open WebSocket (handler->open has been called, conn_close has not). `fn` may send to and close
 * any connection. */
void listener_each(struct listener *listener, void (*fn)(void *arg, struct conn *conn), void *arg);

/* Sockets held: open WebSockets, HTTP connections, and those that are closing. 0 means a drain is over. */
size_t listener_count(const struct listener *listener);

/* Sends what connections have queued, one send each, and reaps the dead, which calls handler->closed. To be called
 * once per loop turn, last before the loop waits (ev_prepare); appends to Redis caused by `closed` are made by
 * whoever comes after it in that turn. Not from a handler's callback. */
void listener_flush(struct listener *listener);

/* Closes every socket without ceremony, calling handler->closed for every open WebSocket, and frees everything. Not
 * from a handler's callback. NULL is harmless. */
void listener_destroy(struct listener *listener);

#endif
