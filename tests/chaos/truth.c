/* See tests/chaos/truth.h. */
#include "tests/chaos/truth.h"

#include "proto/names.h"
#include "tests/support/servers_ready.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A room as its members know it. */
struct known {
  const struct client *first; /* one of them */
  unsigned members;
  struct position last; /* the latest that any of them knows */
};

static struct known know(const struct swarm *swarm, uint32_t room) {
  struct known known = {0};
  for (uint32_t i = 0; i < swarm->n_clients; i++) {
    const struct client *client = &swarm->clients[i];
    if (client->room != room) continue;
    known.first = known.first ? known.first : client;
    known.members++;
    if (position_compare(client->at, known.last) > 0) known.last = client->at;
  }
  return known;
}

static const char *field(const redisReply *reply, size_t i) {
  return reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements && reply->element[i]->str
             ? reply->element[i]->str
             : "(none)";
}

static bool is_true(redisContext *redis, const struct known *known) {
  const char *id = known->first->room_id;
  char members[16], event[48];
  snprintf(members, sizeof members, "%u", known->members);
  snprintf(event, sizeof event, "%" PRIu64 "-%" PRIu64, known->last.epoch, known->last.seq);
  redisReply *reply = redisCommand(redis, "HMGET heya:room:%s members incarnation event", id);
  redisReply *lines = redisCommand(redis, "HLEN heya:room:%s:members", id);
  /* Who sits alone is not told of his own coming. */
  bool is = strcmp(field(reply, 0), members) == 0 && strcmp(field(reply, 1), known->first->incarnation) == 0 &&
            (known->members < 2 || strcmp(field(reply, 2), event) == 0) && lines &&
            lines->integer == (long long)known->members;
  if (!is)
    printf("FAULT %s is in Redis with %s members, %lld lines of members, incarnation %s, event %s; its members say: "
           "%s members, incarnation %s, event %s\n",
           id, field(reply, 0), lines ? lines->integer : -1LL, field(reply, 1), field(reply, 2), members,
           known->first->incarnation, event);
  if (reply) freeReplyObject(reply);
  if (lines) freeReplyObject(lines);
  return is;
}

uint64_t truth_check(const char *redis_socket, uint32_t shard, uint32_t shards, const struct swarm *swarm) {
  redisContext *redis = redisConnectUnix(redis_socket);
  uint64_t wrong = 0;
  if (!redis || redis->err) {
    printf("FAULT Redis does not answer\n");
    if (redis) redisFree(redis);
    return 1;
  }
  for (uint32_t room = 0; room < swarm->n_rooms; room++) {
    struct known known = know(swarm, room);
    const char *id = known.first->room_id;
    if (room_partition(id, strlen(id), SERVERS_PARTITIONS) % shards != shard) continue;
    wrong += !is_true(redis, &known);
  }
  redisFree(redis);
  return wrong;
}
