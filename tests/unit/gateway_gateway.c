/* The life of a gateway's id: opening, refusals, lost connections, death, renewal, drain. */
#include "tests/support/fake_gateway.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const uint64_t none[FAKE_PARTITIONS];

static const char *why_not(struct fake_gateway *world) {
  const char *why;
  gateway_is_ready(world->gateway, &why);
  return why;
}

Test(gateway, becomes_ready_when_checked_opened_and_reading) {
  struct fake_gateway world;
  fake_gateway_create(&world, NULL);
  world.store->ready = false;
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "not connected to Redis");
  cr_assert_eq(world.store->init.count, 0);
  fake_store_set_ready(world.store, true);
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->init.partitions, FAKE_PARTITIONS);
  fake_store_init(world.store, STORE_OK, NULL, "c1");
  gateway_turn(world.gateway);
  cr_assert_str_eq(world.store->open.gateway, "g1");
  cr_assert_not(world.store->open.again);
  cr_assert_str_eq(why_not(&world), "opening");
  fake_store_open(world.store, STORE_OK, 1, none, FAKE_PARTITIONS);
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "");
  cr_assert_str_eq(gateway_id(world.gateway), "g1");
  fake_gateway_destroy(&world);
}

Test(gateway, what_redis_refuses_at_start_is_final_and_a_lost_check_is_not) {
  struct fake_gateway world;
  fake_gateway_create(&world, NULL);
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_LOST, NULL, NULL);
  cr_assert_null(gateway_refused(world.gateway));
  world.store->now_us += 2000000;
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_FAILED, "the deployment has 8 partitions, not 4", NULL);
  cr_assert_str_eq(gateway_refused(world.gateway), "the deployment has 8 partitions, not 4");
  gateway_turn(world.gateway);
  cr_assert_null(world.store->init.callback);
  fake_gateway_destroy(&world);
}

Test(gateway, an_id_that_is_taken_or_in_doubt_gets_a_suffix) {
  const enum store_result results[] = {STORE_DENIED, STORE_LOST};
  for (size_t i = 0; i < 2; i++) {
    struct fake_gateway world;
    fake_gateway_create(&world, NULL);
    gateway_turn(world.gateway);
    fake_store_init(world.store, STORE_OK, NULL, "c1");
    gateway_turn(world.gateway);
    fake_store_open(world.store, results[i], 0, NULL, 0);
    gateway_turn(world.gateway);
    fake_store_init(world.store, STORE_OK, NULL, "c1");
    gateway_turn(world.gateway);
    cr_assert_eq(strncmp(world.store->open.gateway, "g1-", 3), 0);
    fake_gateway_destroy(&world);
  }
}

Test(gateway, a_lost_connection_is_opened_again_and_goes_on) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  const uint32_t p = room_partition("chat/a", 6, FAKE_PARTITIONS);
  fake_client_command(client, 3, "chat/a", 1, "x");
  gateway_turn(world.gateway);
  cr_assert_eq(fake_store_append_for(world.store, p)->number, 2);
  fake_store_set_ready(world.store, false);
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "not connected to Redis");
  fake_client_command(client, 4, "chat/a", 2, "y"); /* waits */
  fake_store_set_ready(world.store, true);
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_OK, NULL, "c1");
  gateway_turn(world.gateway);
  cr_assert(world.store->open.again);
  cr_assert_str_eq(world.store->open.gateway, "g1");
  uint64_t numbers[FAKE_PARTITIONS] = {0};
  numbers[p] = 1;
  fake_store_open(world.store, STORE_OK, 2, numbers, FAKE_PARTITIONS);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->command->number, 1);
  cr_assert_eq(world.store->append.generation, 2);
  fake_store_append_ok(world.store);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->command->number, 2);
  cr_assert(fake_client_silent(client), "the client notices a pause at most");
  cr_assert_str_eq(why_not(&world), "");
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

/* However it hears of its death: everybody is sent away, nothing of the old id is said under the new one. */
static void dies(struct fake_gateway *world, struct fake_client *client) {
  cr_assert_eq(gateway_turn(world->gateway), 0);
  const Heya__V1__ServerMessage *goodbye = fake_client_hear(client);
  cr_assert_eq(goodbye->body_case, HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE);
  cr_assert_eq(goodbye->goodbye->reason, HEYA__V1__ERROR__CODE__GATEWAY_LOST);
  cr_assert(goodbye->goodbye->reconnect);
  cr_assert_eq(client->close_code, 4046);
  fake_client_free(client);
  cr_assert_eq(world->metrics.disconnects, 0);
  if (world->store->append.callback) fake_store_append_fail(world->store, STORE_LOST);
  if (world->store->read.callback) cr_assert_gt(world->store->read.woken, 0, "deaf until the old read ends");
  if (!world->store->open.callback) gateway_turn(world->gateway);
  cr_assert_not(world->store->open.again);
  cr_assert_eq(strncmp(world->store->open.gateway, "g1-", 3), 0);
  fake_store_open(world->store, STORE_OK, 1, none, FAKE_PARTITIONS);
  if (world->store->read.callback) { /* one still owed to the old id */
    fake_store_read(world->store, STORE_GONE, NULL, 0);
  }
  gateway_turn(world->gateway);
  cr_assert_str_eq(why_not(world), "");
  cr_assert_eq(strncmp(world->store->read.gateway, "g1-", 3), 0);
  struct fake_client *next = fake_gateway_client(world, "bob");
  fake_client_join(next, 2, "chat/a", true);
  cr_assert_eq(fake_gateway_sent(world, "chat/a", 0)->body_case, HEYA__BUS__ENTRY__BODY_JOIN);
  cr_assert_eq(strncmp(world->store->append.gateway, "g1-", 3), 0);
  fake_client_free(next);
  fake_gateway_destroy(world);
}

Test(gateway, dies_when_an_append_says_so) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_command(client, 3, "chat/a", 1, "x");
  gateway_turn(world.gateway);
  fake_store_append_fail(world.store, STORE_GONE);
  dies(&world, client);
}

/* Or it would take one id after the other, as fast as clients come back. */
Test(gateway, after_a_broken_append_redis_is_checked_and_an_id_lives_for_a_second) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  unsigned checks = world.store->init.count;
  for (int i = 0; i < 3; i++) {
    struct fake_client *client = fake_gateway_client(&world, "ann");
    fake_client_join(client, 2, "chat/a", true);
    gateway_turn(world.gateway);
    fake_store_append_fail(world.store, STORE_BROKEN);
    gateway_turn(world.gateway);
    fake_client_free(client);
    fake_store_close(world.store, STORE_OK);
    if (world.store->read.callback) fake_store_read(world.store, STORE_OK, NULL, 0);
    uint64_t wait = gateway_turn(world.gateway);
    cr_assert(wait > 0 && wait <= 1000000, "%lu", (unsigned long)wait);
    cr_assert_null(world.store->init.callback);
    cr_assert_null(world.store->open.callback);
    world.store->now_us += wait;
    gateway_turn(world.gateway);
    cr_assert_eq(world.store->init.count, ++checks);
    fake_store_init(world.store, STORE_OK, NULL, "c1");
    gateway_turn(world.gateway);
    cr_assert_not(world.store->open.again);
    fake_store_open(world.store, STORE_OK, 1, none, FAKE_PARTITIONS);
    gateway_turn(world.gateway);
    cr_assert_str_eq(why_not(&world), "Redis failed half-way in what was sent to rooms");
  }
  struct fake_client *bob = fake_gateway_client(&world, "bob");
  fake_client_join(bob, 2, "chat/a", true);
  gateway_turn(world.gateway);
  fake_store_append_ok(world.store);
  cr_assert_str_eq(why_not(&world), "");
  fake_client_free(bob);
  fake_gateway_destroy(&world);
}

/* Then the check tells when all is well, though no client should be sent here to find out. */
Test(gateway, after_a_broken_append_a_check_that_failed_makes_the_next_one_enough) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  world.store->now_us += 1000000; /* the id is old enough */
  fake_client_command(client, 3, "chat/a", 1, "x");
  gateway_turn(world.gateway);
  fake_store_append_fail(world.store, STORE_BROKEN);
  gateway_turn(world.gateway);
  fake_client_free(client);
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_FAILED, "Redis refuses XADD", NULL);
  cr_assert_str_eq(why_not(&world), "Redis refuses XADD");
  cr_assert_null(gateway_refused(world.gateway));
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_OK, NULL, "c1");
  gateway_turn(world.gateway);
  fake_store_open(world.store, STORE_OK, 1, none, FAKE_PARTITIONS);
  if (world.store->read.callback) fake_store_read(world.store, STORE_OK, NULL, 0);
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "");
  fake_gateway_destroy(&world);
}

Test(gateway, dies_when_its_stream_is_gone) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_command(client, 3, "chat/a", 1, "x");
  gateway_turn(world.gateway); /* an append stays in flight */
  fake_store_read(world.store, STORE_GONE, NULL, 0);
  dies(&world, client);
}

/* Or a Redis that stalls would have every gateway spin. */
Test(gateway, waits_for_the_answer_to_a_renewal_however_late_it_is) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  while (world.store->renew.count == 0) {
    world.store->now_us += 1000000;
    gateway_turn(world.gateway);
  }
  world.store->now_us += 60000000;
  cr_assert_gt(gateway_turn(world.gateway), 1000000);
  cr_assert_eq(world.store->renew.count, 1);
  fake_store_renew(world.store, STORE_OK);
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->renew.count, 2);
  fake_gateway_destroy(&world);
}

Test(gateway, renews_each_third_of_its_ttl_and_dies_when_refused) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  uint64_t wait = gateway_turn(world.gateway);
  cr_assert(wait > 0 && wait <= 10000000);
  world.store->now_us += wait;
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->renew.count, 1);
  cr_assert_eq(world.store->renew.generation, 1);
  fake_store_renew(world.store, STORE_OK);
  world.store->now_us += 10000000;
  gateway_turn(world.gateway);
  fake_store_renew(world.store, STORE_GONE);
  dies(&world, client);
}

Test(gateway, whose_renewal_is_refused_or_late_is_not_ready) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  world.store->now_us += 10000000;
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "");
  world.store->now_us += 5000001;
  cr_assert_str_eq(why_not(&world), "Redis does not renew its id", "without an answer");
  fake_store_renew(world.store, STORE_OK);
  cr_assert_str_eq(why_not(&world), "");
  world.store->now_us += 10000000;
  gateway_turn(world.gateway);
  fake_store_renew(world.store, STORE_FAILED);
  cr_assert_str_eq(why_not(&world), "Redis does not renew its id");
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  fake_store_renew(world.store, STORE_OK);
  cr_assert_str_eq(why_not(&world), "");
  fake_gateway_destroy(&world);
}

Test(gateway, whose_stream_may_not_be_read_is_not_ready) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  fake_store_read(world.store, STORE_FAILED, NULL, 0);
  world.store->now_us += 200000;
  gateway_turn(world.gateway);
  cr_assert_not_null(world.store->read.callback, "it tries again");
  cr_assert_str_eq(why_not(&world), "Redis refuses to have its stream read");
  fake_store_read(world.store, STORE_OK, NULL, 0);
  gateway_turn(world.gateway);
  cr_assert_str_eq(why_not(&world), "");
  fake_gateway_destroy(&world);
}

Test(gateway, numbers_that_differ_after_a_reconnect_end_the_id) {
  struct fake_gateway world;
  uint64_t wrong[FAKE_PARTITIONS] = {40, 41, 42, 43};
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_store_set_ready(world.store, false);
  fake_store_set_ready(world.store, true);
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  fake_store_init(world.store, STORE_OK, NULL, "c1");
  gateway_turn(world.gateway);
  fake_store_open(world.store, STORE_OK, 2, wrong, FAKE_PARTITIONS);
  dies(&world, client);
}

static void reconnect(struct fake_gateway *world) {
  fake_store_set_ready(world->store, false);
  fake_store_set_ready(world->store, true);
  world->store->now_us += 1000000;
  gateway_turn(world->gateway);
  fake_store_init(world->store, STORE_OK, NULL, "c1");
}

/* Another run of Redis may have forgotten the last writes; the same one has not. */
Test(gateway, another_run_of_redis_ends_the_id) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  reconnect(&world);
  gateway_turn(world.gateway);
  cr_assert(world.store->open.again, "the same one");
  uint64_t numbers[FAKE_PARTITIONS] = {0};
  numbers[room_partition("chat/a", 6, FAKE_PARTITIONS)] = 1;
  fake_store_open(world.store, STORE_OK, 2, numbers, FAKE_PARTITIONS);
  gateway_turn(world.gateway);
  cr_assert_eq(client->close_code, 0);
  snprintf(world.store->server, sizeof world.store->server, "another");
  reconnect(&world);
  dies(&world, client);
}

Test(gateway, drains_by_sending_all_away_telling_rooms_and_closing_its_id) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  gateway_drain(world.gateway);
  cr_assert_str_eq(why_not(&world), "draining");
  gateway_turn(world.gateway);
  const Heya__V1__ServerMessage *goodbye = fake_client_hear(client);
  cr_assert_eq(goodbye->goodbye->reason, HEYA__V1__ERROR__CODE__SHUTTING_DOWN);
  cr_assert(goodbye->goodbye->reconnect);
  cr_assert_eq(client->close_code, 4042);
  struct fake_client *late = fake_client_open(world.sessions, CONN_PROTO, NULL);
  cr_assert_eq(late->close_code, 4042);
  fake_client_free(late);
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->close.count, 0, "somebody is still there");
  fake_client_free(client);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->body_case, HEYA__BUS__ENTRY__BODY_DISCONNECTED);
  cr_assert_eq(world.store->close.count, 0, "a room is not told yet");
  fake_store_append_ok(world.store);
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->close.count, 1);
  cr_assert_not(gateway_is_finished(world.gateway));
  fake_store_close(world.store, STORE_OK);
  cr_assert(gateway_is_finished(world.gateway));
  cr_assert_not(gateway_drain_timed_out(world.gateway));
  fake_gateway_destroy(&world);
}

Test(gateway, a_drain_ends_in_time_whatever_is_missing) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_store_set_ready(world.store, false);
  gateway_drain(world.gateway);
  gateway_turn(world.gateway);
  uint64_t wait = gateway_turn(world.gateway);
  cr_assert(wait <= 5000000);
  cr_assert_not(gateway_is_finished(world.gateway));
  world.store->now_us += 5000000;
  gateway_turn(world.gateway);
  cr_assert(gateway_is_finished(world.gateway));
  cr_assert(gateway_drain_timed_out(world.gateway));
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(gateway, a_drain_is_late_when_a_client_does_not_go_and_still_closes_the_id) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  gateway_drain(world.gateway);
  gateway_turn(world.gateway);
  world.store->now_us += 5000000;
  gateway_turn(world.gateway);
  fake_store_close(world.store, STORE_OK);
  cr_assert(gateway_is_finished(world.gateway));
  cr_assert(gateway_drain_timed_out(world.gateway));
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

/* Nothing can be told to Redis: only a room that is to be told is worth waiting for. */
Test(gateway, a_drain_waits_for_a_redis_that_is_away_only_while_a_room_is_to_be_told) {
  for (int told = 0; told < 2; told++) {
    struct fake_gateway world;
    fake_gateway_start(&world);
    struct fake_client *client = fake_gateway_client(&world, "ann");
    if (!told) fake_client_join(client, 2, "chat/a", true);
    if (!told) fake_gateway_settle(&world);
    fake_store_set_ready(world.store, false);
    gateway_turn(world.gateway);
    gateway_drain(world.gateway);
    gateway_turn(world.gateway);
    cr_assert_not(gateway_is_finished(world.gateway), "somebody is still there");
    fake_client_free(client);
    gateway_turn(world.gateway);
    cr_assert_eq(gateway_is_finished(world.gateway), told);
    cr_assert_not(gateway_drain_timed_out(world.gateway));
    fake_gateway_destroy(&world);
  }
}

Test(gateway, a_drain_before_anything_was_opened_ends_at_once) {
  struct fake_gateway world;
  fake_gateway_create(&world, NULL);
  world.store->ready = false;
  gateway_turn(world.gateway);
  gateway_drain(world.gateway);
  gateway_turn(world.gateway);
  cr_assert(gateway_is_finished(world.gateway));
  fake_gateway_destroy(&world);
}
