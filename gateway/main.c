/* heya-gateway: puts the parts together around one event loop. What it does is in gateway.c (logic) and listener.c
 * (connections); here are options, signals, the admin server, and the order of things in a loop turn:
 *
 *   read sockets and Redis -> callbacks -> (prepare) send to clients and reap, then one append and one read to Redis
 */
#include "common/admin.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"
#include "gateway/files.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/listener.h"
#include "gateway/options.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

struct server {
  struct gateway_options options;
  struct log log;
  struct gateway_metrics counters;
  struct metrics metrics;
  struct payload_registry registry;
  struct auth auth;
  struct failpoints *failpoints;
  struct files *www;
  struct cidr *trusted;
  struct endpoint listen;
  char admin_address[ENDPOINT_BYTES];

  struct ev_loop *loop;
  struct ev_prepare prepare;
  struct ev_timer timer;
  struct ev_signal terminate, interrupt;
  struct admin *admin;
  struct store *store;
  struct gateway *gateway;
  struct listener *listener;
  bool said_ready, draining;
  int status;
};

/* ---- between the halves ---- */

static const struct session_output output = {.frame_create = frame_create,
                                             .frame_unref = frame_unref,
                                             .send = conn_send,
                                             .close = conn_close,
                                             .set_ready = conn_set_ready};

static void on_open(void *arg, struct conn *conn, const struct conn_open *open) {
  struct server *server = arg;
  conn_set_data(conn, sessions_opened(gateway_sessions(server->gateway), conn, conn_number(conn), open));
}

static void on_message(void *arg, struct conn *conn, struct bytes message) {
  (void)arg;
  session_message(conn_data(conn), message);
}

static void on_closed(void *arg, struct conn *conn) {
  (void)arg;
  session_closed(conn_data(conn));
}

/* ---- the loop ---- */

/* Written whatever the log level: who started this process waits for it. */
static void say_ready(struct server *server) {
  server->said_ready = true;
  log_write(&server->log, LOG_LEVEL_INFO, "ready",
            (const struct log_field[]){F_S("listen", listener_address(server->listener)),
                                       F_S("admin", server->admin_address),
                                       F_S("gateway", gateway_id(server->gateway)), F_END});
}

static void finish(struct server *server, int status) {
  server->status = status;
  ev_break(server->loop, EVBREAK_ALL);
}

static void wake_after(struct server *server, uint64_t wait_us) {
  ev_timer_stop(server->loop, &server->timer);
  if (wait_us == GATEWAY_NEVER) return;
  ev_now_update(server->loop);
  ev_timer_set(&server->timer, (double)wait_us / 1e6, 0.);
  ev_timer_start(server->loop, &server->timer);
}

/* Connections first: those that end here have their rooms told by the append of this same turn. */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
  struct server *server = prepare->data;
  const char *why;
  (void)loop;
  (void)events;
  listener_flush(server->listener);
  uint64_t wait_us = gateway_turn(server->gateway);
  if (gateway_refused(server->gateway)) {
    fprintf(stderr, "heya-gateway: %s\n", gateway_refused(server->gateway));
    finish(server, GATEWAY_EXIT_FAILURE);
  } else if (gateway_is_finished(server->gateway)) {
    finish(server, GATEWAY_EXIT_OK);
  }
  if (!server->said_ready && gateway_is_ready(server->gateway, &why)) say_ready(server);
  wake_after(server, wait_us);
}

/* Nothing to do but to let the loop turn. */
static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
  (void)loop;
  (void)timer;
  (void)events;
}

/* The first signal drains, the second one is impatient. */
static void on_signal(struct ev_loop *loop, struct ev_signal *signal_watcher, int events) {
  struct server *server = signal_watcher->data;
  (void)loop;
  (void)events;
  if (server->draining) {
    log_warn(&server->log, "drain_cut_short");
    finish(server, GATEWAY_EXIT_FAILURE);
    return;
  }
  server->draining = true;
  listener_stop_accepting(server->listener);
  gateway_drain(server->gateway);
}

static bool on_readyz(void *arg, struct buf *reason) {
  struct server *server = arg;
  const char *why;
  if (gateway_is_ready(server->gateway, &why)) return true;
  buf_append_str(reason, why);
  return false;
}

/* ---- start ---- */

static bool fail(struct server *server, const char *event, const char *error) {
  log_error(&server->log, event, F_S("error", error));
  return false;
}

static void print(struct buf *out) {
  fwrite(out->data, 1, out->len, stdout);
  buf_close(out);
}

/* True when the process is to run; otherwise server->status is what it exits with. */
static bool read_options(struct server *server, int argc, char **argv) {
  struct option_report report = {0};
  struct buf out = {0};
  enum option_result result = option_parse(&gateway_option_set, &server->options, argc, argv, environ, &report);
  server->status = GATEWAY_EXIT_OK;
  switch (result) {
  case OPTION_OK:
    if (gateway_options_check(&server->options, report.error, sizeof report.error)) break;
    result = OPTION_REFUSED;
    /* fall through */
  case OPTION_REFUSED:
    fprintf(stderr, "heya-gateway: %s\n", report.error);
    server->status = GATEWAY_EXIT_USAGE;
    break;
  case OPTION_HELP: option_print_help(&gateway_option_set, &out); break;
  case OPTION_PRINT: option_print_example(&gateway_option_set, &out); break;
  case OPTION_VERSION: buf_printf(&out, "%s %s\n", gateway_option_set.program, gateway_option_set.version); break;
  }
  if (out.len) print(&out);
  log_init(&server->log, STDERR_FILENO, server->options.log_level, server->options.log_format, "gateway");
  if (result == OPTION_OK) {
    for (size_t i = 0; i < report.unknown_env.count; i++) {
      log_warn(&server->log, "unknown_environment", F_S("name", report.unknown_env.items[i]));
    }
  }
  option_report_close(&report);
  return result == OPTION_OK;
}

static bool open_auth(struct server *server) {
  const struct gateway_options *options = &server->options;
  char error[256];
  if (!auth_open(&server->auth, options->auth, options->jwt_algorithm, options->jwt_key,
                 (uint32_t)(options->jwt_leeway_ms / 1000), error, sizeof error)) {
    return fail(server, "auth_failed", error);
  }
  if (options->auth == AUTH_DEV) {
    log_warn(&server->log, "auth_dev",
             F_S("meaning", "everybody is whom they claim to be; not for the open network"));
  }
  return true;
}

static bool open_admin(struct server *server) {
  char error[256];
  struct endpoint endpoint;
  endpoint_parse(server->options.admin, &endpoint);
  server->admin = admin_create(server->loop,
                               &(struct admin_config){.host = endpoint.host,
                                                      .port = endpoint.port,
                                                      .metrics = &server->metrics,
                                                      .ready = on_readyz,
                                                      .arg = server},
                               error, sizeof error);
  if (!server->admin) return fail(server, "admin_failed", error);
  endpoint.port = admin_port(server->admin);
  endpoint_print(&endpoint, server->admin_address);
  return true;
}

static bool open_gateway(struct server *server) {
  char error[256];
  struct store_redis_options store;
  gateway_options_store(&server->options, &store);
  store.failpoints = server->failpoints;
  server->store = store_redis_create(server->loop, &store, &server->log, error, sizeof error);
  if (!server->store) return fail(server, "store_failed", error);

  struct gateway_config config;
  gateway_options_gateway(&server->options, &config);
  config.address = server->admin_address;
  config.auth = &server->auth;
  config.registry = &server->registry;
  config.output = &output;
  config.failpoints = server->failpoints;
  server->gateway = gateway_create(server->store, &config, &server->counters, &server->log);
  return true;
}

static bool open_listener(struct server *server) {
  char error[256];
  struct listener_config config;
  gateway_options_listener(&server->options, &server->listen, &server->trusted, &config);
  if (server->options.www) {
    server->www = files_load(server->options.www, server->options.www_bytes, error, sizeof error);
    if (!server->www) return fail(server, "www_failed", error);
    config.www = server->www;
  }
  struct conn_handler handler = {.open = on_open, .message = on_message, .closed = on_closed, .arg = server};
  server->listener =
      listener_create(server->loop, &config, &handler, &server->counters, &server->log, error, sizeof error);
  if (!server->listener) return fail(server, "listen_failed", error);
  log_info(&server->log, "listening", F_S("listen", listener_address(server->listener)),
           F_S("admin", server->admin_address));
  return true;
}

static bool open_server(struct server *server) {
  char error[256];
  payload_registry_init(&server->registry);
  metrics_add(&server->metrics, gateway_metric_rows, gateway_metric_row_count, &server->counters);
  if (!failpoints_create(server->options.failpoints, &server->failpoints, error, sizeof error)) {
    return fail(server, "failpoints_failed", error);
  }
  server->loop = ev_loop_new(EVFLAG_AUTO);
  if (!server->loop) return fail(server, "loop_failed", "no event loop");
  return open_auth(server) && open_admin(server) && open_gateway(server) && open_listener(server);
}

static void start_watchers(struct server *server) {
  ev_prepare_init(&server->prepare, on_prepare);
  ev_timer_init(&server->timer, on_timer, 0., 0.);
  ev_signal_init(&server->terminate, on_signal, SIGTERM);
  ev_signal_init(&server->interrupt, on_signal, SIGINT);
  server->prepare.data = server->timer.data = server->terminate.data = server->interrupt.data = server;
  ev_prepare_start(server->loop, &server->prepare);
  ev_signal_start(server->loop, &server->terminate);
  ev_signal_start(server->loop, &server->interrupt);
}

/* Whatever was opened. The store goes first, so that nothing calls back while the rest is taken apart; then the
 * connections, whose sessions belong to the gateway. */
static void close_server(struct server *server) {
  admin_destroy(server->admin);
  if (server->store) server->store->ops->destroy(server->store);
  listener_destroy(server->listener);
  gateway_destroy(server->gateway);
  files_destroy(server->www);
  auth_close(&server->auth);
  failpoints_destroy(server->failpoints);
  free(server->trusted);
  if (server->loop) ev_loop_destroy(server->loop);
  option_close(&gateway_option_set, &server->options);
}

int main(int argc, char **argv) {
  struct server server = {0};
  signal(SIGPIPE, SIG_IGN);
  if (read_options(&server, argc, argv)) {
    server.status = GATEWAY_EXIT_FAILURE;
    if (open_server(&server)) {
      start_watchers(&server);
      ev_run(server.loop, 0);
    }
    log_info(&server.log, "ended", F_I("status", server.status));
  }
  close_server(&server);
  return server.status;
}
