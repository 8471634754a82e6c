/* See tests/chaos/stage.h. */
#include "tests/chaos/stage.h"

#include "common/clock.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S 30
#define CALM_S     1.2 /* nobody lets go of a partition that he has for less than a second */

static bool fails(const char *what) {
  fprintf(stderr, "chaos: %s within %d s\n", what, PATIENCE_S);
  return false;
}

/* ---- servers ---- */

static bool redis_answers(void *arg) {
  struct stage *stage = arg;
  if (stage->redis) redisFree(stage->redis);
  stage->redis = redisConnectUnix(stage->servers.redis_socket);
  if (!stage->redis || stage->redis->err) return false;
  redisReply *reply = redisCommand(stage->redis, "PING");
  bool answers = reply && reply->type == REDIS_REPLY_STATUS;
  if (reply) freeReplyObject(reply);
  return answers;
}

static bool server_listens(void *arg) {
  const struct server *server = arg;
  return port_listens(server->admin_port) && (!server->port || server->role != 'g' || port_listens(server->port));
}

bool stage_wait_for_server(struct stage *stage, struct server *server) {
  return run_until(stage->loop, PATIENCE_S, server_listens, server) || fails("a server does not listen");
}

/* The worker whose process Redis names. */
static unsigned worker_of(const struct stage *stage, const redisReply *pid) {
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    const struct server *server = &stage->servers.workers[i];
    if (pid && pid->type == REDIS_REPLY_STRING && server->state == SERVER_UP &&
        server->pid == (pid_t)strtol(pid->str, NULL, 10))
      return i;
  }
  return STAGE_NOBODY;
}

static redisReply *next_reply(struct stage *stage) {
  void *reply = NULL;
  return redisGetReply(stage->redis, &reply) == REDIS_OK ? reply : NULL;
}

/* All questions at once, twice: the clients of this process wait meanwhile. */
void stage_owners(struct stage *stage, struct stage_owner owners[STAGE_PARTITIONS]) {
  for (unsigned p = 0; p < STAGE_PARTITIONS; p++)
    redisAppendCommand(stage->redis, "HMGET heya:part:%u:owner worker epoch", p);
  redisReply *held[STAGE_PARTITIONS];
  for (unsigned p = 0; p < STAGE_PARTITIONS; p++) held[p] = next_reply(stage);
  for (unsigned p = 0; p < STAGE_PARTITIONS; p++) {
    bool known = held[p] && held[p]->type == REDIS_REPLY_ARRAY && held[p]->elements == 2 &&
                 held[p]->element[0]->str && held[p]->element[1]->str;
    owners[p] = (struct stage_owner){.epoch = known ? strtoull(held[p]->element[1]->str, NULL, 10) : 0};
    redisAppendCommand(stage->redis, "HGET heya:worker:%s pid", known ? held[p]->element[0]->str : "");
  }
  for (unsigned p = 0; p < STAGE_PARTITIONS; p++) {
    redisReply *pid = next_reply(stage);
    owners[p].worker = worker_of(stage, pid);
    if (pid) freeReplyObject(pid);
    if (held[p]) freeReplyObject(held[p]);
  }
}

static bool is_balanced(void *arg) {
  struct stage *stage = arg;
  struct stage_owner owners[STAGE_PARTITIONS];
  unsigned held[SERVERS_MAX + 1] = {0}, least = STAGE_PARTITIONS, most = 0;
  stage_owners(stage, owners);
  for (unsigned p = 0; p < STAGE_PARTITIONS; p++) held[owners[p].worker]++;
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    if (stage->servers.workers[i].state != SERVER_UP) continue;
    if (held[i] < least) least = held[i];
    if (held[i] > most) most = held[i];
  }
  return !held[STAGE_NOBODY] && most - least <= 1;
}

bool stage_balance(struct stage *stage) {
  if (!run_until(stage->loop, PATIENCE_S, is_balanced, stage)) return fails("partitions are not shared out");
  run_until(stage->loop, CALM_S, NULL, NULL);
  return true;
}

bool stage_open(struct stage *stage) {
  *stage = (struct stage){.loop = ev_default_loop(0)};
  return servers_open(&stage->servers, stage->loop, NULL) || fails("no temporary directory");
}

bool stage_start(struct stage *stage, unsigned workers, unsigned gateways) {
  struct servers *servers = &stage->servers;
  servers_start(&servers->redis);
  if (!run_until(stage->loop, PATIENCE_S, redis_answers, stage)) return fails("Redis does not answer");
  for (unsigned i = 0; i < workers; i++) servers_start(&servers->workers[i]);
  for (unsigned i = 0; i < gateways; i++) servers_start(&servers->gateways[i]);
  for (unsigned i = 0; i < gateways; i++)
    if (!stage_wait_for_server(stage, &servers->gateways[i])) return false;
  return stage_balance(stage);
}

/* ---- clients ---- */

static uint16_t any_gateway(void *arg, struct client *client, unsigned *index) {
  return servers_any_gateway(arg, &client->swarm->seed, index);
}

static bool all_in(void *arg) {
  struct stage *stage = arg;
  return swarm_in(&stage->swarm) == stage->swarm.n_clients;
}

bool stage_wait_for_clients(struct stage *stage) {
  return run_until(stage->loop, PATIENCE_S, all_in, stage) || fails("clients do not get into their rooms");
}

bool stage_populate(struct stage *stage, uint32_t clients, double rate, unsigned seed) {
  book_open(&stage->book, clients);
  stage->swarm = (struct swarm){.book = &stage->book,
                                .rounds = &stage->rounds,
                                .room_size = 4,
                                .rate = rate,
                                .seed = seed,
                                .gateway = any_gateway,
                                .gateway_arg = &stage->servers};
  swarm_start(&stage->swarm, stage->loop, clients);
  if (!stage_wait_for_clients(stage)) return false;
  run_until(stage->loop, 2, NULL, NULL); /* the load is there */
  return true;
}

static bool all_answered(void *arg) {
  struct stage *stage = arg;
  return all_in(arg) && swarm_pending(&stage->swarm) == 0;
}

bool stage_check(struct stage *stage) {
  stage->swarm.quiet = true;
  bool answered = run_until(stage->loop, PATIENCE_S, all_answered, stage);
  run_until(stage->loop, 0.5, NULL, NULL); /* the last events */
  struct book_result book = book_check(&stage->book);
  const struct swarm_counters *count = &stage->swarm.count;
  printf("  %" PRIu64 " commands sent, %" PRIu64 " acknowledged, %" PRIu64 " events heard; lost %" PRIu64
         ", doubled %" PRIu64 ", events missed %" PRIu64 ", repeated %" PRIu64 "; %" PRIu64
         " connections lost, %" PRIu64 " sessions lost, errors:\n",
         book.sent, book.acked, book.heard, book.lost, book.doubled, book.missed, book.repeated, count->reconnects,
         count->sessions_lost);
  swarm_print_errors(&stage->swarm);
  return answered && !book.lost && !book.doubled && !book.ghosts && !book.missed && !book.repeated &&
         !book.contradicted && !book.misdirected && !count->sessions_lost && !swarm_unexplained(&stage->swarm) &&
         !stage->servers.crashes;
}

void stage_close(struct stage *stage) {
  if (stage->swarm.clients) {
    swarm_stop(&stage->swarm);
    book_close(&stage->book);
    rounds_close(&stage->rounds);
  }
  if (stage->redis) redisFree(stage->redis);
  servers_close(&stage->servers);
}
