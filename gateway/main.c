/* heya-gateway: puts the parts together around the common server (common/server.h). What it does is in gateway.c
 * (logic) and listener.c (connections). A loop turn:
 *
 *   read sockets and Redis -> callbacks -> send to clients and reap, then one append and one read to Redis
 */
#include "common/mem.h"
#include "gateway/api.h"
#include "gateway/files.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/kind_proto.h"
#include "gateway/listener.h"
#include "gateway/options.h"

struct program {
  struct server server;
  struct gateway_options options;
  struct gateway_metrics counters;
  struct payload_registry registry;
  struct auth auth;
  struct files *www;
  struct cidr *trusted;
  struct endpoint listen;
  struct gateway *gateway;
  struct api *api; /* NULL: it is not wanted */
  struct listener *listener;
};

/* ---- between the halves ---- */

static const struct session_output output = {.frame_create = frame_create,
                                             .frame_unref = frame_unref,
                                             .send = conn_send,
                                             .close = conn_close,
                                             .set_ready = conn_set_ready};

static void on_open(void *arg, struct conn *conn, const struct conn_open *open) {
  struct program *program = arg;
  conn_set_data(conn, sessions_opened(gateway_sessions(program->gateway), conn, conn_number(conn), open));
}

static void on_message(void *arg, struct conn *conn, struct bytes message) {
  (void)arg;
  session_message(conn_data(conn), message);
}

static void on_closed(void *arg, struct conn *conn) {
  (void)arg;
  session_closed(conn_data(conn));
}

/* ---- the core ---- */

/* Connections first: those that end here have their rooms told by the append of this same turn. */
static uint64_t turn(void *arg) {
  struct program *program = arg;
  listener_flush(program->listener);
  uint64_t api_us = program->api ? api_turn(program->api) : API_NEVER;
  uint64_t wait_us = gateway_turn(program->gateway);
  if (api_us < wait_us) wait_us = api_us;
  if (gateway_refused(program->gateway)) {
    fprintf(stderr, "heya-gateway: %s\n", gateway_refused(program->gateway));
    server_finish(&program->server, SERVER_EXIT_FAILURE);
  } else if (gateway_is_finished(program->gateway)) {
    server_finish(&program->server, gateway_drain_timed_out(program->gateway) ? SERVER_EXIT_FAILURE : SERVER_EXIT_OK);
  }
  return wait_us == GATEWAY_NEVER ? SERVER_NEVER : wait_us;
}

static bool ready(void *arg, struct buf *reason) {
  const struct program *program = arg;
  const char *why;
  if (gateway_is_ready(program->gateway, &why)) return true;
  buf_append_str(reason, why);
  return false;
}

static const char *id(void *arg) {
  const struct program *program = arg;
  return gateway_id(program->gateway);
}

static void stop(void *arg) {
  struct program *program = arg;
  listener_stop_accepting(program->listener);
  gateway_drain(program->gateway);
}

/* Written whatever the log level: who started this process waits for it. */
static void say_ready(void *arg) {
  struct program *program = arg;
  log_write(&program->server.log, LOG_LEVEL_INFO, "ready",
            (const struct log_field[]){F_S("listen", listener_address(program->listener)),
                                       F_S("admin", program->server.admin_address),
                                       F_S("gateway", gateway_id(program->gateway)), F_END});
}

/* ---- the internal API ---- */

static void serve_api(void *arg, const struct admin_request *request, struct admin_response *response) {
  const struct server *server = arg;
  struct program *program = server->arg;
  if (program->api) {
    api_serve(program->api, request, response);
  } else {
    response->status = 404;
    buf_append_str(&response->body, "not found\n");
  }
}

static const struct admin_route routes[] = {{"GET", "/v1/*", serve_api}, {"POST", "/v1/*", serve_api}};

static const struct server_core core = {.turn = turn,
                                        .ready = ready,
                                        .id = id,
                                        .stop = stop,
                                        .say_ready = say_ready,
                                        .routes = routes,
                                        .n_routes = sizeof routes / sizeof *routes};

/* ---- start ---- */

static bool open_auth(struct program *program) {
  const struct gateway_options *options = &program->options;
  char error[256];
  if (!auth_open(&program->auth, options->auth, options->jwt_algorithm, options->jwt_key,
                 (uint32_t)(options->jwt_leeway_ms / 1000), error, sizeof error)) {
    return server_fail(&program->server, "auth_failed", error);
  }
  if (options->auth == AUTH_DEV) {
    log_warn(&program->server.log, "auth_dev",
             F_S("meaning", "everybody is whom they claim to be; not for the open network"));
  }
  return true;
}

static void open_gateway(struct program *program) {
  struct server *server = &program->server;
  struct gateway_config config;
  gateway_options_gateway(&program->options, &config);
  config.address = server->peer_address;
  config.auth = &program->auth;
  config.registry = &program->registry;
  config.output = &output;
  config.failpoints = server->failpoints;
  config.shards = server->n_stores;
  program->gateway = gateway_create(server->stores, &config, &program->counters, &server->log);
}

static bool open_api(struct program *program) {
  char error[256];
  const char *file = program->options.api_token_file;
  if (!file || !*file) return true;
  const struct jwt_key *key = program->options.auth == AUTH_JWT ? &program->auth.key : NULL;
  program->api = api_create(file, gateway_sessions(program->gateway), key, &program->server.log, error, sizeof error);
  return program->api || server_fail(&program->server, "api_failed", error);
}

static bool open_listener(struct program *program) {
  struct server *server = &program->server;
  char error[256];
  struct listener_config config;
  gateway_options_listener(&program->options, &program->listen, &program->trusted, &config);
  if (program->options.www) {
    program->www = files_load(program->options.www, program->options.www_bytes, error, sizeof error);
    if (!program->www) return server_fail(server, "www_failed", error);
    config.www = program->www;
  }
  struct conn_handler handler = {.open = on_open, .message = on_message, .closed = on_closed, .arg = program};
  program->listener =
      listener_create(server->loop, &config, &handler, &program->counters, &server->log, error, sizeof error);
  if (!program->listener) return server_fail(server, "listen_failed", error);
  log_info(&server->log, "listening", F_S("listen", listener_address(program->listener)),
           F_S("admin", server->admin_address));
  return true;
}

/* The messages of the built-in kinds, and those of --kind-json, --kind-messages and --kind-proto. */
static bool load_kinds(struct program *program) {
  const struct option_list *files = &program->options.kind_protos;
  char error[512];
  gateway_options_payloads(&program->options, &program->registry, error, sizeof error); /* they passed the check */
  for (size_t i = 0; i < files->count; i++) {
    const char *kind = kind_proto_add(&program->registry, files->items[i], error, sizeof error);
    if (!kind) {
      fprintf(stderr, "heya-gateway: --kind-proto %s\n", error);
      program->server.status = SERVER_EXIT_USAGE;
      return false;
    }
    log_info(&program->server.log, "kind_messages_loaded", F_S("kind", kind), F_S("file", files->items[i]));
  }
  return true;
}

static bool open_program(struct program *program) {
  struct store_redis_options store;
  gateway_options_store(&program->options, &store);
  metrics_add(&program->server.metrics, gateway_metric_rows, gateway_metric_row_count, &program->counters);
  if (!server_open(&program->server, &store, &core, program) || !open_auth(program)) return false;
  open_gateway(program);
  return open_api(program) && open_listener(program);
}

int main(int argc, char **argv) {
  struct program program = {0};
  struct server *server = &program.server;
  server->options = &program.options.server;
  if (server_read_options(server, &gateway_option_set, &program.options, argc, argv, gateway_options_check) &&
      load_kinds(&program) && open_program(&program)) {
    server_run(server);
  }
  server_close_outside(server);
  listener_destroy(program.listener); /* before the gateway, which owns its connections' sessions */
  api_destroy(program.api);
  gateway_destroy(program.gateway);
  files_destroy(program.www);
  auth_close(&program.auth);
  free(program.trusted);
  server_close(server);
  option_close(&gateway_option_set, &program.options);
  return server->status;
}
