/* The uplink alone: batching, bounds, BUSY, lost answers, and that nothing is doubled, lost or reordered. */
#include "gateway/gateway_metrics.h"
#include "gateway/uplink.h"
#include "proto/pb.h"
#include "tests/support/fake_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define PARTITIONS 2

struct world {
  struct fake_store *store;
  struct uplink *uplink;
  struct gateway_metrics metrics;
  uint64_t dead;          /* a connection that is not there */
  struct ticket busy[64]; /* what was given back */
  size_t n_busy;
  unsigned doubts, gones;
  char rooms[PARTITIONS][32]; /* one of each partition */
};

static bool alive(void *arg, uint64_t conn) {
  return conn != ((struct world *)arg)->dead;
}

static void busy(void *arg, const struct ticket *ticket) {
  struct world *world = arg;
  cr_assert(world->n_busy < 64);
  world->busy[world->n_busy++] = *ticket;
}

static void trouble(void *arg, enum uplink_trouble what) {
  struct world *world = arg;
  if (what == UPLINK_DOUBT) world->doubts++;
  if (what == UPLINK_GONE || what == UPLINK_BROKEN) world->gones++;
}

static void start_with(struct world *world, uint64_t pace_us) {
  const uint64_t numbers[PARTITIONS] = {0, 5};
  *world = (struct world){.store = fake_store_create()};
  world->uplink = uplink_create(
      &world->store->store,
      &(struct uplink_config){.partitions = PARTITIONS, .max_entries = 4, .max_bytes = 1000, .pace_us = pace_us},
      &(struct uplink_handler){alive, busy, trouble, world}, &world->metrics, NULL);
  for (unsigned i = 0, found = 0; found != 3; i++) {
    char room[32];
    snprintf(room, sizeof room, "chat/r%u", i);
    uint32_t partition = room_partition(room, strlen(room), PARTITIONS);
    memcpy(world->rooms[partition], room, sizeof room);
    found |= 1u << partition;
  }
  uplink_open(world->uplink, "g1", 1, numbers, PARTITIONS);
}

static void start(struct world *world) {
  start_with(world, 0);
}

static void stop(struct world *world) {
  fake_store_destroy(world->store);
  uplink_destroy(world->uplink);
}

static bool push(struct world *world, uint32_t partition, uint64_t conn, uint32_t number) {
  Heya__Bus__Command body = HEYA__BUS__COMMAND__INIT;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  body.number = number;
  entry.room = world->rooms[partition];
  entry.conn = conn;
  entry.attempt = 1;
  entry.request = number + 100;
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &body;
  return uplink_push(world->uplink, &entry);
}

static void flush(struct world *world) {
  uplink_flush(world->uplink, world->store->now_us);
}

/* The numbers of the commands in a batch, "D" for a disconnected. */
static const char *content(const struct fake_append *item) {
  static char text[4096];
  size_t len = 0;
  text[0] = '\0';
  for (size_t i = 0; item && i < item->batch->n_entries; i++) {
    const Heya__Bus__Entry *entry = item->batch->entries[i];
    if (entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND) {
      len += (size_t)snprintf(text + len, sizeof text - len, "%u ", entry->command->number);
    } else {
      len += (size_t)snprintf(text + len, sizeof text - len, "D ");
    }
  }
  return text;
}

static const struct fake_append *sent(struct world *world, uint32_t partition) {
  return fake_store_append_for(world->store, partition);
}

Test(uplink, one_append_carries_a_batch_per_partition_in_order) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  push(&world, 1, 1, 2);
  push(&world, 0, 2, 3);
  flush(&world);
  cr_assert_eq(world.store->append.count, 1);
  cr_assert_eq(world.store->append.n, 2);
  cr_assert_str_eq(world.store->append.gateway, "g1");
  cr_assert_eq(world.store->append.generation, 1);
  cr_assert_str_eq(content(sent(&world, 0)), "1 3 ");
  cr_assert_eq(sent(&world, 0)->number, 1);
  cr_assert_not(sent(&world, 0)->system);
  cr_assert_eq(sent(&world, 1)->number, 6, "numbers go on from what Redis has");
  cr_assert_not(uplink_is_idle(world.uplink));
  fake_store_append_ok(world.store);
  cr_assert(uplink_is_idle(world.uplink));
  flush(&world);
  cr_assert_eq(world.store->append.count, 1, "nothing waits, nothing is sent");
  stop(&world);
}

Test(uplink, what_arrives_during_an_append_joins_the_next) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  flush(&world);
  push(&world, 0, 1, 2);
  flush(&world);
  push(&world, 0, 1, 3);
  flush(&world);
  cr_assert_eq(world.store->append.count, 1);
  fake_store_append_ok(world.store);
  flush(&world);
  cr_assert_eq(sent(&world, 0)->number, 2);
  cr_assert_str_eq(content(sent(&world, 0)), "2 3 ");
  stop(&world);
}

Test(uplink, appends_keep_their_pace_and_the_first_after_a_rest_goes_at_once) {
  struct world world;
  start_with(&world, 1000);
  push(&world, 0, 1, 1);
  flush(&world);
  cr_assert_eq(world.store->append.count, 1);
  fake_store_append_ok(world.store);
  push(&world, 0, 1, 2);
  cr_assert_eq(uplink_flush(world.uplink, world.store->now_us), 1000);
  world.store->now_us += 400;
  push(&world, 1, 1, 1);
  cr_assert_eq(uplink_flush(world.uplink, world.store->now_us), 600);
  cr_assert_eq(world.store->append.count, 1);
  world.store->now_us += 600;
  flush(&world);
  cr_assert_eq(world.store->append.n, 2, "what came meanwhile goes together");
  fake_store_append_ok(world.store);
  stop(&world);
}

Test(uplink, waiting_entries_and_bytes_are_bounded_per_partition) {
  struct world world;
  start(&world);
  for (uint32_t i = 1; i <= 4; i++) cr_assert(push(&world, 0, 1, i));
  cr_assert_not(push(&world, 0, 1, 5));
  cr_assert(push(&world, 1, 1, 6), "another partition is another queue");
  uplink_push_disconnected(world.uplink, world.rooms[0], 1, 1, "ann"); /* never refused */
  Heya__Bus__Command body = HEYA__BUS__COMMAND__INIT;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  uint8_t payload[1000] = {0};
  body.payload = (ProtobufCBinaryData){sizeof payload, payload};
  entry.room = world.rooms[1];
  entry.body_case = HEYA__BUS__ENTRY__BODY_COMMAND;
  entry.command = &body;
  cr_assert_not(uplink_push(world.uplink, &entry));
  stop(&world);
}

Test(uplink, busy_goes_back_to_clients_and_consumes_no_number) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  push(&world, 0, 2, 2);
  push(&world, 1, 3, 3);
  flush(&world);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_BUSY, STORE_APPENDED}, 2);
  cr_assert_eq(world.n_busy, 2);
  cr_assert_eq(world.busy[0].conn, 1);
  cr_assert_eq(world.busy[0].request, 101);
  cr_assert_eq(world.busy[0].number, 1);
  cr_assert_str_eq(world.busy[0].room, world.rooms[0]);
  cr_assert_eq(world.busy[1].conn, 2);
  cr_assert(uplink_is_idle(world.uplink));
  push(&world, 0, 1, 9);
  push(&world, 1, 3, 9);
  flush(&world);
  cr_assert_eq(sent(&world, 0)->number, 1);
  cr_assert_eq(sent(&world, 1)->number, 7);
  stop(&world);
}

Test(uplink, disconnects_outlive_busy_in_a_system_batch_of_their_own) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  uplink_push_disconnected(world.uplink, world.rooms[0], 7, 1, "ann");
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D 1 ");
  cr_assert_not(sent(&world, 0)->system);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_BUSY}, 1);
  cr_assert_eq(world.n_busy, 1);
  push(&world, 0, 1, 2);
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D ");
  cr_assert(sent(&world, 0)->system, "it may use the reserve");
  cr_assert_eq(sent(&world, 0)->number, 1);
  cr_assert_eq(sent(&world, 0)->batch->entries[0]->conn, 7);

  fake_store_append(world.store, (enum store_append_verdict[]){STORE_BUSY}, 1); /* the reserve is full too */
  cr_assert_eq(world.n_busy, 2, "clients behind it have no better chance");
  uint64_t wait = uplink_flush(world.uplink, world.store->now_us);
  cr_assert(wait > 0 && wait < UPLINK_NEVER, "tried again after a pause");
  cr_assert_null(world.store->append.callback);
  world.store->now_us += wait;
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D ");
  fake_store_append_ok(world.store);
  cr_assert(uplink_is_idle(world.uplink));
  stop(&world);
}

Test(uplink, a_full_redis_is_busy_for_clients_and_a_pause_for_disconnects) {
  const enum store_result results[] = {STORE_FULL, STORE_FAILED};
  for (size_t i = 0; i < 2; i++) {
    struct world world;
    start(&world);
    push(&world, 0, 1, 1);
    push(&world, 1, 1, 2);
    uplink_push_disconnected(world.uplink, world.rooms[0], 7, 1, "ann");
    flush(&world);
    fake_store_append_fail(world.store, results[i]);
    cr_assert_eq(world.n_busy, 2);
    flush(&world);
    cr_assert_null(world.store->append.callback);
    world.store->now_us += 1000000;
    flush(&world);
    cr_assert_eq(world.store->append.n, 1);
    cr_assert_str_eq(content(sent(&world, 0)), "D ");
    cr_assert_eq(sent(&world, 0)->number, 1);
    cr_assert_eq(world.doubts + world.gones, 0);
    stop(&world);
  }
}

Test(uplink, a_lost_append_is_resent_only_where_it_was_not_taken) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  push(&world, 1, 1, 2);
  flush(&world);
  char *bytes = malloc(sent(&world, 1)->len);
  size_t len = sent(&world, 1)->len;
  memcpy(bytes, sent(&world, 1)->data, len);
  push(&world, 0, 1, 3);
  push(&world, 1, 1, 4);
  fake_store_append_fail(world.store, STORE_LOST);
  cr_assert_eq(world.doubts, 1);
  cr_assert_eq(world.n_busy, 0);
  flush(&world);
  cr_assert_eq(world.store->append.count, 1, "nothing is sent in doubt");

  cr_assert(uplink_resume(world.uplink, 2, (uint64_t[]){1, 5}, PARTITIONS)); /* 0 was taken, 1 was not */
  flush(&world);
  cr_assert_eq(world.store->append.generation, 2);
  cr_assert_str_eq(content(sent(&world, 0)), "3 ");
  cr_assert_eq(sent(&world, 0)->number, 2);
  cr_assert_eq(sent(&world, 1)->number, 6);
  cr_assert_eq(sent(&world, 1)->len, len, "the same bytes under the same number");
  cr_assert_eq(memcmp(sent(&world, 1)->data, bytes, len), 0);
  fake_store_append_ok(world.store);
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 1)), "4 ");
  cr_assert_eq(sent(&world, 1)->number, 7);
  free(bytes);
  stop(&world);
}

Test(uplink, numbers_that_cannot_be_explained_end_the_id) {
  struct world world;
  start(&world);
  cr_assert_not(uplink_resume(world.uplink, 2, (uint64_t[]){1, 5}, PARTITIONS), "a batch nobody sent");
  cr_assert_not(uplink_resume(world.uplink, 2, (uint64_t[]){0, 4}, PARTITIONS), "a batch that was taken back");
  cr_assert_not(uplink_resume(world.uplink, 2, (uint64_t[]){0}, 1));
  cr_assert(uplink_resume(world.uplink, 2, (uint64_t[]){0, 5}, PARTITIONS));
  stop(&world);
}

Test(uplink, gone_and_half_done_end_the_id_and_refused_is_a_doubt) {
  const struct {
    enum store_result result;
    unsigned gones;
  } cases[] = {{STORE_GONE, 1}, {STORE_BROKEN, 1}};
  for (size_t i = 0; i < 2; i++) {
    struct world world;
    start(&world);
    push(&world, 0, 1, 1);
    flush(&world);
    fake_store_append_fail(world.store, cases[i].result);
    cr_assert_eq(world.gones, cases[i].gones);
    flush(&world);
    cr_assert_null(world.store->append.callback);
    stop(&world);
  }
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  flush(&world);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_REFUSED}, 1);
  cr_assert_eq(world.doubts, 1);
  cr_assert(uplink_resume(world.uplink, 2, (uint64_t[]){0, 5}, PARTITIONS));
  world.store->now_us += 1000000;
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "1 ");
  stop(&world);
}

Test(uplink, a_redis_whose_clock_is_behind_makes_clients_wait_and_leaves_no_doubt) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  uplink_push_disconnected(world.uplink, world.rooms[0], 7, 1, "ann");
  push(&world, 1, 3, 2);
  flush(&world);
  push(&world, 0, 2, 3);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_BEHIND, STORE_APPENDED}, 2);
  cr_assert_eq(world.doubts, 0);
  cr_assert_eq(world.gones, 0);
  cr_assert_eq(world.n_busy, 2, "who waits behind it has no better chance");
  push(&world, 1, 3, 9);
  flush(&world);
  cr_assert_null(sent(&world, 0), "tried again after a pause, which other partitions do not make");
  cr_assert_str_eq(content(sent(&world, 1)), "9 ");
  fake_store_append_ok(world.store);
  world.store->now_us += 1000000;
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D ", "system entries are kept");
  cr_assert_eq(sent(&world, 0)->number, 1);
  stop(&world);
}

Test(uplink, a_batch_whose_stream_vanished_is_refused_and_has_used_its_number_up) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  uplink_push_disconnected(world.uplink, world.rooms[0], 7, 1, "ann");
  flush(&world);
  cr_assert_eq(sent(&world, 0)->number, 1);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_VANISHED}, 1);
  cr_assert_eq(world.n_busy, 1);
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D ", "system entries are kept");
  cr_assert_eq(sent(&world, 0)->number, 2);
  stop(&world);
}

Test(uplink, a_new_id_forgets_the_old_one_and_its_append_in_flight) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  flush(&world);
  push(&world, 0, 1, 2);
  uplink_reset(world.uplink);
  uplink_open(world.uplink, "g2", 1, (uint64_t[]){0, 0}, PARTITIONS);
  push(&world, 0, 9, 3);
  flush(&world);
  cr_assert_eq(world.store->append.count, 1, "one append at a time, whosever it is");
  fake_store_append_fail(world.store, STORE_GONE);
  cr_assert_eq(world.gones, 0, "the old id's answer is not the new one's");
  flush(&world);
  cr_assert_str_eq(world.store->append.gateway, "g2");
  cr_assert_str_eq(content(sent(&world, 0)), "3 ");
  cr_assert_eq(sent(&world, 0)->number, 1);
  stop(&world);
}

Test(uplink, what_was_pushed_before_a_new_id_is_opened_goes_out_under_it) {
  struct world world;
  start(&world);
  push(&world, 0, 1, 1);
  uplink_reset(world.uplink);
  push(&world, 0, 9, 2);
  flush(&world);
  cr_assert_eq(world.store->append.count, 0);
  uplink_open(world.uplink, "g2", 1, (uint64_t[]){0, 0}, PARTITIONS);
  flush(&world);
  cr_assert_str_eq(world.store->append.gateway, "g2");
  cr_assert_str_eq(content(sent(&world, 0)), "2 ");
  stop(&world);
}

Test(uplink, unsent_commands_of_the_dead_are_dropped_and_sent_ones_are_not) {
  struct world world;
  start(&world);
  push(&world, 0, 7, 1);
  flush(&world);
  push(&world, 0, 7, 2);
  push(&world, 0, 8, 3);
  world.dead = 7;
  fake_store_append_fail(world.store, STORE_LOST);
  cr_assert(uplink_resume(world.uplink, 2, (uint64_t[]){0, 5}, PARTITIONS));
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "1 ", "sent once, it is sent again as it was");
  fake_store_append_ok(world.store);
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "3 ");
  fake_store_append_ok(world.store);
  push(&world, 0, 7, 4);
  flush(&world);
  cr_assert_null(world.store->append.callback, "nothing is left to send");
  cr_assert(uplink_is_idle(world.uplink));
  stop(&world);
}

Test(uplink, orphans_are_said_once_per_batch_and_bounded) {
  struct world world;
  start(&world);
  for (unsigned i = 0; i < 3; i++) uplink_push_orphan(world.uplink, world.rooms[0], 7);
  uplink_push_orphan(world.uplink, world.rooms[1], 7);
  flush(&world);
  cr_assert_str_eq(content(sent(&world, 0)), "D ");
  cr_assert_eq(sent(&world, 0)->batch->entries[0]->attempt, UPLINK_ANY_ATTEMPT);
  cr_assert_str_eq(sent(&world, 0)->batch->entries[0]->player, "");
  cr_assert(sent(&world, 0)->system);
  cr_assert_str_eq(content(sent(&world, 1)), "D ");
  for (uint64_t conn = 0; conn < 1000; conn++) uplink_push_orphan(world.uplink, world.rooms[0], conn);
  fake_store_append_ok(world.store);
  flush(&world);
  cr_assert_eq(sent(&world, 0)->batch->n_entries, UPLINK_ORPHANS);
  stop(&world);
}

Test(uplink, a_long_queue_leaves_in_batches_of_bounded_size) {
  struct world world;
  start(&world);
  size_t total = 2 * UPLINK_BATCH_ENTRIES + 10, seen = 0;
  for (uint64_t conn = 1; conn <= total; conn++) {
    uplink_push_disconnected(world.uplink, world.rooms[0], conn, 1, "somebody");
  }
  for (flush(&world); world.store->append.callback; flush(&world)) {
    const struct fake_append *item = sent(&world, 0);
    cr_assert(item->batch->n_entries <= UPLINK_BATCH_ENTRIES && item->len <= UPLINK_BATCH_BYTES);
    for (size_t i = 0; i < item->batch->n_entries; i++) cr_assert_eq(item->batch->entries[i]->conn, ++seen);
    fake_store_append_ok(world.store);
  }
  cr_assert_eq(seen, total);
  stop(&world);
}
