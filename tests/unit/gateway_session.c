/* What a client may ask and what it is answered, by sessions on a fake store. */
#include "common/buf.h"
#include "proto/pb.h"
#include "tests/support/fake_gateway.h"

#include <criterion/criterion.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static Heya__V1__ClientMessage say(uint32_t request, Heya__V1__ClientMessage__BodyCase body) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.request = request;
  message.body_case = body;
  return message;
}

static void create(struct fake_client *client, uint32_t request, const char *kind, const char *key) {
  Heya__V1__Create body = HEYA__V1__CREATE__INIT;
  Heya__V1__ClientMessage message = say(request, HEYA__V1__CLIENT_MESSAGE__BODY_CREATE);
  body.kind = pb_text(kind);
  body.key = pb_text(key);
  body.max_members = 4;
  message.create = &body;
  fake_client_say(client, &message);
}

static void list(struct fake_client *client, uint32_t request, const char *kind, uint32_t limit, const char *name) {
  Heya__V1__List body = HEYA__V1__LIST__INIT;
  Heya__V1__Property where = HEYA__V1__PROPERTY__INIT;
  Heya__V1__Property *wheres[] = {&where};
  Heya__V1__ClientMessage message = say(request, HEYA__V1__CLIENT_MESSAGE__BODY_LIST);
  where.name = pb_text(name ? name : "");
  where.value = pb_text("7");
  body.kind = pb_text(kind);
  body.limit = limit;
  body.where = wheres;
  body.n_where = name ? 1 : 0;
  message.list = &body;
  fake_client_say(client, &message);
}

static void done(struct fake_gateway *world, struct fake_client *client) {
  fake_client_free(client);
  fake_gateway_destroy(world);
  cr_assert_eq(fake_frames_alive(), 0, "frames leak");
}

/* ---- hello ---- */

Test(session, hello_is_answered_with_welcome_and_starts_the_idle_timeout) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  cr_assert_not(client->ready);
  fake_client_hello(client, 7, "ann");
  const Heya__V1__ServerMessage *answer = fake_client_hear(client);
  cr_assert_eq(answer->body_case, HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  cr_assert_eq(answer->request, 7);
  cr_assert_str_eq(answer->welcome->player, "ann");
  cr_assert_str_eq(answer->welcome->gateway, "g1");
  cr_assert_eq(answer->welcome->max_rooms, 3);
  cr_assert_eq(answer->welcome->max_message_bytes, 65536);
  cr_assert(client->ready);
  done(&world, client);
}

Test(session, nothing_goes_before_hello_and_hello_goes_once) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  fake_client_join(client, 1, "chat/a", true);
  fake_client_hears_error(client, 1, CODE(HELLO_REQUIRED));
  fake_client_command(client, 2, "chat/a", 1, "");
  fake_client_hears_error(client, 2, CODE(HELLO_REQUIRED));
  fake_client_hello(client, 3, "ann");
  cr_assert_not_null(fake_client_hear(client));
  fake_client_hello(client, 4, "bob");
  fake_client_hears_error(client, 4, CODE(ALREADY_HELLO));
  cr_assert_str_eq(client->session->player, "ann");
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 0), "nothing may reach a room");
  done(&world, client);
}

Test(session, a_refused_hello_leaves_the_connection_without_a_player) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  fake_client_hello(client, 1, "");
  fake_client_hears_error(client, 1, CODE(UNAUTHENTICATED));
  cr_assert_not(client->ready);
  fake_client_join(client, 2, "chat/a", true);
  fake_client_hears_error(client, 2, CODE(HELLO_REQUIRED));
  done(&world, client);
}

Test(session, a_clients_instance_is_checked_and_goes_with_its_joins) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  Heya__V1__Hello body = HEYA__V1__HELLO__INIT;
  Heya__V1__ClientMessage message = say(1, HEYA__V1__CLIENT_MESSAGE__BODY_HELLO);
  message.hello = &body;
  body.player = (char[]){"ann"};
  body.instance = (char[]){"not one"};
  body.connection = 7;
  fake_client_say(client, &message);
  fake_client_hears_error(client, 1, CODE(BAD_MESSAGE));
  body.instance = (char[]){"one"};
  fake_client_say(client, &message);
  cr_assert_eq(fake_client_hear(client)->body_case, HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  fake_client_join(client, 2, "chat/a", true);
  const Heya__Bus__Join *join = fake_gateway_sent(&world, "chat/a", 0)->join;
  cr_assert_str_eq(join->instance, "one");
  cr_assert_eq(join->connection, 7);
  done(&world, client);
}

Test(session, an_expired_token_is_told_apart_from_a_bad_one) {
  /* {"alg":"HS256","typ":"JWT"} . {"sub":"ann","exp":1000000000}, signed with the key below */
  static const char secret[] = "0123456789abcdef0123456789abcdef";
  static const char head_and_claims[] =
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjEwMDAwMDAwMDB9";
  struct fake_gateway world;
  char error[256], token[256];
  fake_gateway_start(&world);
  auth_close(&world.auth);
  world.auth = (struct auth){.mode = AUTH_JWT};
  cr_assert(jwt_key_set(&world.auth.key, JWT_HS256, secret, strlen(secret), "test", error, sizeof error), "%s",
            error);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  Heya__V1__Hello body = HEYA__V1__HELLO__INIT;
  Heya__V1__ClientMessage message = say(1, HEYA__V1__CLIENT_MESSAGE__BODY_HELLO);
  message.hello = &body;
  snprintf(token, sizeof token, "%s.cSYMQtYtrOebLAxOrfDNVWYnFwUMXgEf_tFzcyIOVIU", head_and_claims);
  body.token = token;
  fake_client_say(client, &message);
  fake_client_hears_error(client, 1, CODE(TOKEN_EXPIRED));
  token[strlen(token) - 5] ^= 1;
  message.request = 2;
  fake_client_say(client, &message);
  fake_client_hears_error(client, 2, CODE(UNAUTHENTICATED));
  world.store->now_ms = 999999999000; /* the time is the store's: now the first one is good */
  token[strlen(token) - 5] ^= 1;
  message.request = 3;
  fake_client_say(client, &message);
  cr_assert_eq(fake_client_hear(client)->body_case, HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  done(&world, client);
}

Test(session, a_path_with_a_room_joins_it_after_hello) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, "chat/a");
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 0));
  fake_client_hello(client, 9, "ann");
  cr_assert_eq(fake_client_hear(client)->body_case, HEYA__V1__SERVER_MESSAGE__BODY_WELCOME);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 0);
  cr_assert_not_null(entry);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_JOIN);
  cr_assert_eq(entry->join->mode, HEYA__BUS__MODE__JOIN_OR_CREATE);
  cr_assert_eq(entry->request, 9);
  struct fake_client *lost = fake_client_open(world.sessions, CONN_PROTO, "chat/no way");
  fake_client_hello(lost, 1, "bob");
  fake_client_hear(lost);
  fake_client_hears_error(lost, 1, CODE(BAD_ROOM_NAME));
  fake_client_free(lost);
  done(&world, client);
}

Test(session, nobody_is_let_in_before_the_gateway_has_an_id) {
  struct fake_gateway world;
  fake_gateway_create(&world, NULL);
  struct fake_client *client = fake_client_open(world.sessions, CONN_PROTO, NULL);
  const Heya__V1__ServerMessage *goodbye = fake_client_hear(client);
  cr_assert_eq(goodbye->body_case, HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE);
  cr_assert_eq(goodbye->goodbye->reason, CODE(GATEWAY_LOST));
  cr_assert(goodbye->goodbye->reconnect);
  cr_assert_eq(client->close_code, 4046);
  fake_client_hello(client, 1, "ann"); /* after the end nothing is heard */
  cr_assert(fake_client_silent(client));
  done(&world, client);
}

/* ---- rooms ---- */

Test(session, a_join_goes_to_the_room_with_player_name_and_attempt) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  fake_client_join(client, 5, "chat/a", false);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 0);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_JOIN);
  cr_assert_eq(entry->join->mode, HEYA__BUS__MODE__JOIN);
  cr_assert_str_eq(entry->join->name, "ann", "the player id stands for a missing name");
  cr_assert_str_eq(entry->player, "ann");
  cr_assert_str_eq(entry->room, "chat/a");
  cr_assert_eq(entry->conn, client->number);
  cr_assert_eq(entry->attempt, 1);
  cr_assert_eq(entry->request, 5);
  done(&world, client);
}

Test(session, commands_and_leaves_need_a_room_one_is_in) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  fake_client_command(client, 2, "chat/a", 3, "x");
  const Heya__V1__Error *error = fake_client_hears_error(client, 2, CODE(NOT_IN_ROOM));
  cr_assert_str_eq(error->room, "chat/a");
  cr_assert_eq(error->number, 3);
  fake_client_leave(client, 3, "chat/a");
  fake_client_hears_error(client, 3, CODE(NOT_IN_ROOM));
  fake_client_command(client, 4, "nonsense", 3, "x");
  fake_client_hears_error(client, 4, CODE(BAD_ROOM_NAME));
  fake_client_join(client, 5, "chat/a", true);
  fake_client_command(client, 6, "chat/a", 1, "x"); /* while still joining */
  cr_assert(fake_client_silent(client));
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->body_case, HEYA__BUS__ENTRY__BODY_JOIN);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 1);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_COMMAND);
  cr_assert_eq(entry->command->number, 1);
  cr_assert_eq(entry->attempt, 1);
  done(&world, client);
}

Test(session, joining_is_refused_for_bad_names_twice_and_beyond_the_limit) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  fake_client_join(client, 1, "chat", true);
  cr_assert_str_eq(fake_client_hears_error(client, 1, CODE(BAD_ROOM_NAME))->room, "chat");
  fake_client_join(client, 9, "chat/bad\nname", true);
  cr_assert_str_eq(fake_client_hears_error(client, 9, CODE(BAD_ROOM_NAME))->room, "");
  fake_client_join(client, 2, "chat/~aaaaaaaaaaaaaaaaaaaaaaaaaa", true);
  fake_client_hears_error(client, 2, CODE(BAD_ROOM_NAME));
  fake_client_join(client, 3, "chat/~aaaaaaaaaaaaaaaaaaaaaaaaaa", false);
  fake_client_join(client, 4, "chat/b", true);
  fake_client_join(client, 5, "chat/b", true);
  fake_client_hears_error(client, 5, CODE(ALREADY_IN_ROOM));
  fake_client_join(client, 6, "chat/c", true);
  fake_client_join(client, 7, "chat/d", true);
  const Heya__V1__Error *error = fake_client_hears_error(client, 7, CODE(TOO_MANY_ROOMS));
  cr_assert_str_eq(error->room, "chat/d");
  done(&world, client);
}

Test(session, create_derives_the_same_room_for_the_same_player_and_key) {
  struct fake_gateway world;
  char room[128], name[DERIVED_NAME_LEN + 1];
  uint8_t digest[32];
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  SHA256((const unsigned char *)"heya.v1.create\0ann\0first", 24, digest);
  derived_name(digest, name);
  snprintf(room, sizeof room, "live/%s", name);
  create(client, 1, "live", "first");
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, room, 0);
  cr_assert_not_null(entry);
  cr_assert_str_eq(entry->room, room);
  cr_assert_eq(entry->join->mode, HEYA__BUS__MODE__CREATE);
  cr_assert_eq(entry->join->max_members, 4);
  create(client, 2, "live", "first");
  fake_client_hears_error(client, 2, CODE(ALREADY_IN_ROOM));
  create(client, 3, "live", "second");
  cr_assert(fake_client_silent(client), "another key is another room");
  create(client, 4, "Live", "x");
  fake_client_hears_error(client, 4, CODE(UNKNOWN_KIND));
  create(client, 5, "live", "");
  fake_client_hears_error(client, 5, CODE(BAD_MESSAGE));
  done(&world, client);
}

Test(session, after_leave_one_may_join_again_without_waiting) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_leave(client, 3, "chat/a");
  fake_client_command(client, 4, "chat/a", 1, "x");
  fake_client_hears_error(client, 4, CODE(NOT_IN_ROOM));
  fake_client_leave(client, 5, "chat/a");
  fake_client_hears_error(client, 5, CODE(NOT_IN_ROOM));
  fake_client_join(client, 6, "chat/a", true);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 0)->attempt, 1);
  cr_assert_eq(fake_gateway_sent(&world, "chat/a", 1)->attempt, 2);
  cr_assert_eq(client->session->attachments.count, 2);
  done(&world, client);
}

/* ---- limits ---- */

Test(session, too_many_messages_are_answered_with_when_to_try_again) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a"); /* two of ten */
  for (uint32_t i = 0; i < 8; i++) fake_client_command(client, i, "chat/b", 1, "");
  while (!fake_client_silent(client)) cr_assert_eq(fake_client_hear(client)->error->code, CODE(NOT_IN_ROOM));
  fake_client_command(client, 20, "chat/a", 5, "x");
  const Heya__V1__Error *error = fake_client_hears_error(client, 20, CODE(RATE_LIMITED));
  cr_assert_eq(error->number, 5);
  cr_assert_str_eq(error->room, "chat/a");
  cr_assert(error->retry_after_ms >= 1 && error->retry_after_ms <= 200);
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 0), "a limited command must not reach its room");
  world.store->now_us += 200000;
  fake_client_command(client, 21, "chat/a", 5, "x");
  cr_assert(fake_client_silent(client));
  cr_assert_eq(world.metrics.rate_limited, 1);
  done(&world, client);
}

Test(session, a_full_queue_is_answered_busy_at_once_and_nothing_is_noted) {
  struct fake_gateway world;
  struct gateway_config config = FAKE_GATEWAY_CONFIG;
  config.partition_entries = 1;
  fake_gateway_create(&world, &config);
  fake_gateway_open(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  fake_client_join(client, 1, "chat/a", true);
  fake_client_command(client, 2, "chat/a", 4, "x");
  const Heya__V1__Error *error = fake_client_hears_error(client, 2, CODE(BUSY));
  cr_assert_eq(error->number, 4);
  cr_assert_str_eq(error->room, "chat/a");
  cr_assert(error->retry_after_ms > 0);
  fake_client_leave(client, 3, "chat/a");
  fake_client_hears_error(client, 3, CODE(BUSY));
  cr_assert_not(client->session->attachments.items[0].leaving);
  cr_assert_eq(world.metrics.busy, 2);
  struct fake_client *other = fake_gateway_client(&world, "bob");
  fake_client_join(other, 4, "chat/a", true);
  fake_client_hears_error(other, 4, CODE(BUSY));
  cr_assert_eq(other->session->attachments.count, 0);
  fake_client_free(other);
  done(&world, client);
}

/* ---- bad input ---- */

Test(session, what_cannot_be_decoded_is_a_bad_message_and_nothing_more) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  session_message(client->session, bytes_of("\xff\xff\xff", 3));
  fake_client_hears_error(client, 0, CODE(BAD_MESSAGE));
  session_message(client->session, bytes_of(NULL, 0)); /* an empty message has no body */
  fake_client_hears_error(client, 0, CODE(BAD_MESSAGE));
  session_message(client->session, bytes_of("\x08\x07\xfa\x01\x00", 5)); /* request 7, an unknown field 31 */
  fake_client_hears_error(client, 7, CODE(BAD_MESSAGE));
  session_message(client->session, bytes_of("\x22\x04\x0a\x02\xc3\x28", 6)); /* join.room is not UTF-8 */
  fake_client_hears_error(client, 0, CODE(BAD_MESSAGE));
  /* request 9, a command to chat/a with number 3, and a tag of group 0 behind it */
  static const char about[] = "\x08\x09\x32\x0a\x0a\x06\x63hat/a\x10\x03\x07";
  session_message(client->session, bytes_of(about, sizeof about - 1));
  const Heya__V1__Error *error = fake_client_hears_error(client, 9, CODE(BAD_MESSAGE));
  cr_assert_str_eq(error->room, "chat/a");
  cr_assert_eq(error->number, 3);
  cr_assert_eq(world.metrics.bad_messages, 5);
  Heya__V1__ClientMessage ping = say(8, HEYA__V1__CLIENT_MESSAGE__BODY_PING);
  Heya__V1__Ping body = HEYA__V1__PING__INIT;
  body.time = 1ull << 60;
  ping.ping = &body;
  fake_client_say(client, &ping);
  const Heya__V1__ServerMessage *pong = fake_client_hear(client);
  cr_assert_eq(pong->body_case, HEYA__V1__SERVER_MESSAGE__BODY_PONG);
  cr_assert_eq(pong->pong->time, 1ull << 60);
  done(&world, client);
}

Test(session, json_clients_say_and_hear_the_same_in_text) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_client_open(world.sessions, CONN_JSON, NULL);
  fake_client_say_text(client, "{\"request\":1,\"hello\":{\"player\":\"ann\",\"name\":\"Ann\"}}");
  const char *text = fake_client_hear_text(client);
  cr_assert(strstr(text, "\"welcome\"") && strstr(text, "\"maxRooms\""), "%s", text);
  fake_client_say_text(client, "{\"hello\":");
  text = fake_client_hear_text(client);
  cr_assert(strstr(text, "BAD_MESSAGE"), "%s", text);
  fake_client_say_text(client, "{\"request\":3,\"join\":{\"room\":\"chat/a\",\"bogus\":1}}");
  text = fake_client_hear_text(client);
  cr_assert(strstr(text, "BAD_MESSAGE") && strstr(text, "bogus"), "%s", text);
  fake_client_say_text(client, "{\"request\":4,\"join\":{\"room\":\"chat/a\",\"create\":true}}");
  fake_client_say_text(client,
                       "{\"request\":5,\"command\":{\"room\":\"chat/a\",\"payload\":{\"say\":{\"text\":\"hi\"}}}}");
  cr_assert(fake_client_silent(client));
  cr_assert_str_eq(fake_gateway_sent(&world, "chat/a", 0)->join->name, "Ann");
  const Heya__Bus__Entry *command = fake_gateway_sent(&world, "chat/a", 1);
  cr_assert_eq(command->command->payload.len, 6);
  cr_assert_eq(memcmp(command->command->payload.data, "\x0a\x04\x0a\x02hi", 6), 0);
  done(&world, client);
}

/* ---- the end ---- */

Test(session, closing_tells_every_room_exactly_once) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_member(&world, "ann", "chat/a");
  fake_client_join(client, 3, "chat/b", true); /* not answered yet */
  fake_gateway_settle(&world);
  uint64_t number = client->number;
  fake_client_free(client);
  const Heya__Bus__Entry *entry = fake_gateway_sent(&world, "chat/a", 0);
  cr_assert_not_null(entry);
  cr_assert_eq(entry->body_case, HEYA__BUS__ENTRY__BODY_DISCONNECTED);
  cr_assert_eq(entry->conn, number);
  cr_assert_str_eq(entry->player, "ann");
  cr_assert_eq(world.metrics.disconnects, 2);
  fake_gateway_settle(&world);
  cr_assert_eq(world.metrics.disconnects, 2);
  fake_gateway_destroy(&world);
}

Test(session, commands_of_a_closed_connection_are_forgotten_but_its_end_is_not) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *ann = fake_gateway_member(&world, "ann", "chat/a");
  struct fake_client *bob = fake_gateway_member(&world, "bob", "chat/a");
  fake_client_command(ann, 3, "chat/a", 1, "from ann");
  fake_client_command(bob, 3, "chat/a", 1, "from bob");
  fake_client_free(ann);
  const Heya__Bus__Entry *first = fake_gateway_sent(&world, "chat/a", 0);
  const Heya__Bus__Entry *second = fake_gateway_sent(&world, "chat/a", 1);
  cr_assert_eq(first->body_case, HEYA__BUS__ENTRY__BODY_DISCONNECTED);
  cr_assert_eq(second->body_case, HEYA__BUS__ENTRY__BODY_COMMAND);
  cr_assert_str_eq(second->player, "bob");
  cr_assert_null(fake_gateway_sent(&world, "chat/a", 2));
  done(&world, bob);
}

/* ---- list ---- */

Test(session, list_shows_rooms_and_leaves_out_what_makes_no_sense) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  list(client, 3, "live", 0, "live_id");
  cr_assert_str_eq(world.store->list.kind, "live");
  cr_assert_eq(world.store->list.limit, 50);
  cr_assert_eq(world.store->list.n_where, 1);
  struct property properties[] = {{"live_id", "7"}, {"Bad Name", "1"}};
  struct store_list_row rows[] = {{.room = "live/a",
                                   .status = "open",
                                   .host = "bob",
                                   .members = 2,
                                   .max_members = 4,
                                   .properties = properties,
                                   .n_properties = 2},
                                  {.room = "live/b:members", .status = "open", .host = "bob"},
                                  {.room = "live/c", .status = "locked", .host = "\xff"}};
  fake_store_list(world.store, STORE_OK, rows, 3, "9 live/c");
  fake_store_list(world.store, STORE_OK, NULL, 0, "9 live/c");
  const Heya__V1__ServerMessage *answer = fake_client_hear(client);
  cr_assert_eq(answer->request, 3);
  cr_assert_eq(answer->rooms->n_rooms, 2);
  cr_assert_str_eq(answer->rooms->rooms[0]->room, "live/a");
  cr_assert_eq(answer->rooms->rooms[0]->n_properties, 1);
  cr_assert_eq(answer->rooms->rooms[1]->status, HEYA__V1__STATUS__LOCKED);
  cr_assert_str_eq(answer->rooms->rooms[1]->host, "");
  cr_assert_str_eq(answer->rooms->after, "9 live/c");
  done(&world, client);
}

Test(session, list_refuses_bad_kinds_and_names) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  list(client, 1, "no/kind", 0, NULL);
  fake_client_hears_error(client, 1, CODE(UNKNOWN_KIND));
  list(client, 3, "live", 0, "Live-Id");
  fake_client_hears_error(client, 3, CODE(BAD_MESSAGE));
  cr_assert_eq(world.store->list.n, 0);
  done(&world, client);
}

Test(session, list_takes_a_limit_that_is_too_high_as_the_highest) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  list(client, 1, "live", 4000000000u, NULL);
  cr_assert_eq(world.store->list.n, 1);
  cr_assert_eq(world.store->list.limit, 100);
  fake_store_list(world.store, STORE_OK, NULL, 0, "");
  cr_assert_eq(fake_client_hear(client)->body_case, HEYA__V1__SERVER_MESSAGE__BODY_ROOMS);
  done(&world, client);
}

Test(session, list_is_bounded_and_survives_a_lost_store_and_a_closed_client) {
  struct fake_gateway world;
  fake_gateway_start(&world);
  struct fake_client *client = fake_gateway_client(&world, "ann");
  for (uint32_t i = 1; i <= SESSION_LISTS_MAX; i++) list(client, i, "live", 0, NULL);
  list(client, 9, "live", 0, NULL);
  fake_client_hears_error(client, 9, CODE(BUSY));
  fake_store_list(world.store, STORE_LOST, NULL, 0, NULL);
  fake_client_hears_error(client, 1, CODE(BUSY));
  fake_store_list(world.store, STORE_BROKEN, NULL, 0, NULL);
  fake_client_hears_error(client, 2, CODE(INTERNAL));
  fake_client_free(client);
  fake_store_list(world.store, STORE_OK, NULL, 0, "");
  fake_gateway_destroy(&world); /* one is left unanswered */
}
