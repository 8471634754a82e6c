/* See common/server.h. */
#include "common/server.h"
#include "common/admin.h"
#include "common/clock.h"
#include "common/failpoint.h"
#include "common/mem.h"
#include "common/redis_url.h"
#include "proto/keys.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NOT_SOON_US 20000

/* Buffers of a busy moment are wanted again in the next one: they are not handed back to the system in between. */
#define MALLOC_KEPT_BYTES  (16 << 20)
#define MALLOC_LARGE_BYTES (4 << 20)

extern char **environ;

/* ---- options ---- */

static bool check_redis(const struct server_options *options, char *error, size_t error_size) {
  const struct option_list *urls = &options->redis;
  struct redis_url url;
  char reason[256];
  if (urls->count == 0 || urls->count > STORE_SHARDS_MAX || urls->count > options->partitions) {
    snprintf(error, error_size, "--redis: 1 to %d of them, and no more than partitions", STORE_SHARDS_MAX);
    return false;
  }
  for (size_t i = 0; i < urls->count; i++) {
    if (redis_url_parse(urls->items[i], &url, reason, sizeof reason)) continue;
    snprintf(error, error_size, "--redis: %s", reason);
    return false;
  }
  for (size_t i = 0; i < urls->count; i++) {
    for (size_t j = i + 1; j < urls->count; j++) {
      if (strcmp(urls->items[i], urls->items[j]) != 0) continue;
      snprintf(error, error_size, "--redis: number %zu and number %zu are the same", i + 1, j + 1);
      return false;
    }
  }
  return true;
}

bool server_options_check(const struct server_options *options, char *error, size_t error_size) {
  struct endpoint endpoint;
  struct failpoints *failpoints;
  char reason[256];
  const char *fault = NULL;
  if (!check_redis(options, error, error_size)) return false;
  if (!failpoints_create(options->failpoints, &failpoints, reason, sizeof reason)) {
    snprintf(error, error_size, "--failpoints: %s", reason);
    return false;
  }
  failpoints_destroy(failpoints);
  if (!endpoint_parse(options->admin, &endpoint)) {
    fault = "--admin: not HOST:PORT with a numeric address";
  } else if (options->advertise && (!endpoint_parse(options->advertise, &endpoint) || endpoint.port == 0)) {
    fault = "--advertise: not HOST:PORT with a numeric address and a port";
  } else if (!key_prefix_is_valid(options->prefix)) {
    fault = "--prefix: not up to 32 of [A-Za-z0-9_.:{}-]";
  }
  if (fault) snprintf(error, error_size, "%s", fault);
  return fault == NULL;
}

static void print_text(const struct option_set *set, enum option_result result) {
  struct buf out = {0};
  if (result == OPTION_HELP) option_print_help(set, &out);
  if (result == OPTION_PRINT) option_print_example(set, &out);
  if (result == OPTION_VERSION) buf_printf(&out, "%s %s\n", set->program, set->version);
  fwrite(out.data, 1, out.len, stdout);
  buf_close(&out);
}

bool server_read_options(struct server *server, const struct option_set *set, void *config, int argc, char **argv,
                         bool (*check)(const void *config, char *error, size_t error_size)) {
  struct option_report report = {0};
  enum option_result result = option_parse(set, config, argc, argv, environ, &report);
  if (result == OPTION_OK && !check(config, report.error, sizeof report.error)) result = OPTION_REFUSED;
  server->status = result == OPTION_REFUSED ? SERVER_EXIT_USAGE : SERVER_EXIT_OK;
  if (result == OPTION_REFUSED) fprintf(stderr, "%s: %s\n", set->program, report.error);
  print_text(set, result);
  log_init(&server->log, STDERR_FILENO, server->options->log_level, server->options->log_format, set->program);
  for (size_t i = 0; result == OPTION_OK && i < report.unknown_env.count; i++) {
    log_warn(&server->log, "unknown_environment", F_S("name", report.unknown_env.items[i]));
  }
  option_report_close(&report);
  return result == OPTION_OK;
}

/* ---- the loop ---- */

void server_finish(struct server *server, int status) {
  server->status = status;
  ev_break(server->loop, EVBREAK_ALL);
}

/* A timerfd, since libev's own timers end on whole milliseconds: too coarse for frames and for waits of less. A time
 * of 0 would disarm it. One that fires too early, and not soon, is left as it is: a turn for nothing once in a while
 * costs less than setting it in each. */
static void wake_after(struct server *server, uint64_t wait_us) {
  struct itimerspec at = {.it_value.tv_nsec = 0};
  uint64_t now_us = clock_monotonic_us(), at_us = wait_us == SERVER_NEVER ? UINT64_MAX : now_us + wait_us;
  if (server->wake_at_us <= at_us && server->wake_at_us > now_us + NOT_SOON_US) return;
  if (wait_us != SERVER_NEVER) {
    at.it_value.tv_sec = (time_t)(wait_us / 1000000);
    at.it_value.tv_nsec = wait_us ? (long)(wait_us % 1000000 * 1000) : 1;
  }
  server->wake_at_us = at_us;
  timerfd_settime(server->timer.fd, 0, &at, NULL);
}

static bool is_ready(void *arg, struct buf *reason) {
  struct server *server = arg;
  if (server->core->ready(server->arg, reason)) return true;
  for (uint32_t i = 0; i < server->n_stores; i++) {
    const char *refusal = store_redis_refusal(server->stores[i]);
    if (!refusal) continue;
    buf_append_str(reason, "; Redis");
    if (server->n_stores > 1) buf_printf(reason, " number %u", (unsigned)i + 1);
    buf_printf(reason, " said: %s", refusal);
  }
  return false;
}

static const char *id(void *arg) {
  const struct server *server = arg;
  return server->core->id(server->arg);
}

static void say_ready_once(struct server *server) {
  struct buf reason = {0};
  if (!server->said_ready && is_ready(server, &reason)) {
    server->said_ready = true;
    server->core->say_ready(server->arg);
  }
  buf_close(&reason);
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
  struct server *server = prepare->data;
  (void)loop;
  (void)events;
  uint64_t wait_us = server->core->turn(server->arg);
  say_ready_once(server);
  wake_after(server, wait_us);
}

/* Nothing to do but to let the loop turn. */
static void on_timer(struct ev_loop *loop, struct ev_io *timer, int events) {
  uint64_t expirations;
  ssize_t n = read(timer->fd, &expirations, sizeof expirations);
  (void)loop;
  (void)events;
  (void)n;
}

static void on_signal(struct ev_loop *loop, struct ev_signal *signal_watcher, int events) {
  struct server *server = signal_watcher->data;
  (void)loop;
  (void)events;
  if (server->stopping) {
    log_warn(&server->log, "drain_cut_short");
    server_finish(server, SERVER_EXIT_FAILURE);
    return;
  }
  server->stopping = true;
  server->core->stop(server->arg);
}

void server_run(struct server *server) {
  ev_prepare_init(&server->prepare, on_prepare);
  ev_signal_init(&server->terminate, on_signal, SIGTERM);
  ev_signal_init(&server->interrupt, on_signal, SIGINT);
  server->prepare.data = server->timer.data = server->terminate.data = server->interrupt.data = server;
  ev_prepare_start(server->loop, &server->prepare);
  ev_io_start(server->loop, &server->timer);
  ev_signal_start(server->loop, &server->terminate);
  ev_signal_start(server->loop, &server->interrupt);
  ev_run(server->loop, 0);
}

/* ---- opening and closing ---- */

bool server_fail(struct server *server, const char *event, const char *error) {
  log_error(&server->log, event, F_S("error", error));
  return false;
}

static bool open_admin(struct server *server) {
  char error[256];
  struct endpoint endpoint;
  endpoint_parse(server->options->admin, &endpoint);
  struct admin_config config = {.host = endpoint.host,
                                .port = endpoint.port,
                                .metrics = &server->metrics,
                                .ready = is_ready,
                                .id = id,
                                .arg = server,
                                .routes = server->core->routes,
                                .route_count = server->core->n_routes};
  server->admin = admin_create(server->loop, &config, error, sizeof error);
  if (!server->admin) return server_fail(server, "admin_failed", error);
  endpoint.port = admin_port(server->admin);
  endpoint_print(&endpoint, server->admin_address);
  if (server->options->advertise) endpoint_parse(server->options->advertise, &endpoint);
  endpoint_print(&endpoint, server->peer_address);
  return true;
}

bool server_open(struct server *server, struct store_redis_options *store, const struct server_core *core,
                 void *arg) {
  const struct server_options *options = server->options;
  char error[256];
  signal(SIGPIPE, SIG_IGN);
  mallopt(M_TRIM_THRESHOLD, MALLOC_KEPT_BYTES);
  mallopt(M_MMAP_THRESHOLD, MALLOC_LARGE_BYTES);
  server->core = core;
  server->arg = arg;
  server->status = SERVER_EXIT_FAILURE;
  if (!failpoints_create(options->failpoints, &server->failpoints, error, sizeof error)) {
    return server_fail(server, "failpoints_failed", error);
  }
  server->loop = ev_loop_new(EVFLAG_AUTO);
  if (!server->loop) return server_fail(server, "loop_failed", "no event loop");
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  ev_io_init(&server->timer, on_timer, timer, EV_READ);
  if (timer < 0) return server_fail(server, "timer_failed", strerror(errno));
  if (!open_admin(server)) return false;
  store->prefix = options->prefix;
  store->partitions = (uint32_t)options->partitions;
  store->limits.gateway_entries = options->gateway_entries;
  store->limits.gateway_bytes = options->gateway_bytes;
  store->reply_timeout_ms = options->reply_timeout_ms;
  store->failpoints = server->failpoints;
  store->metrics = &server->redis_metrics;
  metrics_add(&server->metrics, store_redis_metric_rows, STORE_REDIS_METRICS, &server->redis_metrics);
  store->shards = (uint32_t)options->redis.count;
  for (store->shard = 0; store->shard < store->shards; store->shard++) {
    store->url = options->redis.items[store->shard];
    server->stores[store->shard] = store_redis_create(server->loop, store, &server->log, error, sizeof error);
    if (!server->stores[store->shard]) return server_fail(server, "store_failed", error);
    server->n_stores++;
  }
  return true;
}

void server_close_outside(struct server *server) {
  if (server->loop) log_info(&server->log, "ended", F_I("status", server->status));
  admin_destroy(server->admin);
  for (uint32_t i = 0; i < server->n_stores; i++) server->stores[i]->ops->destroy(server->stores[i]);
}

void server_close(struct server *server) {
  failpoints_destroy(server->failpoints);
  if (server->loop && server->timer.fd >= 0) close(server->timer.fd);
  if (server->loop) ev_loop_destroy(server->loop);
}
