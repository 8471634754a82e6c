/* Accepting, the table of connections, the lists of deadlines, and the one place where connections are freed. */
#include "gateway/listener.h"

#include "common/clock.h"
#include "common/mem.h"
#include "gateway/conn_impl.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define ACCEPTS_PER_TURN 64   /* then the loop serves those who are in */
#define REFUSING_MAX     64   /* connections beyond max_connections that are told 503; further ones are just closed */
#define BACKLOG          1024 /* the kernel's queue of connections not accepted yet */
#define PAUSE_MS         200  /* without accepting when descriptors run out */
#define SPARE_READERS    64
#define SWEEP_MS_MAX     250

struct listener {
  struct conn_env env;
  int fd; /* -1 when not accepting any more */
  ev_io accepting;
  ev_timer sweeper;
  uint64_t paused_until_ms; /* 0: not paused */
  struct log_limit pauses_logged;
  uint64_t last_number;
  size_t count;
  struct conn **table; /* by number; chains through table_next */
  size_t table_size;   /* a power of two */
  char address[ADDRESS_BYTES + 8];
  uint16_t port;
};

/* ---- the table ---- */

static struct conn **bucket_of(const struct listener *listener, uint64_t number) {
  return &listener->table[number & (listener->table_size - 1)]; /* numbers are dense, so this spreads them evenly */
}

static void table_remove(struct listener *listener, const struct conn *conn) {
  struct conn **at = bucket_of(listener, conn->number);
  while (*at != conn) at = &(*at)->table_next;
  *at = conn->table_next;
}

struct conn *conn_find(struct listener *listener, uint64_t number) {
  struct conn *conn = *bucket_of(listener, number);
  while (conn && conn->number != number) conn = conn->table_next;
  return conn && conn->state == CONN_OPEN ? conn : NULL;
}

void listener_each(struct listener *listener, void (*fn)(void *arg, struct conn *conn), void *arg) {
  for (size_t i = 0; i < listener->table_size; i++)
    for (struct conn *conn = listener->table[i]; conn; conn = conn->table_next)
      if (conn->state == CONN_OPEN) fn(arg, conn);
}

size_t listener_count(const struct listener *listener) {
  return listener->count;
}

/* ---- deadlines ---- */

static uint32_t wait_ms(const struct listener_config *config, enum conn_wait wait) {
  switch (wait) {
  case WAIT_REQUEST: return config->handshake_timeout_ms;
  case WAIT_NEXT_REQUEST: return config->keep_alive_ms;
  case WAIT_HELLO: return config->hello_timeout_ms;
  case WAIT_PING: return config->ping_interval_ms;
  case WAIT_FAREWELL: return (config->linger_ms + 1) / 2; /* once for its Close, once for its end */
  case WAIT_LINGER: return config->linger_ms;
  case WAITS: break;
  }
  return 0;
}

void conn_env_forget(struct conn *conn) {
  if (conn->wait == WAITS) return;
  DL_DELETE2(conn->env->waits[conn->wait], conn, wait_prev, wait_next);
  conn->wait = WAITS;
}

void conn_env_wait(struct conn *conn, enum conn_wait wait) {
  struct conn_env *env = conn->env;
  conn_env_forget(conn);
  conn->wait = (uint8_t)wait;
  conn->deadline_ms = env->now_us / 1000 + wait_ms(&env->config, wait);
  DL_APPEND2(env->waits[wait], conn, wait_prev, wait_next);
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events) {
  struct listener *listener = timer->data;
  struct conn_env *env = &listener->env;
  (void)events;
  env->now_us = clock_monotonic_us();
  uint64_t now_ms = env->now_us / 1000;
  for (enum conn_wait wait = 0; wait < WAITS; wait++) {

    while (env->waits[wait] && env->waits[wait]->deadline_ms <= now_ms) conn_expire(env->waits[wait]);
  }
  if (listener->paused_until_ms && now_ms >= listener->paused_until_ms && listener->fd >= 0) {
    listener->paused_until_ms = 0;
    ev_io_start(loop, &listener->accepting);
  }
}

/* Often enough for the shortest of the times: each is kept to within a quarter of itself. */
static double sweep_interval_s(const struct listener_config *config) {
  uint32_t shortest = SWEEP_MS_MAX * 4;
  for (enum conn_wait wait = 0; wait < WAITS; wait++)
    if (wait_ms(config, wait) < shortest) shortest = wait_ms(config, wait);
  return (shortest < 40 ? 10 : shortest / 4) / 1000.0;
}

/* ---- accepting ---- */

static void address_of(const struct sockaddr_storage *from, struct address *address, uint16_t *port) {
  char text[ADDRESS_BYTES];
  *address = (struct address){0};
  *port = 0;
  if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    memcpy(address->bytes, &in6->sin6_addr, sizeof address->bytes);
    *port = ntohs(in6->sin6_port);
  } else if (getnameinfo((const struct sockaddr *)from, sizeof(struct sockaddr_in), text, sizeof text, NULL, 0,
                         NI_NUMERICHOST) == 0) {
    address_parse(address, text, strlen(text));
    *port = ntohs(((const struct sockaddr_in *)from)->sin_port);
  }
}

static void pause_accepting(struct listener *listener, int why) {
  struct conn_env *env = &listener->env;
  env->metrics->accept_pauses++;
  listener->paused_until_ms = env->now_us / 1000 + PAUSE_MS;
  ev_io_stop(env->loop, &listener->accepting);
  log_limited(env->log, &listener->pauses_logged, LOG_LEVEL_ERROR, "accept_paused", F_S("error", strerror(why)),
              F_U("connections", listener->count));
}

static void admit(struct listener *listener, int fd, const struct sockaddr_storage *from) {
  struct conn_env *env = &listener->env;
  env->metrics->accepted++;
  size_t max = env->config.max_connections;
  if (listener->count >= max + REFUSING_MAX) {
    env->metrics->refused[REFUSED_FULL]++;
    close(fd);
    return;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* each loop turn sends all it has at once */
  struct address peer;
  uint16_t port;
  address_of(from, &peer, &port);
  struct conn *conn = conn_create(env, fd, &peer, ++listener->last_number, listener->count >= max);
  struct conn **bucket = bucket_of(listener, conn->number);
  conn->table_next = *bucket;
  *bucket = conn;
  env->metrics->connections = ++listener->count;
}

static void on_acceptable(struct ev_loop *loop, ev_io *io, int events) {
  struct listener *listener = io->data;
  (void)loop;
  (void)events;
  listener->env.now_us = clock_monotonic_us();
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      admit(listener, fd, &from);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause_accepting(listener, errno);
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return; /* nobody is waiting, or a network error of the one who was (accept(2)) */
    }
  }
}

void listener_stop_accepting(struct listener *listener) {
  listener->env.draining = true;
  if (listener->fd < 0) return;
  ev_io_stop(listener->env.loop, &listener->accepting);
  close(listener->fd);
  listener->fd = -1;
}

/* ---- flushing and reaping ---- */

static void flush_dirty(struct conn_env *env) {
  struct conn *conn = env->dirty;
  env->dirty = NULL;
  while (conn) {
    struct conn *next = conn->dirty_next;
    conn->dirty = false;
    conn_flush(conn);
    conn = next;
  }
}

static void tell_closed(struct conn *conn) {
  struct conn_env *env = conn->env;
  if (!conn->opened) return;
  conn->opened = false;
  env->metrics->websockets--;
  if (conn->counted) addresses_remove(&env->addresses, &conn->peer);
  env->handler.closed(env->handler.arg, conn);
}

static void reap_ended(struct listener *listener) {
  struct conn *conn = listener->env.ended;
  listener->env.ended = NULL;
  while (conn) {
    struct conn *next = conn->ended_next;
    conn->ended = false;
    tell_closed(conn);
    if (conn->state == CONN_DEAD) {
      table_remove(listener, conn);
      listener->env.metrics->connections = --listener->count;
      conn_destroy(conn);
    }
    conn = next;
  }
}

void listener_flush(struct listener *listener) {
  struct conn_env *env = &listener->env;
  env->now_us = clock_monotonic_us();
  /* A `closed` may send to others, and a send may find a connection dead; each connection dies once, so this ends.
   * All sends come before any reaping: a dead connection is then in no list but this one. */
  while (env->dirty || env->ended) {
    while (env->dirty) flush_dirty(env);
    reap_ended(listener);
  }
  ev_idle_stop(env->loop, &env->more);
}

/* ---- create and destroy ---- */

static int open_socket(const char *host, uint16_t port, char *error, size_t error_size) {
  char service[8];
  snprintf(service, sizeof service, "%u", (unsigned)port);
  const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                 .ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  int problem = getaddrinfo(host, service, &hints, &found);
  if (problem) {
    snprintf(error, error_size, "cannot listen on %s: %s", host, gai_strerror(problem));
    return -1;
  }
  int on = 1, off = 0;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  bool ok = fd >= 0;
  if (ok) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (ok && found->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  ok = ok && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
  if (!ok) {
    snprintf(error, error_size, "cannot listen on %s, port %u: %s", host, (unsigned)port, strerror(errno));
    if (fd >= 0) close(fd);
    fd = -1;
  }
  freeaddrinfo(found);
  return fd;
}

static void note_address(struct listener *listener) {
  struct sockaddr_storage bound = {0};
  socklen_t len = sizeof bound;
  struct address address;
  char text[ADDRESS_BYTES];
  getsockname(listener->fd, (struct sockaddr *)&bound, &len);
  address_of(&bound, &address, &listener->port);
  address_print(&address, text);
  snprintf(listener->address, sizeof listener->address, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text,
           (unsigned)listener->port);
}

static void env_init(struct conn_env *env, struct ev_loop *loop, const struct listener_config *config,
                     const struct conn_handler *handler, struct gateway_metrics *metrics, struct log *log) {
  *env = (struct conn_env){.loop = loop,
                           .config = *config,
                           .rules = {.max_header_bytes = config->max_header_bytes,
                                     .origins = config->origins,
                                     .origin_count = config->origin_count,
                                     .trusted = config->trusted,
                                     .trusted_count = config->trusted_count},
                           .handler = *handler,
                           .metrics = metrics,
                           .log = log,
                           .ws_pool = ws_pool_create(config->max_message_bytes, SPARE_READERS),
                           .input = xmalloc(CONN_INPUT_BYTES),
                           .ping = frame_create_control(FRAME_PING, bytes_of(NULL, 0)),
                           .now_us = clock_monotonic_us()};
}

static void on_more(struct ev_loop *loop, ev_idle *idle, int events) {
  (void)loop; /* that it is active is all it does */
  (void)idle;
  (void)events;
}

static void start(struct listener *listener) {
  struct ev_loop *loop = listener->env.loop;
  double interval = sweep_interval_s(&listener->env.config);
  ev_io_init(&listener->accepting, on_acceptable, listener->fd, EV_READ);
  listener->accepting.data = listener;
  ev_io_start(loop, &listener->accepting);
  ev_timer_init(&listener->sweeper, on_sweep, interval, interval);
  listener->sweeper.data = listener;
  ev_idle_init(&listener->env.more, on_more);
  ev_timer_start(loop, &listener->sweeper);
}

struct listener *listener_create(struct ev_loop *loop, const struct listener_config *config,
                                 const struct conn_handler *handler, struct gateway_metrics *metrics, struct log *log,
                                 char *error, size_t error_size) {
  for (enum conn_wait wait = 0; wait < WAITS; wait++) assert(wait_ms(config, wait) > 0);
  int fd = open_socket(config->host ? config->host : "127.0.0.1", config->port, error, error_size);
  if (fd < 0) return NULL;
  struct listener *listener = xcalloc(1, sizeof *listener);
  env_init(&listener->env, loop, config, handler, metrics, log);
  listener->fd = fd;
  listener->table_size = 64;
  while (listener->table_size < config->max_connections) listener->table_size *= 2;
  listener->table = xcalloc(listener->table_size, sizeof(struct conn *));
  note_address(listener);
  start(listener);
  return listener;
}

const char *listener_address(const struct listener *listener) {
  return listener->address;
}

uint16_t listener_port(const struct listener *listener) {
  return listener->port;
}

void listener_destroy(struct listener *listener) {
  if (!listener) return;
  struct conn_env *env = &listener->env;
  listener_stop_accepting(listener);
  ev_timer_stop(env->loop, &listener->sweeper);
  for (size_t i = 0; i < listener->table_size; i++)
    for (struct conn *conn = listener->table[i]; conn; conn = conn->table_next) conn_kill(conn);
  listener_flush(listener);
  assert(listener->count == 0);
  addresses_close(&env->addresses);
  ws_pool_destroy(env->ws_pool);
  frame_unref(env->ping);
  free(env->input);
  free(listener->table);
  free(listener);
}
