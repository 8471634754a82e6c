/* See common/redis_sentinel.h. Called by the link alone. */
#include "common/redis_sentinel.h"

#include "common/redis_reply.h"

bool redis_sentinel_target(const struct redis_sentinel *sentinel, const struct redis_url *url,
                           struct redis_url *out) {
  *out = (struct redis_url){0};
  if (sentinel->named) {
    out->at = sentinel->master;
    out->login = url->login;
    out->db = url->db;
  } else {
    out->at = url->sentinels[sentinel->next];
    out->login = url->sentinel_login;
  }
  return sentinel->named;
}

const char *redis_sentinel_answer(struct redis_sentinel *sentinel, const struct redisReply *reply) {
  struct redis_place master = {0};
  uint64_t port;
  if (redis_reply_is_nil(reply)) return "this Sentinel knows no master of that name";
  if (redis_reply_count(reply) != 2 || !redis_reply_text(redis_reply_at(reply, 0), master.host, sizeof master.host) ||
      !master.host[0] || !redis_reply_u64(redis_reply_at(reply, 1), &port) || port == 0 || port > UINT16_MAX)
    return "this Sentinel's answer is no address: is it one?";
  master.port = (uint16_t)port;
  sentinel->master = master;
  sentinel->named = true;
  return NULL;
}

const char *redis_sentinel_role(const struct redisReply *reply) {
  if (redis_reply_is(redis_reply_at(reply, 0), "master")) return NULL;
  return "it is not the master that the Sentinel said it is";
}

bool redis_sentinel_failed(struct redis_sentinel *sentinel, const struct redis_url *url) {
  sentinel->named = false;
  sentinel->next = (sentinel->next + 1) % url->n_sentinels;
  return ++sentinel->failed % url->n_sentinels != 0;
}

void redis_sentinel_up(struct redis_sentinel *sentinel) {
  sentinel->failed = 0;
}

void redis_sentinel_lost(struct redis_sentinel *sentinel) {
  sentinel->named = false;
}
