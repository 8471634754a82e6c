/* heya-worker: puts the parts together around the common server (common/server.h). What it does is in worker.c and
 * the files named there.
 */
#include "common/mem.h"
#include "common/peers.h"
#include "worker/kinds/shared.h"
#include "worker/last_words.h"
#include "worker/lua/script_add.h"
#include "worker/options.h"
#include "worker/watchdog.h"
#include "worker/worker.h"

#include <unistd.h>

/* Workers and gateways that live, as the last view of a shard said. */
struct seen_name {
  int what;
  char id[64], address[64]; /* as in a view */
};
struct seen {
  struct seen_name *names; /* owned */
  size_t n;
};

struct program {
  struct server server;
  struct worker_options options;
  struct worker_metrics counters;
  struct kind_registry kinds;
  struct script *scripts[KIND_REGISTRY_MAX]; /* those of them that are in Lua */
  size_t n_scripts;
  struct worker *worker;
  struct peers *peers;
  struct seen seen[STORE_SHARDS_MAX];
  struct last_words *last_words;
  uint64_t stop_until_us; /* 0: not stopping */
};

/* ---- the core ---- */

static uint64_t turn(void *arg) {
  struct program *program = arg;
  struct server *server = &program->server;
  uint64_t wait_us = worker_turn(program->worker);
  uint64_t now_us = worker_now_us(program->worker);
  if (program->worker->state == WORKER_STOPPED) {
    server_finish(server, SERVER_EXIT_OK);
  } else if (program->worker->state == WORKER_FAILED) {
    fprintf(stderr, "heya-worker: %s\n", program->worker->failure);
    server_finish(server, SERVER_EXIT_FAILURE);
  } else if (program->stop_until_us && now_us >= program->stop_until_us) {
    log_warn(&server->log, "drain_timed_out");
    server_finish(server, SERVER_EXIT_FAILURE);
  }
  return wait_us;
}

static bool ready(void *arg, struct buf *reason) {
  const struct program *program = arg;
  return worker_ready(program->worker, reason);
}

static const char *id(void *arg) {
  const struct program *program = arg;
  return program->worker->config.id;
}

static void stop(void *arg) {
  struct program *program = arg;
  log_info(&program->server.log, "draining");
  program->stop_until_us = worker_now_us(program->worker) + program->options.server.drain_timeout_ms * 1000;
  worker_stop(program->worker);
}

/* Written whatever the log level: who started this process waits for it. */
static void say_ready(void *arg) {
  struct program *program = arg;
  log_write(&program->server.log, LOG_LEVEL_INFO, "ready",
            (const struct log_field[]){F_S("admin", program->server.admin_address),
                                       F_S("worker", program->worker->config.id), F_END});
}

static const struct server_core core = {.turn = turn, .ready = ready, .id = id, .stop = stop, .say_ready = say_ready};

/* ---- peers ---- */

enum { PEER_WORKER, PEER_GATEWAY };

static void on_peer_dead(void *arg, int what, const char *id) {
  struct program *program = arg;
  if (what == PEER_WORKER) {
    worker_suspect(program->worker, id);
  } else {
    worker_suspect_gateway(program->worker, id);
  }
}

/* What a shard says of others, copied. */
static void note_peers(struct seen *seen, const struct store_view *view, const char *self) {
  size_t n = 0;
  seen->names = xrealloc(seen->names, (view->n_workers + view->n_gateways + 1) * sizeof *seen->names);
  for (size_t i = 0; i < view->n_workers; i++) {
    const struct store_worker *other = &view->workers[i];
    if (strcmp(other->id, self) == 0) continue;
    struct seen_name *name = &seen->names[n++];
    name->what = PEER_WORKER;
    snprintf(name->id, sizeof name->id, "%s", other->id);
    snprintf(name->address, sizeof name->address, "%s", other->address);
  }
  for (size_t i = 0; i < view->n_gateways; i++) {
    struct seen_name *name = &seen->names[n++];
    name->what = PEER_GATEWAY;
    snprintf(name->id, sizeof name->id, "%s", view->gateways[i]);
    snprintf(name->address, sizeof name->address, "%s", view->gateway_addresses[i]);
  }
  seen->n = n;
}

static bool is_named(const struct peer_name *names, size_t n, const struct seen_name *name) {
  for (size_t i = 0; i < n; i++) {
    if (names[i].what == name->what && strcmp(names[i].id, name->id) == 0) return true;
  }
  return false;
}

/* Who lives on any shard is watched. */
static void on_view(void *arg, uint32_t shard, const struct store_view *view) {
  struct program *program = arg;
  size_t n = 0, most = 0;
  note_peers(&program->seen[shard], view, program->worker->config.id);
  for (uint32_t i = 0; i < STORE_SHARDS_MAX; i++) most += program->seen[i].n;
  struct peer_name *names = xcalloc(most, sizeof *names);
  for (uint32_t i = 0; i < STORE_SHARDS_MAX; i++) {
    for (size_t j = 0; j < program->seen[i].n; j++) {
      const struct seen_name *name = &program->seen[i].names[j];
      if (i > 0 && is_named(names, n, name)) continue;
      names[n++] = (struct peer_name){.id = name->id, .address = name->address, .what = name->what};
    }
  }
  peers_update(program->peers, names, n);
  program->counters.peers = peers_connected(program->peers);
  free(names);
}

/* ---- start ---- */

/* Ids are new at every start: a worker is never mistaken for its predecessor. */
static void make_id(struct program *program, char id[PROCESS_ID_MAX + 1]) {
  uint8_t random[5];
  struct store *store = program->server.stores[0];
  const char *start = program->options.id && *program->options.id ? program->options.id : "w";
  store->ops->random(store, random, sizeof random);
  snprintf(id, PROCESS_ID_MAX + 1, "%s-%02x%02x%02x%02x%02x", start, random[0], random[1], random[2], random[3],
           random[4]);
}

static const struct kind *add_script(struct program *program, const char *path, char *error, size_t error_size) {
  const struct script_limits limits = {.budget = program->options.lua_budget,
                                       .memory = (size_t)program->options.lua_memory};
  struct script *script = script_add(&program->kinds, path, limits, &program->server.log,
                                     &program->counters.script_failures, error, error_size);
  if (!script) return NULL;
  program->scripts[program->n_scripts++] = script;
  return &script->kind;
}

/* The built-in ones, and those of --kind. */
static bool load_kinds(struct program *program) {
  const struct option_list *files = &program->options.kinds;
  char error[512];
  kind_registry_init(&program->kinds);
  for (size_t i = 0; i < files->count; i++) {
    const char *path = files->items[i];
    const struct kind *kind = script_is_named(path) ? add_script(program, path, error, sizeof error)
                                                    : kind_shared_add(&program->kinds, path, error, sizeof error);
    if (!kind) {
      fprintf(stderr, "heya-worker: --kind %s\n", error);
      program->server.status = SERVER_EXIT_USAGE;
      return false;
    }
    log_info(&program->server.log, "kind_loaded", F_S("kind", kind->name), F_S("file", path));
  }
  return true;
}

static bool open_worker(struct program *program) {
  struct server *server = &program->server;
  char error[256];
  struct worker_config config = {.version = SERVER_VERSION,
                                 .pid = getpid(),
                                 .partitions = (uint32_t)program->options.server.partitions,
                                 .shards = server->n_stores,
                                 .lease_ms = program->options.lease_ms,
                                 .pace_us = program->options.server.pace_us};
  make_id(program, config.id);
  snprintf(config.address, sizeof config.address, "%s", server->peer_address);
  if (gethostname(config.host, sizeof config.host - 1) != 0) snprintf(config.host, sizeof config.host, "unknown");
  snprintf(server->log.process, sizeof server->log.process, "worker %s", config.id);
  program->worker = worker_create(&config, server->stores, &program->kinds, &program->counters, &server->log);
  program->peers = peers_create(server->loop, on_peer_dead, program, &server->log);
  program->worker->observer = (struct worker_observer){.view = on_view, .arg = program};
  program->last_words = last_words_open(server->loop, &server->options->redis, server->options->prefix, config.id,
                                        &program->worker->scene, &server->log, error, sizeof error);
  if (!program->last_words) return server_fail(server, "last_words_failed", error);
  return watchdog_open(&program->worker->scene, program->options.kind_limit_ms, error, sizeof error) ||
         server_fail(server, "watchdog_failed", error);
}

int main(int argc, char **argv) {
  struct program program = {0};
  struct server *server = &program.server;
  server->options = &program.options.server;
  if (server_read_options(server, &worker_option_set, &program.options, argc, argv, worker_options_check) &&
      load_kinds(&program)) {
    struct store_redis_options store = {.log_max = program.options.log_entries};
    worker_metrics_register(&server->metrics, &program.counters);
    if (server_open(server, &store, &core, &program) && open_worker(&program)) server_run(server);
  }
  watchdog_close();
  last_words_close(program.last_words);
  peers_destroy(program.peers);
  for (uint32_t i = 0; i < STORE_SHARDS_MAX; i++) free(program.seen[i].names);
  server_close_outside(server);
  worker_destroy(program.worker);
  server_close(server);
  while (program.n_scripts) script_destroy(program.scripts[--program.n_scripts]);
  option_close(&worker_option_set, &program.options);
  return server->status;
}
