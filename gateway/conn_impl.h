/* What listener.c, conn.c and conn_http.c share: the connection itself, and what all connections of a listener have
 * in common. Nobody else includes it; the logic half sees gateway/conn.h.
 *
 *   HTTP ──▶ OPEN ──▶ CLOSING ──▶ DEAD        HTTP: requests are read, files and errors sent
 *     │        └──────────────────▶ │         OPEN: a WebSocket
 *     ├───────────────▶ CLOSING     │         CLOSING: the last bytes go out; a WebSocket's peer is to say farewell
 *     └───────────────────────────▶ │         DEAD: waits to be reaped by listener_flush
 */
#ifndef HEYA_GATEWAY_CONN_IMPL_H
#define HEYA_GATEWAY_CONN_IMPL_H

#include "common/log.h"
#include "gateway/addresses.h"
#include "gateway/conn.h"
#include "gateway/gateway_metrics.h"
#include "gateway/handshake.h"
#include "gateway/limits.h"
#include "gateway/listener.h"
#include "gateway/outbox.h"
#include "gateway/ws.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#define CONN_INPUT_BYTES 65536 /* one recv */

enum conn_state { CONN_HTTP, CONN_OPEN, CONN_CLOSING, CONN_DEAD, CONN_STATES };

/* What a connection waits for; each is a list in the listener. All in one list wait equally long, so the order of
 * arming is the order of the deadlines and no connection needs a timer. */
enum conn_wait { WAIT_REQUEST, WAIT_NEXT_REQUEST, WAIT_HELLO, WAIT_PING, WAIT_FAREWELL, WAIT_LINGER, WAITS };

struct conn {
  struct conn_env *env;
  uint64_t number;
  void *data; /* of the logic half */
  ev_io io;   /* io.fd is the socket */
  enum conn_state state;
  enum conn_format format;
  bool opened;            /* handler->open was called and handler->closed was not */
  bool counted;           /* in env->addresses */
  bool refused;           /* accepted beyond max_connections, to be told so */
  bool ready;             /* conn_set_ready */
  bool peer_ended;        /* no more input: end of file */
  bool shut;              /* our side is shut down */
  bool said_farewell;     /* the peer's Close has come */
  bool deaf;              /* no frame can be made out in its input any more */
  bool blocked;           /* the socket took less than all; waiting for writability */
  bool dirty;             /* in env->dirty */
  bool ended;             /* in env->ended */
  uint8_t wait;           /* enum conn_wait; which list it is in */
  struct address peer;    /* other end of the socket; then, when upgraded, the client's address */
  char *address;          /* text of it; set when upgraded */
  struct handshake *http; /* while in CONN_HTTP */
  struct ws ws;
  struct bucket frames;
  struct outbox out;
  uint64_t heard_ms; /* last input */
  uint64_t deadline_ms;
  struct conn *wait_prev, *wait_next; /* in its list; prev of the first is the last (utlist) */
  struct conn *dirty_next, *ended_next;
  struct conn *table_next; /* same bucket of the listener's table */
};

struct conn_env {
  struct ev_loop *loop;
  struct listener_config config;
  struct handshake_rules rules;
  struct conn_handler handler;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit refusals_logged;
  struct ws_pool *ws_pool;
  unsigned char *input; /* CONN_INPUT_BYTES, shared by all reads */
  struct frame *ping;
  struct addresses addresses;
  struct conn *waits[WAITS];
  struct conn *dirty; /* have something to send, newest first */
  struct conn *ended; /* not open any more, or dead: to be told or freed, newest first */
  ev_idle more;       /* active while either is not empty, so that the loop does not wait before listener_flush */
  uint64_t now_us;    /* monotonic; of the last event */
  bool draining;
};

/* Takes over the socket. In state CONN_HTTP, its watcher running, waiting for a request. */
struct conn *conn_create(struct conn_env *env, int fd, const struct address *peer, uint64_t number, bool refused);

/* Sends what is queued, as far as the socket takes it. */
void conn_flush(struct conn *conn);

/* Its deadline has passed. It then waits for something else, later, or is dead. */
void conn_expire(struct conn *conn);

/* It is lost or done: no more I/O; to be reaped. Idempotent. */
void conn_kill(struct conn *conn);

/* Frees a dead one that is in none of the lists. Only listener.c, when reaping. */
void conn_destroy(struct conn *conn);

/* In conn.c, for conn_http.c. */

void conn_move(struct conn *conn, enum conn_state to, const char *why);

/* Takes its own reference; no limit, since what the server itself says is bounded. It leaves at the next flush. */
void conn_enqueue(struct conn *conn, struct frame *frame);

/* Asks libev for what this connection is waiting for now. */
void conn_watch(struct conn *conn);

/* Input of a WebSocket. */
void conn_take_frames(struct conn *conn, struct bytes in);

/* In conn_http.c: input in CONN_HTTP, and 408. */

void conn_take_request(struct conn *conn, struct bytes in);
void conn_refuse_late(struct conn *conn);

/* In listener.c. The connection waits from now on, for as long as the config says; or for nothing. */

void conn_env_wait(struct conn *conn, enum conn_wait wait);
void conn_env_forget(struct conn *conn);

#endif
