/* heya-worker: puts the parts together around one event loop. What it does is in worker.c and the files named there; here
 * are options, signals, the admin server, and the loop turn:
 *
 *   read from Redis -> callbacks note and apply -> (prepare) one turn: renew, commit, read
 */
#include "common/admin.h"
#include "common/endpoint.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"
#include "worker/options.h"
#include "worker/worker.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

struct server {
  struct worker_options options;
  struct log log;
  struct worker_metrics counters;
  struct metrics metrics;
  struct kind_registry kinds;
  struct failpoints *failpoints;
  char admin_address[ENDPOINT_BYTES];

  struct ev_loop *loop;
  struct ev_prepare prepare;
  struct ev_timer timer, drain;
  struct ev_signal terminate, interrupt;
  struct admin *admin;
  struct store *store;
  struct worker *worker;
  bool said_ready;
  int status;
};

static void finish(struct server *server, int status) {
  server->status = status;
  ev_break(server->loop, EVBREAK_ALL);
}

/* ---- the loop ---- */

static bool on_readyz(void *arg, struct buf *reason) {
  const struct server *server = arg;
  return worker_ready(server->worker, reason);
}

/* Written whatever the log level: who started this process waits for it. */
static void say_ready(struct server *server) {
  struct buf reason = {0};
  server->said_ready = worker_ready(server->worker, &reason);
  buf_close(&reason);
  if (!server->said_ready) return;
  log_write(&server->log, LOG_LEVEL_INFO, "ready",
            (const struct log_field[]){F_S("admin", server->admin_address),
                                       F_S("worker", server->worker->config.id), F_END});
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
  struct server *server = prepare->data;
  (void)events;
  uint64_t wait_us = worker_turn(server->worker);
  if (!server->said_ready) say_ready(server);
  if (server->worker->state == WORKER_STOPPED) finish(server, WORKER_EXIT_OK);
  if (server->worker->state == WORKER_FAILED) {
    fprintf(stderr, "heya-worker: %s\n", server->worker->failure);
    finish(server, WORKER_EXIT_FAILURE);
  }
  ev_now_update(loop);
  ev_timer_stop(loop, &server->timer);
  ev_timer_set(&server->timer, (double)wait_us / 1e6, 0.);
  ev_timer_start(loop, &server->timer);
}

/* Nothing to do but to let the loop turn. */
static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
  (void)loop;
  (void)timer;
  (void)events;
}

static void on_drain_timeout(struct ev_loop *loop, struct ev_timer *timer, int events) {
  struct server *server = timer->data;
  (void)loop;
  (void)events;
  log_warn(&server->log, "drain_cut_short");
  finish(server, WORKER_EXIT_FAILURE);
}

/* The first signal hands over, the second one is impatient. */
static void on_signal(struct ev_loop *loop, struct ev_signal *signal_watcher, int events) {
  struct server *server = signal_watcher->data;
  (void)events;
  if (server->worker->state == WORKER_STOPPING) {
    on_drain_timeout(loop, &server->drain, 0);
    return;
  }
  log_info(&server->log, "draining");
  worker_stop(server->worker);
  ev_timer_set(&server->drain, (double)server->options.drain_timeout_ms / 1e3, 0.);
  ev_timer_start(loop, &server->drain);
}

/* ---- start ---- */

static bool fail(struct server *server, const char *event, const char *error) {
  log_error(&server->log, event, F_S("error", error));
  return false;
}

/* True when the process is to run; otherwise server->status is what it exits with. */
static bool read_options(struct server *server, int argc, char **argv) {
  struct option_report report = {0};
  struct buf out = {0};
  enum option_result result = option_parse(&worker_option_set, &server->options, argc, argv, environ, &report);
  server->status = WORKER_EXIT_OK;
  switch (result) {
  case OPTION_OK:
    if (worker_options_check(&server->options, report.error, sizeof report.error)) break;
    result = OPTION_REFUSED;
    /* fall through */
  case OPTION_REFUSED:
    fprintf(stderr, "heya-worker: %s\n", report.error);
    server->status = WORKER_EXIT_USAGE;
    break;
  case OPTION_HELP: option_print_help(&worker_option_set, &out); break;
  case OPTION_PRINT: option_print_example(&worker_option_set, &out); break;
  case OPTION_VERSION: buf_printf(&out, "%s %s\n", worker_option_set.program, worker_option_set.version); break;
  }
  fwrite(out.data, 1, out.len, stdout);
  buf_close(&out);
  log_init(&server->log, STDERR_FILENO, server->options.log_level, server->options.log_format, "worker");
  for (size_t i = 0; result == OPTION_OK && i < report.unknown_env.count; i++) {
    log_warn(&server->log, "unknown_environment", F_S("name", report.unknown_env.items[i]));
  }
  option_report_close(&report);
  return result == OPTION_OK;
}

static bool open_admin(struct server *server) {
  char error[256];
  struct endpoint endpoint;
  endpoint_parse(server->options.admin, &endpoint);
  struct admin_config config = {.host = endpoint.host,
                                .port = endpoint.port,
                                .metrics = &server->metrics,
                                .ready = on_readyz,
                                .arg = server};
  server->admin = admin_create(server->loop, &config, error, sizeof error);
  if (!server->admin) return fail(server, "admin_failed", error);
  endpoint.port = admin_port(server->admin);
  endpoint_print(&endpoint, server->admin_address);
  return true;
}

/* Ids are new at every start: a worker is never mistaken for its predecessor. */
static void make_id(struct server *server, char id[PROCESS_ID_MAX + 1]) {
  uint8_t random[5];
  const char *start = server->options.id && *server->options.id ? server->options.id : "w";
  server->store->ops->random(server->store, random, sizeof random);
  snprintf(id, PROCESS_ID_MAX + 1, "%s-%02x%02x%02x%02x%02x", start, random[0], random[1], random[2], random[3],
           random[4]);
}

static bool open_worker(struct server *server) {
  char error[256];
  struct store_redis_options store;
  worker_options_store(&server->options, &store);
  store.failpoints = server->failpoints;
  server->store = store_redis_create(server->loop, &store, &server->log, error, sizeof error);
  if (!server->store) return fail(server, "store_failed", error);
  struct worker_config config = {.version = worker_option_set.version,
                                 .pid = getpid(),
                                 .partitions = (uint32_t)server->options.partitions,
                                 .lease_ms = server->options.lease_ms};
  make_id(server, config.id);
  snprintf(config.address, sizeof config.address, "%s", server->admin_address);
  if (gethostname(config.host, sizeof config.host - 1) != 0) snprintf(config.host, sizeof config.host, "unknown");
  snprintf(server->log.process, sizeof server->log.process, "worker %s", config.id);
  server->worker = worker_create(&config, server->store, &server->kinds, &server->counters, &server->log);
  return true;
}

static bool open_server(struct server *server) {
  char error[256];
  kind_registry_init(&server->kinds);
  worker_metrics_register(&server->metrics, &server->counters);
  if (!failpoints_create(server->options.failpoints, &server->failpoints, error, sizeof error)) {
    return fail(server, "failpoints_failed", error);
  }
  server->loop = ev_loop_new(EVFLAG_AUTO);
  if (!server->loop) return fail(server, "loop_failed", "no event loop");
  return open_admin(server) && open_worker(server);
}

static void start_watchers(struct server *server) {
  ev_prepare_init(&server->prepare, on_prepare);
  ev_timer_init(&server->timer, on_timer, 0., 0.);
  ev_timer_init(&server->drain, on_drain_timeout, 0., 0.);
  ev_signal_init(&server->terminate, on_signal, SIGTERM);
  ev_signal_init(&server->interrupt, on_signal, SIGINT);
  server->prepare.data = server->timer.data = server->drain.data = server;
  server->terminate.data = server->interrupt.data = server;
  ev_prepare_start(server->loop, &server->prepare);
  ev_signal_start(server->loop, &server->terminate);
  ev_signal_start(server->loop, &server->interrupt);
}

/* The store goes first, so that nothing calls back while the rest is taken apart. */
static void close_server(struct server *server) {
  admin_destroy(server->admin);
  if (server->store) server->store->ops->destroy(server->store);
  worker_destroy(server->worker);
  failpoints_destroy(server->failpoints);
  if (server->loop) ev_loop_destroy(server->loop);
  option_close(&worker_option_set, &server->options);
}

int main(int argc, char **argv) {
  struct server server = {0};
  signal(SIGPIPE, SIG_IGN);
  if (read_options(&server, argc, argv)) {
    server.status = WORKER_EXIT_FAILURE;
    if (open_server(&server)) {
      start_watchers(&server);
      ev_run(server.loop, 0);
    }
    log_info(&server.log, "ended", F_I("status", server.status));
  }
  close_server(&server);
  return server.status;
}
