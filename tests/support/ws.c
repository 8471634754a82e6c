/* See tests/support/ws.h. */
#include "tests/support/ws.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OP_BINARY 2
#define OP_CLOSE  8
#define OP_PING   9
#define OP_PONG   10

struct ws {
  struct ev_loop *loop;
  const struct ws_events *events;
  void *arg;
  int fd;
  ev_io reading, writing;
  bool upgraded;
  bool *freed; /* set when a callback frees it */
  unsigned close_code;
  struct buf in, out;
  size_t sent; /* of out */
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

void ws_send(struct ws *ws, struct bytes message) {
  frame(ws, OP_BINARY, message);
  if (!ev_is_active(&ws->writing)) flush(ws);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events) {
  (void)loop, (void)events;
  flush(io->data);
}

/* ---- in ---- */

/* Takes the response to the upgrade; false when it is not one. */
static bool take_response(struct ws *ws) {
  const char *end_of_head = memmem(ws->in.data, ws->in.len, "\r\n\r\n", 4);
  if (!end_of_head) return true;
  if (ws->in.len < 12 || memcmp(ws->in.data, "HTTP/1.1 101", 12) != 0) return false;
  size_t n = (size_t)(end_of_head + 4 - (const char *)ws->in.data);
  memmove(ws->in.data, ws->in.data + n, ws->in.len - n);
  ws->in.len -= n;
  ws->upgraded = true;
  ws->events->open(ws->arg);
  return true;
}

/* The length of the next whole frame and where its payload begins; 0 when it is not all there. */
static size_t whole_frame(const struct ws *ws, size_t at, size_t *payload_at) {
  const uint8_t *head = (const uint8_t *)ws->in.data + at;
  size_t left = ws->in.len - at, n = 2;
  if (left < 2) return 0;
  uint64_t len = head[1] & 127;
  unsigned more = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (left < n + more) return 0;
  if (more) len = 0;
  for (unsigned i = 0; i < more; i++) len = len << 8 | head[n + i];
  n += more;
  *payload_at = at + n;
  return left - n >= len ? n + len : 0;
}

static void take_frame(struct ws *ws, uint8_t opcode, struct bytes payload) {
  const uint8_t *data = payload.data;
  switch (opcode) {
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

/* False when a callback freed the connection. */
static bool take_frames(struct ws *ws) {
  bool freed = false;
  size_t at = 0, payload_at = 0, len;
  ws->freed = &freed;
  while ((len = whole_frame(ws, at, &payload_at))) {
    uint8_t opcode = (uint8_t)ws->in.data[at] & 15;
    take_frame(ws, opcode, bytes_of(ws->in.data + payload_at, at + len - payload_at));
    if (freed) return false;
    at += len;
  }
  ws->freed = NULL;
  memmove(ws->in.data, ws->in.data + at, ws->in.len - at);
  ws->in.len -= at;
  return true;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events) {
  struct ws *ws = io->data;
  (void)loop, (void)events;
  ssize_t n;
  do {
    char *room = (char *)buf_reserve(&ws->in, 16384);
    n = recv(ws->fd, room, 16384, 0);
    if (n > 0) ws->in.len += (size_t)n;
  } while (n == 16384);
  bool over = n == 0 || (n < 0 && errno != EAGAIN);
  if (!ws->upgraded && ws->in.len) {
    bool freed = false;
    ws->freed = &freed;
    bool fine = take_response(ws);
    if (freed) return;
    ws->freed = NULL;
    over = over || !fine;
  }
  if (ws->upgraded && !take_frames(ws)) return;
  if (over) end(ws);
}

struct ws *ws_connect(struct ev_loop *loop, uint16_t port, const struct ws_events *events, void *arg) {
  static const char upgrade[] = "GET /v1 HTTP/1.1\r\nHost: heya\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Protocol: heya.v1.proto\r\n\r\n";
  struct ws *ws = xcalloc(1, sizeof *ws);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int on = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ws->loop = loop;
  ws->events = events;
  ws->arg = arg;
  ws->close_code = 1006;
  ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connect(ws->fd, (struct sockaddr *)&address, sizeof address); /* how it ended shows when reading */
  buf_append(&ws->out, upgrade, sizeof upgrade - 1);
  ev_io_init(&ws->reading, on_readable, ws->fd, EV_READ);
  ev_io_init(&ws->writing, on_writable, ws->fd, EV_WRITE);
  ws->reading.data = ws->writing.data = ws;
  ev_io_start(loop, &ws->reading);
  ev_io_start(loop, &ws->writing);
  return ws;
}
