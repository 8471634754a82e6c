/* Promises of a partition's effects: what is collected for whom until the commit. */
#include "common/mem.h"
#include "proto/codec.h"
#include "worker/effects.h"

#include <criterion/criterion.h>

static struct effects effects;
static struct arena arena;
static void setup(void) {
  effects_init(&effects, 3, 7);
  arena_init(&arena, 4096, ARENA_NO_LIMIT);
}
static void teardown(void) {
  effects_close(&effects);
  arena_close(&arena);
}
TestSuite(effects, .init = setup, .fini = teardown);

static const Heya__Bus__Deliveries *deliveries_of(const struct outlet *outlet) {
  ProtobufCMessage *message;
  cr_assert_eq(codec_unpack(&codec_limits_internal, &heya__bus__deliveries__descriptor, &arena,
                            outlet->deliveries.data, outlet->deliveries.len, &message),
               CODEC_OK);
  return (const Heya__Bus__Deliveries *)message;
}

static void answer(struct binding to) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  message.request = 9;
  effects_answer(&effects, to, "chat/x", &message, HEYA__BUS__ATTACHMENT__ATTACHED);
}

Test(effects, a_gateway_has_one_outlet) {
  struct outlet *outlet = effects_outlet(&effects, "g-1");
  cr_assert_neq(effects_outlet(&effects, "g-2"), outlet);
  for (int i = 0; i < 100; i++) {
    char name[16];
    snprintf(name, sizeof name, "g-%d", i);
    effects_outlet(&effects, name);
  }
  cr_assert_eq(effects_outlet(&effects, "g-1"), outlet);
  cr_assert_eq(effects.n_outlets, 100);
}

Test(effects, an_answer_names_its_connection_join_and_room) {
  answer((struct binding){.outlet = effects_outlet(&effects, "g-1"), .conn = 5, .attempt = 2});
  const Heya__Bus__Deliveries *list = deliveries_of(effects_outlet(&effects, "g-1"));
  cr_assert_eq(list->n_deliveries, 1);
  const Heya__Bus__Delivery *delivery = list->deliveries[0];
  cr_assert(delivery->n_conns == 1 && delivery->conns[0] == 5 && delivery->attempt == 2);
  cr_assert_str_eq(delivery->room, "chat/x");
  cr_assert_eq(delivery->attachment, HEYA__BUS__ATTACHMENT__ATTACHED);
  cr_assert(effects_any(&effects));
}

Test(effects, an_answer_to_nobody_is_nothing) {
  answer((struct binding){0});
  cr_assert_not(effects_any(&effects));
  cr_assert_eq(effects.n_outlets, 0);
}

Test(effects, a_broadcast_is_one_delivery_per_gateway_that_has_receivers) {
  struct outlet *first = effects_outlet(&effects, "g-1"), *second = effects_outlet(&effects, "g-2");
  effects_outlet(&effects, "g-3");
  for (uint64_t conn = 1; conn <= 20; conn++) outlet_collect(first, conn);
  outlet_collect(second, 99);
  effects_broadcast(&effects, "chat/x", bytes_of("m", 1));
  effects_broadcast(&effects, "chat/x", bytes_of("nobody is collected now", 23));
  const Heya__Bus__Deliveries *list = deliveries_of(first);
  cr_assert_eq(list->n_deliveries, 1);
  cr_assert_eq(list->deliveries[0]->n_conns, 20);
  cr_assert_eq(list->deliveries[0]->conns[19], 20);
  cr_assert_eq(list->deliveries[0]->attachment, HEYA__BUS__ATTACHMENT__UNCHANGED);
  cr_assert_eq(deliveries_of(second)->deliveries[0]->conns[0], 99);
  cr_assert_eq(effects_outlet(&effects, "g-3")->deliveries.len, 0);
  cr_assert_eq(effects.sent, 21);
  cr_assert_gt(effects.waiting_bytes, first->deliveries.len + second->deliveries.len);
}

static const Heya__Bus__Batch *batch_of(size_t nth) {
  ProtobufCMessage *message;
  struct bytes bytes = buf_bytes(&effects.outgoing[nth].batch);
  cr_assert_eq(
      codec_unpack(&codec_limits_internal, &heya__bus__batch__descriptor, &arena, bytes.data, bytes.len, &message),
      CODEC_OK);
  return (const Heya__Bus__Batch *)message;
}

static void append_numbered(uint32_t partition, uint32_t number) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Time time = HEYA__BUS__TIME__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_TIME;
  entry.time = &time;
  entry.request = number;
  effects_append(&effects, partition, &entry);
}

Test(effects, entries_for_a_partition_are_one_batch_in_order) {
  for (uint32_t i = 0; i < 6; i++) append_numbered(i % 2 ? 3 : 9, i);
  cr_assert_eq(effects.n_outgoing, 2);
  cr_assert(effects.outgoing[0].partition == 9 && effects.outgoing[1].partition == 3);
  for (uint32_t i = 0; i < 6; i++) cr_assert_eq(batch_of(i % 2)->entries[i / 2]->request, i);
  cr_assert_eq(batch_of(1)->n_entries, 3);
  cr_assert(effects_any(&effects));
  cr_assert_gt(effects.waiting_bytes, 0, "what goes out is counted");
  effects_clear(&effects);
  cr_assert_not(effects_any(&effects));
}

Test(effects, no_batch_is_larger_than_its_reader_can_take) {
  for (uint32_t i = 0; i < 2 * OUTGOING_MAX_ENTRIES + 1; i++) append_numbered(9, i);
  append_numbered(3, 0);
  cr_assert_eq(effects.n_outgoing, 4);
  for (uint32_t i = 0; i < 2; i++) {
    cr_assert_eq(batch_of(i)->n_entries, OUTGOING_MAX_ENTRIES);
    cr_assert_eq(batch_of(i)->entries[0]->request, i * OUTGOING_MAX_ENTRIES);
  }
  cr_assert_eq(batch_of(2)->n_entries, 1);
}

Test(effects, a_room_is_in_the_partition_of_its_id) {
  cr_assert_eq(effects_partition_of(&effects, "chat/x"), 3, "there is only one");
  effects.partitions = 16;
  cr_assert_eq(effects_partition_of(&effects, "chat/x"), room_partition("chat/x", 6, 16));
}

Test(effects, a_clear_forgets_what_was_done_and_keeps_outlets_with_members) {
  struct outlet *bound = effects_outlet(&effects, "g-1");
  bound->bound = 1;
  answer((struct binding){.outlet = bound, .conn = 1});
  answer((struct binding){.outlet = effects_outlet(&effects, "g-2"), .conn = 1});
  effects_ended(&effects, "chat/x", "chat", 5);
  effects_changed(&effects, NULL);
  effects.moved = true;
  effects.consumed_bytes = 10;
  effects_clear(&effects);
  cr_assert_not(effects_any(&effects));
  cr_assert_eq(effects.n_outlets, 1);
  cr_assert_eq(effects_outlet(&effects, "g-1"), bound);
  cr_assert_eq(effects.consumed_bytes + effects.waiting_bytes, 0);
}

Test(effects, anything_done_is_something_to_commit) {
  effects_outlet(&effects, "g-1");
  cr_assert_not(effects_any(&effects));
  effects.moved = true;
  cr_assert(effects_any(&effects));
  effects_clear(&effects);
  effects_ended(&effects, "chat/x", "chat", 5);
  cr_assert(effects_any(&effects));
  cr_assert_str_eq(effects.ended[0].id, "chat/x");
  cr_assert_str_eq(effects.ended[0].kind, "chat");
  effects_clear(&effects);
  effects_changed(&effects, NULL);
  cr_assert(effects_any(&effects));
}
