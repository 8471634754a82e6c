/* See tests/support/servers_ready.h. */
#include "tests/support/servers_ready.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_S 30
#define CALM_S     1.2 /* nobody lets go of a partition that he has for less than a second */

struct asked {
  const struct servers *servers;
  struct redisContext **redis; /* of each shard */
};

static bool fails(const char *what) {
  fprintf(stderr, "%s within %d s\n", what, PATIENCE_S);
  return false;
}

static bool redis_answers(void *arg) {
  const struct asked *asked = arg;
  bool answers = true;
  for (unsigned i = 0; i < asked->servers->shards && answers; i++) {
    struct redisContext **redis = &asked->redis[i];
    if (*redis) redisFree(*redis);
    *redis = redisConnectUnix(asked->servers->redis_socket[i]);
    redisReply *reply = *redis && !(*redis)->err ? redisCommand(*redis, "PING") : NULL;
    answers = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply) freeReplyObject(reply);
  }
  return answers;
}

static bool server_listens(void *arg) {
  const struct server *server = arg;
  return port_listens(server->admin_port) && (!server->port || server->role != 'g' || port_listens(server->port));
}

bool servers_wait_for(struct server *server) {
  return run_until(server->servers->loop, PATIENCE_S, server_listens, server) || fails("a server does not listen");
}

/* The worker whose process Redis names. */
static unsigned worker_of(const struct servers *servers, const redisReply *pid) {
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    const struct server *server = &servers->workers[i];
    if (pid && pid->type == REDIS_REPLY_STRING && server->state == SERVER_UP &&
        server->pid == (pid_t)strtol(pid->str, NULL, 10))
      return i;
  }
  return SERVERS_NOBODY;
}

static redisReply *next_reply(struct redisContext *redis) {
  void *reply = NULL;
  return redisGetReply(redis, &reply) == REDIS_OK ? reply : NULL;
}

/* All questions at once, twice: the clients of this process wait meanwhile. */
void servers_owners(const struct servers *servers, struct redisContext *const *redis,
                    struct servers_owner owners[SERVERS_PARTITIONS]) {
  redisReply *held[SERVERS_PARTITIONS];
  unsigned shards = servers->shards;
  for (unsigned p = 0; p < SERVERS_PARTITIONS; p++)
    redisAppendCommand(redis[p % shards], "HMGET heya:part:%u:owner worker epoch", p);
  for (unsigned p = 0; p < SERVERS_PARTITIONS; p++) held[p] = next_reply(redis[p % shards]);
  for (unsigned p = 0; p < SERVERS_PARTITIONS; p++) {
    bool known = held[p] && held[p]->type == REDIS_REPLY_ARRAY && held[p]->elements == 2 &&
                 held[p]->element[0]->str && held[p]->element[1]->str;
    owners[p] = (struct servers_owner){.epoch = known ? strtoull(held[p]->element[1]->str, NULL, 10) : 0};
    redisAppendCommand(redis[p % shards], "HGET heya:worker:%s pid", known ? held[p]->element[0]->str : "");
  }
  for (unsigned p = 0; p < SERVERS_PARTITIONS; p++) {
    redisReply *pid = next_reply(redis[p % shards]);
    owners[p].worker = worker_of(servers, pid);
    if (pid) freeReplyObject(pid);
    if (held[p]) freeReplyObject(held[p]);
  }
}

static bool is_balanced(void *arg) {
  const struct asked *asked = arg;
  struct servers_owner owners[SERVERS_PARTITIONS];
  unsigned held[SERVERS_MAX + 1] = {0}, least = SERVERS_PARTITIONS, most = 0;
  servers_owners(asked->servers, asked->redis, owners);
  for (unsigned p = 0; p < SERVERS_PARTITIONS; p++) held[owners[p].worker]++;
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    if (asked->servers->workers[i].state != SERVER_UP) continue;
    if (held[i] < least) least = held[i];
    if (held[i] > most) most = held[i];
  }
  return !held[SERVERS_NOBODY] && most - least <= 1;
}

bool servers_balance(struct servers *servers, struct redisContext **redis) {
  struct asked asked = {servers, redis};
  if (!run_until(servers->loop, PATIENCE_S, is_balanced, &asked)) return fails("partitions are not shared out");
  run_until(servers->loop, CALM_S, NULL, NULL);
  return true;
}

bool servers_begin(struct servers *servers, unsigned workers, unsigned gateways, struct redisContext **redis) {
  struct asked asked = {servers, redis};
  for (unsigned i = 0; i < servers->shards; i++) servers_start(&servers->redis[i]);
  if (!run_until(servers->loop, PATIENCE_S, redis_answers, &asked)) return fails("Redis does not answer");
  for (unsigned i = 0; i < workers; i++) servers_start(&servers->workers[i]);
  for (unsigned i = 0; i < gateways; i++) servers_start(&servers->gateways[i]);
  for (unsigned i = 0; i < gateways; i++)
    if (!servers_wait_for(&servers->gateways[i])) return false;
  return servers_balance(servers, redis);
}
