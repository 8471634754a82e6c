/* From the gateway's stream to clients: formats, sharing, attachments and their races, hostile entries. */
#include "proto/pb.h"
#include "tests/support/fake_gateway.h"

#include <criterion/criterion.h>
#include <string.h>

#define ATTACHED  HEYA__BUS__ATTACHMENT__ATTACHED
#define DETACHED  HEYA__BUS__ATTACHMENT__DETACHED
#define LOST      HEYA__BUS__ATTACHMENT__LOST
#define UNCHANGED HEYA__BUS__ATTACHMENT__UNCHANGED

/* An event of the room that carries a kind's payload. */
struct event {
  Heya__V1__ServerMessage message;
  Heya__V1__Event body;
};

static const Heya__V1__ServerMessage *event(struct event *event, const char *room, struct bytes payload) {
  event->body = (Heya__V1__Event)HEYA__V1__EVENT__INIT;
  event->body.room = pb_text(room);
  event->body.seq = 7;
  event->body.body_case = HEYA__V1__EVENT__BODY_PAYLOAD;
  event->body.payload = pb_bytes(payload);
  event->message = (Heya__V1__ServerMessage)HEYA__V1__SERVER_MESSAGE__INIT;
  event->message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_EVENT;
  event->message.event = &event->body;
  return &event->message;
}

/* A chat Event with a Line that says "hi". */
#define CHAT_LINE bytes_of("\x0a\x04\x1a\x02hi", 6)

static struct fake_client *json_member(struct fake_gateway *world, const char *room) {
  struct fake_client *client = fake_client_open(world->sessions, CONN_JSON, room);
  fake_client_say_text(client, "{\"hello\":{\"player\":\"json\"}}");
  fake_client_hear_text(client);
  fake_gateway_settle(world);
  fake_gateway_deliver(world, room, NULL, ATTACHED, 1, &client->number, 1);
  return client;
}

Test(downlink, a_broadcast_is_encoded_once_per_format_and_shared) {
  struct fake_gateway world;
  struct event e;
  fake_gateway_start(&world);
  struct fake_client *clients[] = {fake_gateway_member(&world, "a", "chat/a"),
                                   fake_gateway_member(&world, "b", "chat/a"), json_member(&world, "chat/a"),
                                   json_member(&world, "chat/a")};
  uint64_t conns[4];
  for (size_t i = 0; i < 4; i++) conns[i] = clients[i]->number;
  size_t before = fake_frames_made();
  fake_gateway_deliver(&world, "chat/a", event(&e, "chat/a", CHAT_LINE), UNCHANGED, 0, conns, 4);
  cr_assert_eq(fake_frames_made() - before, 2);
  cr_assert_eq(clients[0]->heard[clients[0]->n_heard - 1], clients[1]->heard[clients[1]->n_heard - 1]);
  for (size_t i = 0; i < 2; i++) {
    const Heya__V1__ServerMessage *message = fake_client_hear(clients[i]);
    cr_assert_eq(message->event->seq, 7);
    cr_assert_eq(message->event->payload.len, 6);
  }
  for (size_t i = 2; i < 4; i++) {
    const char *text = fake_client_hear_text(clients[i]);
    cr_assert(strstr(text, "\"text\":\"hi\""), "%s", text);
  }
  for (size_t i = 0; i < 4; i++) fake_client_free(clients[i]);
  fake_gateway_destroy(&world);
  cr_assert_eq(fake_frames_alive(), 0);
}

Test(downlink, the_read_moves_on_and_skips_what_it_has_seen) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct store_delivery entries[] = {{.id = {100, 1}}, {.id = {100, 2}}};
  cr_assert_eq(world.store->read.after.ms, 0);
  fake_store_read(world.store, STORE_OK, entries, 2);
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->read.after.seq, 2);
  fake_store_read(world.store, STORE_OK, entries, 2); /* again: ignored */
  gateway_turn(world.gateway);
  cr_assert_eq(world.metrics.delivery_entries, 2);
  fake_store_read(world.store, STORE_LOST, NULL, 0);
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->read.after.seq, 2, "a lost read is asked again from the same place");
  fake_store_read(world.store, STORE_FAILED, NULL, 0);
  gateway_turn(world.gateway);
  cr_assert_null(world.store->read.callback, "a failed one after a pause");
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  cr_assert_not_null(world.store->read.callback);
  fake_gateway_destroy(&world);
}

/* Its acks and events would be missing without a word; so all come back and are told what they missed. */
Test(downlink, an_entry_that_cannot_be_decoded_costs_the_id) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  struct stream_id after = world.store->read.after;
  struct store_delivery entries[] = {{.id = {world.store->now_ms, 9}, .deliveries = bytes_of("\xff\xff\xff\xff", 4)},
                                     {.id = {world.store->now_ms, 10}}};
  fake_store_set_ready(world.store, false); /* while the id is opened again it cannot be given up */
  fake_store_set_ready(world.store, true);
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  fake_store_read(world.store, STORE_OK, entries, 2);
  cr_assert_eq(world.metrics.delivery_entries_bad, 1);
  cr_assert_eq(gateway_turn(world.gateway) == 0, false);
  cr_assert(fake_client_silent(client));
  fake_store_init(world.store, STORE_OK, NULL, "c1");
  gateway_turn(world.gateway);
  uint64_t numbers[FAKE_PARTITIONS] = {0};
  numbers[room_partition("chat/a", 6, FAKE_PARTITIONS)] = 1;
  fake_store_open(world.store, STORE_OK, 2, numbers, FAKE_PARTITIONS);
  world.store->now_us += 1000000;
  gateway_turn(world.gateway);
  cr_assert_eq(world.store->read.after.seq, after.seq, "it is not read past");
  fake_store_read(world.store, STORE_OK, entries, 2);
  cr_assert_eq(world.metrics.delivery_entries_bad, 2);
  gateway_turn(world.gateway);
  cr_assert_eq(fake_client_hear(client)->goodbye->reason, HEYA__V1__ERROR__CODE__GATEWAY_LOST);
  cr_assert_eq(client->close_code, 4046);
  cr_assert_str_eq(world.store->close.gateway, "g1", "Redis and the rooms are told");
  cr_assert_eq(world.metrics.lost, 1);
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(downlink, deliveries_that_make_no_sense_are_skipped_and_disturb_nobody) {
  struct fake_gateway world;
  struct event e;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  uint64_t twice[] = {client->number, client->number};
  world.store->now_ms += 10;
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 1, twice, 2); /* an attachment is about one connection */
  world.store->now_ms += 10;
  fake_gateway_deliver(&world, "no room", NULL, DETACHED, 1, twice, 1);
  cr_assert_eq(client->session->attachments.count, 1);
  cr_assert(fake_client_silent(client));
  world.store->now_ms += 10;
  fake_gateway_deliver(&world, "chat/a", event(&e, "chat/a", CHAT_LINE), UNCHANGED, 0, twice, 1);
  cr_assert_not_null(fake_client_hear(client));
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(downlink, an_undecodable_message_reaches_no_json_client_but_crashes_none) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = json_member(&world, "chat/a");
  Heya__Bus__Delivery delivery = HEYA__BUS__DELIVERY__INIT;
  Heya__Bus__Delivery *list[] = {&delivery};
  uint64_t conns[] = {client->number, client->number};
  delivery.conns = conns;
  delivery.n_conns = 2;
  delivery.message = pb_bytes(bytes_of("\xff\xff", 2));
  delivery.room = pb_text("chat/a");
  fake_store_deliver(world.store, list, 1);
  cr_assert(fake_client_silent(client));
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(downlink, attached_confirms_and_detached_forgets_the_join_it_names) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  fake_client_join(client, 2, "chat/a", true);
  fake_gateway_settle(&world);
  cr_assert_not(client->session->attachments.items[0].attached);
  fake_gateway_deliver(&world, "chat/a", NULL, ATTACHED, 1, &client->number, 1);
  cr_assert(client->session->attachments.items[0].attached);
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 9, &client->number, 1);
  cr_assert_eq(client->session->attachments.count, 1, "another attempt is another join");
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 1, &client->number, 1);
  cr_assert_eq(client->session->attachments.count, 0);
  fake_client_free(client);
  gateway_turn(world.gateway);
  cr_assert_eq(world.metrics.disconnects, 0, "nobody is to be told");
  fake_gateway_destroy(&world);
}

Test(downlink, that_a_room_is_lost_is_told_to_who_believes_to_be_in_it_and_once) {
  struct fake_gateway world;
  struct event e;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  for (int i = 0; i < 3; i++) {
    world.store->now_ms += 10;
    fake_gateway_deliver(&world, "chat/a", event(&e, "chat/a", CHAT_LINE), LOST, 1, &client->number, 1);
    if (i == 0) cr_assert_not_null(fake_client_hear(client));
    cr_assert(fake_client_silent(client));
  }
  cr_assert_eq(client->session->attachments.count, 0);
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(downlink, a_late_left_does_not_undo_a_newer_join) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_leave(client, 3, "chat/a");
  fake_client_join(client, 4, "chat/a", true);
  fake_gateway_settle(&world);
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 1, &client->number, 1);
  fake_gateway_deliver(&world, "chat/a", NULL, ATTACHED, 2, &client->number, 1);
  cr_assert_eq(client->session->attachments.count, 1);
  cr_assert_eq(client->session->attachments.items[0].attempt, 2);
  fake_client_command(client, 5, "chat/a", 1, "x");
  cr_assert(fake_client_silent(client));
  fake_client_free(client);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 0);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_DISCONNECTED);
  cr_assert_eq(entry->attempt, 2);
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 1));
  fake_gateway_destroy(&world);
}

Test(downlink, attached_ends_older_joins_and_is_believed_without_a_record) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_leave(client, 3, "chat/a");
  fake_client_join(client, 4, "chat/a", true);
  fake_gateway_settle(&world);
  fake_gateway_deliver(&world, "chat/a", NULL, ATTACHED, 2, &client->number, 1);
  cr_assert_eq(client->session->attachments.count, 1);
  fake_gateway_deliver(&world, "chat/z", NULL, ATTACHED, 1, &client->number, 1);
  cr_assert_eq(client->session->attachments.count, 2);
  fake_client_free(client);
  cr_assert_eq(world.metrics.disconnects, 2);
  fake_gateway_destroy(&world);
}

Test(downlink, answers_reach_a_client_that_was_detached_meanwhile) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_command(client, 3, "chat/a", 1, "x");
  fake_gateway_settle(&world);
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 1, &client->number, 1);
  Heya__V1__Error body = HEYA__V1__ERROR__INIT;
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  body.code = HEYA__V1__ERROR__CODE__STALE;
  body.message = pb_text("replaced");
  answer.request = 3;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ERROR;
  answer.error = &body;
  fake_gateway_deliver(&world, "chat/a", &answer, UNCHANGED, 0, &client->number, 1);
  fake_client_hears_error(client, 3, HEYA__V1__ERROR__CODE__STALE);
  fake_client_free(client);
  fake_gateway_destroy(&world);
}

Test(downlink, a_delivery_for_nobody_makes_the_room_hear_of_it_once) {
  struct fake_gateway world;
  struct event e;
  fake_gateway_start(&world);
  uint64_t nobody[] = {999, 999, 999};
  fake_gateway_deliver(&world, "chat/a", event(&e, "chat/a", CHAT_LINE), UNCHANGED, 0, nobody, 3);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 0);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_DISCONNECTED);
  cr_assert_eq(entry->conn, 999);
  cr_assert_eq(entry->attempt, UPLINK_ANY_ATTEMPT);
  cr_assert_str_eq(entry->player, "");
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 1));
  cr_assert_eq(world.metrics.deliveries_unknown, 3);
  fake_gateway_settle(&world);
  fake_gateway_deliver(&world, "chat/a", NULL, DETACHED, 1, nobody, 1);
  cr_assert_eq(world.metrics.disconnects, 1, "who is detached need not be said to be gone");
  fake_gateway_deliver(&world, "../x", NULL, UNCHANGED, 0, nobody, 1);
  cr_assert_eq(world.metrics.disconnects, 1, "a room that cannot be has nobody to tell");
  fake_gateway_destroy(&world);
}

Test(downlink, a_join_that_was_not_taken_is_undone_and_a_leave_restored) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_leave(client, 3, "chat/a");
  fake_client_join(client, 4, "chat/a", true);
  gateway_turn(world.gateway);
  fake_store_append(world.store, (enum store_append_verdict[]){STORE_BUSY}, 1);
  fake_client_hears_error(client, 3, HEYA__V1__ERROR__CODE__BUSY);
  fake_client_hears_error(client, 4, HEYA__V1__ERROR__CODE__BUSY);
  cr_assert_eq(client->session->attachments.count, 1);
  cr_assert_eq(client->session->attachments.items[0].attempt, 1);
  cr_assert_not(client->session->attachments.items[0].leaving, "one is still in the room");
  fake_client_free(client);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->attempt, 1);
  fake_gateway_destroy(&world);
}
