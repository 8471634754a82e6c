/* Promises of a worker's life, against a store whose answers are scripted: it owns what it should, tells nobody what
 * Redis does not have, and after any doubt drops a partition and claims it again. */
#include "proto/pb.h"
#include "tests/support/worker_store.h"
#include "worker/worker.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ME   "w-me"
#define YOU  "w-you"
#define ROOM "chat/a"

static struct worker_store *store;
static struct worker *worker;
static struct worker_metrics metrics;
static struct kind_registry kinds;

static void setup(void) {
  struct worker_config config = {.id = ME, .version = "1", .partitions = STORE_PARTITIONS, .lease_ms = 3000};
  store = worker_store_create();
  metrics = (struct worker_metrics){0};
  kind_registry_init(&kinds);
  worker = worker_create(&config, (struct store *[]){&store->store}, &kinds, &metrics, NULL);
  store->workers[0] = (struct store_worker){.id = ME};
  store->n_workers = 1;
}
static void teardown(void) {
  worker_destroy(worker);
  worker_store_destroy(store);
}
TestSuite(worker, .init = setup, .fini = teardown);

/* ---- steps ---- */

static void pass_ms(uint64_t ms) {
  store->now_ms += ms;
  store->now_us += ms * 1000;
  worker_turn(worker);
}

/* Turns, and answers renewals, until another one is answered. */
static void see(void) {
  for (int i = 0; !store->renew.callback; i++) {
    cr_assert(i < 100, "no renewal in a long time");
    pass_ms(25);
  }
  worker_store_view(store);
  worker_turn(worker);
}

/* A read that was woken answers, and the next one goes out. */
static void answer_woken_read(void) {
  worker_turn(worker);
  if (!worker->shards[0].wake_wanted || !store->read.callback) return;
  worker_store_read(store, STORE_OK, NULL, 0);
  worker_turn(worker);
}

static void start(void) {
  worker_turn(worker);
  worker_store_init(store, STORE_OK, NULL);
  worker_turn(worker);
  see();
}

static void grant_all(void) {
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    if (store->claim[p].callback) worker_store_grant(store, p, ME, (struct stream_id){5, 0});
    if (store->load[p].callback) worker_store_loaded(store, p, STORE_OK);
  }
  answer_woken_read();
}

static void start_owning_all(void) {
  start();
  grant_all();
  cr_assert_eq(store->read.n, STORE_PARTITIONS);
}

static uint32_t partition_of(const char *room) {
  return room_partition(room, strlen(room), STORE_PARTITIONS);
}

static uint32_t partition_of_room(void) {
  return partition_of(ROOM);
}

/* The read is answered with a join of this room. */
static void let_join_room(const char *room, const char *player) {
  uint8_t bytes[256];
  Heya__Bus__Batch batch = HEYA__BUS__BATCH__INIT;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  char name[65];
  snprintf(name, sizeof name, "%s", player);
  join.mode = HEYA__BUS__MODE__JOIN_OR_CREATE;
  entry.room = pb_text(room);
  entry.player = name;
  entry.conn = 1;
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.join = &join;
  batch.n_entries = 1;
  batch.entries = entries;
  struct store_entry told = {.partition = partition_of(room),
                             .id = {++store->now_ms, 0},
                             .sender = bytes_of_str("g-1"),
                             .batch = bytes_of(bytes, heya__bus__batch__pack(&batch, bytes))};
  worker_store_read(store, STORE_OK, &told, 1);
}

static void let_join(const char *player) {
  let_join_room(ROOM, player);
}

static size_t members(uint32_t p) {
  struct room *room = repository_find(&worker->slots[p].partition.repository, ROOM);
  return room ? room->n_members : 0;
}

/* ---- start ---- */

Test(worker, a_failed_check_of_the_deployment_is_reported) {
  worker_turn(worker);
  worker_store_init(store, STORE_FAILED, "partitions differ");
  cr_assert_eq(worker->state, WORKER_FAILED);
  cr_assert_str_eq(worker->failure, "partitions differ");
  worker_turn(worker);
  cr_assert_eq(store->renew.count, 0);
}

Test(worker, a_check_that_fails_after_a_reconnect_is_waited_out) {
  worker_turn(worker);
  worker_store_init(store, STORE_OK, NULL);
  worker_store_set_ready(store, false);
  worker_store_set_ready(store, true);
  worker_turn(worker);
  worker_store_init(store, STORE_FAILED, "the eviction policy is allkeys-lru");
  cr_assert_eq(worker->state, WORKER_RUNNING);
  worker_turn(worker);
  cr_assert_eq(store->init.count, 2, "not at once");
  store->now_us += 1000000;
  worker_turn(worker);
  cr_assert_eq(store->init.count, 3);
}

Test(worker, a_check_without_an_answer_is_made_again) {
  struct buf reason = {0};
  worker_turn(worker);
  cr_assert_not(worker_ready(worker, &reason));
  worker_store_set_ready(store, false);
  worker_turn(worker);
  cr_assert_eq(store->init.count, 1);
  worker_store_set_ready(store, true);
  worker_turn(worker);
  cr_assert_eq(store->init.count, 2);
  worker_store_init(store, STORE_OK, NULL);
  worker_turn(worker);
  see();
  cr_assert(worker_ready(worker, &reason));
  buf_close(&reason);
}

Test(worker, the_only_worker_claims_loads_and_reads_everything) {
  start();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert(store->claim[p].callback);
  cr_assert_eq(store->read.n, 0, "it waits for news only");
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    worker_store_grant(store, p, ME, (struct stream_id){100 + p, 7});
    worker_store_loaded(store, p, STORE_OK);
  }
  answer_woken_read();
  cr_assert_eq(store->read.n, STORE_PARTITIONS);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    cr_assert_eq(store->read.positions[p].after.ms, 100 + store->read.positions[p].partition);
    cr_assert_eq(store->read.positions[p].after.seq, 7);
  }
  cr_assert_eq(store->commit.count, 0);
}

Test(worker, a_partition_that_comes_live_later_wakes_the_read) {
  start();
  worker_store_grant(store, 0, ME, (struct stream_id){0});
  worker_store_loaded(store, 0, STORE_OK);
  answer_woken_read();
  cr_assert_eq(store->read.n, 1);
  cr_assert_eq(store->read.wakes, 1);
  worker_store_grant(store, 1, ME, (struct stream_id){0});
  worker_store_loaded(store, 1, STORE_OK);
  worker_turn(worker);
  worker_turn(worker);
  cr_assert_eq(store->read.wakes, 2);
  worker_store_read(store, STORE_OK, NULL, 0);
  worker_turn(worker);
  cr_assert_eq(store->read.n, 2);
}

/* ---- claims ---- */

Test(worker, what_a_living_worker_holds_is_not_claimed_and_what_a_dead_one_held_is) {
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) store->owners[p] = (struct store_owner){.worker = YOU, .epoch = 4};
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  start();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_null(store->claim[p].callback);
  store->n_workers = 1;
  see();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(store->claim[p].seen.epoch, 4);
}

Test(worker, a_partition_free_for_long_is_anybodys) {
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) store->owners[p].freed_ms = store->now_ms;
  start();
  unsigned claimed = 0;
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) claimed += store->claim[p].callback != NULL;
  cr_assert_eq(claimed, STORE_PARTITIONS / 2);
  store->now_ms += 101;
  see();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert(store->claim[p].callback);
}

Test(worker, what_is_released_for_us_is_claimed_at_once_and_only_then) {
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) store->owners[p] = (struct store_owner){.worker = YOU, .epoch = 4};
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  start();
  cr_assert_null(store->claim[1].callback);
  store->store.on_freed(store->store.on_ready_arg, 1, 4);
  cr_assert_str_eq(store->claim[1].seen.worker, "");
  cr_assert_eq(store->claim[1].seen.epoch, 4);
  store->store.on_freed(store->store.on_ready_arg, 1, 4); /* said twice */
  cr_assert_eq(store->claim[1].count, 1);
  store->owners[1] = (struct store_owner){.epoch = 4};
  worker_store_grant(store, 1, ME, (struct stream_id){5, 0});
  worker_store_loaded(store, 1, STORE_OK);
  store->store.on_freed(store->store.on_ready_arg, 1, 3); /* long ago */
  cr_assert_eq(store->claim[1].count, 1);
  worker_stop(worker);
  store->store.on_freed(store->store.on_ready_arg, 2, 4);
  cr_assert_null(store->claim[2].callback);
}

static void live_ms(uint64_t ms) {
  for (uint64_t end_ms = store->now_ms + ms; store->now_ms < end_ms;) {
    pass_ms(25);
    if (store->renew.callback) worker_store_view(store);
  }
}

/* Whether p is claimed within two views. */
static bool is_claimed_soon(uint32_t p) {
  see();
  see();
  return store->claim[p].callback != NULL;
}

Test(worker, a_lease_that_ran_out_is_an_end_like_any_other_while_nothing_is_wrong_with_us) {
  store->owners[0] = (struct store_owner){.worker = YOU, .epoch = 4, .lapsed = true};
  start();
  cr_assert(store->claim[0].callback);
}

Test(worker, after_we_were_away_ourselves_a_lease_that_ran_out_is_waited_for_and_one_that_was_ended_is_not) {
  store->owners[0] = (struct store_owner){.worker = YOU, .epoch = 4};
  store->owners[1] = (struct store_owner){.worker = YOU, .epoch = 4};
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  start();
  worker_store_set_ready(store, false);
  pass_ms(10000);
  store->owners[0].lapsed = true;
  store->n_workers = 1;
  worker_store_set_ready(store, true);
  start();
  cr_assert(store->claim[1].callback);
  cr_assert_not(is_claimed_soon(0));
  live_ms(3001);
  cr_assert(is_claimed_soon(0), "one lease later it is dead");
}

Test(worker, after_a_stall_of_ours_longer_than_the_lease_others_are_given_one_too) {
  start_owning_all();
  store->owners[0] = (struct store_owner){.worker = YOU, .epoch = 4, .lapsed = true};
  store->now_us += 5000000; /* SIGSTOP */
  see();
  cr_assert_not(is_claimed_soon(0));
  live_ms(3001);
  cr_assert(is_claimed_soon(0));
}

Test(worker, a_denied_claim_is_not_repeated_at_once) {
  start();
  for (int i = 0; i < 10; i++) {
    worker_store_claim(store, 0, STORE_DENIED);
    unsigned claims = store->claim[0].count;
    worker_turn(worker);
    if (store->renew.callback) worker_store_view(store);
    worker_turn(worker);
    cr_assert_eq(store->claim[0].count, claims, "the claim spins");
    for (int turns = 0; !store->claim[0].callback; turns++) {
      cr_assert(turns < 40, "it is never claimed again");
      pass_ms(25);
      if (store->renew.callback) worker_store_view(store);
    }
  }
  cr_assert_eq(metrics.claims_denied, 10);
}

Test(worker, a_load_that_fails_is_begun_again_by_a_claim) {
  start();
  worker_store_grant(store, 0, ME, (struct stream_id){0});
  worker_store_loaded(store, 0, STORE_FAILED);
  cr_assert_eq(worker->slots[0].state, SLOT_FREE);
  pass_ms(300);
  see();
  cr_assert_eq(store->claim[0].seen.epoch, 1);
  cr_assert_str_eq(store->claim[0].seen.worker, ME);
}

/* ---- commits ---- */

Test(worker, what_was_read_is_committed_and_one_commit_is_under_way_at_a_time) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  cr_assert_eq(store->commit.count, 0);
  worker_turn(worker);
  cr_assert_eq(store->commit.n, 1);
  cr_assert_eq(store->segments[p].n_whole, 1);
  cr_assert_eq(store->segments[p].n_deliveries, 1);
  cr_assert_eq(store->segments[p].done.ms, store->now_ms);
  let_join("bob");
  worker_turn(worker);
  let_join("cem");
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 1);
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 2);
  cr_assert_eq(store->segments[p].n_whole, 0);
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 2);
  cr_assert_eq(members(p), 3);
}

Test(worker, reads_keep_their_pace_and_what_one_brought_is_committed_at_once) {
  start_owning_all();
  worker->shards[0].reads.every_us = worker->shards[0].commits.every_us = 1000;
  pace_begin(&worker->shards[0].reads, store->now_us);
  let_join("ann");
  cr_assert_eq(worker_turn(worker), 1000);
  cr_assert_eq(store->commit.count, 1);
  cr_assert_null(store->read.callback, "it found something at once: more may come until the next one goes out");
  worker_store_commit(store, STORE_OK, NULL);
  store->now_us += 999;
  cr_assert_eq(worker_turn(worker), 1);
  cr_assert_null(store->read.callback);
  store->now_us += 1;
  worker_turn(worker);
  cr_assert_not_null(store->read.callback);
  store->now_us += 500;
  let_join("bob");
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 2);
  cr_assert_not_null(store->read.callback, "it had to wait, so the next one need not");
  worker_store_commit(store, STORE_OK, NULL);
}

Test(worker, what_frames_and_timers_do_is_committed_at_a_pace) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, NULL);
  worker->shards[0].commits.every_us = 1000;
  pace_begin(&worker->shards[0].commits, store->now_us);
  worker->slots[p].partition.effects.moved = true;
  cr_assert_eq(worker_turn(worker), 1000);
  cr_assert_eq(store->commit.count, 1);
  store->now_us += 1000;
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 2);
  worker_store_commit(store, STORE_OK, NULL);
  cr_assert_gt(worker_turn(worker), 1000, "with nothing to commit nobody waits for the pace");
}

/* ---- a lossy kind that changes in every frame and says nothing ---- */

static kind_code open_hush(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code refuse_hush(struct room *room, struct member *member, struct bytes payload,
                             struct kind_reply *reply) {
  (void)room, (void)member, (void)payload, (void)reply;
  return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
}

static bool tick_hush(struct room *room, const struct kind_tick *tick) {
  (void)room, (void)tick;
  return true;
}

static void save_hush(struct room *room, struct buf *out) {
  (void)room, (void)out;
}

static bool load_hush(struct room *room, struct bytes state) {
  (void)room;
  return state.len == 0;
}

static void show_hush(struct room *room, const struct member *viewer, struct buf *out) {
  (void)room, (void)viewer, (void)out;
}

static const struct kind hush_kind = {.abi = KIND_ABI,
                                      .name = "hush",
                                      .max_members = 4,
                                      .max_members_limit = 4,
                                      .tick_hz = 10,
                                      .lossy = true,
                                      .state_size = 1,
                                      .open = open_hush,
                                      .command = refuse_hush,
                                      .tick = tick_hush,
                                      .save = save_hush,
                                      .load = load_hush,
                                      .snapshot = show_hush};

Test(worker, what_a_lossy_room_does_in_silence_is_committed_when_it_is_saved_and_no_sooner) {
  uint32_t p = partition_of("hush/a");
  cr_assert_eq(kind_registry_add(&kinds, &hush_kind), KIND_ADDED);
  start_owning_all();
  let_join_room("hush/a", "ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, NULL);
  unsigned before = store->segments[p].count;
  for (int i = 0; i < 9; i++) pass_ms(100);
  cr_assert_geq(metrics.frames, 8);
  cr_assert_eq(store->segments[p].count, before, "%u commits say nothing", store->segments[p].count - before);
  for (int i = 0; i < 3 && !store->commit.callback; i++) pass_ms(100);
  cr_assert_eq(store->segments[p].count, before + 1);
  cr_assert_eq(store->segments[p].n_rooms, 1);
}

Test(worker, a_commit_without_an_answer_drops_its_partitions_and_claims_them_again) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  struct buf image = {0};
  buf_append_bytes(&image, buf_bytes(&store->segments[p].image));
  worker_store_commit(store, STORE_LOST, NULL);
  cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  cr_assert_eq(worker->slots[(p + 1) % STORE_PARTITIONS].state, SLOT_LIVE);
  worker_turn(worker);
  see();
  cr_assert_eq(store->claim[p].seen.epoch, 1);
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  worker_store_room(store, p, ROOM, buf_bytes(&image));
  worker_store_loaded(store, p, STORE_OK);
  cr_assert_eq(worker->slots[p].state, SLOT_LIVE);
  cr_assert_eq(worker->slots[p].epoch, 2);
  cr_assert_eq(members(p), 1);
  buf_close(&image);
}

Test(worker, a_fenced_partition_is_dropped_and_the_others_are_not) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, &(struct store_commit_outcome){.fenced = &p, .n_fenced = 1});
  cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  cr_assert_eq(metrics.commits_fenced, 1);
  store->owners[p] = (struct store_owner){.worker = YOU, .epoch = 2};
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  see();
  cr_assert_null(store->claim[p].callback);
  for (uint32_t other = 0; other < STORE_PARTITIONS; other++) {
    if (other != p) cr_assert_eq(worker->slots[other].state, SLOT_LIVE);
  }
}

Test(worker, an_answer_about_an_epoch_that_is_over_touches_nothing_newer) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  store->owners[p].epoch = 5; /* while the commit is under way it was lost, and is ours again */
  see();
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  worker_store_loaded(store, p, STORE_OK);
  worker_store_commit(store, STORE_OK, &(struct store_commit_outcome){.fenced = &p, .n_fenced = 1});
  cr_assert_eq(worker->slots[p].state, SLOT_LIVE);
  cr_assert_eq(worker->slots[p].epoch, 6);
}

Test(worker, a_claim_under_way_is_not_given_up_for_an_older_commit) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  store->owners[p].epoch = 5;
  see();
  cr_assert_eq(worker->slots[p].state, SLOT_CLAIMING);
  worker_store_commit(store, STORE_OK, &(struct store_commit_outcome){.fenced = &p, .n_fenced = 1});
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  cr_assert_eq(worker->slots[p].state, SLOT_LOADING);
}

Test(worker, a_room_with_a_damaged_key_is_written_whole) {
  uint32_t p = partition_of_room();
  struct buf image = {0};
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  buf_append_bytes(&image, buf_bytes(&store->segments[p].image));
  worker_store_commit(store, STORE_OK, NULL);
  let_join("bob");
  worker_turn(worker);
  cr_assert_eq(store->segments[p].n_whole, 0);
  struct store_refused refused = {.partition = p, .wrong_room = ROOM, .message = "WRONGROOM"};
  worker_store_commit(store, STORE_OK, &(struct store_commit_outcome){.refused = &refused, .n_refused = 1});
  cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  worker_turn(worker);
  see();
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  worker_store_room(store, p, ROOM, buf_bytes(&image));
  worker_store_loaded(store, p, STORE_OK);
  worker_turn(worker);
  cr_assert_eq(store->segments[p].n_whole, 1);
  cr_assert_eq(store->segments[p].epoch, 2);
  cr_assert_str_eq(store->segments[p].image_of, ROOM);
  cr_assert_str_eq(worker->slots[p].heal, "");
  buf_close(&image);
}

/* Refused, dropped, claimed and loaded again, with what Redis has of the room. */
static void lose_and_reload(enum store_result result, const struct store_commit_outcome *outcome,
                            struct bytes image) {
  uint32_t p = partition_of_room();
  worker_store_commit(store, result, outcome);
  cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  pass_ms(1000);
  see();
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  worker_store_room(store, p, ROOM, image);
  worker_store_loaded(store, p, STORE_OK);
  grant_all();
  worker_turn(worker);
}

Test(worker, members_of_a_room_whose_image_is_damaged_are_told_that_it_is_lost) {
  uint32_t p = partition_of_room();
  struct store_refused refused = {.partition = p, .wrong_room = ROOM, .message = "WRONGROOM"};
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, NULL);
  let_join("bob");
  worker_turn(worker);
  lose_and_reload(STORE_OK, &(struct store_commit_outcome){.refused = &refused, .n_refused = 1}, (struct bytes){0});
  cr_assert_null(repository_find(&worker->slots[p].partition.repository, ROOM));
  cr_assert_eq(store->segments[p].n_deliveries, 1);
  cr_assert_eq(worker->slots[p].n_stranded, 0);
}

Test(worker, after_a_commit_that_failed_half_way_members_are_told_and_told_again_until_it_is_in_redis) {
  uint32_t p = partition_of_room();
  struct buf image = {0};
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  buf_append_bytes(&image, buf_bytes(&store->segments[p].image));
  for (int i = 0; i < 2; i++) {
    lose_and_reload(STORE_BROKEN, NULL, buf_bytes(&image));
    cr_assert_eq(worker->slots[p].resync, RESYNC_TOLD);
    cr_assert_eq(store->segments[p].n_deliveries, 1);
  }
  worker_store_commit(store, STORE_OK, NULL);
  cr_assert_eq(worker->slots[p].resync, RESYNC_NONE);
  buf_close(&image);
}

Test(worker, a_stream_that_cannot_be_read_costs_its_partition_and_no_other) {
  uint32_t p = partition_of_room();
  start_owning_all();
  worker_store_read(store, STORE_FAILED, NULL, 0);
  for (uint32_t i = 0; i < STORE_PARTITIONS; i++) {
    worker_turn(worker);
    cr_assert_eq(store->read.n, 1);
    cr_assert_eq(store->read.positions[0].partition, i);
    worker_store_read(store, i == p ? STORE_FAILED : STORE_OK, NULL, 0);
  }
  worker_turn(worker); /* all were tried; now the others as ever */
  worker_store_read(store, STORE_OK, NULL, 0);
  worker_turn(worker);
  cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  cr_assert_eq(store->read.n, STORE_PARTITIONS - 1);
  cr_assert_eq(metrics.reads_failed, 2);
}

Test(worker, who_cannot_renew_his_lease_is_not_ready) {
  struct buf reason = {0};
  start_owning_all();
  cr_assert(worker_ready(worker, &reason));
  store->now_us += 3000000;
  cr_assert_not(worker_ready(worker, &reason));
  see();
  cr_assert(worker_ready(worker, &reason));
  buf_close(&reason);
}

Test(worker, who_may_not_read_is_not_ready_and_does_not_spin) {
  struct buf reason = {0};
  start_owning_all();
  for (uint32_t i = 0; i < STORE_PARTITIONS + 2; i++) { /* all, each, and none */
    cr_assert(worker_ready(worker, &reason), "it may be a partition's fault");
    worker_store_read(store, STORE_FAILED, NULL, 0);
    worker_turn(worker);
  }
  cr_assert_not(worker_ready(worker, &reason));
  cr_assert_null(store->read.callback, "not at once");
  pass_ms(250);
  cr_assert_not(worker_ready(worker, &reason));
  worker_store_read(store, STORE_OK, NULL, 0);
  see();
  cr_assert(worker_ready(worker, &reason));
  buf_close(&reason);
}

Test(worker, whose_commit_is_refused_is_not_ready_until_one_is_taken) {
  struct buf reason = {0};
  for (int taken = 0; taken < 2; taken++) {
    if (taken) {
      teardown();
      setup();
    }
    start_owning_all();
    let_join("ann");
    worker_turn(worker);
    worker_store_commit(store, STORE_BROKEN, &(struct store_commit_outcome){.message = "NOPERM"});
    cr_assert_not(worker_ready(worker, &reason));
    see();
    cr_assert_not(worker_ready(worker, &reason));
    if (taken) {
      pass_ms(1000);
      see();
      grant_all();
      if (!store->commit.callback) let_join("ann");
      worker_turn(worker);
      worker_store_commit(store, STORE_OK, NULL);
    } else { /* or its partition may be another's, and none be due here */
      pass_ms(10000);
      see();
    }
    cr_assert(worker_ready(worker, &reason));
  }
  buf_close(&reason);
}

Test(worker, a_refused_commit_is_not_tried_again_at_once) {
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_FAILED, &(struct store_commit_outcome){.message = "WRONGKEY"});
  unsigned claims = store->claim[p].count;
  worker_turn(worker);
  see();
  see();
  cr_assert_eq(store->claim[p].count, claims);
  pass_ms(1000);
  see();
  cr_assert_eq(store->claim[p].count, claims + 1);
}

Test(worker, a_dead_gateway_named_by_a_commit_is_said_in_the_partitions_stream) {
  static const char *const gone[] = {"g-1"};
  uint32_t p = partition_of_room();
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_commit(store, STORE_OK, &(struct store_commit_outcome){.gone = gone, .n_gone = 1});
  worker_turn(worker);
  cr_assert_eq(store->segments[p].count, 2);
  cr_assert_eq(store->segments[p].n_appends, 1);
}

/* ---- reads ---- */

Test(worker, a_late_read_of_an_epoch_that_is_over_is_thrown_away) {
  uint32_t p = partition_of_room();
  start_owning_all();
  store->owners[p].epoch = 5;
  see();
  worker_store_grant(store, p, ME, (struct stream_id){5, 0});
  worker_store_loaded(store, p, STORE_OK);
  worker_turn(worker);
  let_join("ann");
  cr_assert_eq(members(p), 0);
  worker_turn(worker);
  cr_assert_eq(store->commit.count, 0);
  let_join("ann"); /* the next read is of this epoch */
  cr_assert_eq(members(p), 1);
}

/* ---- letting go ---- */

Test(worker, what_is_too_much_for_one_commit_stays_in_the_stream) {
  start_owning_all();
  worker->slots[partition_of_room()].partition.effects.waiting_bytes = 9u << 20;
  let_join("ann");
  cr_assert_eq(members(partition_of_room()), 0);
  worker->slots[partition_of_room()].partition.effects.waiting_bytes = 0;
  worker_turn(worker);
  let_join("ann"); /* it is read again, from the same place */
  cr_assert_eq(members(partition_of_room()), 1);
}

Test(worker, reading_waits_while_too_much_waits_for_the_commit) {
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  cr_assert(store->commit.callback);
  let_join("bob");
  worker->slots[partition_of_room()].partition.effects.waiting_bytes += 9u << 20;
  worker_turn(worker);
  worker_turn(worker);
  cr_assert_null(store->read.callback);
  cr_assert_eq(metrics.read_pauses, 1);
  cr_assert_geq(metrics.waiting_bytes, 9u << 20);
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  worker_turn(worker);
  cr_assert(store->read.callback);
  cr_assert_lt(metrics.waiting_bytes, 1u << 20);
}

Test(worker, what_another_should_own_is_released_and_no_sooner_than_after_a_second) {
  start_owning_all();
  store->workers[1] = (struct store_worker){.id = YOU};
  store->n_workers = 2;
  see();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(worker->slots[p].state, SLOT_LIVE);
  pass_ms(1001);
  let_join("ann");
  worker_turn(worker);
  see();
  unsigned leaving = 0;
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    leaving += worker->slots[p].state == SLOT_LEAVING || worker->slots[p].state == SLOT_RELEASING;
    if (!store->release[p].callback) continue;
    cr_assert_eq(store->release[p].epoch, 1);
    cr_assert_str_eq(store->release[p].successor, YOU);
  }
  cr_assert_eq(leaving, STORE_PARTITIONS / 2);
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    cr_assert(worker->slots[p].state == SLOT_LIVE || store->release[p].callback);
    if (store->release[p].callback) worker_store_release(store, p, STORE_OK);
  }
}

Test(worker, a_stop_commits_releases_all_and_retires) {
  start_owning_all();
  let_join("ann");
  worker_stop(worker);
  struct buf reason = {0};
  cr_assert_not(worker_ready(worker, &reason));
  cr_assert_str_eq(buf_str(&reason), "stopping");
  worker_turn(worker);
  cr_assert(store->commit.callback);
  see();
  cr_assert(store->renew.draining);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
    cr_assert_eq(store->release[p].callback == NULL, p == partition_of_room(), "released before its commit, or not");
  }
  store->workers[0].draining = true;
  worker_store_commit(store, STORE_OK, NULL);
  worker_turn(worker);
  cr_assert_eq(store->retire.count, 0);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) worker_store_release(store, p, STORE_OK);
  worker_turn(worker);
  if (store->renew.callback) worker_store_view(store);
  worker_turn(worker);
  cr_assert_eq(store->retire.count, 1);
  cr_assert_eq(worker->state, WORKER_STOPPING);
  store->now_us += 5000000;
  cr_assert_gt(worker_turn(worker), 0, "it spins while Redis is slow to let it go");
  worker_store_retire(store, STORE_OK);
  cr_assert_eq(worker->state, WORKER_STOPPED);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(store->release[p].count, 1);
  buf_close(&reason);
}

Test(worker, a_stop_while_a_claim_is_under_way_releases_that_too) {
  start();
  worker_stop(worker);
  worker_turn(worker);
  grant_all();
  for (int i = 0; i < 20 && worker->state != WORKER_STOPPED; i++) {
    pass_ms(25);
    if (store->renew.callback) worker_store_view(store);
    worker_turn(worker);
    for (uint32_t p = 0; p < STORE_PARTITIONS; p++) {
      if (store->release[p].callback) worker_store_release(store, p, STORE_OK);
    }
    if (store->retire.callback) worker_store_retire(store, STORE_LOST);
  }
  cr_assert_eq(worker->state, WORKER_STOPPED);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_str_eq(store->owners[p].worker, "");
}

/* ---- the connection ---- */

Test(worker, a_lost_connection_drops_everything_and_all_is_claimed_again) {
  start_owning_all();
  let_join("ann");
  worker_turn(worker);
  worker_store_set_ready(store, false);
  struct buf reason = {0};
  cr_assert_not(worker_ready(worker, &reason));
  buf_close(&reason);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  unsigned calls = store->renew.count + store->commit.count + store->read.count;
  pass_ms(1000);
  cr_assert_eq(store->renew.count + store->commit.count + store->read.count, calls);
  worker_store_set_ready(store, true);
  start();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(store->claim[p].seen.epoch, 1);
  grant_all();
  cr_assert_eq(members(partition_of_room()), 0);
  cr_assert_eq(worker->slots[0].epoch, 2);
}

Test(worker, a_connection_lost_while_claiming_or_loading_gives_both_up) {
  start();
  worker_store_grant(store, 0, ME, (struct stream_id){0});
  worker_store_set_ready(store, false);
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(worker->slots[p].state, SLOT_FREE);
  worker_store_set_ready(store, true);
  pass_ms(200);
  start();
  cr_assert_eq(store->claim[0].seen.epoch, 1);
  grant_all();
  for (uint32_t p = 0; p < STORE_PARTITIONS; p++) cr_assert_eq(worker->slots[p].state, SLOT_LIVE);
}
