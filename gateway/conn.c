/* One connection from accept to the end: the socket, the state machine drawn in conn_impl.h, and what happens to a
 * WebSocket. Its HTTP requests are conn_http.c's. Parsing is in handshake.c and ws.c, frames are made in outbox.c.
 *
 * Nothing here frees a connection. What ends one marks it, and listener_flush, at its one place in the loop, tells
 * the logic half and frees.
 */
#include "gateway/conn.h"

#include "common/clock.h"
#include "common/mem.h"
#include "gateway/conn_impl.h"
#include "proto/client.pb-c.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_PIECES 64 /* iovecs in one call */

/* Close codes of our own are 4000 + Error.Code. */
enum {
  CODE_PROTOCOL = 1002,
  CODE_BAD_TYPE = 1003,
  CODE_BAD_UTF8 = 1007,
  CODE_TOO_LARGE = 1009,
  CODE_RATE_LIMITED = 4000 + HEYA__V1__ERROR__CODE__RATE_LIMITED,
  CODE_SLOW_CONSUMER = 4000 + HEYA__V1__ERROR__CODE__SLOW_CONSUMER,
  CODE_IDLE = 4000 + HEYA__V1__ERROR__CODE__IDLE
};

/* ---- states ---- */

static const char *const state_names[CONN_STATES] = {
    [CONN_HTTP] = "http", [CONN_OPEN] = "open", [CONN_CLOSING] = "closing", [CONN_DEAD] = "dead"};

static const bool edges[CONN_STATES][CONN_STATES] = {
    [CONN_HTTP] = {[CONN_OPEN] = true, [CONN_CLOSING] = true, [CONN_DEAD] = true},
    [CONN_OPEN] = {[CONN_CLOSING] = true, [CONN_DEAD] = true},
    [CONN_CLOSING] = {[CONN_DEAD] = true},
};

void conn_move(struct conn *conn, enum conn_state to, const char *why) {
  assert(edges[conn->state][to]);
  log_debug(conn->env->log, "connection_state", F_U("connection", conn->number),
            F_S("from", state_names[conn->state]), F_S("to", state_names[to]), F_S("why", why));
  conn->state = to;
}

/* Something may be marked when listener_flush has had its turn already: then the loop must not wait. */
static void wake(struct conn_env *env) {
  if (!ev_is_active(&env->more)) ev_idle_start(env->loop, &env->more);
}

static void mark_dirty(struct conn *conn) {
  if (conn->dirty || conn->blocked || conn->state == CONN_DEAD) return;
  conn->dirty = true;
  conn->dirty_next = conn->env->dirty;
  conn->env->dirty = conn;
  wake(conn->env);
}

static void mark_ended(struct conn *conn) {
  if (conn->ended) return;
  conn->ended = true;
  conn->ended_next = conn->env->ended;
  conn->env->ended = conn;
  wake(conn->env);
}

void conn_watch(struct conn *conn) {
  bool answering = conn->state == CONN_HTTP && !outbox_is_empty(&conn->out);
  int events = (conn->peer_ended || answering ? 0 : EV_READ) | (conn->blocked ? EV_WRITE : 0);
  if (events == (conn->io.events & (EV_READ | EV_WRITE)) && ev_is_active(&conn->io)) return;
  ev_io_stop(conn->env->loop, &conn->io);
  ev_io_set(&conn->io, conn->io.fd, events);
  if (events) ev_io_start(conn->env->loop, &conn->io);
}

/* ---- output ---- */

void conn_enqueue(struct conn *conn, struct frame *frame) {
  outbox_push(&conn->out, frame);
  conn->env->metrics->output_bytes += frame_bytes(frame).len;
  mark_dirty(conn);
}

/* Takes over the caller's reference. */
static void enqueue_own(struct conn *conn, struct frame *frame) {
  conn_enqueue(conn, frame);
  frame_unref(frame);
}

static void drop_output(struct conn *conn) {
  size_t before = conn->out.bytes;
  outbox_drop(&conn->out);
  conn->env->metrics->output_bytes -= before - conn->out.bytes;
}

void conn_kill(struct conn *conn) {
  if (conn->state == CONN_DEAD) return;
  struct conn_env *env = conn->env;
  if (conn->state == CONN_OPEN) env->metrics->closed[CLOSED_LOST]++;
  conn_move(conn, CONN_DEAD, conn->state == CONN_OPEN ? "lost" : "done");
  ev_io_stop(env->loop, &conn->io);
  close(conn->io.fd);
  conn_env_forget(conn);
  env->metrics->output_bytes -= conn->out.bytes;
  outbox_close(&conn->out);
  ws_close(env->ws_pool, &conn->ws);
  env->metrics->ws_contexts = ws_pool_in_use(env->ws_pool);
  mark_ended(conn);
}

static void end_output(struct conn *conn) {
  conn->shut = true; /* not close: unread input would turn it into a reset that may destroy our last bytes */
  shutdown(conn->io.fd, SHUT_WR);
}

/* Everything is sent. Behind our Close the peer's is waited for before the stream ends: a proxy between us takes the
 * end for that of both directions, and answers what the peer still sends by a reset that may destroy our last bytes.
 */
static void drained(struct conn *conn) {
  if (conn->state == CONN_OPEN) return;
  bool is_websocket = conn->address != NULL;
  if (conn->peer_ended) {
    conn_kill(conn);
  } else if (conn->state == CONN_CLOSING && !conn->shut) {
    if (!is_websocket || conn->said_farewell)
      end_output(conn);
    else if (conn->wait != WAIT_FAREWELL)
      conn_env_wait(conn, WAIT_FAREWELL);
  }
}

/* False when the connection is lost. */
static bool send_some(struct conn *conn) {
  while (!outbox_is_empty(&conn->out) && !conn->blocked) {
    struct iovec pieces[SEND_PIECES];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = outbox_fill(&conn->out, pieces, SEND_PIECES)};
    size_t offered = 0;
    for (size_t i = 0; i < message.msg_iovlen; i++) offered += pieces[i].iov_len;
    ssize_t sent = sendmsg(conn->io.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (sent < 0) sent = 0;
    conn->blocked = (size_t)sent < offered;
    if (sent == 0) break;
    outbox_advance(&conn->out, (size_t)sent);
    struct gateway_metrics *metrics = conn->env->metrics;
    metrics->output_bytes -= (uint64_t)sent;
    metrics->bytes_out += (uint64_t)sent;
    metrics->sends++;
    /* A file may go out slowly, as long as it does; a WebSocket that is closing gets no such grace. */
    if (!conn->address) conn_env_wait(conn, conn->state == CONN_HTTP ? WAIT_NEXT_REQUEST : WAIT_LINGER);
  }
  return true;
}

void conn_flush(struct conn *conn) {
  if (conn->state == CONN_DEAD) return;
  if (!send_some(conn)) {
    conn_kill(conn);
    return;
  }
  if (outbox_is_empty(&conn->out)) drained(conn);
  if (conn->state != CONN_DEAD) conn_watch(conn);
}

/* ---- closing ---- */

static void close_as(struct conn *conn, enum gateway_close cause, uint16_t code, const char *reason) {
  if (conn->state != CONN_OPEN) return;
  conn->env->metrics->closed[cause]++;
  if (cause == CLOSED_SLOW_CONSUMER) drop_output(conn); /* so that it hears why while it still may */
  enqueue_own(conn, frame_create_close(code, reason));
  conn_move(conn, CONN_CLOSING, gateway_close_names[cause]);
  conn_env_wait(conn, WAIT_LINGER);
  mark_ended(conn);
}

void conn_close(struct conn *conn, uint16_t code, const char *reason) {
  close_as(conn, CLOSED_BY_LOGIC, code, reason);
}

void conn_send(struct conn *conn, struct frame *frame) {
  if (conn->state != CONN_OPEN) return;
  conn_enqueue(conn, frame);
  conn->env->metrics->frames_out++;
  if (conn->out.bytes > conn->env->config.max_output_bytes)
    close_as(conn, CLOSED_SLOW_CONSUMER, CODE_SLOW_CONSUMER, "SLOW_CONSUMER: too much is waiting to be read");
}

static void send_own(struct conn *conn, struct frame *frame) {
  conn_send(conn, frame);
  frame_unref(frame);
}

/* ---- WebSocket input ---- */

/* All go on when the connection is closing: then nothing is heard but the peer's Close. */

static bool on_frame(void *arg) {
  struct conn *conn = arg;
  const struct listener_config *config = &conn->env->config;
  if (conn->state != CONN_OPEN) return true;
  conn->env->metrics->frames_in++;
  if (!bucket_take(&conn->frames, config->max_frames_per_s, config->frame_burst, conn->env->now_us))
    close_as(conn, CLOSED_RATE, CODE_RATE_LIMITED, "RATE_LIMITED: far too many frames");
  return true;
}

static bool on_message(void *arg, struct bytes message) {
  struct conn *conn = arg;
  if (conn->state != CONN_OPEN) return true;
  conn->env->metrics->messages_in++;
  conn->env->handler.message(conn->env->handler.arg, conn, message);
  return true;
}

static bool on_ping(void *arg, struct bytes payload) {
  struct conn *conn = arg;
  if (conn->state != CONN_OPEN) return true;
  conn->env->metrics->pings_in++;
  send_own(conn, frame_create_control(FRAME_PONG, payload));
  return true;
}

static bool on_pong(void *arg, struct bytes payload) {
  (void)arg; /* that something was heard is noted with every read */
  (void)payload;
  return true;
}

static bool on_close(void *arg, uint16_t code) {
  struct conn *conn = arg;
  conn->said_farewell = true;
  close_as(conn, CLOSED_BY_PEER, code, NULL); /* the same code back: RFC 6455, section 5.5.1 */
  mark_dirty(conn);                           /* nothing may be left to send, but the end of the stream */
  return false;
}

void conn_take_frames(struct conn *conn, struct bytes in) {
  static const struct ws_events events = {
      .frame = on_frame, .message = on_message, .ping = on_ping, .pong = on_pong, .close = on_close};
  struct conn_env *env = conn->env;
  enum ws_result result = ws_feed(env->ws_pool, &conn->ws, conn->format, in, &events, conn);
  switch (result) {
  case WS_OK:
  case WS_STOPPED: break;
  case WS_BAD_PROTOCOL: close_as(conn, CLOSED_PROTOCOL, CODE_PROTOCOL, "not a valid WebSocket frame"); break;
  case WS_BAD_TYPE:
    close_as(conn, CLOSED_PROTOCOL, CODE_BAD_TYPE,
             conn->format == CONN_JSON ? "heya.v1.json is text" : "heya.v1.proto is binary");
    break;
  case WS_BAD_UTF8: close_as(conn, CLOSED_PROTOCOL, CODE_BAD_UTF8, "not UTF-8"); break;
  case WS_TOO_LARGE: close_as(conn, CLOSED_TOO_LARGE, CODE_TOO_LARGE, "TOO_LARGE: over the message limit"); break;
  }
  if (result != WS_OK) {
    conn->deaf = true;
    ws_close(env->ws_pool, &conn->ws);
  }
  env->metrics->ws_contexts = ws_pool_in_use(env->ws_pool);
}

/* ---- events ---- */

static void on_end_of_input(struct conn *conn) {
  conn->peer_ended = true;
  if (conn->state == CONN_OPEN || outbox_is_empty(&conn->out)) { /* a WebSocket without Close is lost (1006) */
    conn_kill(conn);
    return;
  }
  if (conn->state == CONN_HTTP) { /* it asked, said no more, and still reads the answer */
    conn_move(conn, CONN_CLOSING, "half closed");
    conn_env_wait(conn, WAIT_LINGER);
  }
  conn_watch(conn);
}

static void read_some(struct conn *conn) {
  struct conn_env *env = conn->env;
  ssize_t got = recv(conn->io.fd, env->input, CONN_INPUT_BYTES, MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) conn_kill(conn);
    return;
  }
  if (got == 0) {
    on_end_of_input(conn);
    return;
  }
  conn->heard_ms = env->now_us / 1000;
  env->metrics->bytes_in += (uint64_t)got;
  struct bytes in = bytes_of(env->input, (size_t)got);
  if (conn->state == CONN_HTTP)
    conn_take_request(conn, in);
  else if (conn->address && !conn->deaf)
    conn_take_frames(conn, in);
  /* otherwise CONN_CLOSING: read and thrown away until the peer ends or the linger time does */
}

static void on_io(struct ev_loop *loop, ev_io *io, int events) {
  struct conn *conn = io->data;
  (void)loop;
  conn->env->now_us = clock_monotonic_us();
  if (events & EV_READ) read_some(conn);
  if ((events & EV_WRITE) && conn->state != CONN_DEAD) {
    conn->blocked = false;
    conn_flush(conn);
  }
}

void conn_expire(struct conn *conn) {
  const struct listener_config *config = &conn->env->config;
  uint64_t now_ms = conn->env->now_us / 1000;
  switch ((enum conn_wait)conn->wait) {
  case WAIT_REQUEST:
  case WAIT_NEXT_REQUEST:
    if (conn->http->started && outbox_is_empty(&conn->out))
      conn_refuse_late(conn);
    else
      conn_kill(conn); /* said nothing: browsers open connections they may not need. Or it does not read its answer */
    break;
  case WAIT_HELLO: close_as(conn, CLOSED_IDLE, CODE_IDLE, "IDLE: no hello"); break;
  case WAIT_PING:
    if (now_ms - conn->heard_ms >= config->idle_timeout_ms) {
      close_as(conn, CLOSED_IDLE, CODE_IDLE, "IDLE: nothing heard");
      break;
    }
    conn_env_wait(conn, WAIT_PING);
    if (now_ms - conn->heard_ms >= config->ping_interval_ms) {
      conn->env->metrics->pings_out++;
      conn_send(conn, conn->env->ping);
    }
    break;
  case WAIT_FAREWELL:
    if (conn->shut) {
      conn_kill(conn);
    } else {
      end_output(conn);
      conn_env_wait(conn, WAIT_FAREWELL);
    }
    break;
  case WAIT_LINGER:
  case WAITS: conn_kill(conn); break;
  }
}

/* ---- life ---- */

struct conn *conn_create(struct conn_env *env, int fd, const struct address *peer, uint64_t number, bool refused) {
  struct conn *conn = xmalloc(sizeof *conn);
  *conn = (struct conn){.env = env,
                        .number = number,
                        .state = CONN_HTTP,
                        .refused = refused,
                        .wait = WAITS,
                        .peer = *peer,
                        .http = xcalloc(1, sizeof *conn->http),
                        .heard_ms = env->now_us / 1000};
  ev_io_init(&conn->io, on_io, fd, EV_READ);
  conn->io.data = conn;
  ev_io_start(env->loop, &conn->io);
  conn_env_wait(conn, WAIT_REQUEST);
  return conn;
}

void conn_destroy(struct conn *conn) {
  assert(conn->state == CONN_DEAD && !conn->dirty && !conn->ended && !conn->opened);
  if (conn->http) handshake_close(conn->http);
  free(conn->http);
  free(conn->address);
  free(conn);
}

/* ---- what the logic half asks ---- */

uint64_t conn_number(const struct conn *conn) {
  return conn->number;
}

enum conn_format conn_format(const struct conn *conn) {
  return conn->format;
}

const char *conn_address(const struct conn *conn) {
  return conn->address;
}

void conn_set_data(struct conn *conn, void *data) {
  conn->data = data;
}

void *conn_data(const struct conn *conn) {
  return conn->data;
}

void conn_set_ready(struct conn *conn) {
  if (conn->ready || conn->state != CONN_OPEN) return;
  conn->ready = true;
  conn_env_wait(conn, WAIT_PING);
}
