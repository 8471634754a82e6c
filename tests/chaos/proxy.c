/* See tests/chaos/proxy.h. */
#include "tests/chaos/proxy.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK 65536

struct relay;

/* How a connection will end. */
enum cut {
  CUT_NOT,
  CUT_ANSWER_LOST,    /* the next answer of Redis is thrown away */
  CUT_WITHIN_REQUEST, /* a part of what the client sends next is passed on */
  CUT_WITHIN_ANSWER,
};

/* One direction's source: what is read from fd is written to the other side. */
struct side {
  struct relay *relay;
  struct side *other;
  int fd;
  ev_io reading, writing;
  struct buf out; /* to be written to fd */
  size_t sent;
};

struct relay {
  LIST_ENTRY(relay) entry;
  struct proxy *proxy;
  struct side client, redis;
  enum cut cut;
};

struct proxy {
  struct ev_loop *loop;
  ev_io accepting;
  char redis_path[108];
  unsigned seed;
  LIST_HEAD(, relay) relays;
};

static void side_close(struct side *side, struct ev_loop *loop) {
  ev_io_stop(loop, &side->reading);
  ev_io_stop(loop, &side->writing);
  close(side->fd);
  buf_close(&side->out);
}

static void relay_close(struct relay *relay) {
  LIST_REMOVE(relay, entry);
  side_close(&relay->client, relay->proxy->loop);
  side_close(&relay->redis, relay->proxy->loop);
  free(relay);
}

/* False when the connection is over. */
static bool flush(struct side *side) {
  while (side->sent < side->out.len) {
    ssize_t n = send(side->fd, side->out.data + side->sent, side->out.len - side->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) break;
    side->sent += (size_t)n;
  }
  if (side->sent == side->out.len) {
    buf_clear(&side->out);
    side->sent = 0;
    ev_io_stop(side->relay->proxy->loop, &side->writing);
  } else {
    ev_io_start(side->relay->proxy->loop, &side->writing);
  }
  return true;
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events) {
  struct side *side = io->data;
  (void)loop, (void)events;
  if (!flush(side)) relay_close(side->relay);
}

static bool is_cut(const struct relay *relay, const struct side *side) {
  bool from_client = side == &relay->client;
  return relay->cut == CUT_WITHIN_REQUEST ? from_client : relay->cut != CUT_NOT && !from_client;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events) {
  struct side *side = io->data;
  struct relay *relay = side->relay;
  struct buf *out = &side->other->out;
  (void)loop, (void)events;
  ssize_t n = recv(side->fd, buf_reserve(out, CHUNK), CHUNK, 0);
  if (n < 0 && errno == EAGAIN) return;
  bool cut = n > 0 && is_cut(relay, side);
  if (cut && relay->cut == CUT_ANSWER_LOST) n = 0;
  if (cut && n > 0) n = rand_r(&relay->proxy->seed) % n;
  if (n > 0) out->len += (size_t)n;
  if ((n > 0 && !flush(side->other)) || n <= 0 || cut) relay_close(relay);
}

static void side_open(struct relay *relay, struct side *side, struct side *other, int fd) {
  side->relay = relay;
  side->other = other;
  side->fd = fd;
  ev_io_init(&side->reading, on_readable, fd, EV_READ);
  ev_io_init(&side->writing, on_writable, fd, EV_WRITE);
  side->reading.data = side->writing.data = side;
  ev_io_start(relay->proxy->loop, &side->reading);
}

static int unix_socket(const char *path, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
  return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events) {
  struct proxy *proxy = io->data;
  struct sockaddr_un address;
  (void)loop, (void)events;
  int client = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  int redis = unix_socket(proxy->redis_path, &address);
  if (connect(redis, (struct sockaddr *)&address, sizeof address) != 0) { /* unix: at once, or refused */
    close(redis);
    close(client);
    return;
  }
  struct relay *relay = xcalloc(1, sizeof *relay);
  relay->proxy = proxy;
  LIST_INSERT_HEAD(&proxy->relays, relay, entry);
  side_open(relay, &relay->client, &relay->redis, client);
  side_open(relay, &relay->redis, &relay->client, redis);
}

/* On a free port of loopback, which is written to *port. */
static int listen_on_loopback(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 128) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    close(fd);
    return -1;
  }
  *port = ntohs(address.sin_port);
  return fd;
}

struct proxy *proxy_create(struct ev_loop *loop, const char *redis_path, unsigned seed, uint16_t *port) {
  int fd = listen_on_loopback(port);
  if (fd < 0) return NULL;
  struct proxy *proxy = xcalloc(1, sizeof *proxy);
  proxy->loop = loop;
  proxy->seed = seed;
  snprintf(proxy->redis_path, sizeof proxy->redis_path, "%s", redis_path);
  LIST_INIT(&proxy->relays);
  ev_io_init(&proxy->accepting, on_accept, fd, EV_READ);
  proxy->accepting.data = proxy;
  ev_io_start(proxy->loop, &proxy->accepting);
  return proxy;
}

unsigned proxy_reset(struct proxy *proxy, double probability) {
  unsigned n = 0;
  struct relay *relay = LIST_FIRST(&proxy->relays), *next;
  for (; relay; relay = next) {
    next = LIST_NEXT(relay, entry);
    if ((double)rand_r(&proxy->seed) / RAND_MAX > probability) continue;
    relay->cut = (enum cut)(n++ % 4);
    if (relay->cut == CUT_NOT) relay_close(relay);
  }
  return n;
}

void proxy_destroy(struct proxy *proxy) {
  if (!proxy) return;
  while (!LIST_EMPTY(&proxy->relays)) relay_close(LIST_FIRST(&proxy->relays));
  ev_io_stop(proxy->loop, &proxy->accepting);
  close(proxy->accepting.fd);
  free(proxy);
}
