/* Two Redis: rooms live on both, what happens to one leaves those of the other alone, and whoever is told of other
 * ones than the rest of the deployment does not start. */
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

TestSuite(shards, .timeout = 120);

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static struct cluster *cluster;

/* A chat on this Redis, the nth of them. */
static const char *room_on(unsigned shard, unsigned nth) {
  static char room[2][32];
  for (unsigned i = 0;; i++) {
    snprintf(room[shard], sizeof room[shard], "chat/r%u", i);
    if (cluster_partition(cluster, room[shard]) % 2 == shard && nth-- == 0) return room[shard];
  }
}

static void say_in(struct player *player, const char *room, const char *text) {
  struct player_payload payload;
  player_acked(player, player_send_command(player, room, 0, player_say_payload(&payload, text)));
}

Test(shards, rooms_and_all_that_belongs_to_them_live_on_the_redis_of_their_partition) {
  cluster = cluster_start(&(struct cluster_options){.shards = 2});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  for (unsigned shard = 0; shard < 2; shard++) {
    const char *room = room_on(shard, 0);
    player_join(ann, room);
    player_join(bob, room);
    say_in(ann, room, shard ? "on the second" : "on the first");
    player_await_line(bob, shard ? "on the second" : "on the first");
    cr_assert_eq(redis_integer(cluster_shard(cluster, shard), "EXISTS heya:room:%s", room), 1);
    cr_assert_eq(redis_integer(cluster_shard(cluster, 1 - shard), "EXISTS heya:room:%s", room), 0);
    for (unsigned p = 0; p < 16; p++) {
      int64_t here = redis_integer(cluster_shard(cluster, shard), "EXISTS heya:part:%u:owner", p);
      cr_assert_eq(here, p % 2 == shard, "partition %u", p);
    }
    cr_assert_eq(redis_integer(cluster_shard(cluster, shard), "HGET heya:config shards"), 2);
    cr_assert_eq(redis_integer(cluster_shard(cluster, shard), "HGET heya:config shard"), shard);
  }
  const Heya__V1__Rooms *rooms = player_search(ann, "chat", "", "", "", 50);
  cr_assert_eq(rooms->n_rooms, 2);
  cr_assert(!rooms->incomplete);
  cluster_stop(cluster);
}

static bool lists_incompletely(void *arg) {
  const Heya__V1__Rooms *rooms = player_search(arg, "chat", "", "", "", 50);
  return rooms->incomplete && rooms->n_rooms == 1 && strcmp(rooms->rooms[0]->room, room_on(0, 0)) == 0;
}

static bool lists_all(void *arg) {
  const Heya__V1__Rooms *rooms = player_search(arg, "chat", "", "", "", 50);
  return !rooms->incomplete && rooms->n_rooms == 2;
}

static unsigned status_of(const char *admin) {
  struct http_response response;
  http_get(&response, admin, "/readyz");
  unsigned status = (unsigned)response.status;
  http_response_close(&response);
  return status;
}

/* As a machine that hangs: it answers nobody, and takes connections. */
Test(shards, P8_a_redis_that_stops_leaves_the_rooms_of_the_other_alone) {
  static const char *const args[] = {"--reply-timeout", "1s", NULL};
  static const char *const gateway_args[] = {"--reply-timeout", "1s", "--message-rate", "0", NULL};
  cluster = cluster_start(&(struct cluster_options){.shards = 2, .worker_args = args, .gateway_args = gateway_args});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, room_on(0, 0));
  player_join(bob, room_on(0, 0));
  player_join(ann, room_on(1, 0));
  player_join(bob, room_on(1, 0));

  process_stop(cluster_shard_process(cluster, 1));
  uint64_t over = wait_deadline(4500); /* longer than leases, and than answers are waited for */
  unsigned n = 0;
  while (wait_left(over)) {
    char text[32];
    snprintf(text, sizeof text, "line %u", n++);
    uint64_t at = wait_deadline(500);
    say_in(ann, room_on(0, 0), text);
    player_await_line(bob, text);
    cr_assert(wait_left(at), "a line takes half a second while the other Redis is away");
    player_forget(ann);
    player_forget(bob);
  }
  cr_assert(wait_until(10000, lists_incompletely, ann));
  cr_assert_eq(status_of(cluster_gateway_admin(cluster, 0)), 200u, "balancers go on to send players here");
  cr_assert_eq(status_of(cluster_worker_admin(cluster, 0)), 200u);
  struct player *eve = cluster_player(cluster, 0, "eve"); /* who comes now can play too */
  player_join(eve, room_on(0, 0));

  process_continue(cluster_shard_process(cluster, 1));
  cr_assert(wait_until(20000, lists_all, eve));
  struct player *may = cluster_player(cluster, 1, "may");
  player_join(may, room_on(1, 0));
  say_in(may, room_on(1, 0), "it is back");
  say_in(ann, room_on(0, 0), "nothing happened here");
  player_await_line(bob, "nothing happened here");
  cluster_stop(cluster);
}

Test(shards, servers_that_are_told_of_other_redis_are_refused) {
  cluster = cluster_start(&(struct cluster_options){.shards = 2, .workers = 1, .gateways = 1});
  const char *first = cluster_shard_url(cluster, 0), *second = cluster_shard_url(cluster, 1);
  char same[256];
  snprintf(same, sizeof same, "%s?db=0", first); /* another way to write it */
  const struct {
    const char *args[7];
    const char *says;
  } rows[] = {
      {{"--redis", first, NULL}, "has 2 Redis, this process was told 1"},
      {{"--redis", second, "--redis", first, NULL}, "says that it is number 2"},
      {{"--redis", first, "--redis", same, NULL}, "or the same Redis is given twice"},
      {{"--redis", first, "--redis", first, NULL}, "are the same"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, rows[i].args)), rows[i].says);
    cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, rows[i].args)), rows[i].says);
  }
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, room_on(1, 0));
  cluster_stop(cluster);
}

Test(shards, a_deployment_of_one_redis_is_not_made_one_of_two) {
  cluster = cluster_start(&(struct cluster_options){.shards = 2, .bare = true});
  const char *first = cluster_shard_url(cluster, 0), *second = cluster_shard_url(cluster, 1);
  const char *one[] = {"--redis", first, NULL}, *two[] = {"--redis", first, "--redis", second, NULL};
  cluster_await_worker(cluster, cluster_spawn_worker(cluster, one));
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, two)),
                  "has 1 Redis, this process was told 2");
  cr_assert_eq(redis_integer(cluster_shard(cluster, 0), "HLEN heya:config"), 3);
  cr_assert_eq(redis_integer(cluster_shard(cluster, 1), "EXISTS heya:config"), 0);
  cluster_stop(cluster);
}

/* The list has a Redis of another deployment, which has as many, and knows it as the second too. */
Test(shards, redis_of_two_deployments_are_not_taken_for_one) {
  cluster = cluster_start(&(struct cluster_options){.shards = 2, .bare = true});
  const char *args[] = {"--redis", cluster_shard_url(cluster, 0), "--redis", cluster_shard_url(cluster, 1), NULL};
  for (unsigned shard = 0; shard < 2; shard++)
    redis_do(cluster_shard(cluster, shard), "HSET heya:config partitions 16 schema 1 shards 2 shard %u cluster %s",
             shard, shard ? "theirs" : "ours");
  const char *says = "--redis number 2 leads to a Redis of another deployment (theirs; the others are of ours)";
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, args)), says);
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, args)), says);
  cr_assert_eq(redis_integer(cluster_shard(cluster, 1), "EXISTS heya:workers"), 0);
  cluster_stop(cluster);
}
