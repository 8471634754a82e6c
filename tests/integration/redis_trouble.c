/* What the processes make of a Redis that restarts, with or without its data, stalls, is full, or turns into a
 * replica. No gateway and no worker is started anew by any of it. */
#include "tests/integration/comeback.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(redis_trouble, .timeout = 120);

#define ROOM "chat/trouble"

static const struct bytes none;

static void restart(struct cluster *cluster) {
  process_kill(cluster_redis_process(cluster));
  cluster_restart_redis(cluster);
}

/* ---- restarts ---- */

#define BURST 40

/* It kept everything: all go on where they were, and what was unanswered is sent again. */
Test(redis_trouble, killed_with_all_its_data_it_costs_a_reconnect_and_nothing_else) {
  static const char *const always[] = {"--appendfsync", "always", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = always});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  char text[32];
  for (uint32_t i = 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    uint32_t request = say(ann, ROOM, i, text);
    if (i == BURST / 2) player_acked(ann, request);
  }
  restart(cluster);
  expect_sent_away(cluster, ann);
  expect_sent_away(cluster, bob);
  follow(&anns, ann);
  follow(&bobs, bob);
  cr_assert_geq(anns.answered, BURST / 2);
  struct player *ann2 = cluster_player(cluster, 1, "ann"), *bob2 = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *back = player_joined(ann2, send_resume(ann2, ROOM, &anns));
  cr_assert_str_eq(back->session, anns.session);
  cr_assert_str_eq(back->incarnation, anns.incarnation);
  back = player_joined(bob2, send_resume(bob2, ROOM, &bobs));
  cr_assert_str_eq(back->session, bobs.session);
  bool has_snapshot = back->snapshot != NULL;
  for (uint32_t i = anns.answered + 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    player_acked(ann2, say(ann2, ROOM, i, text));
  }
  player_acked(ann2, say(ann2, ROOM, BURST + 1, "the end"));
  player_await_line(bob2, "the end");
  for (uint32_t i = 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    size_t times = times_heard(bob, text) + times_heard(bob2, text);
    cr_assert(times == 1 || (times == 0 && has_snapshot), "%s: %zu times", text, times);
  }
  cluster_stop(cluster);
}

Test(redis_trouble, killed_during_a_round_it_leaves_the_deadline_where_it_was) {
  static const char *const always[] = {"--appendfsync", "always", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = always});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join_live(ann, "live/trouble", 1, 3000);
  player_join_live(bob, "live/trouble", 1, 3000);
  player_submit(ann, player_start_round(ann), 100);
  uint64_t deadline_ms = player_await_live(ann, HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED)->submitted->deadline_ms;
  restart(cluster);
  expect_sent_away(cluster, ann);
  struct player *again = cluster_player(cluster, 1, "ann");
  player_joined(again, player_send_join(again, "live/trouble", false, none, none));
  const Heya__Kinds__Live__Results *results =
      player_await_live(again, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
  uint64_t late_ms = redis_now_ms(cluster_redis(cluster)) - deadline_ms;
  cr_assert(late_ms < 2000, "%lu ms after the deadline", (unsigned long)late_ms);
  cr_assert_eq(results->n_scores, 2);
  cr_assert_eq(results->scores[0]->score, 100);
  cr_assert(results->scores[1]->forfeited);
  cluster_stop(cluster);
}

/* It is as it was at some moment before: what clients have seen since is not there. */
Test(redis_trouble, restarted_without_its_last_writes_it_begins_new_sessions) {
  static const char *const snapshots[] = {"--appendonly", "no", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = snapshots});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  player_acked(ann, say(ann, ROOM, 1, "kept"));
  redis_do(cluster_redis(cluster), "SAVE");
  player_acked(ann, say(ann, ROOM, 2, "forgotten"));
  player_await_line(bob, "forgotten");
  restart(cluster);
  expect_sent_away(cluster, ann);
  expect_sent_away(cluster, bob);
  follow(&anns, ann);
  follow(&bobs, bob);
  struct player *ann2 = cluster_player(cluster, 0, "ann"), *bob2 = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *back = player_joined(ann2, send_resume(ann2, ROOM, &anns));
  cr_assert_str_neq(back->session, anns.session, "number 2 was used up, the room does not know it");
  cr_assert(back->snapshot);
  cr_assert_str_eq(back->incarnation, anns.incarnation);
  back = player_joined(bob2, send_resume(bob2, ROOM, &bobs));
  cr_assert(back->snapshot, "he has seen an event that never was");
  player_acked(ann2, say(ann2, ROOM, 1, "again"));
  player_await_line(bob2, "again");
  cluster_stop(cluster);
}

Test(redis_trouble, restarted_without_anything_it_is_set_up_again_and_rooms_are_lost_loudly) {
  static const char *const nothing[] = {"--appendonly", "no", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = nothing});
  struct player *ann = cluster_player(cluster, 0, "ann");
  struct place place = place_of(player_join(ann, ROOM));
  player_acked(ann, say(ann, ROOM, 1, "forgotten"));
  restart(cluster);
  expect_sent_away(cluster, ann);
  follow(&place, ann);
  cluster_await_all_owned(cluster);
  struct player *again = cluster_player(cluster, 1, "ann");
  player_refused(again, send_resume(again, ROOM, &place), CODE(ROOM_NOT_FOUND));
  cr_assert(player_join(again, ROOM)->created);
  player_say(again, "a new room");
  cluster_stop(cluster);
}

/* ---- it is there, but ---- */

/* All leases end while it stands still. Whoever is back first does not take everything: each keeps what it had. */
Test(redis_trouble, a_stall_longer_than_the_leases_loses_nothing_and_moves_nothing) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.lease_ms = 1000});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  char room[32], text[32];
  int owners[16];
  cluster_await_all_owned(cluster);
  player_join(ann, ROOM);
  player_join(bob, ROOM);
  for (unsigned i = 0; i < 16; i++) {
    snprintf(room, sizeof room, "chat/%u", i);
    owners[i] = cluster_owner(cluster, room);
  }
  process_stop(cluster_redis_process(cluster));
  uint32_t requests[10];
  for (uint32_t i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "line %u", i);
    requests[i] = say(ann, ROOM, i + 1, text);
  }
  cr_assert(process_wait_line(cluster_worker(cluster, 0), "no answer in time", 30000, NULL, 0));
  cr_assert(process_wait_line(cluster_worker(cluster, 1), "no answer in time", 30000, NULL, 0));
  process_continue(cluster_redis_process(cluster));
  for (uint32_t i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "line %u", i);
    player_acked(ann, requests[i]);
    if (!times_heard(bob, text)) player_await_line(bob, text);
    cr_assert_eq(times_heard(bob, text), 1);
  }
  cluster_await_all_owned(cluster);
  for (unsigned i = 0; i < 16; i++) {
    snprintf(room, sizeof room, "chat/%u", i);
    cr_assert_eq(cluster_owner(cluster, room), owners[i], "%s has moved", room);
  }
  cluster_stop(cluster);
}

/* A Redis at maxmemory takes no more commands, says so, and finishes what it has. */
Test(redis_trouble, a_full_redis_is_told_as_busy_until_it_has_room_again) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, ROOM);
  player_acked(ann, say(ann, ROOM, 1, "one"));
  redis_do(cluster_redis(cluster), "CONFIG SET maxmemory 1");
  cr_assert_gt(player_refused(ann, say(ann, ROOM, 2, "two"), CODE(BUSY))->retry_after_ms, 0);
  player_ping(ann);
  redis_do(cluster_redis(cluster), "CONFIG SET maxmemory 0");
  player_acked(ann, say(ann, ROOM, 2, "two"));
  player_await_line(ann, "two");
  cluster_stop(cluster);
}

/* As it is with min-replicas-to-write while the replicas are away. */
Test(redis_trouble, a_redis_that_misses_its_replicas_is_told_as_busy) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, ROOM);
  player_acked(ann, say(ann, ROOM, 1, "one"));
  redis_do(cluster_redis(cluster), "CONFIG SET min-replicas-to-write 1");
  cr_assert_gt(player_refused(ann, say(ann, ROOM, 2, "two"), CODE(BUSY))->retry_after_ms, 0);
  redis_do(cluster_redis(cluster), "CONFIG SET min-replicas-to-write 0");
  cluster_await_all_owned(cluster);
  player_acked(ann, say(ann, ROOM, 2, "two"));
  player_await_line(ann, "two");
  cluster_stop(cluster);
}

struct waiting {
  const char *address, *says;
};

static bool says_why(void *arg) {
  struct waiting *waiting = arg;
  struct http_response response;
  http_get(&response, waiting->address, "/readyz");
  bool says = response.status == 503 && strstr(response.body, waiting->says);
  http_response_close(&response);
  return says;
}

/* At start, too: a full Redis does not even take our functions, and one that has them may refuse to run them. */
Test(redis_trouble, who_starts_while_it_refuses_everybody_waits_and_says_why) {
  static const struct {
    const char *refuse, *serve, *says;
  } rows[] = {
      {"CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM"},
      {"CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"},
  };
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char addresses[2][32];
    for (size_t j = 0; j < 2; j++) snprintf(addresses[j], 32, "127.0.0.1:%u", cluster_free_port());
    redis_do(cluster_redis(cluster), rows[i].refuse);
    unsigned worker = cluster_spawn_worker(cluster, (const char *[]){"--admin", addresses[0], NULL});
    unsigned gateway = cluster_spawn_gateway(cluster, (const char *[]){"--admin", addresses[1], NULL});
    for (size_t j = 0; j < 2; j++)
      cr_assert(wait_until(20000, says_why, &(struct waiting){addresses[j], rows[i].says}), "%s", rows[i].says);
    redis_do(cluster_redis(cluster), rows[i].serve);
    cluster_await_worker(cluster, worker);
    cluster_await_gateway(cluster, gateway);
  }
  cluster_stop(cluster);
}

static bool is_ready(void *arg) {
  struct waiting *waiting = arg;
  struct http_response response;
  http_get(&response, waiting->address, "/readyz");
  bool ready = response.status == 200;
  http_response_close(&response);
  return ready;
}

/* Whoever sends clients to a gateway, or waits for a worker, is told that it can do nothing; and when it can again.
 */
Test(redis_trouble, who_may_not_read_write_or_call_is_not_ready_until_he_may) {
  static const struct {
    const char *command, *gateway, *worker;
  } rows[] = {
      {"xread", "refuses to have its stream read", "refuses to have streams read"},
      {"xadd", "XADD", NULL}, /* nothing comes to a worker that he would have to commit */
      {"fcall", "does not renew its id", "does not renew the lease"},
  };
  static const char *const gateway_args[] = {"--gateway-ttl", "6s", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = gateway_args});
  struct process *first = cluster_gateway(cluster, 0);
  cluster_await_all_owned(cluster);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct player *ann = cluster_player(cluster, 0, "ann");
    struct waiting gateway = {cluster_gateway_admin(cluster, 0), rows[i].gateway};
    struct waiting worker = {cluster_worker_admin(cluster, 0), rows[i].worker};
    size_t lost = process_count_lines(first, "gateway_lost");
    player_join(ann, ROOM);
    redis_do(cluster_redis(cluster), "ACL SETUSER default -%s", rows[i].command);
    say(ann, ROOM, 1, "in vain");
    cr_assert(wait_until(20000, says_why, &gateway), "gateway, -%s", rows[i].command);
    cr_assert(!worker.says || wait_until(20000, says_why, &worker), "worker, -%s", rows[i].command);
    cr_assert_leq(process_count_lines(first, "gateway_lost"), lost + 1, "-%s", rows[i].command);
    redis_do(cluster_redis(cluster), "ACL SETUSER default +%s", rows[i].command);
    cr_assert(wait_until(20000, is_ready, &gateway), "gateway, +%s", rows[i].command);
    cr_assert(wait_until(20000, is_ready, &worker), "worker, +%s", rows[i].command);
    player_drop(ann);
  }
  cluster_stop(cluster);
}

/* As after a failover that went past us: writes are refused, until the address leads to a master again. What that one
 * has is another history, so gateways take new ids. */
Test(redis_trouble, a_master_that_became_a_replica_is_waited_out) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  cluster_await_all_owned(cluster);
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  redis_do(cluster_redis(cluster), "REPLICAOF 127.0.0.1 1");
  say(ann, ROOM, 1, "once");
  cr_assert(process_wait_line(cluster_worker(cluster, 0), "READONLY", 20000, NULL, 0));
  for (unsigned i = 0; i < 2; i++) /* a gateway with nothing to write notices when it renews */
    cr_assert(process_wait_line(cluster_gateway(cluster, i), "READONLY", 20000, NULL, 0));
  redis_do(cluster_redis(cluster), "REPLICAOF NO ONE");
  expect_sent_away(cluster, ann);
  expect_sent_away(cluster, bob);
  follow(&anns, ann);
  follow(&bobs, bob);
  struct player *ann2 = cluster_player(cluster, 1, "ann"), *bob2 = cluster_player(cluster, 0, "bob");
  cr_assert_str_eq(player_joined(bob2, send_resume(bob2, ROOM, &bobs))->session, bobs.session);
  cr_assert_str_eq(player_joined(ann2, send_resume(ann2, ROOM, &anns))->session, anns.session);
  player_acked(ann2, say(ann2, ROOM, 1, "once"));
  player_acked(ann2, say(ann2, ROOM, 2, "twice"));
  player_await_line(bob2, "twice");
  cr_assert_leq(times_heard(bob, "once") + times_heard(bob2, "once"), 1);
  cluster_stop(cluster);
}

/* The same Redis, which has forgotten nothing: connections stay where they are. */
Test(redis_trouble, a_broken_connection_to_it_costs_nobody_anything) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, ROOM);
  player_join(bob, ROOM);
  uint32_t requests[60];
  char text[32];
  for (uint32_t i = 0; i < 60; i++) {
    snprintf(text, sizeof text, "line %u", i);
    requests[i] = say(ann, ROOM, i + 1, text);
    if (i % 20 == 19) {
      redis_do(cluster_redis(cluster), "CLIENT KILL TYPE normal SKIPME yes");
      player_acked(ann, requests[i]);
    }
  }
  for (uint32_t i = 0; i < 60; i++) {
    snprintf(text, sizeof text, "line %u", i);
    player_acked(ann, requests[i]);
    if (!times_heard(bob, text)) player_await_line(bob, text);
    cr_assert_eq(times_heard(bob, text), 1, "%s: %zu times", text, times_heard(bob, text));
  }
  cr_assert_eq(process_count_lines(cluster_gateway(cluster, 0), "gateway_lost"), 0);
  cluster_stop(cluster);
}

/* ---- who may ---- */

#define DOCUMENTED_MAX 4096

/* The commands of the ACL line in docs/redis.md, as arguments of ACL SETUSER. */
static void documented_acl(char out[DOCUMENTED_MAX]) {
  char text[65536];
  FILE *file = fopen("docs/redis.md", "r");
  cr_assert(file);
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  char *line = strstr(text, "ACL SETUSER heya "), *end = line ? strstr(line, "```") : NULL;
  cr_assert(end && end - line < DOCUMENTED_MAX);
  *end = '\0';
  for (char *at = line; *at; at++)
    if (*at == '\n') *at = ' ';
  snprintf(out, DOCUMENTED_MAX, "%s", line);
}

static void run_acl(struct cluster *cluster, const char *line) {
  const char *words[256];
  char copy[DOCUMENTED_MAX];
  size_t n = 0;
  snprintf(copy, sizeof copy, "%s", line);
  for (char *word = strtok(copy, " "); word && n < 256; word = strtok(NULL, " ")) words[n++] = word;
  redis_do_words(cluster_redis(cluster), words, n);
}

static void expect_refusal(struct cluster *cluster, const char *login, const char *text) {
  char url[256];
  snprintf(url, sizeof url, "unix://%s%s", login, cluster_redis_url(cluster) + strlen("unix://"));
  const char *args[] = {"--redis", url, NULL};
  unsigned index = cluster_spawn_worker(cluster, args);
  cr_assert(process_wait_line(cluster_worker(cluster, index), text, 20000, NULL, 0), "it does not say \"%s\"", text);
  process_kill(cluster_worker(cluster, index));
}

Test(redis_trouble, the_documented_acl_is_enough_and_a_wrong_password_is_told) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char acl[DOCUMENTED_MAX], url[256];
  documented_acl(acl);
  run_acl(cluster, acl);
  redis_do(cluster_redis(cluster), "CONFIG SET requirepass theirs");
  snprintf(url, sizeof url, "unix://heya:PASSWORD@%s", cluster_redis_url(cluster) + strlen("unix://"));
  const char *args[] = {"--redis", url, NULL};
  for (unsigned i = 0; i < 2; i++) cluster_spawn_worker(cluster, args), cluster_spawn_gateway(cluster, args);
  for (unsigned i = 0; i < 2; i++) cluster_await_worker(cluster, i), cluster_await_gateway(cluster, i);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, ROOM);
  player_join(bob, ROOM);
  player_say(ann, "allowed");
  player_await_line(bob, "allowed");
  cr_assert_eq(player_list(bob, "chat", NULL, NULL, false)->n_rooms, 1);
  player_join_live(ann, "live/allowed", 1, 300);
  player_submit(ann, player_start_round(ann), 1);
  player_await_live(ann, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS);
  player_leave(ann);
  expect_refusal(cluster, "", "NOAUTH");
  expect_refusal(cluster, "wrong@", "WRONGPASS");
  expect_refusal(cluster, "heya:wrong@", "WRONGPASS");
  for (unsigned i = 0; i < 2; i++)
    cr_assert(process_count_lines(cluster_worker(cluster, i), "NOPERM") == 0 &&
              process_count_lines(cluster_gateway(cluster, i), "NOPERM") == 0);
  redis_do(cluster_redis(cluster), "ACL SETUSER heya -pexpireat");
  expect_refusal(cluster, "heya:PASSWORD@", "PEXPIREAT failed");
  redis_do(cluster_redis(cluster), "ACL SETUSER heya +pexpireat");
  cluster_stop(cluster);
}

/* ---- its clock ---- */

/* An entry with a time to come, as if the clock had been set back since. */
Test(redis_trouble, a_clock_that_was_set_back_sounds_the_alarm) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, ROOM);
  struct process *worker = cluster_worker(cluster, (unsigned)cluster_owner(cluster, ROOM));
  cr_assert_eq(process_count_lines(worker, "redis_clock"), 0);
  redis_do(cluster_redis(cluster), "XADD heya:part:%u:cmd %lu-0 g g-none m %b", cluster_partition(cluster, ROOM),
           (unsigned long)redis_now_ms(cluster_redis(cluster)) + 30000, "", (size_t)0);
  cr_assert(process_wait_line(worker, "redis_clock_behind", 10000, NULL, 0));
  const char *admin = cluster_worker_admin(cluster, (unsigned)cluster_owner(cluster, ROOM));
  double ahead_ms = http_metric(admin, "heya_redis_clock_ahead_ms");
  cr_assert(ahead_ms > 5000 && ahead_ms < 30100, "%f", ahead_ms);
  player_say(ann, "all goes on"); /* though later than it is */
  cluster_stop(cluster);
}
