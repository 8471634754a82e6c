/* Promises of a Redis that is one of several: what is of its partitions only, the outbox, and what is brought from
 * others.
 */
#include "tests/integration/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fixture f;

/* The first of two: partitions 0 and 2. */
static void start(void) {
  fixture_start_shard(&f, 2, 0);
}
static void stop(void) {
  fixture_stop(&f);
}
TestSuite(store_shards, .init = start, .fini = stop);

#define B(text)    bytes_of_str(text)
#define ok(answer) is(answer, STORE_OK)

static void is(struct answer answer, enum store_result expected) {
  cr_assert_eq(answer.result, expected, "%s: %s", store_result_name(answer.result), answer.message);
}

static const struct stream_id beginning;

Test(store_shards, init_notes_how_many_there_are_and_which_this_is) {
  ok(do_init(&f, 4));
  cr_assert_str_eq(fixture_string(&f, "HGET heya:config shards"), "2");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:config shard"), "0");
  ok(do_init(&f, 4));
  redis_do(f.redis, "HSET heya:config shard 1");
  is(do_init(&f, 4), STORE_FAILED);
  redis_do(f.redis, "HSET heya:config shards x");
  is(do_init(&f, 4), STORE_FAILED);
}

Test(store_shards, init_does_not_turn_one_redis_into_two) {
  redis_do(f.redis, "HSET heya:config partitions 4 schema 1 cluster abc");
  is(do_init(&f, 4), STORE_FAILED);
  cr_assert_eq(redis_integer(f.redis, "HLEN heya:config"), 3);
}

Test(store_shards, views_and_append_numbers_are_of_its_partitions) {
  redis_do(f.redis, "HSET heya:part:1:owner worker w-9 epoch 9"); /* somebody's joke */
  uint64_t epoch = fixture_own(&f, 2);
  struct answer view = do_renew(&f, "w-1", 60000, false);
  cr_assert_eq(view.view.n_owners, 4);
  cr_assert_str_eq(view.owners[2].worker, "w-1");
  cr_assert_eq(view.owners[2].epoch, epoch);
  cr_assert_str_eq(view.owners[1].worker, "");
  ok(do_open(&f, "g-1", false));
  ok(do_append(&f, "g-1", 1, 2, 1, false, "one"));
  struct answer again = do_open(&f, "g-1", true);
  ok(again);
  cr_assert_eq(again.numbers[2], 1);
  cr_assert_eq(again.numbers[0] + again.numbers[1] + again.numbers[3], 0);
}

static struct answer post(uint64_t epoch, struct commit_parcel *parcels, size_t n, struct commit_settled *settled,
                          size_t n_settled) {
  struct commit_segment segment = {
      .epoch = epoch, .parcels = parcels, .n_parcels = n, .settled = settled, .n_settled = n_settled};
  return do_commit(&f, &(struct commit){.worker = "w-1", .segments = &segment, .n_segments = 1});
}

Test(store_shards, a_commit_puts_parcels_into_the_outbox_and_says_under_which_numbers) {
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_parcel parcels[] = {{.partition = 1, .shard = 1, .batch = B("a")},
                                    {.partition = 3, .shard = 1, .batch = B("b")}};
  struct answer answer = post(epoch, parcels, 2, NULL, 0);
  ok(answer);
  cr_assert_eq(answer.n, 2);
  cr_assert_eq(answer.posted[0].partition, 0);
  cr_assert_lt(stream_id_compare(answer.posted[0].number, answer.posted[1].number), 0);
  struct answer outbox = do_outbox(&f, 0);
  cr_assert_str_eq(outbox.text, "1:a 3:b ");
  cr_assert_eq(stream_id_compare(outbox.last, answer.posted[1].number), 0);

  struct commit_settled settled = {.shard = 1, .number = answer.posted[0].number};
  answer = post(epoch, parcels, 1, &settled, 1);
  ok(answer);
  cr_assert_str_eq(do_outbox(&f, 0).text, "3:b 1:a ");
  settled.number = answer.posted[0].number;
  ok(post(epoch, NULL, 0, &settled, 1));
  cr_assert_str_eq(do_outbox(&f, 0).text, "");
  struct answer later = post(epoch, parcels, 1, NULL, 0);
  cr_assert_gt(stream_id_compare(later.posted[0].number, settled.number), 0, "numbers go on though it was empty");
}

Test(store_shards, P2_a_fenced_commit_posts_nothing) {
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_parcel parcel = {.partition = 1, .shard = 1, .batch = B("a")};
  struct answer answer = post(epoch + 1, &parcel, 1, NULL, 0);
  cr_assert_str_eq(answer.text, "fenced:0 ");
  cr_assert_eq(answer.n, 0);
  cr_assert_str_eq(do_outbox(&f, 0).text, "");
}

Test(store_shards, an_outbox_of_another_type_refuses_the_segment) {
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_parcel parcel = {.partition = 1, .shard = 1, .batch = B("a")};
  redis_do(f.redis, "SET heya:part:0:out:1 x");
  struct answer answer = post(epoch, &parcel, 1, NULL, 0);
  cr_assert_eq(answer.n_refused, 1);
  cr_assert(strstr(answer.message, "WRONGKEY 0 heya:part:0:out:1"), "%s", answer.message);
}

Test(store_shards, a_long_outbox_is_read_to_its_end) {
  uint64_t epoch = fixture_own(&f, 0);
  struct commit_parcel parcels[100];
  for (int i = 0; i < 100; i++) parcels[i] = (struct commit_parcel){.partition = 1, .shard = 1, .batch = B("x")};
  for (int i = 0; i < 6; i++) ok(post(epoch, parcels, 100, NULL, 0));
  struct answer outbox = do_outbox(&f, 0);
  ok(outbox);
  cr_assert_eq(outbox.n, 600);
}

static struct store_forward parcel(uint32_t from, uint32_t to, uint64_t number, const char *batch) {
  return (struct store_forward){.from = from, .to = to, .number = {.ms = number, .seq = 3}, .batch = B(batch)};
}

Test(store_shards, P1_what_is_brought_is_taken_once_and_in_order) {
  struct store_forward first[] = {parcel(1, 0, 10, "a"), parcel(3, 0, 10, "b"), parcel(1, 0, 11, "c"),
                                  parcel(1, 2, 12, "d")};
  struct answer answer = do_forward(&f, first, 4);
  ok(answer);
  cr_assert_str_eq(answer.text, "ok ok ok ok");
  ok(do_forward(&f, first, 4));
  struct store_forward second[] = {first[2], parcel(1, 0, 13, "e")};
  cr_assert_str_eq(do_forward(&f, second, 2).text, "ok ok");
  ok(do_forward(&f, first, 4)); /* an owner that was replaced wakes up */
  cr_assert_str_eq(do_read(&f, 0, beginning, 0).text, "0:w-1:a 0:w-1:b 0:w-1:c 0:w-1:e ");
  cr_assert_str_eq(do_read(&f, 2, beginning, 0).text, "2:w-1:d ");
  cr_assert_str_eq(fixture_string(&f, "HGET heya:part:0:from 1"), "13-3");
  cr_assert_str_eq(fixture_string(&f, "GET heya:part:0:bytes"), "4");
}

Test(store_shards, a_damaged_partition_takes_nothing_and_another_is_not_held_up) {
  redis_do(f.redis, "SET heya:part:0:cmd x");
  struct store_forward items[] = {parcel(1, 0, 10, "a"), parcel(1, 2, 11, "b"), parcel(1, 0, 12, "c")};
  cr_assert_str_eq(do_forward(&f, items, 3).text, "busy ok busy");
  cr_assert_eq(redis_integer(f.redis, "EXISTS heya:part:0:from"), 0);
  redis_do(f.redis, "DEL heya:part:0:cmd");
  cr_assert_str_eq(do_forward(&f, items, 3).text, "ok ok ok");
  cr_assert_str_eq(do_read(&f, 0, beginning, 0).text, "0:w-1:a 0:w-1:c ");
  cr_assert_str_eq(do_read(&f, 2, beginning, 0).text, "2:w-1:b ");
}

Test(store_shards, a_damaged_number_keeps_back_what_its_sender_says_and_nothing_else) {
  struct store_forward items[] = {parcel(1, 0, 10, "a"), parcel(3, 0, 10, "b"), parcel(1, 2, 11, "c")};
  redis_do(f.redis, "HSET heya:part:0:from 1 x");
  cr_assert_str_eq(do_forward(&f, items, 3).text, "busy ok ok");
  redis_do(f.redis, "HDEL heya:part:0:from 1");
  cr_assert_str_eq(do_forward(&f, items, 3).text, "ok ok ok");
  cr_assert_str_eq(do_read(&f, 0, beginning, 0).text, "0:w-1:b 0:w-1:a ");
}

Test(store_shards, what_is_brought_does_not_go_below_done) {
  struct store_forward item = parcel(1, 0, 10, "a");
  redis_do(f.redis, "SET heya:part:0:done 99999999999999-0");
  cr_assert_str_eq(do_forward(&f, &item, 1).text, "behind");
}

Test(store_shards, a_full_redis_takes_it_later) {
  struct store_forward item = parcel(1, 0, 10, "a");
  redis_do(f.redis, "CONFIG SET maxmemory 1");
  is(do_forward(&f, &item, 1), STORE_FULL);
  redis_do(f.redis, "CONFIG SET maxmemory 0");
  ok(do_forward(&f, &item, 1));
}
