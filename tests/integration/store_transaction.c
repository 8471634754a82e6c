/* What goes as a transaction instead of a function (common/store_redis_fence.c): that it does, that it does the same,
 * and that it does nothing once somebody else may write. */
#include "tests/integration/store_fixture.h"

#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <string.h>

#define B(text) bytes_of_str(text)

static struct fixture f;

static void setup(void) {
  fixture_start(&f, NULL);
}

static void teardown(void) {
  fixture_stop(&f);
}

TestSuite(store_transaction, .init = setup, .fini = teardown, .timeout = 60);

static void ok(struct answer answer) {
  cr_assert_eq(answer.result, STORE_OK, "%s: %s", store_result_name(answer.result), answer.message);
}

/* ---- which way a call went ---- */

static void forget_calls(void) {
  redis_do(f.redis, "CONFIG RESETSTAT");
}

static bool has_called(const char *command) {
  char line[64];
  snprintf(line, sizeof line, "cmdstat_%s:", command);
  return strstr(fixture_string(&f, "INFO commandstats"), line) != NULL;
}

static bool was_transaction(void) {
  bool was = has_called("exec") && !has_called("fcall");
  forget_calls();
  return was;
}

static bool was_function(void) {
  bool was = has_called("fcall");
  forget_calls();
  return was;
}

/* Until what was sent after the last answer is answered too: what is watched now. */
static void settle(void) {
  ok(do_renew(&f, "w-1", 60000, false));
  forget_calls();
}

/* ---- commits ---- */

struct room {
  char id[32];
  uint64_t epoch, seq;
};

/* A commit of a plain room of partition 0, with a delivery to g-1. */
static struct answer commit_plain(struct room *room, const char *image) {
  struct commit_field fields[] = {{B("event"), B("1-1")}, {B("image"), B(image)}};
  struct commit_log_entry log[] = {{.seq = ++room->seq, .to = B("*"), .message = B(image)}};
  struct commit_room part = {.id = room->id, .kind = "chat", .fields = fields, .n_fields = 2, .log = log, .n_log = 1};
  struct commit_delivery delivery = {.gateway = "g-1", .deliveries = B(image)};
  struct stream_id done = {1, room->seq};
  struct commit_segment segment = {.partition = 0,
                                   .epoch = room->epoch,
                                   .done = done,
                                   .consumed_bytes = 2,
                                   .rooms = &part,
                                   .n_rooms = 1,
                                   .deliveries = &delivery,
                                   .n_deliveries = 1};
  return do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1});
}

/* Partition 0 is ours, holds two commands, and a function has seen it once. */
static struct room begin(void) {
  struct room room = {.epoch = fixture_own(&f, 0)};
  fixture_room(0, 0, room.id);
  ok(do_open(&f, "g-1", false));
  redis_do(f.redis, "XADD heya:part:0:cmd 1-1 g g-1 m aa");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-2 g g-1 m bb");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-3 g g-1 m cc");
  redis_do(f.redis, "XADD heya:part:0:cmd 1-4 g g-1 m dd");
  redis_do(f.redis, "SET heya:part:0:bytes 8");
  ok(commit_plain(&room, "one"));
  settle();
  return room;
}

Test(store_transaction, a_plain_commit_writes_what_the_function_writes) {
  struct room room = begin();
  ok(commit_plain(&room, "two"));
  cr_assert(was_transaction());
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "two");
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:room:%s:log", room.id), 2);
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 2);
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "4");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:done"), "1-2");
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:gateway:g-1:queued bytes"), "6");
  cr_assert_str_eq(do_deliveries(&f, "g-1", (struct stream_id){0}, 0).text, "one two ");
}

Test(store_transaction, an_owner_that_changed_is_noticed) {
  struct room room = begin();
  struct answer answer = do_renew(&f, "w-2", 60000, false);
  ok(do_suspect(&f, "w-1"));
  ok(do_claim(&f, 0, "w-2", "w-1", answer.owners[0].epoch));
  forget_calls();
  cr_assert_str_eq(commit_plain(&room, "late").text, "fenced:0 ");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "one");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:done"), "1-1");
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:gateway:g-1:evt"), 1);
}

Test(store_transaction, an_owner_that_was_deleted_by_hand_is_noticed_when_another_claims) {
  struct room room = begin();
  redis_do(f.redis, "DEL heya:part:0:owner heya:owners");
  ok(do_renew(&f, "w-2", 60000, false));
  ok(do_claim(&f, 0, "w-2", "", 0));
  cr_assert_str_eq(commit_plain(&room, "late").text, "fenced:0 ");
}

Test(store_transaction, a_partition_that_was_lost_and_claimed_again_is_looked_at_anew) {
  struct room room = begin();
  ok(do_release(&f, 0, "w-1", room.epoch));
  struct room again = room;
  again.epoch = fixture_own(&f, 0);
  cr_assert_str_eq(commit_plain(&room, "of the epoch before").text, "fenced:0 ");
  ok(commit_plain(&again, "by the function"));
  settle();
  ok(commit_plain(&again, "and then not"));
  cr_assert(was_transaction());
}

Test(store_transaction, other_partitions_changing_hands_cost_one_look) {
  struct room room = begin();
  fixture_own(&f, 1);
  forget_calls();
  ok(commit_plain(&room, "two"));
  cr_assert(was_function());
  settle();
  ok(commit_plain(&room, "three"));
  cr_assert(was_transaction());
}

Test(store_transaction, what_is_not_plain_goes_as_the_function) {
  struct room room = begin();
  struct commit_field fields[] = {{B("image"), B("x")}}, members[] = {{B("ann"), B("Ann")}};
  struct commit_room joined = {
      .id = room.id, .kind = "chat", .fields = fields, .n_fields = 1, .members = members, .n_members = 1};
  ok(do_commit_room(&f, 0, room.epoch, &joined));
  cr_assert(was_function());
  struct commit_append append = {.partition = 1, .batch = B("x")};
  struct commit_segment segment = {.epoch = room.epoch, .appends = &append, .n_appends = 1};
  ok(do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}));
  cr_assert(was_function());
}

Test(store_transaction, a_commit_after_a_new_connection_is_looked_at_first) {
  struct room room = begin();
  redis_do(f.redis, "CLIENT KILL TYPE normal SKIPME yes");
  fixture_wait_ready(&f, false);
  fixture_wait_ready(&f, true);
  ok(commit_plain(&room, "two"));
  cr_assert(was_function());
  settle();
  ok(commit_plain(&room, "three"));
  cr_assert(was_transaction());
}

Test(store_transaction, a_dead_gateway_is_told_and_leaves_nothing) {
  struct room room = begin();
  ok(do_gateway_close(&f, "g-1"));
  cr_assert_str_eq(commit_plain(&room, "two").text, "gone:g-1 ");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "two");
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:gateway:g-1 heya:gateway:g-1:evt heya:gateway:g-1:queued"), 0);
}

Test(store_transaction, a_count_that_was_taken_away_comes_back_with_the_next_renewal) {
  struct room room = begin();
  redis_do(f.redis, "SET heya:gateway:g-1:queued x");
  cr_assert_str_eq(commit_plain(&room, "two").text, "");
  ok(do_gateway_renew(&f, "g-1", 1));
  cr_assert_str_eq(commit_plain(&room, "three").text, "");
  cr_assert_str_eq(fixture_string(&f, "ZSCORE heya:gateway:g-1:queued bytes"), "5");
}

Test(store_transaction, a_room_whose_key_was_overwritten_is_named) {
  struct room room = begin();
  redis_do(f.redis, "SET heya:room:%s x", room.id);
  struct answer answer = commit_plain(&room, "two");
  ok(answer);
  cr_assert_eq(answer.n_refused, 1);
  cr_assert_str_eq(answer.wrong_room, room.id);
}

Test(store_transaction, a_damaged_log_begins_anew) {
  struct room room = begin();
  redis_do(f.redis, "SET heya:room:%s:log x", room.id);
  ok(commit_plain(&room, "two"));
  settle();
  ok(commit_plain(&room, "three"));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:room:%s:log", room.id), 1);
}

Test(store_transaction, a_damaged_command_stream_refuses_the_partition) {
  struct room room = begin();
  redis_do(f.redis, "DEL heya:part:0:cmd");
  redis_do(f.redis, "SET heya:part:0:cmd x");
  struct answer answer = commit_plain(&room, "two");
  ok(answer);
  cr_assert_eq(answer.n_refused, 1);
  cr_assert_str_eq(answer.wrong_room, "");
}

Test(store_transaction, a_damaged_count_is_put_right_by_the_function) {
  struct room room = begin();
  redis_do(f.redis, "SET heya:part:0:bytes x");
  ok(commit_plain(&room, "two"));
  settle();
  ok(commit_plain(&room, "three"));
  cr_assert(was_function());
  redis_do(f.redis, "SET heya:part:0:bytes 1");
  settle();
  ok(commit_plain(&room, "four"));
  settle();
  ok(commit_plain(&room, "five"));
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "0");
}

Test(store_transaction, a_count_that_stays_too_high_is_put_right_in_time) {
  struct room room = begin();
  redis_do(f.redis, "SET heya:part:0:bytes 1000000");
  bool right = false;
  for (int i = 0; i < 200 && !right; i++) {
    ok(commit_plain(&room, "on"));
    right = strcmp(fixture_string(&f, "GET heya:part:0:bytes"), "0") == 0;
  }
  cr_assert(right);
}

/* What makes room again must go on. */
Test(store_transaction, a_commit_goes_on_when_redis_is_full) {
  struct room room = begin();
  redis_do(f.redis, "CONFIG SET maxmemory 1");
  ok(commit_plain(&room, "two"));
  redis_do(f.redis, "CONFIG SET maxmemory 0");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "two");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "4");
}

Test(store_transaction, without_watch_everything_is_a_function) {
  struct room room = {.epoch = fixture_own(&f, 0)};
  fixture_room(0, 0, room.id);
  redis_do(f.redis, "ACL SETUSER default -watch");
  forget_calls();
  for (int i = 0; i < 3; i++) ok(commit_plain(&room, "on"));
  cr_assert_not(has_called("exec"));
  redis_do(f.redis, "ACL SETUSER default +watch");
}

/* Then what should have been one step was several, and nobody knows whose the partition was. */
Test(store_transaction, a_commit_without_multi_is_broken) {
  struct room room = begin();
  redis_do(f.redis, "ACL SETUSER default -multi");
  cr_assert_eq(commit_plain(&room, "two").result, STORE_BROKEN);
  redis_do(f.redis, "ACL SETUSER default +multi");
  ok(commit_plain(&room, "three"));
}

/* ---- the same, with the answer lost or late ---- */

static void setup_lossy(void) {
  fixture_start(&f, "store.commit=error:3");
}

TestSuite(store_transaction_lost, .init = setup_lossy, .fini = teardown, .timeout = 60);

Test(store_transaction_lost, a_commit_whose_answer_is_lost_is_whole_or_nothing) {
  struct room room = begin();
  ok(commit_plain(&room, "two"));
  cr_assert_eq(commit_plain(&room, "three").result, STORE_LOST);
  bool written = strcmp(fixture_string(&f, "HGET heya:room:%s image", room.id), "three") == 0;
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:done"), written ? "1-3" : "1-2");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), written ? "2" : "4");
}

static void setup_slow(void) {
  fixture_start(&f, "store.commit=delay:200ms");
}

TestSuite(store_transaction_late, .init = setup_slow, .fini = teardown, .timeout = 60);

/* Another worker claims between what the transaction says and its EXEC. */
Test(store_transaction_late, an_owner_that_changes_before_exec_is_noticed) {
  struct room room = begin();
  struct commit_field fields[] = {{B("image"), B("late")}};
  struct commit_room part = {.id = room.id, .kind = "chat", .fields = fields, .n_fields = 1};
  struct commit_segment segment = {
      .epoch = room.epoch, .done = {1, 2}, .consumed_bytes = 2, .rooms = &part, .n_rooms = 1};
  struct answer answer = {0};
  f.store->ops->commit(f.store, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}, on_commit,
                       &answer);
  redis_do(f.redis, "ZREM heya:workers w-1");
  redis_do(f.redis, "FCALL heya1_renew 0 heya: w-2 60000 4 0 0");
  redis_do(f.redis, "FCALL heya1_claim 0 heya: 0 w-2 w-1 %lu", room.epoch);
  cr_assert_eq(answer.fired, 0, "too late to test anything");
  cr_assert(fixture_wait(&f, &answer.fired, 1));
  cr_assert_str_eq(answer.text, "fenced:0 ");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "one");
}

/* A worker dies between what the transaction says and its EXEC. */
Test(store_transaction_late, a_worker_that_dies_before_exec_has_done_nothing) {
  struct room room = begin();
  struct commit_field fields[] = {{B("image"), B("half")}};
  struct commit_room part = {.id = room.id, .kind = "chat", .fields = fields, .n_fields = 1};
  struct commit_segment segment = {
      .epoch = room.epoch, .done = {1, 2}, .consumed_bytes = 2, .rooms = &part, .n_rooms = 1};
  struct answer answer = {0};
  forget_calls();
  f.store->ops->commit(f.store, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1}, on_commit,
                       &answer);
  uint64_t deadline = wait_deadline(5000);
  while (!has_called("multi") && wait_left(deadline)) fixture_turn(&f);
  cr_assert_eq(answer.fired, 0, "too late to test anything");
  f.store->ops->destroy(f.store);
  f.store = fixture_store(&f, (struct store_limits){100, 10000, 100, 10000}, 0);
  fixture_wait_ready(&f, true);
  cr_assert_str_eq(fixture_string(&f, "HGET heya:room:%s image", room.id), "one");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:done"), "1-1");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "6");
}

/* ---- appends ---- */

static const char *append(uint64_t number, const char *batch) {
  struct answer answer = do_append(&f, "g-1", 1, 0, number, false, batch);
  return answer.result == STORE_OK ? fixture_string(&f, "ECHO %s", answer.text) : store_result_name(answer.result);
}

static void begin_appends(void) {
  ok(do_open(&f, "g-1", false));
  cr_assert_str_eq(append(1, "a"), "ok");
  settle();
}

Test(store_transaction, an_append_writes_what_the_function_writes) {
  begin_appends();
  cr_assert_str_eq(append(2, "b"), "ok");
  cr_assert(was_transaction());
  cr_assert_str_eq(append(3, "c"), "ok");
  cr_assert(was_transaction());
  cr_assert_str_eq(do_read(&f, 0, (struct stream_id){0}, 0).text, "0:g-1:a 0:g-1:b 0:g-1:c ");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "3");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:gateway:g-1 n:0"), "3");
}

Test(store_transaction, a_number_that_was_there_before_is_not_appended_again) {
  begin_appends();
  cr_assert_str_eq(append(1, "a"), "ok");
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 1);
  cr_assert_str_eq(append(3, "c"), "refused");
}

Test(store_transaction, an_append_of_a_dead_gateway_is_refused_and_leaves_nothing) {
  begin_appends();
  redis_do(f.redis, "FCALL heya1_gateway_suspect 0 heya: g-1");
  cr_assert_str_eq(append(2, "b"), store_result_name(STORE_GONE));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 1);
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:gateway:g-1"), 0);
}

Test(store_transaction, an_append_of_a_gateway_that_expired_is_refused) {
  begin_appends();
  redis_do(f.redis, "PEXPIRE heya:gateway:g-1 1");
  cr_assert(fixture_wait_none(&f, "heya:gateway:g-1"));
  cr_assert_str_eq(append(2, "b"), store_result_name(STORE_GONE));
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:gateway:g-1"), 0);
}

Test(store_transaction, an_append_of_an_older_generation_is_refused) {
  begin_appends();
  redis_do(f.redis, "FCALL heya1_gateway_open 0 heya: g-1 1 addr 60000 4");
  cr_assert_str_eq(append(2, "b"), store_result_name(STORE_GONE));
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 1);
}

Test(store_transaction, appends_go_on_as_transactions_after_a_renewal) {
  begin_appends();
  ok(do_gateway_renew(&f, "g-1", 1));
  cr_assert_str_eq(append(2, "b"), "ok");
  settle();
  cr_assert_str_eq(append(3, "c"), "ok");
  cr_assert(was_transaction());
}

Test(store_transaction, a_stream_that_is_gone_takes_nothing_and_uses_the_number_up) {
  begin_appends();
  redis_do(f.redis, "DEL heya:part:0:cmd");
  cr_assert_str_eq(append(2, "b"), "vanished");
  cr_assert_str_eq(append(3, "b"), "ok");
  cr_assert_str_eq(do_read(&f, 0, (struct stream_id){0}, 0).text, "0:g-1:b ");
  redis_do(f.redis, "DEL heya:part:0:cmd");
  redis_do(f.redis, "SET heya:part:0:cmd x");
  cr_assert_str_eq(append(4, "c"), "vanished");
  cr_assert_str_eq(append(5, "c"), "busy");
}

Test(store_transaction, a_partition_that_fills_up_is_left_to_the_function) {
  f.store->ops->destroy(f.store);
  f.store = fixture_store(&f, (struct store_limits){.partition_entries = 8, .partition_bytes = 1000}, 0);
  fixture_wait_ready(&f, true);
  begin_appends();
  for (uint64_t n = 2; n <= 8; n++) cr_assert_str_eq(append(n, "x"), "ok");
  for (int i = 0; i < 3; i++) cr_assert_str_eq(append(9, "x"), "busy");
  cr_assert_eq(redis_integer(f.redis, "XLEN heya:part:0:cmd"), 8);
}

Test(store_transaction, an_append_to_a_full_redis_is_refused) {
  begin_appends();
  redis_do(f.redis, "CONFIG SET maxmemory 1");
  cr_assert_str_eq(append(2, "b"), store_result_name(STORE_FULL));
  redis_do(f.redis, "CONFIG SET maxmemory 0");
  cr_assert_str_eq(append(2, "b"), "ok");
}
