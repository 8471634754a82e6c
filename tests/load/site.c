/* See tests/load/site.h. */
#include "tests/load/site.h"

#include "common/endpoint.h"
#include "common/mem.h"
#include "tests/support/servers_ready.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

/* Load comes from few connections when rooms are few, and a crowd that comes in at once fills a newcomer's queue.
 * What is limited is still limited, and costs what it costs. */
static const char *const gateway_limits[] = {"--message-rate", "1000", "--message-burst", "2000"};
#define N_LIMITS (sizeof gateway_limits / sizeof *gateway_limits)

static bool refuse(bool *bad_usage, const char *what, const char *value) {
  fprintf(stderr, "heya-bench: %s: %s\n", what, value);
  *bad_usage = true;
  return false;
}

static void add_process(struct site *site, const char *name, pid_t pid) {
  if (site->n_processes == SITE_PROCESSES_MAX) return;
  struct site_process *process = &site->processes[site->n_processes++];
  snprintf(process->name, sizeof process->name, "%s", name);
  process->pid = pid;
}

/* ---- our own ---- */

static const char *const *args_of(const struct option_list *list, const char *const *first, size_t n) {
  const char **args = xcalloc(n + list->count + 1, sizeof *args);
  for (size_t i = 0; i < n; i++) args[i] = first[i];
  for (size_t i = 0; i < list->count; i++) args[n + i] = list->items[i];
  return args;
}

static bool start(struct site *site, const struct load_options *options, unsigned workers) {
  struct servers *servers = &site->servers;
  servers->shards = (unsigned)options->shards;
  if (!servers_open(servers, site->loop)) {
    fprintf(stderr, "heya-bench: no temporary directory\n");
    return false;
  }
  site->own = true;
  site->n_redis = servers->shards; /* site_close frees what there is of them */
  servers->aof = (enum servers_aof)options->aof;
  servers->worker_args = site->args[0] = args_of(&options->worker_args, NULL, 0);
  servers->gateway_args = site->args[1] = args_of(&options->gateway_args, gateway_limits, N_LIMITS);
  if (workers < options->workers) workers = (unsigned)options->workers;
  if (!servers_begin(servers, workers, (unsigned)options->gateways, site->redis)) {
    fprintf(stderr, "heya-bench: servers do not start; their logs are in %s\n", servers->dir);
    servers->keep_dir = true;
    return false;
  }
  for (unsigned i = 0; i < options->gateways; i++) {
    struct sockaddr_in *address = &site->gateways[site->n_gateways++];
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(servers->gateways[i].port)};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    add_process(site, servers->gateways[i].name, servers->gateways[i].pid);
  }
  for (unsigned i = 0; i < workers; i++) add_process(site, servers->workers[i].name, servers->workers[i].pid);
  for (unsigned i = 0; i < servers->shards; i++)
    add_process(site, servers->shards > 1 ? servers->redis[i].name : "redis", servers->redis[i].pid);
  return true;
}

/* ---- others' ---- */

static bool connect_redis(struct site *site, const char *where, bool *bad_usage) {
  struct endpoint endpoint;
  if (site->n_redis == SITE_REDIS_MAX) return refuse(bad_usage, "--redis once too often", where);
  struct redisContext **redis = &site->redis[site->n_redis++];
  if (*where == '/')
    *redis = redisConnectUnix(where);
  else if (endpoint_parse(where, &endpoint))
    *redis = redisConnect(endpoint.host, endpoint.port);
  else
    return refuse(bad_usage, "--redis is neither a path nor HOST:PORT", where);
  if (*redis && !(*redis)->err) return true;
  fprintf(stderr, "heya-bench: Redis does not answer at %s\n", where);
  return false;
}

static bool point(struct site *site, const struct load_options *options, bool *bad_usage) {
  for (size_t i = 0; i < options->at.count; i++) {
    struct sockaddr_in *address = &site->gateways[site->n_gateways];
    struct endpoint endpoint;
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    if (site->n_gateways == SITE_GATEWAYS_MAX || !endpoint_parse(options->at.items[i], &endpoint) ||
        inet_pton(AF_INET, endpoint.host, &address->sin_addr) != 1)
      return refuse(bad_usage, "--gateway is no IPv4 HOST:PORT, or one too many", options->at.items[i]);
    address->sin_port = htons(endpoint.port);
    site->n_gateways++;
  }
  for (size_t i = 0; i < options->pids.count; i++) {
    char name[24] = "", rest;
    int pid = 0;
    if (sscanf(options->pids.items[i], "%23[^=]=%d%c", name, &pid, &rest) != 2 || pid <= 0)
      return refuse(bad_usage, "--pid is no NAME=PID", options->pids.items[i]);
    add_process(site, name, pid);
  }
  for (size_t i = 0; i < options->redis.count; i++)
    if (!connect_redis(site, options->redis.items[i], bad_usage)) return false;
  return true;
}

bool site_open(struct site *site, struct ev_loop *loop, const struct load_options *options, unsigned workers,
               bool *bad_usage) {
  *site = (struct site){.loop = loop};
  if (options->at.count) return point(site, options, bad_usage);
  if (options->pids.count || options->redis.count || options->victim)
    return refuse(bad_usage, "--pid, --redis and --victim are of running servers", "--gateway is missing");
  return start(site, options, workers);
}

void site_close(struct site *site, bool keep) {
  for (unsigned i = 0; i < site->n_redis; i++)
    if (site->redis[i]) redisFree(site->redis[i]);
  site->n_redis = 0;
  if (!site->own) return;
  site->servers.keep_dir = site->servers.keep_dir || keep;
  servers_close(&site->servers);
  for (unsigned i = 0; i < 2; i++) free((void *)(uintptr_t)site->args[i]);
  site->own = false;
}
