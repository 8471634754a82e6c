/* Promises of a worker on two Redis, against stores whose answers are scripted: what one of them says, forgets or
 * refuses touches nothing of the other. */
#include "tests/support/worker_store.h"
#include "worker/worker.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ME "w-me"

/* Partitions 0 and 2 are on the first, 1 and 3 on the second. */
static struct worker_store *stores[2];
static struct worker *worker;
static struct worker_metrics metrics;
static struct kind_registry kinds;

static void setup(void) {
  struct worker_config config = {
      .id = ME, .version = "1", .partitions = STORE_PARTITIONS, .shards = 2, .lease_ms = 3000};
  metrics = (struct worker_metrics){0};
  kind_registry_init(&kinds);
  for (int i = 0; i < 2; i++) {
    stores[i] = worker_store_create();
    stores[i]->workers[0] = (struct store_worker){.id = ME};
    stores[i]->n_workers = 1;
  }
  worker = worker_create(&config, (struct store *[]){&stores[0]->store, &stores[1]->store}, &kinds, &metrics, NULL);
}
static void teardown(void) {
  worker_destroy(worker);
  for (int i = 0; i < 2; i++) worker_store_destroy(stores[i]);
}
TestSuite(worker_shards, .init = setup, .fini = teardown);

static void pass_ms(uint64_t ms) {
  for (int i = 0; i < 2; i++) {
    stores[i]->now_ms += ms;
    stores[i]->now_us += ms * 1000;
  }
  worker_turn(worker);
}

static void set_ready(unsigned shard, bool ready) {
  worker_store_set_ready(stores[shard], ready);
  worker_turn(worker);
}

static void join(unsigned shard) {
  for (int i = 0; !stores[shard]->init.callback; i++) {
    cr_assert(i < 100, "it does not ask who Redis is");
    pass_ms(50);
  }
  worker_store_init(stores[shard], STORE_OK, NULL);
  worker_turn(worker);
}

/* Renewals are answered until it claims. */
static void claim(unsigned shard, uint32_t p) {
  for (int i = 0; !stores[shard]->claim[p].callback; i++) {
    cr_assert(i < 200, "it does not claim");
    if (stores[shard]->renew.callback) worker_store_view(stores[shard]);
    pass_ms(25);
  }
  worker_store_grant(stores[shard], p, ME, (struct stream_id){5, 0});
}

/* With a parcel to each of these partitions in its outbox, in order, which have the numbers 1, 2, 3 and so on. */
static void own(uint32_t p, const uint32_t *parcels, size_t n) {
  unsigned shard = p % 2;
  claim(shard, p);
  for (size_t i = 0; i < n; i++) worker_store_parcel(stores[shard], p, parcels[i], (struct stream_id){i + 1, 0});
  worker_store_outbox(stores[shard], p, STORE_OK);
  worker_store_loaded(stores[shard], p, STORE_OK);
  worker_turn(worker);
}

static void start(void) {
  worker_turn(worker);
  join(0);
  join(1);
}

static const struct parcels *parcels_of(uint32_t p) {
  return &worker->slots[p].partition.effects.parcels;
}

/* What the call under way to the second one brings, as partitions. */
static const char *brought(void) {
  static char text[128];
  size_t len = 0;
  text[0] = '\0';
  for (size_t i = 0; stores[1]->forward.callback && i < stores[1]->forward.n; i++)
    len += (size_t)snprintf(text + len, sizeof text - len, "%u:%u ", (unsigned)stores[1]->forward.items[i].to,
                            (unsigned)stores[1]->forward.items[i].number.ms);
  return text;
}

static void answer(enum store_result result, uint32_t partition, enum store_append_verdict verdict) {
  worker_store_forward(stores[1], result, partition, verdict);
  worker_turn(worker);
}

/* ---- parcels ---- */

Test(worker_shards, P1_what_an_outbox_has_is_brought_to_the_other_redis) {
  start();
  own(0, (uint32_t[]){1, 3, 1}, 3);
  cr_assert_str_eq(brought(), "1:1 3:2 1:3 ");
  cr_assert_eq(stores[1]->forward.items[0].from, 0);
  answer(STORE_OK, 0, STORE_APPENDED);
  cr_assert_eq(parcels_of(0)->n, 0);
  cr_assert_eq(metrics.forwarded, 3);
}

Test(worker_shards, P1_parcels_go_again_after_an_answer_that_was_lost) {
  start();
  own(0, (uint32_t[]){1, 3}, 2);
  answer(STORE_LOST, 0, STORE_APPENDED);
  cr_assert_str_eq(brought(), "");
  pass_ms(50);
  cr_assert_str_eq(brought(), "1:1 3:2 ");
}

/* One whose keys are damaged, say. */
Test(worker_shards, a_partition_that_takes_nothing_does_not_hold_up_what_is_for_others) {
  static uint32_t stuck[300];
  for (size_t i = 0; i < 299; i++) stuck[i] = 1;
  stuck[299] = 3;
  start();
  own(0, stuck, 300);
  cr_assert_eq(stores[1]->forward.n, 256, "one call does not take all");
  answer(STORE_OK, 1, STORE_BUSY);
  cr_assert_str_eq(brought(), "3:300 ", "at once");
  answer(STORE_OK, 1, STORE_BUSY);
  cr_assert_str_eq(brought(), "");
  pass_ms(50);
  cr_assert_str_eq(brought(), "1:1 ", "one asks for all of them, the oldest");
  answer(STORE_OK, 1, STORE_BUSY);
  cr_assert_str_eq(brought(), "");
  pass_ms(50);
  cr_assert_str_eq(brought(), "1:1 ");
  answer(STORE_OK, 0, STORE_APPENDED);
  cr_assert_eq(stores[1]->forward.n, 256, "when it is taken the others follow");
  cr_assert_eq(stores[1]->forward.items[0].number.ms, 2);
}

Test(worker_shards, a_call_that_fails_as_a_whole_leaves_nobody_unasked) {
  start();
  own(0, (uint32_t[]){1, 3}, 2);
  answer(STORE_OK, 1, STORE_BUSY);
  pass_ms(50);
  cr_assert_str_eq(brought(), "1:1 ");
  answer(STORE_FULL, 0, STORE_APPENDED);
  pass_ms(49);
  cr_assert_str_eq(brought(), "");
  pass_ms(1);
  cr_assert_str_eq(brought(), "1:1 ");
}

/* Redis may forget a claim with its last second: then the next one gets the same epoch. */
Test(worker_shards, P1_an_answer_that_comes_after_its_sender_was_claimed_again_says_nothing_of_it) {
  start();
  own(0, (uint32_t[]){1, 1}, 2);
  cr_assert_str_eq(brought(), "1:1 1:2 ");
  uint64_t epoch = worker->slots[0].epoch;
  set_ready(0, false);
  stores[0]->owners[0] = (struct store_owner){.epoch = epoch - 1};
  set_ready(0, true);
  join(0);
  own(0, (uint32_t[]){3}, 1);
  cr_assert_eq(worker->slots[0].epoch, epoch);
  answer(STORE_OK, 0, STORE_APPENDED);
  cr_assert_eq(parcels_of(0)->n, 1, "it has not been brought yet");
  cr_assert_str_eq(brought(), "3:1 ");
}

/* ---- what a Redis says of partitions that are not there ---- */

static void consume(uint32_t p) {
  struct worker_store *store = stores[p % 2];
  struct store_entry entry = {.partition = p, .id = {6, 0}, .sender = bytes_of_str("g-1")};
  for (int i = 0; store->read.n == 0; i++) {
    cr_assert(i < 100);
    worker_store_read(store, STORE_OK, NULL, 0);
    worker_turn(worker);
  }
  worker_store_read(store, STORE_OK, &entry, 1);
  worker_turn(worker);
  cr_assert(store->commit.callback);
}

Test(worker_shards, P2_what_a_redis_says_of_partitions_of_another_is_not_believed) {
  start();
  own(0, NULL, 0);
  own(1, NULL, 0);
  consume(0);
  consume(1);
  struct store_refused refused = {.partition = 1, .message = "?"};
  struct store_posted posted = {.partition = 1, .number = {7, 0}};
  worker_store_commit(stores[0], STORE_OK,
                      &(struct store_commit_outcome){.fenced = (uint32_t[]){1},
                                                     .n_fenced = 1,
                                                     .refused = &refused,
                                                     .n_refused = 1,
                                                     .posted = &posted,
                                                     .n_posted = 1});
  cr_assert_eq(worker->slots[1].state, SLOT_LIVE);
  cr_assert_eq(worker->slots[0].state, SLOT_LIVE);
}

/* ---- whose Redis they are ---- */

Test(worker_shards, a_redis_asked_before_the_deployment_was_known_is_asked_again) {
  set_ready(0, false);
  pass_ms(3000);
  cr_assert_str_eq(stores[1]->init.cluster, "");
  set_ready(0, true); /* both are asked now */
  worker_store_init_of(stores[0], "ours");
  worker_store_init_of(stores[1], "theirs");
  worker_turn(worker);
  cr_assert_not(worker->shards[1].initialised);
  cr_assert_str_eq(stores[1]->init.cluster, "ours", "it is told, and says no");
  worker_store_init(stores[1], STORE_FAILED, "another deployment");
  worker_turn(worker);
  cr_assert_not(worker->shards[1].initialised);
}

Test(worker_shards, one_that_is_refused_at_the_start_ends_the_worker) {
  worker_turn(worker);
  join(0);
  worker_store_init(stores[1], STORE_FAILED, "no");
  cr_assert_eq(worker->state, WORKER_FAILED);
  cr_assert_str_eq(worker->failure, "no");
}

Test(worker_shards, P8_one_that_is_reached_late_and_refused_does_not_end_the_work_on_the_other) {
  set_ready(1, false);
  worker_turn(worker);
  join(0);
  own(0, NULL, 0);
  pass_ms(3000);
  set_ready(1, true);
  worker_store_init(stores[1], STORE_FAILED, "eviction");
  pass_ms(1000);
  cr_assert_eq(worker->state, WORKER_RUNNING);
  cr_assert_eq(worker->slots[0].state, SLOT_LIVE);
  join(1); /* somebody has put it right */
  own(1, NULL, 0);
}
