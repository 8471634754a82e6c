/* See tests/support/ws.h. */
#include "tests/support/ws.h"

#include "common/mem.h"
#include "tests/support/http_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OP_TEXT   1
#define OP_BINARY 2
#define OP_CLOSE  8
#define OP_PING   9
#define OP_PONG   10

#define CHUNK_BYTES 65536 /* read at a time */

struct ws {
  struct ev_loop *loop;
  const struct ws_events *events;
  void *arg;
  int fd;
  ev_io reading, writing;
  bool upgraded;
  bool *freed; /* set when a callback frees it */
  unsigned close_code;
  struct buf in;  /* the begin of a frame whose end has not come; mostly nothing, and then without memory */
  struct buf out; /* what the socket did not take */
  size_t sent;    /* of out */
};

static void finish(struct ws *ws) {
  ev_io_stop(ws->loop, &ws->reading);
  ev_io_stop(ws->loop, &ws->writing);
  close(ws->fd);
  buf_close(&ws->in);
  buf_close(&ws->out);
  if (ws->freed) *ws->freed = true;
  free(ws);
}

void ws_drop(struct ws *ws) {
  if (ws) finish(ws);
}

static void end(struct ws *ws) {
  const struct ws_events *events = ws->events;
  void *arg = ws->arg;
  unsigned code = ws->close_code;
  finish(ws);
  events->closed(arg, code);
}

/* ---- out ---- */

static void flush(struct ws *ws) {
  while (ws->sent < ws->out.len) {
    ssize_t n = send(ws->fd, ws->out.data + ws->sent, ws->out.len - ws->sent, MSG_NOSIGNAL);
    if (n <= 0) break; /* an error shows when reading */
    ws->sent += (size_t)n;
  }
  if (ws->sent == ws->out.len) {
    buf_clear(&ws->out);
    ws->sent = 0;
    ev_io_stop(ws->loop, &ws->writing);
  } else {
    ev_io_start(ws->loop, &ws->writing);
  }
}

static void frame(struct ws *ws, uint8_t opcode, struct bytes payload) {
  uint8_t head[14] = {(uint8_t)(0x80 | opcode)};
  size_t n = 2;
  if (payload.len < 126) {
    head[1] = (uint8_t)(0x80 | payload.len);
  } else {
    head[1] = 0x80 | 126;
    head[2] = (uint8_t)(payload.len >> 8);
    head[3] = (uint8_t)payload.len;
    n = 4;
  }
  buf_append(&ws->out, head, n + 4); /* the mask: zero */
  buf_append_bytes(&ws->out, payload);
}

/* At once, unless something waits for the socket already. */
static void flush_soon(struct ws *ws) {
  if (!ev_is_active(&ws->writing)) flush(ws);
}

void ws_send(struct ws *ws, struct bytes message) {
  frame(ws, OP_BINARY, message);
  flush_soon(ws);
}

void ws_send_text(struct ws *ws, struct bytes message) {
  frame(ws, OP_TEXT, message);
  flush_soon(ws);
}

void ws_send_frame(struct ws *ws, struct bytes whole) {
  size_t sent = 0;
  if (ws->out.len == 0) { /* the usual case: nothing is copied */
    ssize_t n = send(ws->fd, whole.data, whole.len, MSG_NOSIGNAL);
    if (n > 0) sent = (size_t)n;
  }
  if (sent == whole.len) return;
  buf_append(&ws->out, (const char *)whole.data + sent, whole.len - sent);
  ev_io_start(ws->loop, &ws->writing);
}

void ws_post(struct ws *ws, const char *path, struct bytes json) {
  buf_printf(&ws->out,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             path, json.len);
  buf_append_bytes(&ws->out, json);
  flush_soon(ws);
}

void ws_upgrade(struct ws *ws, const char *path, const char *protocol) {
  buf_printf(&ws->out,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
             path);
  if (protocol) buf_printf(&ws->out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
  buf_append_str(&ws->out, "\r\n");
  flush_soon(ws);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events) {
  (void)loop, (void)events;
  flush(io->data);
}

/* ---- in ---- */

/* Takes a response to what was asked before the upgrade, or to that; how long it was, 0 when it is not all there.
 * *fine is whether it is one that somebody wants. */
static size_t take_answer(struct ws *ws, struct bytes in, bool *fine) {
  struct http_answer answer;
  enum http_answer_result result = http_answer_read(in, &answer);
  *fine = result != HTTP_ANSWER_INVALID;
  if (result != HTTP_ANSWER_OK) return 0;
  ws->upgraded = answer.status == 101;
  if (ws->upgraded)
    ws->events->open(ws->arg);
  else if (ws->events->answer)
    ws->events->answer(ws->arg, answer.status, answer.body);
  else
    *fine = false;
  return answer.len;
}

/* The length of the frame at the begin, and where its payload begins; 0 when it is not all there. */
static size_t whole_frame(const uint8_t *head, size_t left, size_t *payload_at) {
  size_t n = 2;
  if (left < 2) return 0;
  uint64_t len = head[1] & 127;
  unsigned more = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (left < n + more) return 0;
  if (more) len = 0;
  for (unsigned i = 0; i < more; i++) len = len << 8 | head[n + i];
  n += more;
  *payload_at = n;
  return left - n >= len ? n + len : 0;
}

static void take_frame(struct ws *ws, uint8_t opcode, struct bytes payload) {
  const uint8_t *data = payload.data;
  switch (opcode) {
  case OP_TEXT:
  case OP_BINARY: ws->events->message(ws->arg, payload); break;
  case OP_PING:
    frame(ws, OP_PONG, payload);
    flush(ws);
    break;
  case OP_CLOSE:
    ws->close_code = payload.len >= 2 ? (unsigned)(data[0] << 8 | data[1]) : 1005;
    frame(ws, OP_CLOSE, payload);
    flush(ws);
    break;
  default: break;
  }
}

/* How much of it was taken. `freed`: a callback freed the connection; `fine`: it is HTTP and WebSocket. */
static size_t take(struct ws *ws, struct bytes in, bool *freed, bool *fine) {
  size_t at = 0, payload_at = 0, len;
  ws->freed = freed;
  if (!ws->upgraded) at = take_answer(ws, in, fine);
  if (*freed || !ws->upgraded) return at;
  const uint8_t *data = in.data;
  while ((len = whole_frame(data + at, in.len - at, &payload_at))) {
    take_frame(ws, data[at] & 15, bytes_of(data + at + payload_at, len - payload_at));
    at += len;
    if (*freed) break;
  }
  return at;
}

/* One read for each readiness, into a buffer that all connections share, since hardly any frame is ever cut. */
static void on_readable(struct ev_loop *loop, ev_io *io, int events) {
  struct ws *ws = io->data;
  uint8_t chunk[CHUNK_BYTES];
  bool freed = false, fine = true;
  (void)loop, (void)events;
  ssize_t n = recv(ws->fd, chunk, sizeof chunk, 0);
  bool over = n == 0 || (n < 0 && errno != EAGAIN);
  if (n > 0 && ws->in.len == 0) {
    size_t taken = take(ws, bytes_of(chunk, (size_t)n), &freed, &fine);
    if (freed) return;
    if (taken < (size_t)n) buf_append(&ws->in, chunk + taken, (size_t)n - taken);
  } else if (n > 0) {
    buf_append(&ws->in, chunk, (size_t)n);
    struct buf whole = ws->in; /* a callback may free the connection, and what it is told must stay */
    ws->in = (struct buf){0};
    size_t taken = take(ws, buf_bytes(&whole), &freed, &fine);
    if (!freed && taken < whole.len) {
      buf_consume(&whole, taken);
      ws->in = whole;
    } else {
      buf_close(&whole);
    }
    if (freed) return;
  }
  ws->freed = NULL;
  if (over || !fine) end(ws);
}

struct ws *ws_dial(struct ev_loop *loop, const struct sockaddr_in *address, const struct ws_events *events,
                   void *arg) {
  struct ws *ws = xcalloc(1, sizeof *ws);
  int on = 1;
  ws->loop = loop;
  ws->events = events;
  ws->arg = arg;
  ws->close_code = 1006;
  ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connect(ws->fd, (const struct sockaddr *)address, sizeof *address); /* how it ended shows when reading */
  ev_io_init(&ws->reading, on_readable, ws->fd, EV_READ);
  ev_io_init(&ws->writing, on_writable, ws->fd, EV_WRITE);
  ws->reading.data = ws->writing.data = ws;
  ev_io_start(loop, &ws->reading);
  ev_io_start(loop, &ws->writing); /* what is said before it is connected waits for that */
  return ws;
}

struct ws *ws_connect(struct ev_loop *loop, uint16_t port, const struct ws_events *events, void *arg) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct ws *ws = ws_dial(loop, &address, events, arg);
  ws_upgrade(ws, "/v1", "heya.v1.proto");
  return ws;
}
