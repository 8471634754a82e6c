/* Drives libmicrohttpd from libev, and finds the handler of a request. The only file that knows either's HTTP side.
 *
 * libmicrohttpd runs without threads of its own: it is turned when its epoll descriptor is ready, or when the timeout
 * it asks for has passed. A built-in route is a row of builtin_routes; it takes the admin server itself as its
 * argument.
 */
#include "common/admin.h"

#include "common/mem.h"
#include "common/metric.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define DEFAULT_CONNECTIONS 256
#define DEFAULT_TIMEOUT_S   3
#define CONNECTION_BYTES    16384 /* request line and headers; more gets 431 */
#define LISTEN_BACKLOG      64

struct admin_deferred;

struct admin {
  struct admin_config config;
  struct ev_loop *loop;
  struct MHD_Daemon *daemon;
  struct ev_io io;
  struct ev_timer timer;
  uint16_t port;
  struct admin_deferred *waiting; /* those whose answer was deferred and has not been given */
};

/* One request, from its headers to its end; owned by its connection. While its answer is deferred the connection is
 * suspended. */
struct admin_deferred {
  struct admin *admin;
  struct MHD_Connection *connection;
  struct buf body;
  bool too_large;
  bool deferred, suspended, answered;
  struct admin_response response; /* once answered */
  struct admin_deferred *prev, *next;
};

/* ---- the built-in routes ---- */

static void serve_health(void *arg, const struct admin_request *request, struct admin_response *response) {
  (void)arg, (void)request;
  buf_append_str(&response->body, "ok\n");
}

static void serve_ready(void *arg, const struct admin_request *request, struct admin_response *response) {
  (void)request;
  const struct admin *admin = arg;
  if (!admin->config.ready || admin->config.ready(admin->config.arg, &response->body)) {
    buf_clear(&response->body);
    buf_append_str(&response->body, "ready\n");
    return;
  }
  response->status = MHD_HTTP_SERVICE_UNAVAILABLE;
  buf_append_str(&response->body, response->body.len ? "\n" : "not ready\n");
}

static void serve_metrics(void *arg, const struct admin_request *request, struct admin_response *response) {
  (void)request;
  const struct admin *admin = arg;
  if (!admin->config.metrics) {
    response->status = MHD_HTTP_NOT_FOUND;
    return;
  }
  response->content_type = METRIC_CONTENT_TYPE;
  metrics_print(admin->config.metrics, &response->body);
}

static const struct admin_route builtin_routes[] = {
    {"GET", "/healthz", serve_health},
    {"GET", "/readyz", serve_ready},
    {"GET", "/metrics", serve_metrics},
};

/* ---- from a request to a handler ---- */

/* True when the route's path covers `path`; *rest is then what its * stands for. */
static bool path_matches(const char *pattern, const char *path, const char **rest) {
  size_t len = strlen(pattern);
  bool prefix = len > 0 && pattern[len - 1] == '*';
  if (prefix) len--;
  if (strncmp(pattern, path, len) != 0) return false;
  *rest = path + len;
  return prefix || **rest == '\0';
}

static void append_allowed(struct buf *allow, const char *method) {
  buf_printf(allow, "%s%s", allow->len ? ", " : "", method);
  if (strcmp(method, "GET") == 0) buf_append_str(allow, ", HEAD");
}

/* Runs the first matching route. Otherwise returns false, with the methods that the path would take in `allow`. */
static bool run_route(const struct admin_route *routes, size_t count, void *arg, struct admin_request *request,
                      struct admin_response *response, struct buf *allow) {
  for (size_t i = 0; i < count; i++) {
    if (!path_matches(routes[i].path, request->path, &request->rest)) continue;
    if (strcmp(routes[i].method, request->method) == 0) {
      routes[i].handler(arg, request, response);
      return true;
    }
    append_allowed(allow, routes[i].method);
  }
  return false;
}

static void dispatch(struct admin *admin, struct admin_request *request, struct admin_response *response,
                     struct buf *allow) {
  const struct admin_config *config = &admin->config;
  size_t builtin_count = sizeof builtin_routes / sizeof builtin_routes[0];
  if (run_route(builtin_routes, builtin_count, admin, request, response, allow)) return;
  if (run_route(config->routes, config->route_count, config->arg, request, response, allow)) return;
  response->status = allow->len ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
  buf_append_str(&response->body, allow->len ? "method not allowed\n" : "not found\n");
}

/* ---- libmicrohttpd's callbacks ---- */

static enum MHD_Result send_response(const struct admin *admin, struct MHD_Connection *connection,
                                     struct admin_response *response, struct buf *allow) {
  const char *id = admin->config.id ? admin->config.id(admin->config.arg) : "";
  size_t len;
  void *body = buf_take(&response->body, &len);
  struct MHD_Response *reply = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
  if (!reply) {
    free(body);
    return MHD_NO;
  }
  MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
  MHD_add_response_header(reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  if (*id) MHD_add_response_header(reply, ADMIN_ID_HEADER, id);
  if (response->status == MHD_HTTP_UNAUTHORIZED)
    MHD_add_response_header(reply, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  if (response->status == MHD_HTTP_METHOD_NOT_ALLOWED && allow->len)
    MHD_add_response_header(reply, MHD_HTTP_HEADER_ALLOW, buf_str(allow));
  enum MHD_Result queued = MHD_queue_response(connection, response->status, reply);
  MHD_destroy_response(reply);
  return queued;
}

static enum MHD_Result answer(struct admin *admin, struct MHD_Connection *connection, const char *path,
                              const char *method, struct admin_deferred *exchange) {
  struct admin_request request = {.method = strcmp(method, "HEAD") == 0 ? "GET" : method,
                                  .path = path,
                                  .rest = "",
                                  .body = buf_bytes(&exchange->body),
                                  .connection = connection,
                                  .exchange = exchange};
  struct admin_response response = {.status = MHD_HTTP_OK, .content_type = "text/plain; charset=utf-8"};
  struct buf allow = {0};
  if (exchange->too_large) {
    response.status = MHD_HTTP_CONTENT_TOO_LARGE;
    buf_append_str(&response.body, "request body too large\n");
  } else {
    dispatch(admin, &request, &response, &allow);
  }
  if (exchange->deferred) {
    buf_close(&response.body);
    buf_close(&allow);
    if (exchange->answered) return send_response(admin, connection, &exchange->response, &allow);
    exchange->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
  }
  enum MHD_Result result = send_response(admin, connection, &response, &allow);
  buf_close(&allow);
  return result;
}

/* Called once for the headers, once for each piece of the body, and once at its end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state) {
  (void)version;
  if (!*state) {
    struct admin_deferred *begun = *state = xcalloc(1, sizeof *begun);
    begun->admin = arg;
    begun->connection = connection;
    return MHD_YES;
  }
  struct admin_deferred *exchange = *state;
  if (exchange->answered) {
    struct buf none = {0};
    return send_response(arg, connection, &exchange->response, &none);
  }
  if (*upload_size == 0) return answer(arg, connection, path, method, exchange);
  exchange->too_large = exchange->too_large || *upload_size > ADMIN_BODY_BYTES - exchange->body.len;
  if (!exchange->too_large) buf_append(&exchange->body, upload, *upload_size);
  *upload_size = 0;
  return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
  (void)connection, (void)why;
  struct admin *admin = arg;
  struct admin_deferred *exchange = *state;
  if (!exchange) return;
  if (exchange->deferred && !exchange->answered) DL_DELETE(admin->waiting, exchange);
  buf_close(&exchange->body);
  buf_close(&exchange->response.body);
  free(exchange);
  *state = NULL;
}

const char *admin_query(const struct admin_request *request, const char *name) {
  const char *value = NULL;
  size_t size = 0;
  if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &size) !=
      MHD_YES)
    return NULL;
  return value ? value : "";
}

const char *admin_header(const struct admin_request *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- answers that come later ---- */

struct admin_deferred *admin_defer(const struct admin_request *request) {
  struct admin_deferred *deferred = request->exchange;
  deferred->deferred = true;
  DL_APPEND(deferred->admin->waiting, deferred);
  return deferred;
}

void admin_answer(struct admin_deferred *deferred, struct admin_response *response) {
  struct admin *admin = deferred->admin;
  DL_DELETE(admin->waiting, deferred);
  deferred->response = *response;
  response->body = (struct buf){0};
  deferred->answered = true;
  if (!deferred->suspended) return; /* its handler has not returned */
  MHD_resume_connection(deferred->connection);
  ev_feed_event(admin->loop, &admin->io, EV_READ);
}

/* Their connections cannot be closed while they are suspended. */
static void give_up_waiting(struct admin *admin) {
  while (admin->waiting) {
    struct admin_response response = {.status = MHD_HTTP_SERVICE_UNAVAILABLE,
                                      .content_type = "text/plain; charset=utf-8"};
    admin_answer(admin->waiting, &response);
  }
}

/* ---- the loop ---- */

static unsigned count_connections(struct admin *admin) {
  return MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* At its connection limit libmicrohttpd stops listening, and listens again only at the beginning of a run that finds
 * room: a run that made room is followed by another, or nobody would ever be accepted again. */
static void turn(struct admin *admin) {
  for (unsigned before = UINT_MAX; count_connections(admin) < before;) {
    before = count_connections(admin);
    MHD_run(admin->daemon);
  }
  MHD_UNSIGNED_LONG_LONG timeout_ms;
  ev_timer_stop(admin->loop, &admin->timer);
  if (MHD_get_timeout(admin->daemon, &timeout_ms) != MHD_YES) return;
  ev_timer_set(&admin->timer, (double)timeout_ms / 1000, 0);
  ev_timer_start(admin->loop, &admin->timer);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events) {
  (void)loop, (void)events;
  turn(watcher->data);
}

static void on_timeout(struct ev_loop *loop, struct ev_timer *watcher, int events) {
  (void)loop, (void)events;
  turn(watcher->data);
}

static socklen_t parse_address(const char *host, uint16_t port, struct sockaddr_storage *address) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  *address = (struct sockaddr_storage){0};
  if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
    memcpy(address, &v4, sizeof v4);
    return sizeof v4;
  }
  if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return 0;
  memcpy(address, &v6, sizeof v6);
  return sizeof v6;
}

/* Listens ourselves rather than let libmicrohttpd do it, to be able to say why it failed. -1 with errno otherwise. */
static int listen_on(const struct sockaddr_storage *address, socklen_t size) {
  int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)address, size) == 0 && listen(fd, LISTEN_BACKLOG) == 0) return fd;
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

static uint16_t bound_port(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  getsockname(fd, (struct sockaddr *)&address, &size);
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  memcpy(&v4, &address, sizeof v4);
  memcpy(&v6, &address, sizeof v6);
  return ntohs(address.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

/* The daemon owns `fd` when this succeeds. */
static struct MHD_Daemon *start_daemon(struct admin *admin, int fd) {
  const struct admin_config *config = &admin->config;
  unsigned connections = config->max_connections ? config->max_connections : DEFAULT_CONNECTIONS;
  unsigned timeout_s = config->idle_timeout_s ? config->idle_timeout_s : DEFAULT_TIMEOUT_S;
  return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, admin,
                          MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, connections,
                          MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                          (size_t)CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, admin, MHD_OPTION_END);
}

static void watch(struct admin *admin) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  ev_io_init(&admin->io, on_readable, info->epoll_fd, EV_READ);
  ev_timer_init(&admin->timer, on_timeout, 0, 0);
  admin->io.data = admin->timer.data = admin;
  ev_io_start(admin->loop, &admin->io);
  turn(admin);
}

struct admin *admin_create(struct ev_loop *loop, const struct admin_config *config, char *error, size_t error_size) {
  const char *host = config->host ? config->host : "127.0.0.1";
  struct sockaddr_storage address;
  socklen_t size = parse_address(host, config->port, &address);
  if (size == 0) {
    snprintf(error, error_size, "admin address \"%s\" is not a numeric IPv4 or IPv6 address", host);
    return NULL;
  }
  int fd = listen_on(&address, size);
  if (fd < 0) {
    snprintf(error, error_size, "admin address %s port %u: %s", host, config->port, strerror(errno));
    return NULL;
  }
  struct admin *admin = xcalloc(1, sizeof *admin);
  admin->config = *config;
  admin->loop = loop;
  admin->port = bound_port(fd);
  admin->daemon = start_daemon(admin, fd);
  if (!admin->daemon) {
    snprintf(error, error_size, "admin address %s port %u: libmicrohttpd does not start", host, config->port);
    close(fd);
    free(admin);
    return NULL;
  }
  watch(admin);
  return admin;
}

void admin_destroy(struct admin *admin) {
  if (!admin) return;
  give_up_waiting(admin);
  ev_io_stop(admin->loop, &admin->io);
  ev_timer_stop(admin->loop, &admin->timer);
  MHD_stop_daemon(admin->daemon);
  free(admin);
}

uint16_t admin_port(const struct admin *admin) {
  return admin->port;
}
