/* See tests/chaos/faults.h. A new fault is a row of `kinds`. */
#include "tests/chaos/faults.h"

#include "common/clock.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS_MIN  2
#define WORKERS_MAX  5
#define GATEWAYS_MIN 2

static double unit(struct faults *faults) {
  return (double)rand_r(&faults->seed) / ((double)RAND_MAX + 1);
}

static double between(struct faults *faults, double from, double to) {
  return from + unit(faults) * (to - from);
}

static void say(const struct faults *faults, const char *what, const char *whom, double seconds) {
  printf("\r%8.2f s  %-22s %-10s", (double)(clock_monotonic_us() - faults->began_us) / 1e6, what, whom);
  if (seconds > 0) printf(" for %.1f s", seconds);
  printf("                    \n");
}

static unsigned count_up(const struct server *list) {
  unsigned n = 0;
  for (unsigned i = 0; i < SERVERS_MAX; i++) n += list[i].state == SERVER_UP;
  return n;
}

/* One of those that run; NULL when that would leave fewer than `least`. */
static struct server *pick(struct faults *faults, struct server *list, unsigned least) {
  unsigned n = count_up(list);
  if (n <= least) return NULL;
  unsigned nth = (unsigned)(unit(faults) * n);
  for (unsigned i = 0; i < SERVERS_MAX; i++)
    if (list[i].state == SERVER_UP && nth-- == 0) return &list[i];
  return NULL;
}

static struct server *worker(struct faults *faults) {
  return pick(faults, faults->servers->workers, 1);
}

static struct server *gateway(struct faults *faults) {
  return pick(faults, faults->servers->gateways, 1);
}

/* ---- the faults; false when there is nobody to do it to ---- */

static bool kill_one(struct faults *faults, struct server *server) {
  if (!server) return false;
  say(faults, "kill -9", server->name, 0);
  servers_kill(server);
  server->again = true;
  return true;
}

static bool stop_one(struct faults *faults, struct server *server) {
  if (!server) return false;
  double seconds = between(faults, 0.2, 8);
  say(faults, "SIGSTOP", server->name, seconds);
  servers_stop(server);
  servers_later(server, seconds, servers_continue);
  return true;
}

static bool drain_one(struct faults *faults, struct server *server) {
  if (!server) return false;
  say(faults, "SIGTERM", server->name, 0);
  servers_end(server);
  server->again = true;
  return true;
}

static bool kill_worker(struct faults *faults) {
  return kill_one(faults, worker(faults));
}
static bool kill_gateway(struct faults *faults) {
  return kill_one(faults, gateway(faults));
}
static bool stop_worker(struct faults *faults) {
  return stop_one(faults, worker(faults));
}
static bool stop_gateway(struct faults *faults) {
  return stop_one(faults, gateway(faults));
}
static bool drain_worker(struct faults *faults) {
  return drain_one(faults, worker(faults));
}
static bool drain_gateway(struct faults *faults) {
  return drain_one(faults, gateway(faults));
}

static bool add_worker(struct faults *faults) {
  struct server *list = faults->servers->workers;
  if (count_up(list) >= WORKERS_MAX) return false;
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    if (list[i].state != SERVER_DOWN) continue;
    say(faults, "one more", list[i].name, 0);
    servers_start(&list[i]);
    return true;
  }
  return false;
}

static bool remove_worker(struct faults *faults) {
  struct server *server = pick(faults, faults->servers->workers, WORKERS_MIN);
  if (!server) return false;
  say(faults, "SIGTERM, one less", server->name, 0);
  servers_end(server);
  return true;
}

static unsigned any_shard(struct faults *faults) {
  return faults->servers->shards > 1 && unit(faults) < 0.5;
}

static struct server *any_redis(struct faults *faults) {
  return &faults->servers->redis[any_shard(faults)];
}

static bool stop_redis(struct faults *faults) {
  struct server *redis = any_redis(faults);
  double seconds = between(faults, 1, 6);
  if (redis->state != SERVER_UP) return false;
  say(faults, "SIGSTOP", redis->name, seconds);
  servers_stop(redis);
  servers_later(redis, seconds, servers_continue);
  return true;
}

static bool restart_redis(struct faults *faults) {
  struct server *redis = any_redis(faults);
  return redis->state == SERVER_UP && drain_one(faults, redis);
}

static bool kill_redis(struct faults *faults) {
  struct server *redis = any_redis(faults);
  return faults->redis_kill && redis->state == SERVER_UP && kill_one(faults, redis);
}

static bool reset_connections(struct faults *faults) {
  char whom[32];
  struct proxy *proxy = faults->proxies[any_shard(faults)];
  if (!proxy) return false;
  snprintf(whom, sizeof whom, "%u", proxy_reset(proxy, unit(faults) < 0.3 ? 1 : 0.3));
  say(faults, "connections reset", whom, 0);
  return true;
}

/* Redis closes them itself. */
static bool client_kill(struct faults *faults) {
  struct timeval patience = {.tv_usec = 200000};
  const struct server *server = any_redis(faults);
  const char *socket = faults->servers->redis_socket[server - faults->servers->redis];
  if (server->state != SERVER_UP) return false;
  redisContext *redis = redisConnectUnixWithTimeout(socket, patience);
  if (!redis) return false;
  redisReply *reply = redis->err ? NULL : redisCommand(redis, "CLIENT KILL TYPE normal SKIPME yes");
  char whom[32];
  snprintf(whom, sizeof whom, "%lld", reply ? reply->integer : 0);
  if (reply) say(faults, "CLIENT KILL", whom, 0);
  if (reply) freeReplyObject(reply);
  redisFree(redis);
  return reply != NULL;
}

static const struct {
  const char *name;
  double weight;
  bool (*happen)(struct faults *);
} kinds[] = {
    {"worker kill -9", 4, kill_worker},     {"gateway kill -9", 3, kill_gateway},
    {"worker SIGSTOP", 3, stop_worker},     {"gateway SIGSTOP", 2, stop_gateway},
    {"worker drained", 3, drain_worker},    {"gateway drained", 2, drain_gateway},
    {"worker added", 2, add_worker},        {"worker removed", 2, remove_worker},
    {"redis SIGSTOP", 1, stop_redis},       {"redis restarted", 1, restart_redis},
    {"redis kill -9", 1, kill_redis},       {"connections reset", 3, reset_connections},
    {"connections killed", 1, client_kill},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static void cause_one(struct faults *faults) {
  double sum = 0;
  for (size_t i = 0; i < N_KINDS; i++) sum += kinds[i].weight;
  double at = unit(faults) * sum;
  for (size_t i = 0; i < N_KINDS; i++) {
    at -= kinds[i].weight;
    if (at >= 0) continue;
    if (!kinds[i].happen(faults)) return; /* the next time another one */
    faults->n++;
    faults->by_kind[i]++;
    return;
  }
}

static void on_next(struct ev_loop *loop, ev_timer *timer, int events) {
  struct faults *faults = timer->data;
  (void)events;
  cause_one(faults);
  if (unit(faults) < 0.2) cause_one(faults); /* two at once */
  ev_timer_set(timer, between(faults, 0.5, 1.5) * faults->mean_s, 0.);
  ev_timer_start(loop, timer);
}

void faults_start(struct faults *faults, struct ev_loop *loop) {
  ev_timer_init(&faults->next, on_next, faults->mean_s / 2, 0.);
  faults->next.data = faults;
  ev_timer_start(loop, &faults->next);
}

static void heal(struct server *server, bool wanted) {
  servers_continue(server);
  if (server->state == SERVER_DOWN && wanted) servers_start(server);
  if (server->state == SERVER_ENDING && wanted) server->again = true;
}

void faults_end(struct faults *faults) {
  ev_timer_stop(faults->servers->loop, &faults->next);
  for (unsigned i = 0; i < faults->servers->shards; i++) heal(&faults->servers->redis[i], true);
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    heal(&faults->servers->workers[i], i < WORKERS_MIN);
    heal(&faults->servers->gateways[i], i < GATEWAYS_MIN);
  }
}

void faults_print(const struct faults *faults) {
  for (size_t i = 0; i < N_KINDS; i++)
    if (faults->by_kind[i]) printf("  %8" PRIu64 " %s\n", faults->by_kind[i], kinds[i].name);
}
