/* Story: the room that dies under a joiner. Clients join and leave one room name as fast as they can through two
 * gateways, with random delays at the seams, while rooms of that name expire and are ended. Whoever is in at the same
 * time sees each other (the rules are in ghost.h), and at the end nothing is left in Redis.
 */
#include "proto/keys.h"
#include "tests/integration/ghost.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>

#define ROUNDS        20000
#define ENDING_ROUNDS 3000
#define EMPTY_MS      10000 /* the kind's grace */
#define EXPIRY_MAX_MS 60000 /* the grace of an empty room and the margin after it, generously */
#define NO_RATE       "--message-rate", "0"

static const char *const gateway_args[] = {
    "--failpoints", "gateway.append=delay:0..3ms;gateway.read=delay:0..2ms;store.append=delay:0..2ms", NO_RATE, NULL};
static const char *const worker_args[] = {"--failpoints", "store.read=delay:0..2ms;store.commit=delay:0..2ms", NULL};

static void say(const char *what, const struct crowd_report *report) {
  fprintf(stderr, "%s: %llu rounds, %llu rooms, %llu meetings, %llu rooms ended\n", what,
          (unsigned long long)report->rounds, (unsigned long long)report->incarnations,
          (unsigned long long)report->overlaps, (unsigned long long)report->dissolved);
}

/* Every key of an empty room has the one expiry; then they are gone. */
static void check_expiry(struct cluster *cluster, const char *room) {
  struct key key = key_room(KEY_PREFIX_DEFAULT, room);
  struct redis_client *redis = cluster_redis(cluster);
  redisReply *keys = redis_reply(redis, "KEYS %s*", key.text);
  cr_assert_eq(keys->type, REDIS_REPLY_ARRAY);
  cr_assert_gt(keys->elements, 0, "the empty room is kept for a while");
  int64_t expires_ms = redis_integer(redis, "PEXPIRETIME %s", key.text);
  cr_assert_gt(expires_ms, (int64_t)redis_now_ms(redis));
  cr_assert_lt(expires_ms, (int64_t)redis_now_ms(redis) + EXPIRY_MAX_MS);
  for (size_t i = 0; i < keys->elements; i++)
    cr_assert_eq(redis_integer(redis, "PEXPIRETIME %s", keys->element[i]->str), expires_ms,
                 "%s has an expiry of its own", keys->element[i]->str);
  freeReplyObject(keys);
  cr_assert(cluster_await_no_keys(cluster, room, EXPIRY_MAX_MS), "keys of %s stay for ever", room);
}

Test(story, story_ghost_room, .timeout = 600) {
  struct cluster *cluster =
      cluster_start(&(struct cluster_options){.gateway_args = gateway_args, .worker_args = worker_args});
  struct crowd_report report = {0};
  struct crowd *crowd =
      crowd_create(cluster, &(struct crowd_options){.room = "chat/ghost", .clients = 8, .stay_ms = 2});
  cluster_await_all_owned(cluster);
  crowd_run(crowd, ROUNDS, &report);
  say("chat/ghost", &report);
  cr_assert_geq(report.rounds, ROUNDS);
  cr_assert_gt(report.overlaps, ROUNDS / 10, "they hardly met");
  check_expiry(cluster, "chat/ghost");
  crowd_destroy(crowd);
  cluster_stop(cluster);
}

/* Rooms end under those who join them: who is the host dissolves the room at times while others come in. */
Test(story, story_ghost_room_that_is_ended, .timeout = 300) {
  struct cluster *cluster =
      cluster_start(&(struct cluster_options){.gateway_args = gateway_args, .worker_args = worker_args});
  struct crowd_report report = {0};
  struct crowd *crowd = crowd_create(
      cluster, &(struct crowd_options){.room = "live/ghost", .clients = 4, .stay_ms = 2, .dissolve = true});
  cluster_await_all_owned(cluster);
  crowd_run(crowd, ENDING_ROUNDS, &report);
  say("live/ghost", &report);
  cr_assert_gt(report.incarnations, ENDING_ROUNDS / 100, "too few rooms ended to say anything");
  cr_assert_gt(report.overlaps, ENDING_ROUNDS / 10, "they hardly met");
  crowd_destroy(crowd);
  cluster_stop(cluster);
}

/* All come back in the very moment in which the empty room's time is over: they meet in one room, the old or a new
 * one. */
Test(story, story_ghost_room_that_expires, .timeout = 300) {
  static const uint64_t before_ms[] = {200, 6, 3, 1}; /* surely revived; then about where it depends */
  const size_t tries = sizeof before_ms / sizeof before_ms[0];
  struct cluster *cluster =
      cluster_start(&(struct cluster_options){.gateway_args = gateway_args, .worker_args = worker_args});
  struct crowd_report report = {0};
  struct crowd *crowd =
      crowd_create(cluster, &(struct crowd_options){.room = "chat/edge", .clients = 8, .stay_ms = 1});
  cluster_await_all_owned(cluster);
  crowd_run(crowd, 16, &report);
  for (size_t i = 0; i < tries; i++) {
    uint64_t empty_at_ms = redis_now_ms(cluster_redis(cluster));
    crowd_meet(crowd, empty_at_ms + EMPTY_MS - before_ms[i], &report);
  }
  say("chat/edge", &report);
  cr_assert_geq(report.overlaps, tries * 8 * 7 / 2);
  crowd_destroy(crowd);
  cluster_stop(cluster);
}
