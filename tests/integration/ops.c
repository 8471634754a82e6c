/* What an operator does and sees: starting, stopping, killing, looking, and the mistakes that are refused. */
#include "common/mem.h"
#include "proto/keys.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(ops, .timeout = 90);

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static void expect_status(const char *address, const char *path, unsigned status) {
  struct http_response response;
  http_get(&response, address, path);
  cr_assert_eq(response.status, status, "%s%s: %u instead of %u", address, path, response.status, status);
  http_response_close(&response);
}

static void expect_talk(struct player *speaker, struct player *listener, const char *text) {
  player_say(speaker, text);
  player_await_line(listener, text);
}

/* ---- ending ------------------------------------------------------------------------------------------------------
 */

Test(ops, a_gateway_that_is_told_to_end_tells_its_clients_where_to_go) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.haproxy = true});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/drain");
  player_join(bob, "chat/drain");
  process_signal(cluster_gateway(cluster, 0), SIGTERM);
  cr_assert_eq(wsclient_wait_close(ann->socket, 10000), 4042);
  player_pump(ann);
  const Heya__V1__ServerMessage *last = ann->log[ann->log_count - 1].message;
  cr_assert_eq(last->body_case, HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE);
  cr_assert_eq(last->goodbye->reason, CODE(SHUTTING_DOWN));
  cr_assert(last->goodbye->reconnect);
  struct player *again = cluster_player(cluster, CLUSTER_LB, "ann");
  cr_assert(player_join(again, "chat/drain")->returned);
  expect_talk(again, bob, "moved");
  player_drop(ann);
  cr_assert_eq(process_wait_exit(cluster_gateway(cluster, 0), 20000), 0);
  cluster_stop(cluster);
}

/* Only who has something to tell Redis waits for it, and says when it was in vain. */
Test(ops, a_gateway_told_to_end_without_redis_waits_only_for_rooms_that_are_to_be_told) {
  static const char *const args[] = {"--drain-timeout", "2s", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = args});
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/drain");
  process_kill(cluster_redis_process(cluster));
  process_signal(cluster_gateway(cluster, 0), SIGTERM);
  process_signal(cluster_gateway(cluster, 1), SIGTERM);
  cr_assert_eq(wsclient_wait_close(ann->socket, 10000), 4042);
  player_drop(ann);
  cr_assert_eq(process_wait_exit(cluster_gateway(cluster, 0), 20000), 1);
  cr_assert_eq(process_wait_exit(cluster_gateway(cluster, 1), 20000), 0);
  cr_assert_eq(process_count_lines(cluster_gateway(cluster, 0), "drain_timed_out"), 1);
  cr_assert_eq(process_count_lines(cluster_gateway(cluster, 1), "drain_timed_out"), 0);
  cluster_gateway(cluster, 0)->status = 0; /* as wanted; cluster_stop would mind */
  cluster_stop(cluster);
}

Test(ops, a_worker_that_is_told_to_end_hands_its_rooms_over) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/handover");
  player_join(bob, "chat/handover");
  unsigned owner = cluster_await_owner(cluster, "chat/handover", -1);
  process_signal(cluster_worker(cluster, owner), SIGTERM);
  expect_talk(ann, bob, "still here");
  cr_assert_eq(process_wait_exit(cluster_worker(cluster, owner), 20000), 0);
  cluster_await_owner(cluster, "chat/handover", (int)owner);
  cluster_await_all_owned(cluster);
  expect_talk(bob, ann, "and here");
  cluster_stop(cluster);
}

Test(ops, the_partitions_of_a_killed_worker_are_taken_over_with_their_rooms) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *first = player_join(ann, "chat/heirs");
  player_join(bob, "chat/heirs");
  expect_talk(ann, bob, "before");
  unsigned owner = cluster_await_owner(cluster, "chat/heirs", -1);
  process_kill(cluster_worker(cluster, owner));
  expect_talk(ann, bob, "after");
  cluster_await_all_owned(cluster);
  struct player *cid = cluster_player(cluster, 0, "cid");
  const Heya__V1__Joined *joined = player_join(cid, "chat/heirs");
  cr_assert_str_eq(joined->incarnation, first->incarnation);
  cr_assert_gt(joined->epoch, first->epoch);
  cr_assert_eq(joined->snapshot->n_members, 3);
  cr_assert_str_eq(joined->snapshot->host, "ann");
  Heya__Kinds__Chat__State *state =
      heya__kinds__chat__state__unpack(NULL, joined->snapshot->state.len, joined->snapshot->state.data);
  cr_assert(state && state->n_lines == 2);
  heya__kinds__chat__state__free_unpacked(state, NULL);
  cluster_stop(cluster);
}

struct watch {
  struct cluster *cluster;
  unsigned worker, peers;
};

static bool watches_all(void *arg) {
  const struct watch *watch = arg;
  return http_metric(cluster_worker_admin(watch->cluster, watch->worker), "heya_worker_peers") == watch->peers;
}

/* Until this worker holds a connection to the other one and to both gateways. */
static void await_watch(struct cluster *cluster, unsigned worker) {
  struct watch watch = {.cluster = cluster, .worker = worker, .peers = 3};
  cr_assert(wait_until(5000, watches_all, &watch));
}

/* With leases of a minute: only the closed sockets can tell. */
Test(ops, a_killed_worker_is_noticed_long_before_its_lease_ends) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.lease_ms = 60000});
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/heirs");
  player_join(bob, "chat/heirs");
  expect_talk(ann, bob, "before");
  unsigned owner = cluster_await_owner(cluster, "chat/heirs", -1);
  await_watch(cluster, 1 - owner);
  process_kill(cluster_worker(cluster, owner));
  uint64_t killed_ms = redis_now_ms(cluster_redis(cluster));
  expect_talk(ann, bob, "after");
  uint64_t took_ms = redis_now_ms(cluster_redis(cluster)) - killed_ms;
  cr_assert_leq(took_ms, wait_patience_ms(1000), "%" PRIu64 " ms", took_ms);
  cluster_stop(cluster);
}

/* With streams that live for half a minute. */
Test(ops, the_members_of_a_killed_gateway_are_away_at_once) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/heirs");
  player_join(bob, "chat/heirs");
  expect_talk(ann, bob, "before");
  await_watch(cluster, cluster_await_owner(cluster, "chat/heirs", -1));
  process_kill(cluster_gateway(cluster, 0));
  uint64_t killed_ms = redis_now_ms(cluster_redis(cluster));
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_AWAY)->away, "ann");
  uint64_t took_ms = redis_now_ms(cluster_redis(cluster)) - killed_ms;
  cr_assert_leq(took_ms, wait_patience_ms(1000), "%" PRIu64 " ms", took_ms);
  cluster_stop(cluster);
}

/* As one on another machine whose loopback address is that of somebody here. */
Test(ops, a_gateway_is_not_taken_for_the_one_that_has_its_address_here) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 1, .gateways = 1});
  const char *const args[] = {"--advertise", cluster_gateway_admin(cluster, 0), NULL};
  unsigned elsewhere = cluster_spawn_gateway(cluster, args);
  cluster_await_gateway(cluster, elsewhere);
  struct player *ann = cluster_player(cluster, (int)elsewhere, "ann"), *bob = cluster_player(cluster, 0, "bob");
  player_join(ann, "chat/heirs");
  player_join(bob, "chat/heirs");
  expect_talk(ann, bob, "before");
  struct watch watch = {.cluster = cluster, .worker = 0, .peers = 1};
  cr_assert(wait_until(5000, watches_all, &watch));
  process_kill(cluster_gateway(cluster, 0));
  cr_assert_str_eq(player_await_event(ann, HEYA__V1__EVENT__BODY_AWAY)->away, "bob");
  player_say(ann, "after");
  cr_assert_eq(http_metric(cluster_gateway_admin(cluster, elsewhere), "heya_gateway_lost_total"), 0);
  cluster_stop(cluster);
}

/* ---- sharing -----------------------------------------------------------------------------------------------------
 */

struct share {
  struct cluster *cluster;
  unsigned workers, least;
};

static bool is_shared(void *arg) {
  struct share *share = arg;
  unsigned counts[CLUSTER_PROCESS_MAX] = {0};
  for (uint32_t p = 0; p < 16; p++) {
    char *worker =
        redis_string(cluster_redis(share->cluster), "HGET %s worker", key_part_owner(KEY_PREFIX_DEFAULT, p).text);
    int64_t pid = worker && *worker ? redis_integer(cluster_redis(share->cluster), "HGET %s pid",
                                                    key_worker(KEY_PREFIX_DEFAULT, worker).text)
                                    : -1;
    free(worker);
    for (unsigned i = 0; i < share->workers; i++) counts[i] += cluster_worker(share->cluster, i)->pid == pid;
  }
  for (unsigned i = 0; i < share->workers; i++)
    if (counts[i] < share->least) return false;
  return true;
}

Test(ops, workers_share_the_partitions_and_a_new_one_gets_its_part) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/share");
  player_join(bob, "chat/share");
  struct share two = {.cluster = cluster, .workers = 2, .least = 8};
  cr_assert(wait_until(20000, is_shared, &two), "two workers should own 8 partitions each");
  expect_talk(ann, bob, "two");
  cluster_await_worker(cluster, cluster_spawn_worker(cluster, NULL));
  struct share three = {.cluster = cluster, .workers = 3, .least = 4};
  cr_assert(wait_until(20000, is_shared, &three), "three workers should own 4 partitions each at least");
  expect_talk(bob, ann, "three");
  cluster_stop(cluster);
}

/* A worker whose commits reach Redis only when its lease is over and another one has done the work: not a word of it
 * is heard. */
Test(ops, a_commit_of_an_owner_that_was_replaced_is_refused) {
  static const char *const slow_args[] = {"--failpoints", "store.commit=delay:4s", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true, .lease_ms = 1000});
  unsigned slow = cluster_spawn_worker(cluster, slow_args), heir = cluster_spawn_worker(cluster, NULL);
  cluster_spawn_gateway(cluster, NULL);
  cluster_await_worker(cluster, slow);
  cluster_await_worker(cluster, heir);
  cluster_await_gateway(cluster, 0);
  struct share share = {.cluster = cluster, .workers = 2, .least = 8};
  cr_assert(wait_until(20000, is_shared, &share));
  char room[32];
  for (unsigned i = 0; snprintf(room, sizeof room, "chat/fence%u", i), cluster_owner(cluster, room) != (int)slow;)
    i++;
  struct player *ann = cluster_player(cluster, 0, "ann");
  uint32_t request = player_send_join(ann, room, true, bytes_of(NULL, 0), bytes_of(NULL, 0));
  player_joined(ann, request);
  cr_assert_eq(cluster_owner(cluster, room), (int)heir);
  cr_assert(process_wait_line(cluster_worker(cluster, slow), "fenced", 20000, NULL, 0));
  player_say(ann, "once");
  player_pump(ann);
  unsigned answers = 0;
  for (size_t i = 0; i < ann->log_count; i++) answers += ann->log[i].message->request == request;
  cr_assert_eq(answers, 1, "the replaced owner was heard too");
  cluster_stop(cluster);
}

/* ---- refusing to start -------------------------------------------------------------------------------------------
 */

Test(ops, a_partition_count_that_differs_from_the_deployments_is_refused) {
  static const char *const args[] = {"--partitions", "8", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 1, .gateways = 1});
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/count");
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, args)), "partitions");
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, args)), "partitions");
  player_say(ann, "undisturbed");
  cluster_stop(cluster);
}

Test(ops, a_redis_that_evicts_is_refused) {
  static const char *const args[] = {"--maxmemory-policy", "allkeys-lru", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true, .redis_args = args});
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, NULL)), "noeviction");
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, NULL)), "noeviction");
  cluster_stop(cluster);
}

Test(ops, a_damaged_configuration_is_refused) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  redis_do(cluster_redis(cluster), "SET heya:config something");
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, NULL)), "heya:config");
  cluster_stop(cluster);
}

Test(ops, options_that_make_no_sense_are_refused_by_name) {
  static const struct {
    const char *const args[3];
    const char *says;
  } rows[] = {
      {{"--no-such-option", NULL}, "no-such-option"}, {{"--partitions", "0", NULL}, "partitions"},
      {{"--prefix", "a b", NULL}, "prefix"},          {{"--redis", "http://x", NULL}, "--redis"},
      {{"--admin", "nowhere", NULL}, "admin"},        {{"--failpoints", "x=y", NULL}, "failpoints"},
  };
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct process *processes[] = {cluster_worker(cluster, cluster_spawn_worker(cluster, rows[i].args)),
                                   cluster_gateway(cluster, cluster_spawn_gateway(cluster, rows[i].args))};
    for (size_t j = 0; j < 2; j++) {
      cluster_refuses(processes[j], rows[i].says);
      cr_assert_eq(processes[j]->status, 2, "%s", rows[i].says);
    }
  }
  static const char *const jwt[] = {"--auth", "jwt", NULL};
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, jwt)), "jwt-key");
  cluster_stop(cluster);
}

/* A server that speaks just enough of Redis to be an old one: it knows INFO and CLIENT ID, and no functions. */
static void old_redis_answer(int fd, char *data) {
  for (char *command = data; command; command = strstr(command, "\n*")) {
    if (command[0] == '\n') command++;
    char *end = strstr(command, "\n*");
    size_t len = end ? (size_t)(end - command) : strlen(command);
    const char *answer = "-ERR unknown command\r\n";
    if (memmem(command, len, "INFO", 4)) answer = "$22\r\nredis_version:6.2.14\r\n\r\n";
    if (memmem(command, len, "CLIENT", 6)) answer = ":1\r\n";
    if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) return;
  }
}

struct old_redis {
  int listener;
  struct pollfd fds[16];
  nfds_t count;
};

/* Until the listener is shut down. */
static void *old_redis_run(void *arg) {
  struct old_redis *old = arg;
  old->fds[old->count++] = (struct pollfd){.fd = old->listener, .events = POLLIN};
  while (poll(old->fds, old->count, -1) > 0) {
    for (nfds_t i = 1; i < old->count; i++) {
      char data[65536];
      if (!old->fds[i].revents) continue;
      ssize_t n = recv(old->fds[i].fd, data, sizeof data - 1, 0);
      if (n <= 0) {
        close(old->fds[i].fd);
        old->fds[i--] = old->fds[--old->count];
        continue;
      }
      data[n] = '\0';
      old_redis_answer(old->fds[i].fd, data);
    }
    if (!old->fds[0].revents) continue;
    int fd = accept(old->listener, NULL, NULL);
    if (fd < 0 || old->count == sizeof old->fds / sizeof old->fds[0]) break;
    old->fds[old->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  for (nfds_t i = 1; i < old->count; i++) close(old->fds[i].fd);
  return NULL;
}

Test(ops, a_redis_that_is_too_old_is_refused) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  struct old_redis old = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  cr_assert(bind(old.listener, (struct sockaddr *)&address, len) == 0 && listen(old.listener, 8) == 0);
  cr_assert(getsockname(old.listener, (struct sockaddr *)&address, &len) == 0);
  pthread_t thread;
  cr_assert(pthread_create(&thread, NULL, old_redis_run, &old) == 0);
  char url[64];
  snprintf(url, sizeof url, "redis://127.0.0.1:%u", ntohs(address.sin_port));
  const char *const args[] = {"--redis", url, NULL};
  cluster_refuses(cluster_worker(cluster, cluster_spawn_worker(cluster, args)), "6.2.14 is too old");
  cluster_refuses(cluster_gateway(cluster, cluster_spawn_gateway(cluster, args)), "6.2.14 is too old");
  shutdown(old.listener, SHUT_RDWR);
  pthread_join(thread, NULL);
  close(old.listener);
  cluster_stop(cluster);
}

Test(ops, two_deployments_with_prefixes_of_their_own_share_a_redis) {
  static const char *const args[] = {"--prefix", "other:", "--partitions", "4", NULL};
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_worker(cluster, cluster_spawn_worker(cluster, args));
  unsigned gateway = cluster_spawn_gateway(cluster, args);
  cluster_await_gateway(cluster, gateway);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, (int)gateway, "bob");
  cr_assert(player_join(ann, "chat/same")->created);
  cr_assert(player_join(bob, "chat/same")->created);
  cr_assert_gt(cluster_count_keys(cluster, "other:room:chat/same*"), 0);
  cluster_stop(cluster);
}

/* ---- what somebody else wrote to Redis ---------------------------------------------------------------------------
 */

/* A room of the other one's partition, so that both are known to be in the same one. */
static void room_beside(struct cluster *cluster, const char *room, char *out, size_t size) {
  uint32_t wanted = cluster_partition(cluster, room);
  for (unsigned i = 0;; i++) {
    snprintf(out, size, "chat/beside%u", i);
    if (cluster_partition(cluster, out) == wanted) return;
  }
}

Test(ops, keys_of_the_wrong_type_disturb_no_other_room) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  char beside[64];
  room_beside(cluster, "chat/odd", beside, sizeof beside);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, beside);
  player_join(bob, beside);
  struct redis_client *redis = cluster_redis(cluster);
  redis_do(redis, "SET heya:room:chat/odd nonsense");
  redis_do(redis, "LPUSH heya:room:chat/odd:members nonsense");
  redis_do(redis, "SET heya:room:chat/odd:log nonsense");
  struct player *cid = cluster_player(cluster, 0, "cid");
  cr_assert(player_join(cid, "chat/odd")->created);
  player_say(cid, "anyone?");
  expect_talk(ann, bob, "hello");
  /* And under the feet of a room that is open. */
  redis_do(redis, "DEL heya:room:chat/odd:log");
  redis_do(redis, "SET heya:room:chat/odd:log nonsense");
  player_say(cid, "still here");
  expect_talk(bob, ann, "hello again");
  cluster_stop(cluster);
}

Test(ops, garbage_in_a_partitions_stream_is_skipped) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/garbage");
  player_join(bob, "chat/garbage");
  struct key key = key_part_commands(KEY_PREFIX_DEFAULT, cluster_partition(cluster, "chat/garbage"));
  redis_do(cluster_redis(cluster), "XADD %s * g nobody m %b", key.text, "\xff\xff\xff", (size_t)3);
  redis_do(cluster_redis(cluster), "XADD %s * nonsense x", key.text);
  expect_talk(ann, bob, "undisturbed");
  cluster_stop(cluster);
}

Test(ops, an_image_that_is_damaged_costs_only_its_room) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  char beside[64];
  room_beside(cluster, "chat/broken", beside, sizeof beside);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct player *cid = cluster_player(cluster, 0, "cid");
  player_join(cid, "chat/broken");
  player_join(ann, beside);
  player_join(bob, beside);
  redis_do(cluster_redis(cluster), "HSET heya:room:chat/broken image nonsense");
  process_kill(cluster_worker(cluster, cluster_await_owner(cluster, beside, -1)));
  expect_talk(ann, bob, "we go on");
  struct player *dan = cluster_player(cluster, 1, "dan");
  cr_assert(player_join(dan, "chat/broken")->created);
  cluster_stop(cluster);
}

/* ---- looking -----------------------------------------------------------------------------------------------------
 */

Test(ops, health_readiness_and_metrics_are_told_on_the_admin_port_only) {
  static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.haproxy = true});
  for (int i = 0; i < 3; i++) {
    expect_status(cluster_gateway_admin(cluster, 0), paths[i], 200);
    expect_status(cluster_worker_admin(cluster, 0), paths[i], 200);
    expect_status(cluster_address(cluster, CLUSTER_LB), paths[i], 404);
    expect_status(cluster_address(cluster, 0), paths[i], 404);
  }
  cluster_player(cluster, CLUSTER_LB, "ann");
  double seen = 0;
  for (unsigned i = 0; i < 2; i++) seen += http_metric(cluster_gateway_admin(cluster, i), "heya_gateway_websockets");
  cr_assert_eq(seen, 1);
  cluster_stop(cluster);
}

struct readiness {
  const char *address;
  unsigned status;
};

static bool readiness_is(void *arg) {
  struct readiness *wanted = arg;
  struct http_response response;
  http_get(&response, wanted->address, "/readyz");
  bool is = response.status == wanted->status;
  http_response_close(&response);
  return is;
}

Test(ops, without_redis_nothing_is_ready_and_with_it_all_goes_on) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct readiness gateway = {.address = cluster_gateway_admin(cluster, 0), .status = 503};
  struct readiness worker = {.address = cluster_worker_admin(cluster, 0), .status = 503};
  process_kill(cluster_redis_process(cluster));
  cr_assert(wait_until(20000, readiness_is, &gateway));
  cr_assert(wait_until(20000, readiness_is, &worker));
  expect_status(gateway.address, "/healthz", 200);
  expect_status(worker.address, "/healthz", 200);
  cluster_restart_redis(cluster);
  gateway.status = worker.status = 200;
  cr_assert(wait_until(30000, readiness_is, &gateway));
  cr_assert(wait_until(30000, readiness_is, &worker));
  gateway.address = cluster_gateway_admin(cluster, 1);
  cr_assert(wait_until(30000, readiness_is, &gateway));
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/back");
  player_join(bob, "chat/back");
  expect_talk(ann, bob, "we are back");
  cluster_stop(cluster);
}
