/* The store's connections: reads that block and are woken, connections that break at every moment, a Redis that is
 * restarted, silent or hostile. Each callback fires exactly once. */
#include "common/clock.h"
#include "tests/integration/store_fixture.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct fixture f;

static void stop(void) {
  fixture_stop(&f);
}
TestSuite(store_link, .fini = stop);

#define ok(answer)                                                                                                   \
  cr_assert_eq((answer).result, STORE_OK, "%s %s", store_result_name((answer).result), (answer).message)
#define is(answer, expected) cr_assert_eq((answer).result, expected, "%s", store_result_name((answer).result))

static void kill_clients(void) {
  redis_do(f.redis, "CLIENT KILL TYPE normal SKIPME yes");
}

/* Waits until Redis has a client blocked in a read. */
static bool blocked(void *arg) {
  (void)arg;
  fixture_turn(&f);
  const char *info = fixture_string(&f, "INFO clients");
  bool found = strstr(info, "blocked_clients:1") != NULL;
  return found;
}

static const struct store_position positions[] = {{.partition = 0}, {.partition = 1}};

Test(store_link, a_read_ends_by_itself_when_its_time_is_up) {
  fixture_start(&f, NULL);
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 30);
  ok(answer);
  cr_assert_eq(answer.n, 0);
}

Test(store_link, a_blocked_read_answers_an_append) {
  fixture_start(&f, NULL);
  struct answer answer = {0};
  ok(do_open(&f, "g-1", false));
  f.store->ops->read(f.store, "w-1", positions, 2, 60000, on_read, &answer);
  cr_assert(wait_until(2000, blocked, NULL));
  ok(do_append(&f, "g-1", 1, 1, 1, false, "x"));
  cr_assert(fixture_wait(&f, &answer.fired, 1));
  cr_assert_str_eq(answer.text, "1:g-1:x ");
}

struct freed {
  unsigned fired;
  uint32_t partition;
  uint64_t epoch;
};

static void on_freed(void *arg, uint32_t partition, uint64_t epoch) {
  struct freed *freed = arg;
  *freed = (struct freed){.fired = freed->fired + 1, .partition = partition, .epoch = epoch};
}

static void read_for(const char *worker, struct answer *answer) {
  *answer = (struct answer){0};
  f.store->ops->read(f.store, worker, NULL, 0, 60000, on_read, answer);
  cr_assert(wait_until(2000, blocked, NULL));
}

Test(store_link, a_release_wakes_the_read_of_the_successor_and_says_what) {
  fixture_start(&f, NULL);
  struct answer read, released = {0};
  struct freed freed = {0};
  uint64_t epoch = fixture_own(&f, 3);
  read_for("w-2", &read);
  f.store->on_freed = on_freed;
  f.store->on_ready_arg = &freed;
  f.store->on_ready = NULL;
  f.store->ops->release(f.store, 3, "w-1", epoch, "w-2", on_done, &released);
  cr_assert(fixture_wait(&f, &read.fired, 1));
  ok(read);
  cr_assert_eq(read.n, 0);
  cr_assert(freed.fired == 1 && freed.partition == 3 && freed.epoch == epoch);
  cr_assert_leq(redis_integer(f.redis, "PTTL heya:worker:w-2:ctl"), 60000);
  cr_assert_geq(redis_integer(f.redis, "PTTL heya:worker:w-2:ctl"), 1);
}

Test(store_link, what_a_control_stream_says_is_checked_and_said_once) {
  fixture_start(&f, NULL);
  struct answer read = {0};
  struct freed freed = {0};
  f.store->on_freed = on_freed;
  f.store->on_ready_arg = &freed;
  f.store->on_ready = NULL;
  redis_do(f.redis, "XADD heya:worker:w-2:ctl 1-1 p 99 e 1");
  redis_do(f.redis, "XADD heya:worker:w-2:ctl 1-2 p minus e 1");
  redis_do(f.redis, "XADD heya:worker:w-2:ctl 1-3 nothing %b", "\0", (size_t)1);
  redis_do(f.redis, "XADD heya:worker:w-2:ctl 1-4 p 2 e 7");
  f.store->ops->read(f.store, "w-2", NULL, 0, 60000, on_read, &read);
  cr_assert(fixture_wait(&f, &read.fired, 1));
  cr_assert(freed.fired == 1 && freed.partition == 2 && freed.epoch == 7);
  read_for("w-2", &read);
  cr_assert_eq(freed.fired, 1);
  redis_do(f.redis, "DEL heya:worker:w-2:ctl");
  redis_do(f.redis, "SET heya:worker:w-2:ctl planted");
  ok(do_renew(&f, "w-2", 60000, false));
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:worker:w-2:ctl"), 0, "it would fail every read");
}

Test(store_link, a_blocked_read_is_woken) {
  fixture_start(&f, NULL);
  struct answer answer = {0};
  f.store->ops->read(f.store, "w-1", positions, 2, 60000, on_read, &answer);
  cr_assert(wait_until(2000, blocked, NULL));
  f.store->ops->read_wake(f.store);
  cr_assert(fixture_wait(&f, &answer.fired, 1));
  ok(answer);
  cr_assert_eq(answer.n, 0);
}

Test(store_link, a_wake_up_before_the_read_reached_redis_is_not_lost) {
  fixture_start(&f, NULL);
  for (unsigned i = 1; i <= 200; i++) {
    struct answer answer = {0};
    f.store->ops->read(f.store, "w-1", positions, 2, 60000, on_read, &answer);
    f.store->ops->read_wake(f.store);
    f.store->ops->read_wake(f.store);
    cr_assert_eq(answer.fired, 0);
    cr_assert(fixture_wait(&f, &answer.fired, 1));
    ok(answer);
  }
}

Test(store_link, deliveries_are_woken_too) {
  fixture_start(&f, NULL);
  struct answer answer = {0};
  ok(do_open(&f, "g-1", false));
  f.store->ops->deliveries(f.store, "g-1", (struct stream_id){0}, 60000, on_deliveries, &answer);
  f.store->ops->read_wake(f.store);
  cr_assert(fixture_wait(&f, &answer.fired, 1));
  ok(answer);
}

Test(store_link, entries_without_our_fields_keep_their_place) {
  fixture_start(&f, NULL);
  redis_do(f.redis, "XADD heya:part:0:cmd 1-1 a b");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-2 m orphan");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-3 g g-1 m x");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-4 g g-1");
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  cr_assert_str_eq(answer.text, "0:: 0:: 0:g-1:x 0:g-1: ");
  cr_assert(answer.last.ms == 1 && answer.last.seq == 4);
}

Test(store_link, an_answer_holds_a_bounded_number_of_entries) {
  fixture_start(&f, NULL);
  for (int i = 1; i <= 300; i++) redis_do(f.redis, "XADD heya:part:0:cmd 1-%d g g m x", i);
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  cr_assert_eq(answer.n, 32);
  cr_assert_eq(do_read(&f, 0, answer.last, 0).n, 32);
}

Test(store_link, a_read_of_a_wrong_type_fails) {
  fixture_start(&f, NULL);
  redis_do(f.redis, "SET heya:part:0:cmd x");
  is(do_read(&f, 0, (struct stream_id){0}, 0), STORE_FAILED);
}

/* ---- broken connections ---- */

Test(store_link, a_killed_connection_loses_each_call_once_and_comes_back) {
  fixture_start(&f, NULL);
  enum { CALLS = 50 };
  static struct answer answers[CALLS];
  struct answer read = {0};
  ok(do_open(&f, "g-1", false));
  f.store->ops->read(f.store, "w-1", positions, 2, 60000, on_read, &read);
  cr_assert(wait_until(2000, blocked, NULL));
  kill_clients();
  for (int i = 0; i < CALLS; i++) {
    answers[i] = (struct answer){0};
    f.store->ops->gateway_renew(f.store, "g-1", 1, 30000, on_done, &answers[i]);
    cr_assert_eq(answers[i].fired, 0);
  }
  cr_assert(fixture_wait(&f, &read.fired, 1));
  is(read, STORE_LOST);
  for (int i = 0; i < CALLS; i++) {
    cr_assert(fixture_wait(&f, &answers[i].fired, 1));
    is(answers[i], STORE_LOST);
  }
  cr_assert_eq(f.downs, 1);
  fixture_wait_ready(&f, true);
  cr_assert_eq(f.ups, 2);
  ok(do_gateway_renew(&f, "g-1", 1));
  for (int i = 0; i < CALLS; i++) cr_assert_eq(answers[i].fired, 1);
  cr_assert_eq(read.fired, 1);
}

Test(store_link, a_call_while_not_ready_is_lost_in_a_later_turn) {
  fixture_start(&f, NULL);
  process_kill(&f.server);
  fixture_wait_ready(&f, false);
  is(do_gateway_renew(&f, "g-1", 1), STORE_LOST);
  is(do_read(&f, 0, (struct stream_id){0}, 1000), STORE_LOST);
  is(do_deliveries(&f, "g-1", (struct stream_id){0}, 1000), STORE_LOST);
  is(do_load(&f, 0), STORE_LOST);
  is(do_init(&f, 4), STORE_LOST);
  struct commit commit = {.worker = "w"};
  is(do_commit(&f, &commit), STORE_LOST);
}

Test(store_link, functions_are_loaded_again_after_a_restart) {
  fixture_start(&f, NULL);
  process_kill(&f.server);
  fixture_wait_ready(&f, false);
  fixture_redis_start(&f);
  fixture_wait_ready(&f, true);
  ok(do_open(&f, "g-1", false));
}

Test(store_link, functions_that_vanish_are_loaded_again) {
  fixture_start(&f, NULL);
  redis_do(f.redis, "FUNCTION FLUSH SYNC");
  is(do_open(&f, "g-1", false), STORE_LOST);
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  ok(do_open(&f, "g-1", false));
}

Test(store_link, functions_of_another_code_are_replaced_and_the_same_are_left) {
  fixture_start(&f, NULL);
  redis_do(f.redis, "FUNCTION LOAD REPLACE %s",
           "#!lua name=heya1\nredis.register_function('heya1_list', function() return 1 end)");
  kill_clients();
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "CONFIG RESETSTAT");
  kill_clients();
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  const char *stats = fixture_string(&f, "INFO commandstats");
  cr_assert(strstr(stats, "function|list") && !strstr(stats, "function|load"), "%s", stats);
}

Test(store_link, a_redis_that_falls_silent_is_given_up) {
  fixture_start(&f, NULL);
  f.store->ops->destroy(f.store);
  f.store = fixture_store(&f, (struct store_limits){10, 1000, 10, 1000}, 300);
  fixture_wait_ready(&f, true);
  struct answer read = {0};
  f.store->ops->read(f.store, "w-1", positions, 2, 100, on_read, &read);
  process_stop(&f.server);
  uint64_t before = clock_monotonic_us();
  is(do_gateway_renew(&f, "g-1", 1), STORE_LOST);
  cr_assert(clock_monotonic_us() - before > 250000);
  cr_assert(fixture_wait(&f, &read.fired, 1));
  is(read, STORE_LOST);
  process_continue(&f.server);
  fixture_wait_ready(&f, true);
}

Test(store_link, a_load_that_breaks_half_way_is_lost_once) {
  fixture_start(&f, "store.load=error:70");
  char id[32];
  for (unsigned i = 0; i < 300; i++) {
    fixture_room(2, i, id);
    redis_do(f.redis, "SADD heya:part:2:rooms %s", id);
    redis_do(f.redis, "HSET heya:room:%s image i", id);
  }
  struct answer answer = do_load(&f, 2);
  is(answer, STORE_LOST);
  cr_assert(answer.n < 300);
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  cr_assert_eq(answer.fired, 1);
}

Test(store_link, an_append_whose_answer_is_lost_is_not_doubled) {
  fixture_start(&f, "store.append=error:2");
  uint64_t generation = do_open(&f, "g-1", false).number, number = 1;
  for (unsigned i = 0; i < 20; i++) {
    struct answer answer = do_append(&f, "g-1", generation, 0, number, false, "x");
    if (answer.result == STORE_OK) {
      cr_assert_str_eq(answer.text, "ok");
      number++;
      continue;
    }
    is(answer, STORE_LOST);
    fixture_wait_ready(&f, false);
    fixture_wait_ready(&f, true);
    answer = do_open(&f, "g-1", true);
    ok(answer);
    cr_assert(answer.numbers[0] == number || answer.numbers[0] == number - 1);
    generation = answer.number;
    number = answer.numbers[0] + 1;
  }
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), (int64_t)number - 1);
}

Test(store_link, a_trim_whose_answer_is_lost_is_counted_once) {
  fixture_start(&f, "store.trim=error:2");
  uint64_t epoch = fixture_own(&f, 0);
  unsigned lost = 0;
  ok(do_open(&f, "g-1", false));
  struct stream_id after = {0};
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 17; i++) ok(do_deliver(&f, 0, epoch, "g-1", "abc"));
    struct answer answer = do_deliveries(&f, "g-1", after, 0);
    if (answer.result == STORE_OK) {
      after = answer.last;
      continue;
    }
    is(answer, STORE_LOST);
    lost++;
    fixture_wait_ready(&f, true);
    ok(do_open(&f, "g-1", true));
  }
  cr_assert_geq(lost, 2);
  int64_t unread = redis_integer(f.redis, "XLEN heya:gateway:g-1:evt");
  cr_assert(unread < 60);
  cr_assert_eq(atol(fixture_string(&f, "ZSCORE heya:gateway:g-1:queued bytes")), unread * 3);
}

Test(store_link, delays_keep_the_order_of_calls) {
  fixture_start(&f, "store.append=delay:0..3ms");
  static struct answer answers[100];
  ok(do_open(&f, "g-1", false));
  for (unsigned i = 0; i < 100; i++) {
    struct store_append append = {.partition = 0, .number = i + 1, .batch = bytes_of_str("x")};
    answers[i] = (struct answer){0};
    f.store->ops->append(f.store, "g-1", 1, &append, 1, on_append, &answers[i]);
  }
  for (unsigned i = 0; i < 100; i++) {
    cr_assert(fixture_wait(&f, &answers[i].fired, 1));
    cr_assert_str_eq(answers[i].text, "ok");
  }
}

Test(store_link, nothing_fires_after_destroy) {
  fixture_start(&f, NULL);
  static struct answer answers[3];
  f.store->ops->read(f.store, "w-1", positions, 2, 60000, on_read, &answers[0]);
  f.store->ops->load(f.store, 0, on_room, on_done, &answers[1]);
  f.store->ops->gateway_renew(f.store, "g-1", 1, 1000, on_done, &answers[2]);
  f.store->ops->destroy(f.store);
  for (int i = 0; i < 10; i++) fixture_turn(&f);
  for (int i = 0; i < 3; i++) cr_assert_eq(answers[i].fired, 0);
  f.store = fixture_store(&f, (struct store_limits){0}, 0);
}

/* As in the middle of a failover: the address leads elsewhere, and only one connection has noticed. */
Test(store_link, both_connections_lead_to_the_same_server) {
  fixture_start(&f, NULL);
  char path[160];
  snprintf(path, sizeof path, "%s.old", f.socket);
  cr_assert_eq(rename(f.socket, path), 0);
  struct process old = f.server;
  f.server = (struct process){0};
  fixture_redis_start(&f);
  struct redis_client *client = redis_client_connect(path);
  cr_assert(client);
  char *list = redis_string(client, "CLIENT LIST TYPE normal");
  char *reads = strstr(list, "cmd=client|id");
  cr_assert(reads, "%s", list);
  while (reads > list && reads[-1] != '\n') reads--;
  redis_do(client, "CLIENT KILL ID %lu", strtoul(reads + strlen("id="), NULL, 10));
  free(list);
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  ok(do_open(&f, "g-1", false));
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:gateway:g-1"), 1, "it was opened with the old one");
  redis_client_close(client);
  process_kill(&old);
}

/* ---- errors ---- */

Test(store_link, answers_of_another_shape_break_the_call_and_nothing_else) {
  fixture_start(&f, NULL);
  static const char *const shapes[] = {"return {}",
                                       "return 7",
                                       "return 'x'",
                                       "return {{'w-1'}, 7, {{}}, false}",
                                       "return redis.status_reply('OK')",
                                       "return false",
                                       "return {{-1}, {false}}"};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    static const char *const names[] = {"renew", "claim", "commit", "append", "gateway_open", "list"};
    char code[2048];
    int len = snprintf(code, sizeof code, "#!lua name=heya1\nlocal function f() %s end\n", shapes[i]);
    for (size_t j = 0; j < sizeof names / sizeof *names; j++)
      len += snprintf(code + len, sizeof code - (size_t)len, "redis.register_function('heya1_%s', f)\n", names[j]);
    redis_do(f.redis, "FUNCTION LOAD REPLACE %s", code);
    is(do_renew(&f, "w-1", 1000, false), STORE_BROKEN);
    is(do_claim(&f, 0, "w-1", "", 0), STORE_BROKEN);
    is(do_open(&f, "g-1", false), STORE_BROKEN);
    is(do_append(&f, "g-1", 1, 0, 1, false, "x"), STORE_BROKEN);
    is(do_commit(&f, &(struct commit){.worker = "w"}), STORE_BROKEN);
    is(do_list(&f, &(struct store_list){.kind = "chat", .limit = 1}), STORE_BROKEN);
  }
  cr_assert_eq(f.downs, 0);
}

Test(store_link, an_error_half_way_is_broken_and_one_before_the_start_is_not) {
  fixture_start(&f, NULL);
  uint64_t epoch = fixture_own(&f, 0);
  redis_do(f.redis, "CONFIG SET min-replicas-to-write 1");
  is(do_deliver(&f, 0, epoch, "g-1", "x"), STORE_FAILED);
  redis_do(f.redis, "CONFIG SET min-replicas-to-write 0");
  redis_do(f.redis, "ACL SETUSER default -fcall");
  is(do_deliver(&f, 0, epoch, "g-1", "x"), STORE_FAILED);
  redis_do(f.redis, "ACL SETUSER default +@all -xtrim");
  is(do_deliver(&f, 0, epoch, "g-1", "x"), STORE_BROKEN);
  redis_do(f.redis, "ACL SETUSER default +@all");
  redis_do(f.redis, "REPLICAOF 127.0.0.1 1");
  is(do_deliver(&f, 0, epoch, "g-1", "x"), STORE_LOST);
  redis_do(f.redis, "REPLICAOF NO ONE");
  fixture_wait_ready(&f, true);
}
