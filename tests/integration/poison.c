/* Kinds that crash: what one room's bug costs the others. Real workers with a kind from a shared object
 * (tests/support/poison_kind.c), all rooms in one partition. */
#include "proto/keys.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

TestSuite(poison, .timeout = 120);

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define SICK       "poison/sick"
#define WELL       "poison/well"

static const struct bytes none;

/* ---- the deployment ---- */

/* These crashes are meant, so they leave no core files, and sanitizers have nothing to report. */
static void expect_crashes(void) {
  const char *given = getenv("ASAN_OPTIONS");
  char options[512];
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  snprintf(options, sizeof options, "%s:handle_segv=0", given ? given : "");
  setenv("ASAN_OPTIONS", options, 1);
}

static struct cluster *start(unsigned workers, unsigned lease_ms) {
  static char path[256];
  static const char *const args[] = {"--kind", path, "--kind-limit", "250ms", NULL}; /* well before the lease ends */
  expect_crashes();
  struct cluster *cluster =
      cluster_start(&(struct cluster_options){.bare = true, .partitions = 1, .lease_ms = lease_ms});
  cluster_program(cluster, "poison.so", path, sizeof path);
  for (unsigned i = 0; i < workers; i++) cluster_spawn_worker(cluster, args);
  cluster_spawn_gateway(cluster, NULL);
  for (unsigned i = 0; i < workers; i++) cluster_await_worker(cluster, i);
  cluster_await_gateway(cluster, 0);
  cluster_await_all_owned(cluster);
  return cluster;
}

struct deaths {
  struct cluster *cluster;
  unsigned workers, expected, dead;
};

/* A process's sockets are closed, and its work is taken over, a moment before it can be waited for. */
static bool are_dead(void *arg) {
  struct deaths *deaths = arg;
  deaths->dead = 0;
  for (unsigned i = 0; i < deaths->workers; i++)
    deaths->dead += !process_is_running(cluster_worker(deaths->cluster, i));
  return deaths->dead >= deaths->expected;
}

/* That many died by this signal, and the others live and own everything. The cluster is not to complain of the dead.
 */
static void expect_dead(struct cluster *cluster, unsigned workers, int number, unsigned expected) {
  struct deaths deaths = {.cluster = cluster, .workers = workers, .expected = expected};
  wait_until(PLAYER_MS, are_dead, &deaths);
  cluster_await_all_owned(cluster);
  are_dead(&deaths);
  cr_assert_eq(deaths.dead, expected, "%u workers died, not %u", deaths.dead, expected);
  for (unsigned i = 0; i < workers; i++) {
    struct process *process = cluster_worker(cluster, i);
    if (process->pid) continue;
    cr_assert_eq(process->status, 128 + number, "%s ends with %d", process->name, process->status);
    process->status = 0;
  }
}

static unsigned count_lines(struct cluster *cluster, unsigned workers, const char *text) {
  unsigned count = 0;
  for (unsigned i = 0; i < workers; i++) count += (unsigned)process_count_lines(cluster_worker(cluster, i), text);
  return count;
}

/* ---- the rooms ---- */

static uint32_t say(struct player *player, const char *room, const char *word) {
  return player_send_command(player, room, 0, bytes_of_str(word));
}

static void join(struct player *player, const char *room) {
  player_joined(player, player_send_join(player, room, true, none, none));
}

struct heard {
  const char *room, *text;
};

static bool is_heard(const struct player_message *message, const void *arg) {
  const struct heard *wanted = arg;
  if (message->message->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return false;
  const Heya__V1__Event *event = message->message->event;
  return event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD && strcmp(event->room, wanted->room) == 0 &&
         bytes_equal_str(bytes_of(event->payload.data, event->payload.len), wanted->text);
}

/* The event's number. */
static uint64_t hear(struct player *player, const char *room, const char *text) {
  const struct player_message *message =
      player_await(player, PLAYER_MS, is_heard, &(struct heard){.room = room, .text = text});
  cr_assert(message, "%s does not hear \"%s\"", player->name, text);
  return message->message->event->seq;
}

static bool is_failure(const struct player_message *message, const void *arg) {
  (void)arg;
  return message->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_DETACHED &&
         message->message->detached->reason == CODE(ROOM_FAILED);
}

/* He is told once that the sick room has failed. */
static void hear_failure(struct player *player) {
  size_t failures = 0;
  const Heya__V1__Event *closed = player_await_event(player, HEYA__V1__EVENT__BODY_CLOSED);
  cr_assert_eq(closed->closed->reason, HEYA__V1__CLOSE_REASON__FAILED);
  cr_assert_str_eq(closed->room, SICK);
  cr_assert_str_eq(player_await_detached(player, CODE(ROOM_FAILED))->room, SICK);
  for (size_t i = 0; i < player->log_count; i++) failures += is_failure(&player->log[i], NULL);
  cr_assert_eq(failures, 1);
}

/* Two members in the sick room, two in the other; one is in both. */
struct people {
  struct player *ann, *bob, *cid;
  uint64_t seq; /* of the last event in the other room */
};

static struct people gather(struct cluster *cluster) {
  struct people people = {.ann = cluster_player(cluster, 0, "ann"),
                          .bob = cluster_player(cluster, 0, "bob"),
                          .cid = cluster_player(cluster, 0, "cid")};
  join(people.ann, SICK);
  join(people.bob, SICK);
  join(people.ann, WELL);
  join(people.cid, WELL);
  player_acked(people.ann, say(people.ann, SICK, "hello"));
  hear(people.bob, SICK, "1 hello");
  player_acked(people.ann, say(people.ann, WELL, "hello"));
  people.seq = hear(people.cid, WELL, "1 hello");
  return people;
}

/* The other room goes on where it was: members, state, numbers. */
static void expect_well(struct people *people) {
  player_acked(people->ann, say(people->ann, WELL, "still here"));
  cr_assert_eq(hear(people->cid, WELL, "2 still here"), people->seq + 1);
  hear(people->ann, WELL, "2 still here");
}

/* A new room of the name is as good as any. */
static void expect_new_room(struct player *player) {
  const Heya__V1__Joined *joined = player_joined(player, player_send_join(player, SICK, true, none, none));
  cr_assert(joined->created);
  player_acked(player, say(player, SICK, "again"));
  hear(player, SICK, "1 again");
}

/* Somebody says the word, and so many workers die of it by this signal. */
static void expect_failure(const char *word, unsigned workers, int number, unsigned deaths) {
  struct cluster *cluster = start(workers, 0);
  struct people people = gather(cluster);
  uint32_t request = say(people.bob, SICK, word);
  hear_failure(people.ann);
  hear_failure(people.bob);
  player_refused(people.bob, request, CODE(ROOM_FAILED));
  expect_well(&people);
  expect_dead(cluster, workers, number, deaths);
  expect_new_room(people.ann);
  cr_assert_eq(count_lines(cluster, workers, " event=room_failed "), 1);
  cr_assert_gt(count_lines(cluster, workers, " event=kind_crashed kind=poison room=poison/sick"), 0);
  cluster_stop(cluster);
}

/* ---- one worker ---- */

Test(poison, a_crashing_command_costs_one_worker_and_its_room) {
  expect_failure("crash", 2, SIGSEGV, 1);
}

Test(poison, a_failed_assertion_costs_one_worker_and_its_room) {
  expect_failure("abort", 2, SIGABRT, 1);
}

Test(poison, an_endless_loop_costs_one_worker_and_its_room) {
  expect_failure("spin", 2, SIGABRT, 1);
}

Test(poison, an_overflowing_stack_costs_one_worker_and_its_room) {
  expect_failure("overflow", 2, SIGSEGV, 1);
}

Test(poison, a_crash_while_saving_costs_one_worker_and_its_room) {
  expect_failure("save", 2, SIGSEGV, 1);
}

Test(poison, a_crashing_timer_costs_one_worker_and_its_room) {
  struct cluster *cluster = start(2, 0);
  struct people people = gather(cluster);
  player_acked(people.bob, say(people.bob, SICK, "later"));
  hear_failure(people.ann);
  hear_failure(people.bob);
  expect_well(&people);
  expect_dead(cluster, 2, SIGSEGV, 1);
  expect_new_room(people.ann);
  cluster_stop(cluster);
}

Test(poison, a_crashing_join_costs_one_worker_and_its_room) {
  struct cluster *cluster = start(2, 0);
  struct people people = gather(cluster);
  struct player *crasher = cluster_player(cluster, 0, "crasher");
  uint32_t request = player_send_join(crasher, SICK, true, none, none);
  hear_failure(people.ann);
  hear_failure(people.bob);
  player_refused(crasher, request, CODE(ROOM_FAILED));
  expect_well(&people);
  expect_dead(cluster, 2, SIGSEGV, 1);
  expect_new_room(people.ann);
  cluster_stop(cluster);
}

/* The room never came to be, and nobody is to be told but the one who asked. */
Test(poison, a_join_that_crashes_a_new_room_costs_one_worker) {
  struct cluster *cluster = start(2, 0);
  struct people people = gather(cluster);
  struct player *crasher = cluster_player(cluster, 0, "crasher");
  player_refused(crasher, player_send_join(crasher, "poison/new", true, none, none), CODE(ROOM_FAILED));
  expect_well(&people);
  expect_dead(cluster, 2, SIGSEGV, 1);
  cr_assert_not(player_heard(people.ann, is_failure, NULL));
  cluster_stop(cluster);
}

Test(poison, a_crash_in_an_orderly_end_costs_the_room) {
  struct cluster *cluster = start(2, 0);
  struct people people = gather(cluster);
  player_acked(people.bob, say(people.bob, SICK, "closing"));
  unsigned owner = cluster_await_owner(cluster, SICK, -1);
  process_signal(cluster_worker(cluster, owner), SIGTERM);
  hear_failure(people.ann);
  hear_failure(people.bob);
  expect_well(&people);
  expect_dead(cluster, 2, SIGSEGV, 1);
  cluster_stop(cluster);
}

/* ---- more ---- */

/* Who joins by name brings the same crash into two rooms, in one batch: neither closing the one nor dying of the
 * other may bring back what was known. */
Test(poison, two_crashing_rooms_cost_two_workers) {
  struct cluster *cluster = start(3, 0);
  struct people people = gather(cluster);
  struct player *crasher = cluster_player(cluster, 0, "crasher");
  uint32_t first = player_send_join(crasher, SICK, true, none, none);
  uint32_t second = player_send_join(crasher, "poison/other", true, none, none);
  player_refused(crasher, first, CODE(ROOM_FAILED));
  player_refused(crasher, second, CODE(ROOM_FAILED));
  hear_failure(people.ann);
  expect_well(&people);
  expect_dead(cluster, 3, SIGSEGV, 2);
  cluster_stop(cluster);
}

/* What the room was told and nobody has heard of is refused with it; what others were told at the same time is done.
 */
Test(poison, commands_around_a_crash_are_done_or_refused) {
  uint32_t before[20], well[20], after[20];
  struct cluster *cluster = start(2, 0);
  struct people people = gather(cluster);
  for (int i = 0; i < 20; i++) before[i] = say(people.ann, SICK, "before");
  for (int i = 0; i < 10; i++) well[i] = say(people.cid, WELL, "well");
  uint32_t crash = say(people.ann, SICK, "crash");
  for (int i = 10; i < 20; i++) well[i] = say(people.cid, WELL, "well");
  for (int i = 0; i < 20; i++) after[i] = say(people.ann, SICK, "after");
  for (int i = 0; i < 20; i++) player_acked(people.cid, well[i]);
  hear(people.ann, WELL, "21 well");
  player_refused(people.ann, crash, CODE(ROOM_FAILED));
  for (int i = 0; i < 20; i++) {
    const Heya__V1__ServerMessage *answer = player_answer(people.ann, before[i]);
    cr_assert(answer &&
              (answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK || answer->error->code == CODE(ROOM_FAILED)));
    answer = player_answer(people.ann, after[i]); /* behind the crash there may be no room any more */
    cr_assert(answer && answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ERROR);
  }
  expect_dead(cluster, 2, SIGSEGV, 1);
  cluster_stop(cluster);
}

/* ---- deaths without a word ---- */

Test(poison, a_command_that_kills_without_a_word_costs_three_workers) {
  expect_failure("kill", 4, SIGKILL, 3);
}

Test(poison, a_room_that_kills_while_it_is_loaded_costs_two_more_workers) {
  struct cluster *cluster = start(4, 0);
  struct people people = gather(cluster);
  player_acked(people.bob, say(people.bob, SICK, "killer"));
  unsigned owner = cluster_await_owner(cluster, SICK, -1);
  process_signal(cluster_worker(cluster, owner), SIGKILL);
  hear_failure(people.ann);
  hear_failure(people.bob);
  expect_well(&people);
  expect_dead(cluster, 4, SIGKILL, 3);
  cluster_stop(cluster);
}

Test(poison, a_command_that_waits_for_ever_costs_three_workers) {
  struct cluster *cluster = start(4, 500);
  struct people people = gather(cluster);
  uint32_t request = say(people.bob, SICK, "hang");
  hear_failure(people.ann);
  player_refused(people.bob, request, CODE(ROOM_FAILED));
  expect_well(&people);
  int owner = cluster_owner(cluster, SICK);
  for (int i = 0; i < 4; i++) {
    if (i != owner) process_kill(cluster_worker(cluster, (unsigned)i));
  }
  cluster_stop(cluster);
}

Test(poison, killed_workers_condemn_nobody) {
  struct cluster *cluster = start(6, 0);
  struct people people = gather(cluster);
  for (unsigned round = 0; round < 5; round++) { /* nothing happens in the partition meanwhile */
    unsigned owner = cluster_await_owner(cluster, SICK, -1);
    if (round == 4) break;
    process_kill(cluster_worker(cluster, owner));
    cluster_await_owner(cluster, SICK, (int)owner);
    unsigned next = cluster_await_owner(cluster, SICK, (int)owner);
    cr_assert(process_wait_line(cluster_worker(cluster, next), " event=partition_live ", PLAYER_MS, NULL, 0));
  }
  expect_well(&people);
  player_acked(people.bob, say(people.bob, SICK, "well too"));
  hear(people.ann, SICK, "2 well too");
  cr_assert_eq(redis_integer(cluster_redis(cluster), "HEXISTS %s blame", key_part_owner(KEY_PREFIX_DEFAULT, 0).text),
               0);
  expect_dead(cluster, 6, SIGKILL, 4);
  cluster_stop(cluster);
}

/* ---- --kind ---- */

static struct process *refuse_kind(struct cluster *cluster, const char *kind) {
  const char *const args[] = {"--kind", kind, NULL};
  return cluster_worker(cluster, cluster_spawn_worker(cluster, args));
}

Test(poison, a_file_that_is_no_kind_is_refused_by_name) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char good[256], old[256], twice[520];
  cluster_program(cluster, "poison.so", good, sizeof good);
  cluster_program(cluster, "poison-abi.so", old, sizeof old);
  snprintf(twice, sizeof twice, "%s,%s", good, good);
  cluster_refuses(refuse_kind(cluster, "no-such-file.so"), "--kind no-such-file.so: cannot be loaded: ");
  cluster_refuses(refuse_kind(cluster, "Makefile"), "--kind Makefile: cannot be loaded: ");
  cluster_refuses(refuse_kind(cluster, "libm.so.6"), "--kind libm.so.6: cannot be loaded: "); /* not searched for */
  cluster_refuses(refuse_kind(cluster, old), "poison-abi.so: built for another version of the kind interface");
  cluster_refuses(refuse_kind(cluster, twice), "poison.so: its name is taken");
  cluster_stop(cluster);
}

Test(poison, a_file_that_crashes_when_it_is_loaded_is_named) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.bare = true});
  char file[256];
  cluster_program(cluster, "poison-load.so", file, sizeof file);
  struct process *worker = refuse_kind(cluster, file);
  cr_assert_eq(process_wait_exit(worker, PLAYER_MS), 128 + SIGABRT, "it is a crash still, with its core file");
  cr_assert_eq(process_count_lines(worker, "poison-load.so crashes while it is loaded"), 1);
  worker->status = 0;
  const char *const args[] = {"--kind-proto", file, NULL};
  struct process *gateway = cluster_gateway(cluster, cluster_spawn_gateway(cluster, args));
  cr_assert_eq(process_wait_exit(gateway, PLAYER_MS), 128 + SIGABRT);
  cr_assert_eq(process_count_lines(gateway, "poison-load.so crashes while it is loaded"), 1);
  gateway->status = 0;
  cluster_stop(cluster);
}
