/* The functions of proto/heya.lua as the store calls them, on a real Redis: what each grants, what it refuses, and
 * that a refusal leaves nothing written. */
#include "common/buf.h"
#include "common/log.h"
#include "common/store_redis.h"
#include "tests/integration/store_fixture.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct fixture f;

static void start(void) {
  fixture_start(&f, NULL);
}
static void stop(void) {
  fixture_stop(&f);
}
TestSuite(store, .init = start, .fini = stop);

#define ok(answer)                                                                                                   \
  cr_assert_eq((answer).result, STORE_OK, "%s %s", store_result_name((answer).result), (answer).message)
#define is(answer, expected)                                                                                         \
  cr_assert_eq((answer).result, expected, "%s %s", store_result_name((answer).result), (answer).message)
#define B(text) bytes_of_str(text)

/* Everything in Redis in one number, to see that nothing was written. */
static const char *digest(void) {
  return fixture_string(&f, "DEBUG DIGEST");
}
static void same(const char *before) {
  const char *after = digest();
  cr_assert_str_eq(before, after);
}

/* ---- start ---- */

Test(store, init_makes_the_deployment_once) {
  struct answer first = do_init(&f, 4), second = do_init(&f, 4);
  ok(first);
  ok(second);
  cr_assert_eq(strlen(first.text), 32);
  cr_assert_str_eq(first.text, second.text);
  cr_assert_eq(redis_integer(f.redis, "DBSIZE"), 1, "the self-test cleans up");
}

Test(store, init_refuses_another_partition_count_or_schema) {
  ok(do_init(&f, 4));
  struct answer answer = do_init(&f, 8);
  is(answer, STORE_FAILED);
  cr_assert_eq(answer.number, 4);
  cr_assert(strstr(answer.message, "heya:config says 4 partitions"), "%s", answer.message);
  redis_do(f.redis, "HSET heya:config schema 2");
  answer = do_init(&f, 4);
  is(answer, STORE_FAILED);
  cr_assert(strstr(answer.message, "schema 2"), "%s", answer.message);
  redis_do(f.redis, "HSET heya:config schema x");
  is(do_init(&f, 4), STORE_FAILED);
  redis_do(f.redis, "DEL heya:config");
  redis_do(f.redis, "SET heya:config x");
  is(do_init(&f, 4), STORE_FAILED);
}

Test(store, init_refuses_a_redis_that_evicts) {
  redis_do(f.redis, "CONFIG SET maxmemory-policy allkeys-lru");
  struct answer answer = do_init(&f, 4);
  is(answer, STORE_FAILED);
  cr_assert(strstr(answer.message, "noeviction"), "%s", answer.message);
  cr_assert_eq(redis_integer(f.redis, "DBSIZE"), 0);
}

Test(store, init_names_a_command_that_the_acl_forbids) {
  static const char *const commands[] = {"xtrim", "pexpireat", "smembers", "client|unblock", "info"};
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    redis_do(f.redis, "ACL SETUSER default -%s", commands[i]);
    struct answer answer = do_init(&f, 4);
    is(answer, STORE_FAILED);
    cr_assert(strcasestr(answer.message, commands[i]) || strstr(answer.message, "NOPERM"), "%s", answer.message);
    redis_do(f.redis, "ACL SETUSER default +@all");
  }
  ok(do_init(&f, 4));
}

/* A process that starts then must not give up, as if it were told wrongly. */
Test(store, init_waits_out_a_redis_that_refuses_for_now) {
  redis_do(f.redis, "CONFIG SET min-replicas-to-write 1");
  struct answer answer = do_init(&f, 4);
  is(answer, STORE_LOST);
  cr_assert_not(f.store->ops->ready(f.store), "or its owner would ask again at once");
  cr_assert(strstr(store_redis_refusal(f.store), "NOREPLICAS"));
  fixture_wait_ready(&f, true);
  is(do_init(&f, 4), STORE_LOST);
  redis_do(f.redis, "CONFIG SET min-replicas-to-write 0");
  fixture_wait_ready(&f, true);
  ok(do_init(&f, 4));
  cr_assert_null(store_redis_refusal(f.store));
}

/* ---- workers ---- */

Test(store, renew_shows_the_deployment) {
  ok(do_open(&f, "g-1", false));
  ok(do_renew(&f, "w-1", 60000, false));
  struct answer answer = do_renew(&f, "w-2", 60000, true);
  ok(answer);
  cr_assert_str_eq(answer.text, "w-1 w-2(draining) g-1 ");
  cr_assert_eq(answer.view.n_owners, 4);
  cr_assert_str_eq(answer.owners[0].worker, "");
  uint64_t now_ms = redis_now_ms(f.redis);
  cr_assert(now_ms - answer.view.now_ms < 1000);
  cr_assert_str_eq(fixture_string(&f, "HGET heya:worker:w-2 rooms"), "3");
  cr_assert(redis_integer(f.redis, "PTTL heya:worker:w-2") > 60000);
  ok(do_retire(&f, "w-1"));
  cr_assert_str_eq(do_renew(&f, "w-2", 60000, false).text, "w-2 g-1 ");
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:worker:w-1"), 0);
}

Test(store, the_clock_follows_redis_and_never_goes_back) {
  uint64_t last = 0;
  for (int i = 0; i < 50; i++) {
    do_renew(&f, "w-1", 60000, false);
    uint64_t before = redis_now_ms(f.redis), now = f.store->ops->now_ms(f.store, 0), after = redis_now_ms(f.redis);
    cr_assert(now + 20 >= before && now <= after + 20, "%lu %lu %lu", before, now, after);
    cr_assert(now >= last);
    last = now;
  }
}

Test(store, renew_survives_hostile_entries) {
  redis_do(f.redis, "ZADD heya:workers 99999999999999 %b 99999999999999 bad/name +inf w-inf", "a\0b", (size_t)3);
  redis_do(f.redis, "ZADD heya:gateways 99999999999999 g/1 99999999999999 g-1");
  redis_do(f.redis, "HSET heya:part:1:owner worker some/thing epoch 3");
  redis_do(f.redis, "HSET heya:part:2:owner worker w-9 epoch minus");
  struct answer answer = do_renew(&f, "w-1", 60000, false);
  ok(answer);
  cr_assert_str_eq(answer.text, "w-1 g-1 ");
  cr_assert_str_eq(answer.owners[0].worker, "");
  cr_assert_str_eq(answer.owners[1].worker, "?");
  cr_assert_str_eq(answer.owners[2].worker, "?");
}

Test(store, claim_grants_a_free_partition_once) {
  do_renew(&f, "w-1", 60000, false);
  do_renew(&f, "w-2", 60000, false);
  redis_do(f.redis, "SET heya:part:0:done 5-7");
  struct answer answer = do_claim(&f, 0, "w-1", "", 0);
  ok(answer);
  cr_assert_eq(answer.number, 1);
  cr_assert(answer.done.ms == 5 && answer.done.seq == 7);
  is(do_claim(&f, 0, "w-2", "", 0), STORE_DENIED);
  is(do_claim(&f, 0, "w-2", "w-1", 1), STORE_DENIED); /* holds a lease */
  answer = do_claim(&f, 0, "w-1", "w-1", 1);          /* its own, after a doubt */
  ok(answer);
  cr_assert_eq(answer.number, 2);
}

Test(store, claim_needs_a_lease_and_takes_over_a_lapsed_one) {
  is(do_claim(&f, 0, "w-1", "", 0), STORE_DENIED);
  fixture_own(&f, 0);
  do_renew(&f, "w-2", 60000, false);
  ok(do_suspect(&f, "w-1"));
  struct answer answer = do_claim(&f, 0, "w-2", "w-1", 1);
  ok(answer);
  cr_assert_eq(answer.number, 2);
  is(do_claim(&f, 0, "w-2", "w-1", 1), STORE_DENIED);
}

Test(store, release_frees_only_ones_own_epoch) {
  uint64_t epoch = fixture_own(&f, 3);
  is(do_release(&f, 3, "w-1", epoch + 1), STORE_DENIED);
  is(do_release(&f, 3, "w-2", epoch), STORE_DENIED);
  ok(do_release(&f, 3, "w-1", epoch));
  struct answer answer = do_renew(&f, "w-1", 60000, false);
  cr_assert_str_eq(answer.owners[3].worker, "");
  cr_assert_eq(answer.owners[3].epoch, epoch);
  cr_assert_neq(answer.owners[3].freed_ms, 0);
  is(do_release(&f, 3, "w-1", epoch), STORE_DENIED);
}

Test(store, a_lease_that_ran_out_is_told_from_one_that_was_ended) {
  fixture_own(&f, 0);
  cr_assert_not(do_renew(&f, "w-2", 60000, false).owners[0].lapsed);
  redis_do(f.redis, "ZADD heya:workers %lu w-1", (unsigned long)redis_now_ms(f.redis) - 5);
  cr_assert(do_renew(&f, "w-2", 60000, false).owners[0].lapsed);
  ok(do_suspect(&f, "w-1"));
  cr_assert_not(do_renew(&f, "w-2", 60000, false).owners[0].lapsed);
}

/* ---- gateways and append ---- */

Test(store, gateway_opens_younger_generations_with_its_append_numbers) {
  struct answer answer = do_open(&f, "g-1", false);
  ok(answer);
  cr_assert_eq(answer.number, 1);
  is(do_open(&f, "g-1", false), STORE_DENIED);
  is(do_open(&f, "g-2", true), STORE_GONE);
  cr_assert_str_eq(do_append(&f, "g-1", 1, 2, 1, false, "a").text, "ok");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 2, 2, false, "b").text, "ok");
  answer = do_open(&f, "g-1", true);
  ok(answer);
  cr_assert_eq(answer.number, 2);
  cr_assert(answer.numbers[2] == 2 && answer.numbers[0] == 0);
  is(do_append(&f, "g-1", 1, 2, 3, false, "late"), STORE_GONE);
  is(do_gateway_renew(&f, "g-1", 1), STORE_GONE);
  ok(do_gateway_renew(&f, "g-1", 2));
  cr_assert(redis_integer(f.redis, "PTTL heya:gateway:g-1") > 20000);
  cr_assert(redis_integer(f.redis, "PTTL heya:gateway:g-1:evt") > 20000);
}

Test(store, a_gateway_without_both_keys_is_gone) {
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "DEL heya:gateway:g-1:evt");
  is(do_gateway_renew(&f, "g-1", 1), STORE_GONE);
  is(do_append(&f, "g-1", 1, 0, 1, false, "x"), STORE_GONE);
  is(do_open(&f, "g-1", true), STORE_GONE);
  ok(do_gateway_close(&f, "g-1"));
  cr_assert_eq(redis_integer(f.redis, "DBSIZE"), 0);
}

Test(store, append_takes_the_next_number_only) {
  ok(do_open(&f, "g-1", false));
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 2, false, "gap").text, "refused");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 1, false, "a").text, "ok");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 1, false, "a").text, "ok"); /* again: not doubled */
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 3, false, "gap").text, "refused");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 2, false, "b").text, "ok");
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  cr_assert_str_eq(answer.text, "0:g-1:a 0:g-1:b ");
}

Test(store, append_says_busy_at_the_limit_and_leaves_system_batches_a_reserve) {
  f.store->ops->destroy(f.store);
  f.store = fixture_store(&f, (struct store_limits){.partition_entries = 4, .partition_bytes = 100}, 0);
  fixture_wait_ready(&f, true);
  ok(do_open(&f, "g-1", false));
  for (uint64_t n = 1; n <= 4; n++) cr_assert_str_eq(do_append(&f, "g-1", 1, 0, n, false, "x").text, "ok");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 5, false, "x").text, "busy");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 5, true, "x").text, "ok"); /* the number was not consumed */
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 6, true, "x").text, "busy");
  char big[126] = "";
  memset(big, 'x', 101);
  cr_assert_str_eq(do_append(&f, "g-1", 1, 1, 1, false, big).text, "busy");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 1, 1, true, big).text, "ok");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "5");
}

Test(store, append_of_several_partitions_answers_each) {
  ok(do_open(&f, "g-1", false));
  struct store_append appends[] = {{.partition = 0, .number = 1, .batch = B("a")},
                                   {.partition = 1, .number = 7, .batch = B("b")},
                                   {.partition = 2, .number = 1, .batch = bytes_of("\0", 1)}};
  struct answer answer = {0};
  f.store->ops->append(f.store, "g-1", 1, appends, 3, on_append, &answer);
  cr_assert(fixture_wait(&f, &answer.fired, 1));
  cr_assert_str_eq(answer.text, "ok refused ok");
  appends[1].partition = 0;
  const char *before = digest();
  f.store->ops->append(f.store, "g-1", 1, appends, 3, on_append, &answer);
  cr_assert(fixture_wait(&f, &answer.fired, 2));
  is(answer, STORE_FAILED); /* one partition twice */
  same(before);
}

Test(store, append_refuses_to_go_below_done) {
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "SET heya:part:0:done 99999999999999-0");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 1, false, "x").text, "behind");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 2, false, "x").text, "refused", "whatever the clock");
}

Test(store, append_to_a_damaged_partition_is_busy_and_writes_nothing) {
  static const struct {
    const char *key, *command;
  } wrong[] = {{"heya:part:0:cmd", "SET"}, {"heya:part:0:done", "SADD"}, {"heya:part:0:done", "SET"}};
  struct store_append appends[] = {{.partition = 0, .number = 1, .batch = B("a")},
                                   {.partition = 1, .number = 1, .batch = B("b")}};
  ok(do_open(&f, "g-1", false));
  for (size_t i = 0; i < 3; i++) {
    struct answer answer = {0};
    redis_do(f.redis, "%s %s x", wrong[i].command, wrong[i].key);
    appends[1].number = i + 1;
    f.store->ops->append(f.store, "g-1", 1, appends, 2, on_append, &answer);
    cr_assert(fixture_wait(&f, &answer.fired, 1));
    cr_assert_str_eq(answer.text, "busy ok");
    redis_do(f.redis, "DEL %s", wrong[i].key);
  }
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 1, false, "x").text, "ok");
}

Test(store, a_count_of_bytes_that_is_none_begins_anew) {
  static const char *const wrong[] = {"SADD heya:part:0:bytes x", "SET heya:part:1:bytes many",
                                      "SET heya:part:2:bytes 99999999999999999999"};
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  for (uint32_t p = 0; p < 3; p++) {
    redis_do(f.redis, wrong[p]);
    cr_assert_str_eq(do_append(&f, "g-1", 1, p, 1, false, "xyz").text, "ok");
    cr_assert_str_eq(fixture_string(&f, "GET heya:part:%u:bytes", p), "3");
  }
  redis_do(f.redis, "SET heya:part:0:bytes many");
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  struct commit_segment segment = {.partition = 0, .epoch = epoch, .done = answer.last, .consumed_bytes = 3};
  answer = do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1});
  ok(answer);
  cr_assert_eq(answer.n_refused, 0);
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "0");
}

/* As when an operator has trimmed the stream. */
Test(store, a_count_of_bytes_of_entries_that_are_gone_does_not_stay) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "SET heya:part:0:bytes 100000");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 1, false, "x").text, "ok");
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  struct commit_segment segment = {.partition = 0, .epoch = epoch, .done = answer.last, .consumed_bytes = 1};
  ok(do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}));
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "0");
}

Test(store, a_full_redis_refuses_append_and_lets_commit_drain) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  ok(do_append(&f, "g-1", 1, 0, 1, false, "x"));
  redis_do(f.redis, "CONFIG SET maxmemory 1");
  is(do_append(&f, "g-1", 1, 0, 2, false, "y"), STORE_FULL);
  struct answer answer = do_read(&f, 0, (struct stream_id){0}, 0);
  struct commit_segment segment = {.partition = 0, .epoch = epoch, .done = answer.last, .consumed_bytes = 1};
  ok(do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}));
  ok(do_renew(&f, "w-1", 60000, false));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 0);
  redis_do(f.redis, "CONFIG SET maxmemory 0");
  cr_assert_str_eq(do_append(&f, "g-1", 1, 0, 2, false, "y").text, "ok");
}

Test(store, refusals_of_every_call_are_logged_a_few_times_a_second) {
  int ends[2];
  char text[65536];
  cr_assert_eq(pipe(ends), 0);
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "CONFIG SET maxmemory 1");
  struct log log = *f.log;
  f.log->fd = ends[1];
  f.log->level = LOG_LEVEL_WARN;
  for (int i = 0; i < 100; i++) is(do_append(&f, "g-1", 1, 0, 1, false, "x"), STORE_FULL);
  *f.log = log;
  close(ends[1]);
  ssize_t len = read(ends[0], text, sizeof text - 1);
  close(ends[0]);
  cr_assert_gt(len, 0);
  text[len] = '\0';
  unsigned lines = 0;
  for (const char *at = text; (at = strstr(at, "event=append_refused")); at++) lines++;
  cr_assert(lines >= 1 && lines <= 25, "%u lines", lines);
  redis_do(f.redis, "CONFIG SET maxmemory 0");
}

/* ---- commit ---- */

Test(store, commit_moves_the_checkpoint_trims_and_counts_down) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  ok(do_append(&f, "g-1", 1, 0, 1, false, "aaa"));
  struct stream_id first = do_read(&f, 0, (struct stream_id){0}, 0).last;
  ok(do_append(&f, "g-1", 1, 0, 2, false, "bb"));
  struct commit_segment segment = {.partition = 0, .epoch = epoch, .done = first, .consumed_bytes = 3};
  struct commit commit = {.worker = "w-1", .segments = &segment, .n_segments = 1};
  ok(do_commit(&f, &commit));
  cr_assert_str_eq(do_read(&f, 0, (struct stream_id){0}, 0).text, "0:g-1:bb ");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "2");
  struct answer claim = do_claim(&f, 0, "w-1", "w-1", epoch);
  cr_assert_eq(stream_id_compare(claim.done, first), 0);
  segment.epoch = claim.number;
  segment.consumed_bytes = 100; /* never below zero */
  ok(do_commit(&f, &commit));
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "0");
}

Test(store, commit_fences_segments_of_other_owners_and_applies_the_rest) {
  uint64_t epoch = fixture_own(&f, 0);
  char ids[2][32];
  struct commit_field field = {B("status"), B("open")};
  struct commit_room rooms[2];
  for (uint32_t p = 0; p < 2; p++)
    rooms[p] = (struct commit_room){
        .id = fixture_room(p, 0, ids[p]), .kind = "chat", .whole = true, .fields = &field, .n_fields = 1};
  struct commit_delivery delivery[] = {{"g-1", B("no")}, {"g-1", B("yes")}};
  ok(do_open(&f, "g-1", false));
  struct commit_segment segments[] = {
      {.partition = 1, .epoch = 1, .rooms = &rooms[1], .n_rooms = 1, .deliveries = &delivery[0], .n_deliveries = 1},
      {.partition = 0,
       .epoch = epoch,
       .rooms = &rooms[0],
       .n_rooms = 1,
       .deliveries = &delivery[1],
       .n_deliveries = 1},
  };
  struct commit commit = {.worker = "w-1", .segments = segments, .n_segments = 2};
  struct answer answer = do_commit(&f, &commit);
  ok(answer);
  cr_assert_str_eq(answer.text, "fenced:1 ");
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:room:%s", ids[0]), 1);
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:room:%s", ids[1]), 0);
  cr_assert_str_eq(do_deliveries(&f, "g-1", (struct stream_id){0}, 0).text, "yes ");
  segments[1].epoch++;
  const char *before = digest();
  cr_assert_str_eq(do_commit(&f, &commit).text, "fenced:1 fenced:0 ");
  same(before);
}

Test(store, commit_writes_a_room_whole_and_persistent) {
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  fixture_room(0, 0, id);
  redis_do(f.redis, "SET heya:room:%s wrong EX 100", id);
  redis_do(f.redis, "HSET heya:room:%s:members ghost x", id);
  redis_do(f.redis, "PEXPIRE heya:room:%s:members 100000", id);
  struct commit_field fields[] = {{B("status"), B("open")}, {B("image"), bytes_of("\0i", 2)}};
  struct commit_field members[] = {{B("ann"), B("Ann")}}, results[] = {{B("ann"), B("7")}};
  struct commit_log_entry log[] = {{.seq = 1, .to = B("*"), .message = B("m")}};
  uint64_t deadline_ms = redis_now_ms(f.redis) + 60000;
  struct commit_room room = {.id = id,
                             .kind = "chat",
                             .whole = true,
                             .fields = fields,
                             .n_fields = 2,
                             .members = members,
                             .n_members = 1,
                             .results = results,
                             .n_results = 1,
                             .log = log,
                             .n_log = 1,
                             .deadline = COMMIT_DEADLINE_SET,
                             .deadline_ms = deadline_ms,
                             .round = 3,
                             .listed_ms = 77};
  ok(do_commit_room(&f, 0, epoch, &room));
  static const char *const keys[] = {"", ":members", ":results", ":log"};
  for (size_t i = 0; i < 4; i++) {
    cr_assert_eq(redis_integer(f.redis, "EXISTS heya:room:%s%s", id, keys[i]), 1);
    cr_assert_eq(redis_integer(f.redis, "PTTL heya:room:%s%s", id, keys[i]), -1);
  }
  cr_assert_eq(redis_integer(f.redis, "HLEN heya:room:%s:members", id), 1);
  cr_assert_eq(redis_integer(f.redis, "PEXPIRETIME heya:room:%s:deadline", id), (int64_t)deadline_ms);
  cr_assert_str_eq(fixture_string(&f, "GET heya:room:%s:deadline", id), "3");
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:rooms:chat %s", id), "77");
  char log_id[32];
  snprintf(log_id, sizeof log_id, "%lu-1", epoch);
  redisReply *reply = redis_reply(f.redis, "XRANGE heya:room:%s:log - +", id);
  cr_assert_str_eq(reply->element[0]->element[0]->str, log_id);
  freeReplyObject(reply);
}

Test(store, commit_changes_deletes_and_expires_parts_of_a_room) {
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  fixture_room(0, 0, id);
  struct commit_field fields[] = {{B("status"), B("open")}, {B("old"), B("1")}};
  struct commit_field members[] = {{B("ann"), B("Ann")}, {B("bob"), B("Bob")}}, results[] = {{B("ann"), B("7")}};
  struct commit_room room = {.id = id,
                             .kind = "chat",
                             .whole = true,
                             .fields = fields,
                             .n_fields = 2,
                             .members = members,
                             .n_members = 2,
                             .results = results,
                             .n_results = 1,
                             .deadline = COMMIT_DEADLINE_SET,
                             .deadline_ms = redis_now_ms(f.redis) + 60000};
  ok(do_commit_room(&f, 0, epoch, &room));
  fields[1].value = members[0].value = (struct bytes){0};
  room.whole = false;
  room.clear_results = true;
  room.n_results = 0;
  room.deadline = COMMIT_DEADLINE_CLEAR;
  room.expire_at_ms = redis_now_ms(f.redis) + 5000;
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "HEXISTS heya:room:%s old", id), 0);
  cr_assert_eq(redis_integer(f.redis, "HEXISTS heya:room:%s:members ann", id), 0);
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:room:%s:results heya:room:%s:deadline", id, id), 0);
  /* A key that a later write makes anew gets the same time as the others. */
  room.clear_results = false;
  room.n_results = 1;
  struct commit_log_entry log = {.seq = 1, .to = B("*"), .message = B("m")};
  room.log = &log;
  room.n_log = 1;
  ok(do_commit_room(&f, 0, epoch, &room));
  static const char *const keys[] = {"", ":members", ":results", ":log"};
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(redis_integer(f.redis, "PEXPIRETIME heya:room:%s%s", id, keys[i]), (int64_t)room.expire_at_ms);
}

Test(store, commit_forgets_a_room_that_is_gone_and_leaves_its_tomb) {
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  fixture_room(0, 0, id);
  struct commit_field field = {B("status"), B("open")};
  struct commit_room room = {
      .id = id, .kind = "chat", .whole = true, .fields = &field, .n_fields = 1, .listed_ms = 5};
  ok(do_commit_room(&f, 0, epoch, &room));
  room = (struct commit_room){.id = id, .kind = "chat", .gone = true, .tomb_until_ms = redis_now_ms(f.redis) + 60000};
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:room:%s heya:rooms:chat", id), 0);
  cr_assert_eq(redis_integer(f.redis, "PEXPIRETIME heya:tomb:%s", id), (int64_t)room.tomb_until_ms);
  struct answer answer = do_load(&f, 0);
  cr_assert_eq(answer.number, room.tomb_until_ms);
  cr_assert(strstr(answer.text, "! "), "%s", answer.text);
  room.tomb_until_ms = 0;
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_str_eq(do_load(&f, 0).text, "");
}

Test(store, commit_takes_more_than_a_thousand_fields) {
  enum { FIELDS = 9001 };
  static struct commit_field fields[FIELDS];
  static char names[FIELDS][12];
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  for (size_t i = 0; i < FIELDS; i++) {
    snprintf(names[i], sizeof names[i], "f%zu", i);
    fields[i] = (struct commit_field){B(names[i]), B(names[i])};
  }
  struct commit_room room = {.id = fixture_room(0, 0, id),
                             .kind = "chat",
                             .whole = true,
                             .fields = fields,
                             .n_fields = FIELDS,
                             .members = fields,
                             .n_members = FIELDS};
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "HLEN heya:room:%s", id), FIELDS);
  cr_assert_eq(redis_integer(f.redis, "HLEN heya:room:%s:members", id), FIELDS);
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s f9000", id), "f9000");
  for (size_t i = 1; i < FIELDS; i++) fields[i].value = (struct bytes){0};
  room.whole = false;
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "HLEN heya:room:%s:members", id), 1);
}

Test(store, commit_names_the_room_with_a_wrong_key_and_writes_nothing) {
  static const char *const keys[] = {"", ":members", ":results"};
  char id[32], other[32];
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_field field = {B("a"), B("b")};
  struct commit_log_entry log = {.seq = 1, .to = B("*"), .message = B("m")};
  struct commit_room room = {.kind = "chat",
                             .fields = &field,
                             .n_fields = 1,
                             .members = &field,
                             .n_members = 1,
                             .results = &field,
                             .n_results = 1,
                             .log = &log,
                             .n_log = 1};
  struct commit_room rooms[] = {room, room};
  rooms[0].id = fixture_room(0, 1, other);
  rooms[1].id = fixture_room(0, 0, id);
  struct commit_segment segment = {.epoch = epoch, .rooms = rooms, .n_rooms = 2};
  struct commit commit = {.worker = "w-1", .segments = &segment, .n_segments = 1};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    redis_do(f.redis, "SET heya:room:%s%s x", id, keys[i]);
    const char *before = digest();
    struct answer answer = do_commit(&f, &commit);
    ok(answer);
    cr_assert_eq(answer.n_refused, 1);
    cr_assert_str_eq(answer.wrong_room, id);
    same(before);
    redis_do(f.redis, "DEL heya:room:%s%s", id, keys[i]);
  }
  redis_do(f.redis, "SET heya:room:%s:members x", id);
  rooms[1].whole = true; /* repairs it */
  ok(do_commit(&f, &commit));
}

Test(store, a_log_of_another_type_or_with_later_events_is_made_anew) {
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_field field = {B("a"), B("b")};
  struct commit_log_entry log = {.seq = 1, .to = B("*"), .message = B("m")};
  struct commit_room room = {
      .id = fixture_room(0, 0, id), .kind = "chat", .fields = &field, .n_fields = 1, .log = &log, .n_log = 1};
  redis_do(f.redis, "SET heya:room:%s:log x", id);
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:room:%s:log", id), 1);
  redis_do(f.redis, "XADD heya:room:%s:log 999999-1 to * m m", id);
  log.seq = 2;
  ok(do_commit_room(&f, 0, epoch, &room));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:room:%s:log", id), 1);
}

Test(store, commit_refuses_wrong_types_of_the_partition_and_writes_nothing) {
  static const char *const keys[] = {"part:0:cmd", "part:0:done", "part:0:rooms", "part:1:cmd"};
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_field field = {B("a"), B("b")};
  struct commit_room room = {
      .id = fixture_room(0, 0, id), .kind = "chat", .whole = true, .fields = &field, .n_fields = 1};
  struct commit_append append = {.partition = 1, .batch = B("x")};
  struct commit_segment segment = {.epoch = epoch, .rooms = &room, .n_rooms = 1, .appends = &append, .n_appends = 1};
  struct commit commit = {.worker = "w-1", .segments = &segment, .n_segments = 1};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    redis_do(f.redis, "DEL heya:%s", keys[i]);
    redis_do(f.redis, "PFADD heya:%s x", keys[i]);
    bool string = strstr(keys[i], "done") || strstr(keys[i], "bytes");
    if (string) {
      redis_do(f.redis, "DEL heya:%s", keys[i]);
      redis_do(f.redis, "HSET heya:%s x y", keys[i]);
    }
    const char *before = digest();
    struct answer answer = do_commit(&f, &commit);
    ok(answer);
    cr_assert_eq(answer.n_refused, 1);
    cr_assert(strstr(answer.message, keys[i]), "%s", answer.message);
    cr_assert_str_eq(answer.wrong_room, "");
    same(before);
    redis_do(f.redis, "DEL heya:%s", keys[i]);
  }
  ok(do_commit(&f, &commit));
}

Test(store, a_listing_index_of_another_type_is_made_anew) {
  char id[32];
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_field field = {B("a"), B("b")};
  struct commit_room room = {
      .id = fixture_room(0, 0, id), .kind = "chat", .fields = &field, .n_fields = 1, .listed_ms = 5};
  struct commit_segment segment = {.epoch = epoch, .rooms = &room, .n_rooms = 1};
  struct commit commit = {.worker = "w-1", .segments = &segment, .n_segments = 1};
  redis_do(f.redis, "SET heya:rooms:chat x");
  ok(do_commit(&f, &commit));
  char *score = redis_string(f.redis, "ZSCORE heya:rooms:chat %s", id);
  cr_assert_str_eq(score, "5");
  free(score);
}

Test(store, commit_appends_to_partitions_as_the_worker) {
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_append appends[] = {{.partition = 1, .batch = B("one")}, {.partition = 0, .batch = B("own")}};
  struct commit_segment segment = {.epoch = epoch, .appends = appends, .n_appends = 2};
  ok(do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}));
  cr_assert_str_eq(do_read(&f, 1, (struct stream_id){0}, 0).text, "1:w-1:one ");
  cr_assert_str_eq(do_read(&f, 0, (struct stream_id){0}, 0).text, "0:w-1:own ");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:1:bytes"), "3");
}

Test(store, commit_joins_deliveries_and_tells_of_dead_gateways) {
  uint64_t epochs[] = {fixture_own(&f, 0), fixture_own(&f, 1)};
  ok(do_open(&f, "g-1", false));
  struct commit_delivery deliveries[] = {{"g-1", B("one,")}, {"g-2", B("lost")}, {"g-1", B("two")}};
  struct commit_segment segments[] = {
      {.partition = 0, .epoch = epochs[0], .deliveries = deliveries, .n_deliveries = 2},
      {.partition = 1, .epoch = epochs[1], .deliveries = deliveries + 2, .n_deliveries = 1}};
  struct answer answer = do_commit(&f, &(struct commit){.worker = "w-1", .segments = segments, .n_segments = 2});
  ok(answer);
  cr_assert_str_eq(answer.text, "gone:g-2 ");
  cr_assert_str_eq(do_deliveries(&f, "g-1", (struct stream_id){0}, 0).text, "one,two ");
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:gateway:g-1:queued bytes"), "7");
}

Test(store, commit_ends_a_gateway_that_does_not_keep_up) {
  f.store->ops->destroy(f.store);
  f.store = fixture_store(&f, (struct store_limits){100, 10000, .gateway_entries = 2, .gateway_bytes = 10}, 0);
  fixture_wait_ready(&f, true);
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  ok(do_open(&f, "g-2", false));
  cr_assert_str_eq(do_deliver(&f, 0, epoch, "g-1", "a").text, "");
  cr_assert_str_eq(do_deliver(&f, 0, epoch, "g-1", "b").text, "");
  cr_assert_str_eq(do_deliver(&f, 0, epoch, "g-1", "c").text, "gone:g-1 ");
  cr_assert_str_eq(do_deliver(&f, 0, epoch, "g-2", "0123456789").text, "");
  cr_assert_str_eq(do_deliver(&f, 0, epoch, "g-2", "x").text, "gone:g-2 ");
  cr_assert(fixture_wait_none(&f, "heya:gateway:g-1 heya:gateway:g-1:evt heya:gateway:g-1:queued heya:gateways"));
  is(do_gateway_renew(&f, "g-1", 1), STORE_GONE);
}

/* ---- deliveries ---- */

Test(store, deliveries_trims_what_was_read_and_counts_its_bytes_once) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  for (int i = 0; i < 20; i++) ok(do_deliver(&f, 0, epoch, "g-1", "abc"));
  struct answer answer = do_deliveries(&f, "g-1", (struct stream_id){0}, 0);
  cr_assert_eq(answer.n, 20);
  answer = do_deliveries(&f, "g-1", (struct stream_id){0}, 0); /* again from the start: nothing was trimmed */
  cr_assert_eq(answer.n, 20);
  ok(do_deliver(&f, 0, epoch, "g-1", "last"));
  answer = do_deliveries(&f, "g-1", answer.last, 0);
  cr_assert_str_eq(answer.text, "last ");
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:gateway:g-1:evt"), 1);
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:gateway:g-1:queued bytes"), "4");
  cr_assert_eq(redis_integer(f.redis, "PTTL heya:gateway:g-1") > 0, 1);
}

static bool gone_by_trim(void *arg) {
  struct stream_id *after = arg;
  return do_deliveries(&f, "g-1", *after, 10).result == STORE_GONE;
}

Test(store, deliveries_of_an_ended_gateway_come_to_gone) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  ok(do_deliver(&f, 0, epoch, "g-1", "a"));
  struct stream_id after = do_deliveries(&f, "g-1", (struct stream_id){0}, 0).last;
  ok(do_gateway_close(&f, "g-1"));
  cr_assert(wait_until(2000, gone_by_trim, &after));
}

/* A gateway takes another id when it learns that it is gone, and a trim of the old stream may be under way then. */
Test(store, deliveries_of_a_new_gateway_are_counted_from_none_though_a_trim_was_under_way) {
  uint64_t epoch = fixture_own(&f, 0);
  ok(do_open(&f, "g-1", false));
  for (int i = 0; i < 20; i++) ok(do_deliver(&f, 0, epoch, "g-1", "abc"));
  struct stream_id after = do_deliveries(&f, "g-1", (struct stream_id){0}, 0).last;
  redis_do(f.redis, "DEL heya:gateway:g-1 heya:gateway:g-1:evt");
  struct answer trimmed = {0};
  f.store->ops->deliveries(f.store, "g-1", after, 0, on_deliveries, &trimmed);
  ok(do_open(&f, "g-2", false));
  cr_assert(fixture_wait(&f, &trimmed.fired, 1));
  is(trimmed, STORE_GONE);
  for (int i = 0; i < 20; i++) ok(do_deliver(&f, 0, epoch, "g-2", "abcd"));
  after = do_deliveries(&f, "g-2", (struct stream_id){0}, 0).last;
  ok(do_deliver(&f, 0, epoch, "g-2", "last!"));
  cr_assert_str_eq(do_deliveries(&f, "g-2", after, 0).text, "last! ");
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:gateway:g-2:queued bytes"), "5");
}

/* ---- list ---- */

static void put_room(const char *id, const char *status, int members, const char *lang, int created) {
  redis_do(f.redis, "HSET heya:room:%s status %s host ann members %d max_members 4 properties lang p:lang %s", id,
           status, members, lang);
  redis_do(f.redis, "ZADD heya:rooms:chat %d %s", created, id);
}

Test(store, list_pages_newest_first_and_forgets_expired_rooms) {
  char id[32];
  for (int i = 0; i < 10; i++) {
    snprintf(id, sizeof id, "chat/r%d", i);
    put_room(id, "open", 1, "en", 100 + i / 4); /* several of one time */
  }
  redis_do(f.redis, "ZADD heya:rooms:chat 500 chat/expired");
  struct store_list list = {.kind = "chat", .limit = 3, .after = ""};
  char seen[1024] = "", after[128];
  size_t pages = 0, n = 0;
  do {
    struct answer answer = do_list(&f, &list);
    ok(answer);
    cr_assert(answer.n <= 3);
    n += answer.n;
    strcat(seen, answer.text);
    snprintf(after, sizeof after, "%s", answer.after);
    list.after = after;
  } while (after[0] && ++pages < 20);
  cr_assert_eq(n, 10);
  cr_assert(strncmp(seen, "chat/r9 open ann 1/4 lang=en; ", 30) == 0, "%s", seen);
  for (int i = 0; i < 10; i++) {
    snprintf(id, sizeof id, "chat/r%d ", i);
    cr_assert(strstr(seen, id) && !strstr(strstr(seen, id) + 1, id), "%s", id);
  }
  cr_assert_eq(redis_integer(f.redis, "ZCARD heya:rooms:chat"), 10);
}

Test(store, list_tells_when_rooms_were_made_and_how_many_it_examined) {
  char id[32];
  for (int i = 0; i < 5; i++) {
    snprintf(id, sizeof id, "chat/r%d", i);
    put_room(id, "open", 1, i % 2 ? "en" : "de", 100 + i);
  }
  struct property where[] = {{"lang", "en"}};
  struct answer answer = do_list(&f, &(struct store_list){.kind = "chat", .limit = 10, .where = where, .n_where = 1});
  cr_assert_eq(answer.n, 2);
  cr_assert(answer.numbers[0] == 103 && answer.numbers[1] == 101);
  cr_assert_eq(answer.number, 5);
}

Test(store, list_examines_a_part_of_many_rooms_and_goes_on_from_there) {
  char id[32], after[128];
  for (int i = 0; i < 400; i++) {
    snprintf(id, sizeof id, "chat/r%d", i);
    put_room(id, "open", 1, i == 10 ? "en" : "de", 100 + i);
  }
  struct property where[] = {{"lang", "en"}};
  struct store_list list = {.kind = "chat", .limit = 10, .where = where, .n_where = 1};
  struct answer answer = do_list(&f, &list);
  cr_assert_eq(answer.n, 0);
  cr_assert_eq(answer.number, 250);
  snprintf(after, sizeof after, "%s", answer.after);
  list.after = after;
  answer = do_list(&f, &list);
  cr_assert_str_eq(answer.text, "chat/r10 open ann 1/4 lang=en; ");
  cr_assert_eq(answer.number, 150);
  cr_assert_str_eq(answer.after, "");
}

/* More than one call examines, as after a batch that made them all. */
Test(store, list_goes_on_among_many_rooms_of_one_millisecond) {
  char id[32], after[128] = "";
  size_t n = 0, pages = 0;
  for (int i = 0; i < 1300; i++) {
    snprintf(id, sizeof id, "chat/r%04d", i);
    put_room(id, "open", 1, "en", 100);
  }
  do {
    struct answer answer = do_list(&f, &(struct store_list){.kind = "chat", .limit = 300, .after = after});
    ok(answer);
    n += answer.n;
    snprintf(after, sizeof after, "%s", answer.after);
  } while (after[0] && ++pages < 20);
  cr_assert_eq(n, 1300);
}

Test(store, list_filters_by_property_and_joinability) {
  put_room("chat/en", "open", 1, "en", 1);
  put_room("chat/de", "open", 1, "de", 2);
  put_room("chat/full", "open", 4, "en", 3);
  put_room("chat/playing", "playing", 1, "en", 4);
  struct property where[] = {{"lang", "en"}};
  struct store_list list = {.kind = "chat", .limit = 10, .joinable = true, .where = where, .n_where = 1};
  cr_assert_str_eq(do_list(&f, &list).text, "chat/en open ann 1/4 lang=en; ");
  list.joinable = false;
  cr_assert_eq(do_list(&f, &list).n, 3);
  where[0].value = "";
  cr_assert_eq(do_list(&f, &list).n, 4);
  where[0] = (struct property){"mode", "x"};
  cr_assert_eq(do_list(&f, &list).n, 0);
}

Test(store, list_counts_kept_seats_as_taken) {
  put_room("chat/kept", "open", 2, "en", 1);
  redis_do(f.redis, "HSET heya:room:chat/kept kept 2");
  put_room("chat/some", "open", 2, "en", 2);
  redis_do(f.redis, "HSET heya:room:chat/some kept 1");
  struct store_list list = {.kind = "chat", .limit = 10, .joinable = true};
  cr_assert_str_eq(do_list(&f, &list).text, "chat/some open ann 2/4 kept=1 lang=en; ");
  list.joinable = false;
  cr_assert_eq(do_list(&f, &list).n, 2);
}

Test(store, list_survives_hostile_rooms) {
  put_room("chat/good", "open", 1, "en", 1);
  put_room("chat/bad:members", "open", 1, "en", 2);
  redis_do(f.redis, "SET heya:room:chat/string x");
  redis_do(f.redis, "ZADD heya:rooms:chat 3 chat/string");
  put_room("chat/odd", "open", 1, "en", 4);
  redis_do(f.redis, "HSET heya:room:chat/odd members -3");
  put_room("chat/text", "open", 1, "en", 5);
  redis_do(f.redis, "HSET heya:room:chat/text members many kept x status %b", "o\0n", (size_t)3);
  struct answer answer = do_list(&f, &(struct store_list){.kind = "chat", .limit = 10});
  ok(answer);
  cr_assert_str_eq(answer.text, "chat/good open ann 1/4 lang=en; ");
}

/* ---- load ---- */

Test(store, load_reads_a_thousand_rooms) {
  char id[32];
  for (unsigned i = 0; i < 1000; i++) {
    fixture_room(2, i, id);
    redis_do(f.redis, "HSET heya:room:%s image i%u", id, i);
    redis_do(f.redis, "SADD heya:part:2:rooms %s", id);
  }
  struct answer answer = do_load(&f, 2);
  ok(answer);
  cr_assert_eq(answer.n, 1000);
}

Test(store, load_goes_on_past_rooms_it_cannot_read) {
  char good[32], string[32], expired[32], foreign[32];
  fixture_room(1, 0, good);
  fixture_room(1, 1, string);
  fixture_room(1, 2, expired);
  fixture_room(0, 0, foreign);
  redis_do(f.redis, "HSET heya:room:%s image I", good);
  redis_do(f.redis, "SET heya:room:%s x", string);
  redis_do(f.redis, "SADD heya:part:1:rooms %s %s %s %s no/such:room %b", good, string, expired, foreign, "a\0/b",
           (size_t)4);
  struct answer answer = do_load(&f, 1);
  ok(answer);
  cr_assert_eq(answer.n, 3, "%s", answer.text);
  char expected[48];
  snprintf(expected, sizeof expected, "%s=I ", good);
  cr_assert(strstr(answer.text, expected), "%s", answer.text);
  snprintf(expected, sizeof expected, "%s+ ", string);
  cr_assert(strstr(answer.text, expected), "%s", answer.text);
  redis_do(f.redis, "DEL heya:part:1:rooms");
  redis_do(f.redis, "SET heya:part:1:rooms x");
  is(do_load(&f, 1), STORE_FAILED);
  cr_assert_eq(do_load(&f, 3).n, 0);
}

/* The next commit would delete such a room for good. */
Test(store, a_refusal_while_loading_is_no_room_that_is_gone) {
  static const char *const commands[] = {"hget", "pexpiretime"};
  char there[32], expired[32];
  fixture_room(1, 0, there);
  fixture_room(1, 1, expired);
  redis_do(f.redis, "HSET heya:room:%s image I", there);
  redis_do(f.redis, "SADD heya:part:1:rooms %s %s", there, expired);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    redis_do(f.redis, "ACL SETUSER default -%s", commands[i]);
    struct answer answer = do_load(&f, 1);
    redis_do(f.redis, "ACL SETUSER default +@all");
    is(answer, STORE_FAILED);
    cr_assert_null(strchr(answer.text, '+'), "%s is told to be gone", answer.text);
  }
  struct answer answer = do_load(&f, 1);
  ok(answer);
  cr_assert_eq(answer.n, 2, "%s", answer.text);
}
