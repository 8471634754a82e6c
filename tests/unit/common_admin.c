/* Promises of the admin server. Server and client share one loop; each wait is for an answer, with a deadline. */
#include "common/admin.h"
#include "common/metric.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_S 5.0

struct client {
  struct ev_io io;
  struct ev_timer deadline;
  int fd;
  struct buf out, in;
  bool closed;
};

struct server {
  struct ev_loop *loop;
  struct admin *admin;
  bool ready;
  unsigned calls;
};

static void on_socket(struct ev_loop *loop, struct ev_io *io, int events) {
  struct client *client = io->data;
  char chunk[4096];
  if ((events & EV_WRITE) && client->out.len) {
    ssize_t sent = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);
    if (sent > 0) buf_consume(&client->out, (size_t)sent);
  }
  if (client->out.len == 0) {
    ev_io_stop(loop, io);
    ev_io_set(io, client->fd, EV_READ);
    ev_io_start(loop, io);
  }
  if (!(events & EV_READ)) return;
  ssize_t got = recv(client->fd, chunk, sizeof chunk, 0);
  if (got > 0) buf_append(&client->in, chunk, (size_t)got);
  if (got == 0 || (got < 0 && errno != EAGAIN)) client->closed = true;
  if (client->closed) ev_break(loop, EVBREAK_ONE);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
  (void)timer, (void)events;
  ev_break(loop, EVBREAK_ONE);
}

static int connect_to(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int result = connect(fd, (const struct sockaddr *)&address, sizeof address);
  cr_assert(result == 0 || errno == EINPROGRESS);
  return fd;
}

/* Sends `request`, turns the loop until the server closes, and stores what came back in `answer`. */
static void exchange(struct server *server, struct bytes request, struct buf *answer) {
  struct client client = {.fd = connect_to(admin_port(server->admin))};
  buf_append_bytes(&client.out, request);
  ev_io_init(&client.io, on_socket, client.fd, EV_READ | EV_WRITE);
  ev_timer_init(&client.deadline, on_deadline, DEADLINE_S, 0);
  client.io.data = &client;
  ev_io_start(server->loop, &client.io);
  ev_timer_start(server->loop, &client.deadline);
  ev_run(server->loop, 0);
  ev_io_stop(server->loop, &client.io);
  ev_timer_stop(server->loop, &client.deadline);
  close(client.fd);
  buf_close(&client.out);
  cr_assert(client.closed, "the server did not close in time; it sent: %s", buf_str(&client.in));
  *answer = client.in;
}

static void expect(struct server *server, const char *request_line, const char *status, const char *body) {
  struct buf request = {0}, answer = {0};
  buf_printf(&request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request_line);
  exchange(server, buf_bytes(&request), &answer);
  const char *text = buf_str(&answer), *end = strstr(text, "\r\n\r\n");
  cr_assert_eq(strncmp(text, status, strlen(status)), 0, "%s wanted for %s, got %s", status, request_line, text);
  cr_assert_not_null(end);
  if (body) cr_assert_str_eq(end + 4, body);
  buf_close(&request);
  buf_close(&answer);
}

static bool is_ready(void *arg, struct buf *reason) {
  const struct server *server = arg;
  buf_append_str(reason, "redis is away");
  return server->ready;
}

static void serve_echo(void *arg, const struct admin_request *request, struct admin_response *response) {
  struct server *server = arg;
  const char *q = admin_query(request, "q");
  server->calls++;
  response->status = 201;
  buf_printf(&response->body, "%s rest=%s q=%s body=%zu", request->method, request->rest, q ? q : "(none)",
             request->body.len);
}

static const struct admin_route routes[] = {
    {"POST", "/rooms", serve_echo}, {"GET", "/rooms", serve_echo}, {"GET", "/rooms/*", serve_echo}};

static const uint64_t up = 1;
static const struct metric_row up_row = {.name = "heya_up", .type = METRIC_GAUGE, .help = "Up."};
static struct metrics *sample_metrics(struct metrics *metrics) {
  metrics_add(metrics, &up_row, 1, &up);
  return metrics;
}

static void open_server(struct server *server, struct admin_config config) {
  char error[128] = "";
  *server = (struct server){.loop = ev_loop_new(EVFLAG_AUTO)};
  config.arg = server;
  server->admin = admin_create(server->loop, &config, error, sizeof error);
  cr_assert_not_null(server->admin, "%s", error);
  cr_assert_neq(admin_port(server->admin), 0);
}

static void close_server(struct server *server) {
  admin_destroy(server->admin);
  ev_loop_destroy(server->loop);
}

Test(admin, health_and_readiness_answer) {
  struct server server;
  open_server(&server, (struct admin_config){.ready = is_ready});
  expect(&server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  expect(&server, "HEAD /healthz", "HTTP/1.1 200", "");
  expect(&server, "GET /readyz", "HTTP/1.1 503", "redis is away\n");
  server.ready = true;
  expect(&server, "GET /readyz", "HTTP/1.1 200", "ready\n");
  close_server(&server);
}

Test(admin, without_a_callback_it_is_ready) {
  struct server server;
  open_server(&server, (struct admin_config){0});
  expect(&server, "GET /readyz", "HTTP/1.1 200", "ready\n");
  expect(&server, "GET /metrics", "HTTP/1.1 404", NULL);
  close_server(&server);
}

Test(admin, metrics_are_prometheus_text) {
  struct server server;
  struct metrics metrics = {0};
  struct buf answer = {0};
  open_server(&server, (struct admin_config){.metrics = sample_metrics(&metrics)});
  exchange(&server, bytes_of_str("GET /metrics HTTP/1.0\r\n\r\n"), &answer);
  cr_assert_not_null(strstr(buf_str(&answer), "Content-Type: text/plain; version=0.0.4"));
  cr_assert_not_null(strstr(buf_str(&answer), "\r\n\r\n# HELP heya_up Up.\n# TYPE heya_up gauge\nheya_up 1\n"));
  buf_close(&answer);
  close_server(&server);
}

Test(admin, routes_of_the_caller_get_path_query_and_method) {
  struct server server;
  open_server(&server, (struct admin_config){.routes = routes, .route_count = 3});
  expect(&server, "GET /rooms?q=a%20b&x", "HTTP/1.1 201", "GET rest= q=a b body=0");
  expect(&server, "GET /rooms/r%2d1?q", "HTTP/1.1 201", "GET rest=r-1 q= body=0");
  expect(&server, "HEAD /rooms/", "HTTP/1.1 201", "");
  cr_assert_eq(server.calls, 3);
  close_server(&server);
}

Test(admin, unknown_paths_and_methods_are_refused) {
  struct server server;
  struct buf answer = {0};
  open_server(&server, (struct admin_config){.routes = routes, .route_count = 3});
  expect(&server, "GET /room", "HTTP/1.1 404", "not found\n");
  expect(&server, "GET /roomsx", "HTTP/1.1 404", "not found\n");
  expect(&server, "GET /", "HTTP/1.1 404", "not found\n");
  expect(&server, "POST /healthz", "HTTP/1.1 405", "method not allowed\n");
  exchange(&server, bytes_of_str("DELETE /rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &answer);
  cr_assert_not_null(strstr(buf_str(&answer), "Allow: POST, GET, HEAD\r\n"), "%s", buf_str(&answer));
  cr_assert_eq(server.calls, 0);
  buf_close(&answer);
  close_server(&server);
}

Test(admin, a_body_reaches_its_handler_up_to_the_limit) {
  static const struct {
    size_t len;
    const char *wanted;
  } cases[] = {
      {3, " q=(none) body=3"}, {ADMIN_BODY_BYTES, " q=(none) body=65536"}, {ADMIN_BODY_BYTES + 1, "HTTP/1.1 413"}};
  struct server server;
  open_server(&server, (struct admin_config){.routes = routes, .route_count = 3});
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct buf request = {0}, answer = {0};
    buf_printf(&request, "POST /rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
               cases[i].len);
    memset(buf_reserve(&request, cases[i].len), 'b', cases[i].len);
    request.len += cases[i].len;
    exchange(&server, buf_bytes(&request), &answer);
    cr_assert_not_null(strstr(buf_str(&answer), cases[i].wanted), "%zu: %s", cases[i].len, buf_str(&answer));
    buf_close(&request);
    buf_close(&answer);
  }
  cr_assert_eq(server.calls, 2);
  close_server(&server);
}

Test(admin, garbage_and_oversized_headers_are_refused) {
  struct server server;
  struct buf request = {0}, answer = {0};
  open_server(&server, (struct admin_config){.idle_timeout_s = 1});
  exchange(&server, bytes_of_str("\x16\x03\x01 garbage\r\n\r\n\r\n"), &answer);
  buf_close(&answer);
  buf_append_str(&request, "GET /healthz HTTP/1.1\r\nHost: ");
  for (int i = 0; i < 40000; i++) buf_append_char(&request, 'h');
  buf_append_str(&request, "\r\n\r\n");
  exchange(&server, buf_bytes(&request), &answer);
  cr_assert_eq(strncmp(buf_str(&answer), "HTTP/1.1 200", 12) == 0, false);
  expect(&server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  buf_close(&request);
  buf_close(&answer);
  close_server(&server);
}

Test(admin, a_silent_connection_is_closed) {
  struct server server;
  struct buf answer = {0};
  open_server(&server, (struct admin_config){.idle_timeout_s = 1});
  exchange(&server, bytes_of_str("GET /hea"), &answer);
  buf_close(&answer);
  close_server(&server);
}

Test(admin, connections_are_bounded_and_recover) {
  struct server server;
  open_server(&server, (struct admin_config){.max_connections = 2, .idle_timeout_s = 1});
  int idle[6];
  for (int i = 0; i < 6; i++) idle[i] = connect_to(admin_port(server.admin));
  ev_run(server.loop, EVRUN_NOWAIT);
  for (int i = 0; i < 6; i++) close(idle[i]);
  expect(&server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  close_server(&server);
}

Test(admin, half_open_connections_do_not_delay_health) {
  struct server server;
  open_server(&server, (struct admin_config){0});
  int half[60];
  for (int i = 0; i < 60; i++) {
    half[i] = connect_to(admin_port(server.admin));
    cr_assert_eq(send(half[i], "GET /he", 7, MSG_NOSIGNAL), 7);
  }
  for (int i = 0; i < 60; i++) ev_run(server.loop, EVRUN_NOWAIT);
  ev_now_update(server.loop);
  double before = ev_now(server.loop);
  expect(&server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  cr_assert_lt(ev_now(server.loop) - before, 1.0);
  for (int i = 0; i < 60; i++) close(half[i]);
  close_server(&server);
}

Test(admin, an_address_that_cannot_be_used_is_refused_with_a_reason) {
  struct server server;
  char error[128] = "";
  open_server(&server, (struct admin_config){0});
  struct admin_config taken = {.port = admin_port(server.admin)};
  cr_assert_null(admin_create(server.loop, &taken, error, sizeof error));
  cr_assert_not_null(strstr(error, "Address already in use"), "%s", error);
  struct admin_config unknown = {.host = "not-an-address"};
  cr_assert_null(admin_create(server.loop, &unknown, error, sizeof error));
  cr_assert_str_eq(error, "admin address \"not-an-address\" is not a numeric IPv4 or IPv6 address");
  close_server(&server);
}

Test(admin, closing_frees_the_port_and_open_connections) {
  struct server server;
  open_server(&server, (struct admin_config){0});
  struct admin_config again = {.port = admin_port(server.admin)};
  int open_connection = connect_to(again.port);
  ev_run(server.loop, EVRUN_NOWAIT);
  admin_destroy(server.admin);
  char error[128] = "";
  server.admin = admin_create(server.loop, &again, error, sizeof error);
  cr_assert_not_null(server.admin, "%s", error);
  expect(&server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  close(open_connection);
  close_server(&server);
  admin_destroy(NULL);
}

/* ---- answers that come later ---- */

struct later {
  struct server server;
  struct ev_timer timer;
  struct admin_deferred *deferred;
  bool at_once;
};

static void answer_later(struct later *later) {
  struct admin_response response = {.status = 202, .content_type = "text/plain"};
  buf_append_str(&response.body, "at last");
  admin_answer(later->deferred, &response);
  later->deferred = NULL;
}

static void on_later(struct ev_loop *loop, struct ev_timer *timer, int events) {
  (void)loop, (void)events;
  answer_later(timer->data);
}

static void serve_later(void *arg, const struct admin_request *request, struct admin_response *response) {
  struct later *later = arg;
  buf_append_str(&response->body, "ignored");
  later->deferred = admin_defer(request);
  if (later->at_once) {
    answer_later(later);
    return;
  }
  ev_timer_init(&later->timer, on_later, 0.02, 0);
  later->timer.data = later;
  ev_timer_start(later->server.loop, &later->timer);
}

static const struct admin_route later_routes[] = {{"GET", "/later", serve_later}};

static void open_later(struct later *later) {
  *later = (struct later){.at_once = false};
  open_server(&later->server, (struct admin_config){.routes = later_routes, .route_count = 1});
  later->server.ready = true;
}

Test(admin, a_deferred_answer_is_sent_when_it_is_given) {
  static struct later later;
  open_later(&later);
  expect(&later.server, "GET /later", "HTTP/1.1 202", "at last");
  expect(&later.server, "GET /healthz", "HTTP/1.1 200", "ok\n");
  later.at_once = true;
  expect(&later.server, "GET /later", "HTTP/1.1 202", "at last");
  close_server(&later.server);
}

Test(admin, it_ends_while_somebody_waits) {
  static struct later later;
  open_later(&later);
  int fd = connect_to(admin_port(later.server.admin));
  static const char request[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
  cr_assert_eq(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), (ssize_t)sizeof request - 1);
  while (!later.deferred) ev_run(later.server.loop, EVRUN_ONCE);
  ev_timer_stop(later.server.loop, &later.timer);
  close_server(&later.server);
  close(fd);
}
