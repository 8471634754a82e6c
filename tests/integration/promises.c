/* The eight promises of README.md, each under the fault that threatens it most, with real processes. More about each
 * is in the other suites, the simulation (tests/sim) and the chaos run (tests/chaos); README.md says where. */
#include "proto/keys.h"
#include "tests/integration/comeback.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

TestSuite(promises, .timeout = 120);

static const struct bytes none;

/* Two members of one room, through two gateways. */
static void meet(struct cluster *cluster, const char *room, struct player **ann, struct player **bob) {
  cluster_await_all_owned(cluster);
  *ann = cluster_player(cluster, 0, "ann");
  *bob = cluster_player(cluster, 1, "bob");
  player_join(*ann, room);
  player_join(*bob, room);
}

/* Says "<word> 1" to "<word> n", sent at once, without waiting for an answer in between. */
static void say_many(struct player *player, const char *word, unsigned n, uint32_t *requests) {
  struct player_payload payload;
  char text[64];
  for (unsigned i = 0; i < n; i++) {
    snprintf(text, sizeof text, "%s %u", word, i + 1);
    requests[i] = player_try(player, player_say_payload(&payload, text));
  }
}

/* All of them were acknowledged, and the watcher heard each once. */
static void expect_once(struct player *player, struct player *watcher, const char *word, unsigned n,
                        const uint32_t *requests) {
  char text[64];
  for (unsigned i = 0; i < n; i++) player_acked(player, requests[i]);
  for (unsigned i = 0; i < n; i++) {
    snprintf(text, sizeof text, "%s %u", word, i + 1);
    if (!times_heard(watcher, text)) player_await_line(watcher, text);
    cr_assert_eq(times_heard(watcher, text), 1, "%s: heard %zu times", text, times_heard(watcher, text));
  }
}

/* ---- P1, P2 ---- */

#define BURST 50

static const char *const talkative[] = {"--message-rate", "10000", "--message-burst", "10000", NULL};

Test(promises, P1_a_command_is_applied_once_when_the_owner_is_killed_under_it) {
  uint32_t requests[BURST];
  char word[32];
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = talkative});
  struct player *ann, *bob;
  meet(cluster, "chat/p1", &ann, &bob);
  for (unsigned round = 0; round < 5; round++) {
    unsigned owner = cluster_await_owner(cluster, "chat/p1", -1);
    snprintf(word, sizeof word, "round %u line", round);
    say_many(ann, word, BURST, requests);
    process_kill(cluster_worker(cluster, owner));
    expect_once(ann, bob, word, BURST, requests);
    cluster_await_worker(cluster, cluster_spawn_worker(cluster, NULL));
  }
  cluster_stop(cluster);
}

Test(promises, P1_a_command_is_applied_once_when_the_owner_is_stopped_past_its_lease) {
  uint32_t requests[BURST];
  struct cluster *cluster = cluster_start(&(struct cluster_options){.lease_ms = 1000});
  struct player *ann, *bob;
  meet(cluster, "chat/p1", &ann, &bob);
  unsigned owner = cluster_await_owner(cluster, "chat/p1", -1);
  say_many(ann, "line", BURST, requests);
  process_stop(cluster_worker(cluster, owner));
  cluster_await_owner(cluster, "chat/p1", (int)owner);
  process_continue(cluster_worker(cluster, owner));
  expect_once(ann, bob, "line", BURST, requests);
  say_many(ann, "after", BURST, requests);
  expect_once(ann, bob, "after", BURST, requests);
  cluster_stop(cluster);
}

/* Each peer says of the other that it is dead, again and again, while both live. */
Test(promises, P2_workers_that_suspect_each_other_lose_and_double_nothing) {
  uint32_t requests[BURST];
  char word[32];
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = talkative});
  struct player *ann, *bob;
  meet(cluster, "chat/p2", &ann, &bob);
  for (unsigned round = 0; round < 20; round++) {
    snprintf(word, sizeof word, "round %u line", round);
    say_many(ann, word, BURST, requests);
    for (unsigned i = 0; i < 16; i++) { /* whoever owns something now */
      char *id = redis_string(cluster_redis(cluster), "HGET %s worker", key_part_owner(KEY_PREFIX_DEFAULT, i).text);
      if (id && *id) redis_do(cluster_redis(cluster), "FCALL %s 0 %s %s", FUNCTION_SUSPECT, KEY_PREFIX_DEFAULT, id);
      free(id);
    }
    expect_once(ann, bob, word, BURST, requests);
  }
  cluster_await_all_owned(cluster);
  cluster_stop(cluster);
}

/* ---- P3 ---- */

Test(promises, P3_all_who_join_one_name_meet_while_its_owners_die) {
  struct cluster *cluster = cluster_start(NULL);
  static const char *const names[] = {"ann", "bob", "cid", "dan"};
  struct player *players[4];
  char room[32];
  cluster_await_all_owned(cluster);
  for (int i = 0; i < 4; i++) players[i] = cluster_player(cluster, i % 2, names[i]);
  for (unsigned round = 0; round < 6; round++) {
    snprintf(room, sizeof room, "chat/p3-%u", round);
    unsigned owner = cluster_await_owner(cluster, room, -1);
    uint32_t requests[4];
    for (int i = 0; i < 4; i++) {
      if (i == 2) process_kill(cluster_worker(cluster, owner));
      requests[i] = player_send_join(players[i], room, true, none, none);
    }
    const Heya__V1__Joined *first = player_joined(players[0], requests[0]);
    unsigned created = first->created;
    for (int i = 1; i < 4; i++) {
      const Heya__V1__Joined *joined = player_joined(players[i], requests[i]);
      created += joined->created;
      cr_assert_str_eq(joined->incarnation, first->incarnation, "round %u: %s is in another room", round, names[i]);
    }
    cr_assert_eq(created, 1);
    cluster_await_worker(cluster, cluster_spawn_worker(cluster, NULL));
  }
  cluster_stop(cluster);
}

/* ---- P4, P5 ---- */

struct expected {
  struct cluster *cluster;
  const char *room;
  uint64_t redis_ms;
  int64_t entries;
};

static bool is_that_late(void *arg) {
  struct expected *expected = arg;
  return redis_now_ms(cluster_redis(expected->cluster)) >= expected->redis_ms;
}

static bool has_entries(void *arg) {
  struct expected *expected = arg;
  struct key stream = key_part_commands(KEY_PREFIX_DEFAULT, cluster_partition(expected->cluster, expected->room));
  return redis_integer(cluster_redis(expected->cluster), "XLEN %s", stream.text) >= expected->entries;
}

/* Two results before the deadline and one after it, while nobody serves the room: the owner is killed, its peer
 * stopped. */
Test(promises, P4_the_deadline_is_exact_while_nobody_serves_the_room) {
  struct cluster *cluster = cluster_start(NULL);
  static const char *const names[] = {"ann", "bob", "cid"};
  struct player *players[3];
  struct player_payload payload;
  cluster_await_all_owned(cluster);
  for (int i = 0; i < 3; i++) {
    players[i] = cluster_player(cluster, i % 2, names[i]);
    player_join_live(players[i], "live/p4", 1, 1000);
  }
  uint32_t round = player_start_round(players[0]);
  for (int i = 1; i < 3; i++) player_await_live(players[i], HEYA__KINDS__LIVE__EVENT__BODY_STARTED);
  player_submit(players[0], round, 100);
  uint64_t deadline_ms =
      player_await_live(players[0], HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED)->submitted->deadline_ms;
  unsigned owner = cluster_await_owner(cluster, "live/p4", -1);
  process_stop(cluster_worker(cluster, 1 - owner));
  process_kill(cluster_worker(cluster, owner));
  player_try(players[1], player_submit_payload(&payload, round, 200));
  struct expected expected = {.cluster = cluster, .room = "live/p4", .redis_ms = deadline_ms + 1, .entries = 1};
  cr_assert(wait_until(5000, has_entries, &expected));
  cr_assert(wait_until(20000, is_that_late, &expected));
  uint32_t late = player_try(players[2], player_submit_payload(&payload, round, 300));
  expected.entries = 2;
  cr_assert(wait_until(5000, has_entries, &expected));
  process_continue(cluster_worker(cluster, 1 - owner));
  for (int i = 0; i < 3; i++) {
    const Heya__Kinds__Live__Results *results =
        player_await_live(players[i], HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
    cr_assert_eq(results->n_scores, 3);
    cr_assert_eq(results->scores[0]->score, 100);
    cr_assert_eq(results->scores[1]->score, 200, "in time, though nobody was there to see it");
    cr_assert(results->scores[2]->forfeited && results->scores[2]->score == 0, "too late");
  }
  cr_assert_eq(player_answer(players[2], late)->body_case, HEYA__V1__SERVER_MESSAGE__BODY_ERROR);
  cluster_stop(cluster);
}

Test(promises, P5_an_empty_room_vanishes_though_its_owner_was_killed) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/p5");
  player_leave(ann);
  process_kill(cluster_worker(cluster, cluster_await_owner(cluster, "chat/p5", -1)));
  cr_assert_gt(cluster_count_keys(cluster, "heya:room:chat/p5*"), 0);
  cr_assert(cluster_await_no_keys(cluster, "chat/p5", 30000));
  cr_assert(player_join(ann, "chat/p5")->created, "a new room of that name");
  cluster_stop(cluster);
}

/* ---- P6 ---- */

/* Bob's connection breaks, he misses two lines, and comes back through the other gateway; with `fault` in between. */
static void miss_two_lines(struct cluster *cluster, const char *room,
                           void (*fault)(struct cluster *, unsigned owner)) {
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  cluster_await_all_owned(cluster);
  unsigned owner = cluster_await_owner(cluster, room, -1);
  player_join(ann, room);
  struct place place = place_of(player_join(bob, room));
  player_drop(bob);
  player_await_event(ann, HEYA__V1__EVENT__BODY_AWAY);
  player_say(ann, "one");
  if (fault) fault(cluster, owner);
  player_say(ann, "two");

  struct player *again = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *back = player_joined(again, send_resume(again, room, &place));
  cr_assert_str_eq(back->session, place.session);
  cr_assert_neq(back->resumed, back->snapshot != NULL, "exactly what was missed, or a snapshot");
  if (!fault) cr_assert(back->resumed);
  player_say(ann, "three");
  player_await_line(again, "three");
  size_t replayed = back->resumed ? 1 : 0;
  cr_assert_eq(times_heard(again, "one"), replayed);
  cr_assert_eq(times_heard(again, "two"), replayed);
  cr_assert_eq(times_heard(again, "three"), 1);
}

static void kill_owner(struct cluster *cluster, unsigned owner) {
  process_kill(cluster_worker(cluster, owner));
}

static void drain_owner(struct cluster *cluster, unsigned owner) {
  process_signal(cluster_worker(cluster, owner), SIGTERM);
}

Test(promises, P6_who_resumes_gets_what_was_missed_or_a_snapshot) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 3});
  miss_two_lines(cluster, "chat/p6-calm", NULL);
  miss_two_lines(cluster, "chat/p6-killed", kill_owner);
  miss_two_lines(cluster, "chat/p6-drained", drain_owner);
  cluster_stop(cluster);
}

/* ---- P7 ---- */

#define TRIES 40

/* Nobody is there to take commands. Those that the partition has room for are kept and applied when a worker is back;
 * the others are refused at once, with a hint, and may be sent again. */
Test(promises, P7_without_any_worker_clients_are_told_busy_and_what_was_taken_is_applied) {
  static const char *const few[] = {"--partition-entries", "10", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 1, .gateway_args = few});
  struct player *ann, *bob;
  struct player_payload payload;
  meet(cluster, "chat/p7", &ann, &bob);
  process_kill(cluster_worker(cluster, 0));
  uint32_t requests[TRIES];
  unsigned taken = 0;
  bool busy = false;
  char text[32];
  struct expected expected = {.cluster = cluster, .room = "chat/p7"};
  for (; taken < TRIES && !busy; taken += !busy) { /* one entry each */
    snprintf(text, sizeof text, "line %u", taken + 1);
    requests[taken] = player_send_command(ann, "chat/p7", taken + 1, player_say_payload(&payload, text));
    expected.entries = taken + 1;
    while (!busy && !wait_until(50, has_entries, &expected)) {
      player_pump(ann);
      busy = ann->log[ann->log_count - 1].message->request == requests[taken];
    }
  }
  cr_assert(busy && taken >= 9, "%u taken", taken);
  const Heya__V1__Error *error = player_refused(ann, requests[taken], CODE(BUSY));
  cr_assert_eq(error->number, taken + 1);
  cr_assert_gt(error->retry_after_ms, 0);
  player_ping(ann); /* the connection is as good as ever */
  cluster_await_worker(cluster, cluster_spawn_worker(cluster, NULL));
  for (unsigned i = 0; i < taken; i++) player_acked(ann, requests[i]);
  snprintf(text, sizeof text, "line %u", taken + 1);
  player_acked(ann, player_send_command(ann, "chat/p7", taken + 1, player_say_payload(&payload, text)));
  player_await_line(bob, text);
  for (unsigned i = 0; i < taken; i++) {
    snprintf(text, sizeof text, "line %u", i + 1);
    cr_assert_eq(times_heard(bob, text), 1);
  }
  cluster_stop(cluster);
}

/* ---- P8 ---- */

/* Ann talks until the room has another owner: player_say fails the test at the first error. */
static void talk_until_moved(struct cluster *cluster, struct player *ann, struct player *bob, int from) {
  static unsigned spoken; /* lines must differ over the whole test */
  uint64_t deadline = wait_deadline(20000);
  char text[32];
  do {
    cr_assert(wait_left(deadline), "the room has not moved");
    snprintf(text, sizeof text, "line %u", ++spoken);
    player_say(ann, text);
    player_await_line(bob, text);
    cr_assert_eq(times_heard(bob, text), 1);
  } while (cluster_owner(cluster, "chat/p8") == from || cluster_owner(cluster, "chat/p8") < 0);
}

Test(promises, P8_workers_come_and_go_without_an_error_for_anybody) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.workers = 1});
  struct player *ann, *bob;
  meet(cluster, "chat/p8", &ann, &bob);
  unsigned second = cluster_spawn_worker(cluster, NULL);
  cluster_await_worker(cluster, second);
  process_signal(cluster_worker(cluster, 0), SIGTERM);
  talk_until_moved(cluster, ann, bob, 0);
  for (unsigned i = 0; i < 3; i++) {
    unsigned owner = cluster_await_owner(cluster, "chat/p8", -1);
    cluster_await_worker(cluster, cluster_spawn_worker(cluster, NULL));
    if (i % 2)
      process_signal(cluster_worker(cluster, owner), SIGTERM);
    else
      process_kill(cluster_worker(cluster, owner));
    talk_until_moved(cluster, ann, bob, (int)owner);
  }
  cluster_stop(cluster);
}
