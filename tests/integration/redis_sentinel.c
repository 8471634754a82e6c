/* What becomes of clients when the master dies, or is replaced, under Redis Sentinel: a real master, a replica and
 * two Sentinels, and one more address at which no Sentinel is. Gateways and workers find the new master by
 * themselves. */
#include "tests/integration/comeback.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(redis_sentinel, .timeout = 120);

#define ROOM      "chat/promoted"
#define SENTINELS 2

struct server {
  struct process process;
  struct redis_client *client;
  char socket[128];
  unsigned port;
};

struct watched {
  struct cluster *cluster; /* has the master */
  struct server replica, sentinels[SENTINELS];
  char url[256];
};

/* ---- starting ---- */

static bool is_there(void *arg) {
  struct server *server = arg;
  if (!server->client) server->client = redis_client_connect(server->socket);
  return server->client != NULL;
}

static void start(struct watched *w, struct server *server, const char *name, struct process_args *args) {
  const struct tmpdir *dir = cluster_dir(w->cluster);
  struct process_args env = {0};
  process_args_add(&env, "LC_ALL=C");
  snprintf(server->socket, sizeof server->socket, "%s/%s.sock", dir->path, name);
  process_args_add(args, "--port");
  process_args_add(args, "%u", server->port);
  process_args_add(args, "--unixsocket");
  process_args_add(args, "%s", server->socket);
  process_args_add(args, "--bind");
  process_args_add(args, "127.0.0.1");
  process_start(&server->process, name, dir->path, args, &env);
  process_args_close(args);
  process_args_close(&env);
  cr_assert(wait_until(10000, is_there, server), "%s does not answer", name);
}

static unsigned port_of(struct redis_client *client) {
  redisReply *reply = redis_reply(client, "CONFIG GET port");
  cr_assert(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
  unsigned port = (unsigned)strtoul(reply->element[1]->str, NULL, 10);
  freeReplyObject(reply);
  return port;
}

static void start_replica(struct watched *w) {
  struct process_args args = {0};
  const char *words[] = {"redis-server",
                         "--save",
                         "",
                         "--appendonly",
                         "no",
                         "--masterauth",
                         "m",
                         "--requirepass",
                         "m",
                         "--dir",
                         "",
                         "--maxmemory-policy",
                         "noeviction",
                         "--replicaof",
                         "",
                         "--repl-diskless-sync-delay",
                         "0",
                         NULL};
  char dir[160], master[32];
  snprintf(dir, sizeof dir, "%s", cluster_dir(w->cluster)->path);
  snprintf(master, sizeof master, "127.0.0.1 %u", port_of(cluster_redis(w->cluster)));
  words[10] = dir;
  words[14] = master;
  w->replica.port = cluster_free_port();
  process_args_append(&args, words);
  process_args_add(&args, "--dbfilename");
  process_args_add(&args, "replica.rdb");
  start(w, &w->replica, "replica", &args);
  redis_do(w->replica.client, "AUTH m");
}

static void start_sentinel(struct watched *w, unsigned i, unsigned master_port) {
  struct process_args args = {0};
  char name[32], path[192], text[512];
  snprintf(name, sizeof name, "sentinel-%u", i);
  int len = snprintf(text, sizeof text,
                     "sentinel monitor main 127.0.0.1 %u 1\nsentinel auth-pass main m\n"
                     "sentinel down-after-milliseconds main 600\nsentinel failover-timeout main 6000\n"
                     "sentinel parallel-syncs main 1\nrequirepass s\nsentinel sentinel-pass s\n",
                     master_port);
  snprintf(path, sizeof path, "%s.conf", name);
  char file[256];
  tmpdir_write(cluster_dir(w->cluster), path, text, (size_t)len, file, sizeof file);
  process_args_add(&args, "redis-server");
  process_args_add(&args, "%s", file);
  process_args_add(&args, "--sentinel");
  w->sentinels[i].port = cluster_free_port();
  start(w, &w->sentinels[i], name, &args);
  redis_do(w->sentinels[i].client, "AUTH s");
}

static bool info_says(struct redis_client *client, const char *section, const char *text) {
  char *info = redis_string(client, "INFO %s", section);
  bool says = strstr(info, text) != NULL;
  free(info);
  return says;
}

static bool is_watched(void *arg) {
  struct watched *w = arg;
  for (unsigned i = 0; i < SENTINELS; i++)
    if (!info_says(w->sentinels[i].client, "sentinel", "slaves=1,sentinels=2")) return false;
  return info_says(w->replica.client, "replication", "master_link_status:up");
}

/* `gateways` and workers two each; all ready. */
static void begin(struct watched *w) {
  *w = (struct watched){.cluster = cluster_start(&(struct cluster_options){.bare = true})};
  struct redis_client *master = cluster_redis(w->cluster);
  redis_do(master, "CONFIG SET masterauth m");
  redis_do(master, "CONFIG SET requirepass m");
  redis_do(master, "CONFIG SET repl-diskless-sync-delay 0");
  start_replica(w);
  for (unsigned i = 0; i < SENTINELS; i++) start_sentinel(w, i, port_of(master));
  cr_assert(wait_until(30000, is_watched, w), "the Sentinels do not find everybody");
  snprintf(w->url, sizeof w->url, "sentinel://m@127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/main?sentinel_password=s",
           cluster_free_port(), w->sentinels[0].port, w->sentinels[1].port);
  const char *args[] = {"--redis", w->url, NULL};
  for (unsigned i = 0; i < 2; i++) cluster_spawn_worker(w->cluster, args), cluster_spawn_gateway(w->cluster, args);
  for (unsigned i = 0; i < 2; i++) cluster_await_worker(w->cluster, i), cluster_await_gateway(w->cluster, i);
}

static void end(struct watched *w) {
  cluster_stop(w->cluster);
  for (unsigned i = 0; i < SENTINELS; i++) {
    redis_client_close(w->sentinels[i].client);
    process_kill(&w->sentinels[i].process);
  }
  redis_client_close(w->replica.client);
  process_kill(&w->replica.process);
}

/* All that was written so far has reached the replica. */
static void await_replica(struct watched *w) {
  redis_do(cluster_redis(w->cluster), "SET marker x");
  cr_assert_eq(redis_integer(cluster_redis(w->cluster), "WAIT 1 10000"), 1);
}

/* A new client: a Sentinel breaks all connections of a server whose role it changes. */
static struct redis_client *connect_anew(const char *socket) {
  struct redis_client *client = redis_client_connect(socket);
  cr_assert(client);
  redis_do(client, "AUTH m");
  return client;
}

/* ---- the promises ---- */

static void come_back(struct watched *w, struct player *ann, struct player *bob, struct place *anns,
                      struct place *bobs, uint32_t number) {
  expect_sent_away(w->cluster, ann);
  expect_sent_away(w->cluster, bob);
  follow(anns, ann);
  follow(bobs, bob);
  struct player *ann2 = cluster_player(w->cluster, 1, "ann"), *bob2 = cluster_player(w->cluster, 0, "bob");
  const Heya__V1__Joined *back = player_joined(ann2, send_resume(ann2, ROOM, anns));
  cr_assert_str_eq(back->session, anns->session, "nothing was lost, so the session goes on");
  back = player_joined(bob2, send_resume(bob2, ROOM, bobs));
  cr_assert_str_eq(back->session, bobs->session);
  player_acked(ann2, say(ann2, ROOM, number, "meanwhile"));
  player_acked(ann2, say(ann2, ROOM, number + 1, "after"));
  player_await_line(bob2, "after");
  cr_assert_leq(times_heard(bob, "meanwhile") + times_heard(bob2, "meanwhile"), 1);
}

Test(redis_sentinel, a_killed_master_is_replaced_and_clients_come_back) {
  struct watched w;
  begin(&w);
  struct player *ann = cluster_player(w.cluster, 0, "ann"), *bob = cluster_player(w.cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  player_acked(ann, say(ann, ROOM, 1, "before"));
  player_await_line(bob, "before");
  await_replica(&w);
  process_kill(cluster_redis_process(w.cluster));
  say(ann, ROOM, 2, "meanwhile");
  come_back(&w, ann, bob, &anns, &bobs, 2);
  struct redis_client *promoted = connect_anew(w.replica.socket);
  cr_assert_eq(redis_integer(promoted, "EXISTS heya:room:%s", ROOM), 1);
  redis_client_close(promoted);
  end(&w);
}

/* Asked of the Sentinel: it breaks all connections of the replica at that moment, also one just made to look. */
static bool is_promoted(void *arg) {
  struct watched *w = arg;
  char address[48];
  snprintf(address, sizeof address, "address=127.0.0.1:%u,", w->replica.port);
  return info_says(w->sentinels[0].client, "sentinel", address);
}

/* The old master lives on, and is told only after some seconds that it is a replica now. With min-replicas-to-write
 * it confirms nothing in that time; and afterwards nobody stays with it, with either connection. */
Test(redis_sentinel, a_master_that_is_replaced_in_life_is_left_by_all) {
  struct watched w;
  begin(&w);
  struct player *ann = cluster_player(w.cluster, 0, "ann"), *bob = cluster_player(w.cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  player_acked(ann, say(ann, ROOM, 1, "before"));
  player_await_line(bob, "before");
  await_replica(&w);
  redis_do(cluster_redis(w.cluster), "CONFIG SET min-replicas-to-write 1");
  redis_do(w.sentinels[0].client, "SENTINEL FAILOVER main");
  cr_assert(wait_until(10000, is_promoted, &w));
  const Heya__V1__ServerMessage *answer = player_answer(ann, say(ann, ROOM, 2, "meanwhile"));
  cr_assert(!answer || answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR, "confirmed by who is no master");
  come_back(&w, ann, bob, &anns, &bobs, 2);
  struct redis_client *old = connect_anew(cluster_redis_url(w.cluster) + strlen("unix://"));
  char *clients = redis_string(old, "CLIENT LIST TYPE normal");
  cr_assert_null(strstr(clients, "cmd=xread"), "%s", clients);
  free(clients);
  redis_client_close(old);
  end(&w);
}

Test(redis_sentinel, a_sentinel_that_cannot_help_says_why) {
  struct watched w = {.cluster = cluster_start(&(struct cluster_options){.bare = true})};
  static const struct {
    const char *path, *text;
  } wrong[] = {{"other?sentinel_password=s", "knows no master of that name"},
               {"main", "NOAUTH"},
               {"main?sentinel_password=x", "WRONGPASS"},
               {"main?sentinel_password=s", "NOAUTH"}}; /* the last: of the master */
  redis_do(cluster_redis(w.cluster), "CONFIG SET requirepass m");
  start_sentinel(&w, 0, port_of(cluster_redis(w.cluster)));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char url[192];
    snprintf(url, sizeof url, "sentinel://127.0.0.1:%u/%s", w.sentinels[0].port, wrong[i].path);
    const char *args[] = {"--redis", url, NULL};
    unsigned index = cluster_spawn_worker(w.cluster, args);
    struct process *worker = cluster_worker(w.cluster, index);
    cr_assert(process_wait_line(worker, wrong[i].text, 10000, NULL, 0), "%s: no \"%s\"", url, wrong[i].text);
    process_kill(worker);
  }
  redis_client_close(w.sentinels[0].client);
  process_kill(&w.sentinels[0].process);
  cluster_stop(w.cluster);
}
