/* The life of a gateway's id on two Redis: one id, alive only where both keep it; and one that is away holds up
 * nobody. */
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "tests/support/fake_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define PARTITIONS 4

static struct fake_store *fakes[2];
static struct gateway *gateway;
static struct gateway_metrics metrics;
static struct auth auth = {.mode = AUTH_DEV};
static struct payload_registry registry;
static const uint64_t none[PARTITIONS];

static void create(void) {
  struct store *stores[2];
  static const struct session_output output = {.send = NULL};
  struct gateway_config config = {.id = "g1",
                                  .partitions = PARTITIONS,
                                  .shards = 2,
                                  .ttl_ms = 30000,
                                  .drain_timeout_ms = 5000,
                                  .partition_entries = 8,
                                  .partition_bytes = 65536,
                                  .sessions = {.max_message_bytes = 65536, .max_rooms = 3},
                                  .auth = &auth,
                                  .registry = &registry,
                                  .output = &output};
  for (int i = 0; i < 2; i++) {
    fakes[i] = fake_store_create();
    stores[i] = &fakes[i]->store;
  }
  gateway = gateway_create(stores, &config, &metrics, NULL);
}

static void destroy(void) {
  for (int i = 0; i < 2; i++) fake_store_destroy(fakes[i]);
  gateway_destroy(gateway);
}

TestSuite(gateway_shards, .init = create, .fini = destroy);

static void check(unsigned shard) {
  gateway_turn(gateway);
  fake_store_init(fakes[shard], STORE_OK, NULL, "c1");
  gateway_turn(gateway);
}

static void open_on(unsigned shard) {
  check(shard);
  fake_store_open(fakes[shard], STORE_OK, 1, none, PARTITIONS);
  gateway_turn(gateway);
}

static void start(void) {
  open_on(0);
  open_on(1);
  cr_assert_eq(gateway_shards(gateway), 2u);
}

/* A room of each Redis. */
static const char *room_on(unsigned shard) {
  static char rooms[2][16];
  for (unsigned i = 0;; i++) {
    snprintf(rooms[shard], sizeof rooms[shard], "chat/r%u", i);
    if (room_partition(rooms[shard], strlen(rooms[shard]), PARTITIONS) % 2 == shard) return rooms[shard];
  }
}

static void push(unsigned shard) {
  uplink_push_disconnected(gateway_sessions(gateway)->uplink, room_on(shard), 1, 1, "ann");
  gateway_turn(gateway);
}

static void set_ready(unsigned shard, bool ready) {
  fake_store_set_ready(fakes[shard], ready);
  gateway_turn(gateway);
}

static bool is_ready(void) {
  const char *why;
  return gateway_is_ready(gateway, &why);
}

Test(gateway_shards, an_id_is_opened_on_both_the_first_of_which_is_asked_first_whose_deployment_it_is) {
  gateway_turn(gateway);
  cr_assert_eq(fakes[1]->init.count, 0u, "it would not know whose part a new one is");
  open_on(0);
  cr_assert_not(is_ready(), "the other one is waited for when it starts");
  open_on(1);
  cr_assert(is_ready());
  cr_assert_str_eq(fakes[0]->open.gateway, "g1");
  cr_assert_str_eq(fakes[1]->open.gateway, "g1");
}

Test(gateway_shards, one_that_is_never_reached_is_waited_for_and_then_done_without) {
  fakes[1]->ready = false;
  open_on(0);
  cr_assert_not(is_ready());
  fakes[0]->now_us += 4000000;
  gateway_turn(gateway);
  cr_assert(is_ready());
}

Test(gateway_shards, entries_go_to_the_redis_of_their_room) {
  start();
  push(0);
  cr_assert_eq(fakes[0]->append.n, 1u);
  cr_assert_eq(fakes[1]->append.count, 0u);
  push(1);
  cr_assert_eq(fakes[1]->append.n, 1u);
  cr_assert_eq(fakes[1]->append.items[0].partition % 2, 1u);
}

Test(gateway_shards, one_that_is_away_holds_up_nobody_on_the_other) {
  start();
  push(1); /* in flight for ever */
  push(0);
  fake_store_append_ok(fakes[0]);
  set_ready(1, false);
  push(0);
  cr_assert_eq(fakes[0]->append.count, 2u);
  fake_store_append_ok(fakes[0]);
  cr_assert_str_eq(gateway_id(gateway), "g1", "it keeps its id");
  cr_assert(is_ready());
  push(1); /* waits */
  set_ready(1, true);
  check(1);
  cr_assert(fakes[1]->open.again, "it asks what was taken");
  uint64_t numbers[PARTITIONS] = {0};
  fake_store_open(fakes[1], STORE_OK, 2, numbers, PARTITIONS);
  gateway_turn(gateway);
  cr_assert_eq(fakes[1]->append.count, 2u);
  cr_assert_eq(fakes[1]->append.items[0].number, 1u, "what was not taken goes again, under its number");
}

Test(gateway_shards, P2_an_id_that_one_has_lost_is_given_up_on_both) {
  start();
  push(1);
  fake_store_append_fail(fakes[1], STORE_GONE);
  gateway_turn(gateway);
  cr_assert_str_eq(fakes[0]->close.gateway, "g1");
  cr_assert_str_eq(fakes[0]->open.gateway, fakes[1]->open.gateway);
  cr_assert_neq(strcmp(fakes[0]->open.gateway, "g1"), 0, "another one is taken, on both");
}

Test(gateway_shards, what_is_said_before_the_second_has_the_id_goes_out_when_it_has) {
  open_on(0);
  push(1);
  cr_assert_eq(fakes[1]->append.count, 0u);
  open_on(1);
  cr_assert_eq(fakes[1]->append.n, 1u);
}

Test(gateway_shards, a_lost_opening_of_an_id_in_use_does_not_end_it) {
  open_on(0);
  check(1);
  fake_store_open(fakes[1], STORE_LOST, 0, NULL, 0);
  check(1);
  cr_assert_str_eq(fakes[1]->open.gateway, "g1");
  cr_assert(fakes[1]->open.again, "perhaps it was made");
  fake_store_open(fakes[1], STORE_GONE, 0, NULL, 0);
  gateway_turn(gateway);
  cr_assert_not(fakes[1]->open.again, "it was not");
  fake_store_open(fakes[1], STORE_OK, 1, none, PARTITIONS);
  gateway_turn(gateway);
  cr_assert_eq(gateway_shards(gateway), 2u);
  cr_assert_str_eq(gateway_id(gateway), "g1");
}

Test(gateway_shards, an_opening_that_is_answered_for_an_id_given_up_meanwhile_is_closed) {
  open_on(0);
  check(1); /* being opened there */
  push(0);
  fake_store_append_fail(fakes[0], STORE_GONE);
  gateway_turn(gateway);
  fake_store_open(fakes[1], STORE_OK, 1, none, PARTITIONS);
  cr_assert_str_eq(fakes[1]->close.gateway, "g1");
  gateway_turn(gateway);
  cr_assert_neq(strcmp(fakes[1]->open.gateway, "g1"), 0);
}

Test(gateway_shards, a_drain_ends_the_id_on_both_and_does_not_wait_for_one_that_is_away) {
  start();
  set_ready(1, false);
  gateway_drain(gateway);
  gateway_turn(gateway);
  cr_assert_str_eq(fakes[0]->close.gateway, "g1");
  cr_assert_eq(fakes[1]->close.count, 0u);
  fake_store_close(fakes[0], STORE_OK);
  gateway_turn(gateway);
  cr_assert(gateway_is_finished(gateway));
  cr_assert_not(gateway_drain_timed_out(gateway));
}

Test(gateway_shards, one_asked_before_the_deployment_was_known_is_asked_again) {
  fakes[0]->ready = false;
  fakes[0]->now_us += 4000000;
  gateway_turn(gateway);
  fakes[0]->ready = true; /* both are asked now */
  gateway_turn(gateway);
  fake_store_init(fakes[0], STORE_OK, NULL, "ours");
  fake_store_init(fakes[1], STORE_OK, NULL, "theirs");
  gateway_turn(gateway);
  cr_assert_eq(fakes[1]->init.count, 2u, "now it is told, and says no");
  cr_assert_eq(fakes[1]->open.count, 0u);
}

Test(gateway_shards, one_that_is_refused_at_the_start_ends_the_gateway) {
  open_on(0);
  gateway_turn(gateway);
  fake_store_init(fakes[1], STORE_FAILED, "no", "c1");
  cr_assert_str_eq(gateway_refused(gateway), "no");
}

Test(gateway_shards, P8_one_that_is_reached_late_and_refused_does_not_end_what_goes_on_at_the_other) {
  fakes[1]->ready = false;
  open_on(0);
  fakes[0]->now_us += 4000000;
  fakes[1]->now_us += 4000000;
  set_ready(1, true);
  fake_store_init(fakes[1], STORE_FAILED, "eviction", "c1");
  gateway_turn(gateway);
  cr_assert_null(gateway_refused(gateway));
  cr_assert(is_ready());
  fakes[1]->now_us += 1000000;
  fakes[0]->now_us += 1000000;
  open_on(1); /* somebody has put it right */
  cr_assert_eq(gateway_shards(gateway), 2u);
}
