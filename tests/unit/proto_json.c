/* The JSON mapping: round trips, hostile texts, the words of refusals. */
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/json.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/utf8.h"
#include "tests/unit/proto_generate.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct arena arena;
static struct payload_registry registry;
static struct json_error error;

static void open_arena(void) {
  arena_init(&arena, 4096, 16u << 20);
  payload_registry_init(&registry);
}

static void close_arena(void) {
  arena_close(&arena);
}

TestSuite(json, .init = open_arena, .fini = close_arena);

#define CLIENT (&heya__v1__client_message__descriptor)
#define SERVER (&heya__v1__server_message__descriptor)

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *descriptor, const char *text) {
  ProtobufCMessage *message;
  bool ok = json_decode(&registry, &arena, descriptor, bytes_of_str(text), &message, &error);
  cr_assert_eq(ok, message != NULL);
  cr_assert_eq(ok, error.text[0] == '\0');
  return message;
}

static Heya__V1__ClientMessage *decode_client(const char *text) {
  ProtobufCMessage *message = decode(CLIENT, text);
  cr_assert_not_null(message, "%s", error.text);
  return (Heya__V1__ClientMessage *)message;
}

static const char *encode(const void *message) {
  struct bytes text;
  cr_assert(json_encode(&registry, &arena, message, &text));
  return arena_copy(&arena, text);
}

static void refuses(const char *text, const char *reason) {
  cr_assert_null(decode(CLIENT, text), "%s", text);
  cr_assert_str_eq(error.text, reason);
}

/* ---- round trips ---- */

static void comes_back(const ProtobufCMessageDescriptor *descriptor, const ProtobufCMessage *message) {
  struct bytes packed, text, again;
  ProtobufCMessage *back;
  cr_assert(codec_pack(&arena, message, &packed));
  cr_assert(json_encode(&registry, &arena, message, &text));
  cr_assert(json_decode(&registry, &arena, descriptor, text, &back, &error), "%s: %.*s", error.text, (int)text.len,
            (const char *)text.data);
  cr_assert(codec_pack(&arena, back, &again));
  cr_assert(bytes_equal(packed, again), "%.*s", (int)text.len, (const char *)text.data);
}

Test(json, every_message_comes_back_as_it_went) {
  static const char *const kinds[] = {"live", "chat", "other"};
  struct generator generator = {.state = 11, .arena = &arena};
  for (size_t round = 0; round < 300; round++) {
    generator.kind = kinds[round % 3];
    for (size_t i = 0; i < generate_descriptor_count; i++) {
      arena_reset(&arena);
      comes_back(generate_descriptors[i], generate_message(&generator, generate_descriptors[i]));
    }
  }
}

/* Decodes from a block of exactly this size; what is taken must be sound. */
static bool decode_exact(const ProtobufCMessageDescriptor *descriptor, struct bytes text) {
  char *copy = malloc(text.len ? text.len : 1);
  if (text.len) memcpy(copy, text.data, text.len);
  ProtobufCMessage *message;
  bool ok = json_decode(&registry, &arena, descriptor, bytes_of(copy, text.len), &message, &error);
  free(copy);
  cr_assert(utf8_is_text(error.text, strlen(error.text), UTF8_ONE_LINE), "%s", error.text);
  if (!ok) return false;
  cr_assert_eq(codec_check(&codec_limits_client, message), CODEC_OK);
  struct bytes canonical;
  cr_assert(json_encode(&registry, &arena, message, &canonical));
  cr_assert(json_decode(&registry, &arena, descriptor, canonical, &message, &error), "%s", error.text);
  comes_back(descriptor, message);
  return true;
}

Test(json, every_proper_prefix_is_refused) {
  struct generator generator = {.state = 12, .kind = "live", .arena = &arena};
  for (size_t i = 0; i < generate_descriptor_count; i++) {
    struct bytes text;
    arena_reset(&arena);
    json_encode(&registry, &arena, generate_message(&generator, generate_descriptors[i]), &text);
    for (size_t len = 0; len < text.len; len++)
      cr_assert_not(decode_exact(generate_descriptors[i], bytes_of(text.data, len)));
    cr_assert(decode_exact(generate_descriptors[i], text));
  }
}

Test(json, mutated_texts_are_taken_or_refused_cleanly) {
  static const char mutants[] = "{}[],:\"\\u0n1e-.+tf/~ \n\xff\xc3\x80";
  struct generator generator = {.state = 13, .kind = "chat", .arena = &arena};
  for (int round = 0; round < 300; round++) {
    for (size_t i = 0; i < generate_descriptor_count; i++) {
      struct bytes text;
      arena_reset(&arena);
      json_encode(&registry, &arena, generate_message(&generator, generate_descriptors[i]), &text);
      char *bytes = arena_copy(&arena, text);
      for (uint32_t n = 1 + generate_number(&generator, 3); n > 0; n--)
        bytes[generate_number(&generator, (uint32_t)text.len)] = mutants[generate_number(&generator, sizeof mutants)];
      decode_exact(generate_descriptors[i], bytes_of(bytes, text.len));
    }
  }
}

/* ---- out ---- */

Test(json, is_written_as_proto3_says) {
  Heya__V1__ServerMessage message;
  heya__v1__server_message__init(&message);
  Heya__V1__Error fault;
  heya__v1__error__init(&fault);
  message.request = 7;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ERROR;
  message.error = &fault;
  fault.code = HEYA__V1__ERROR__CODE__BUSY;
  fault.message = (char[]){"say \"no\"\n\t\x01\\ 部"};
  fault.retry_after_ms = 250;
  cr_assert_str_eq(encode(&message),
                   "{\"request\":7,\"error\":{\"code\":\"BUSY\",\"message\":\"say \\\"no\\\"\\n\\t\\u0001\\\\ 部\","
                   "\"retryAfterMs\":250}}");

  Heya__V1__Pong pong;
  heya__v1__pong__init(&pong);
  pong.time = UINT64_MAX;
  cr_assert_str_eq(encode(&pong), "{\"time\":\"18446744073709551615\"}");
}

Test(json, leaves_out_defaults_but_shows_a_set_alternative) {
  Heya__V1__Event event;
  heya__v1__event__init(&event);
  cr_assert_str_eq(encode(&event), "{}");
  event.body_case = HEYA__V1__EVENT__BODY_HOST;
  event.host = (char[]){""};
  cr_assert_str_eq(encode(&event), "{\"host\":\"\"}");
  event.body_case = HEYA__V1__EVENT__BODY_PAYLOAD;
  event.payload = (ProtobufCBinaryData){0};
  cr_assert_str_eq(encode(&event), "{\"payload\":\"\"}");
  event.room = (char[]){"chat/a"};
  cr_assert_str_eq(encode(&event), "{\"room\":\"chat/a\",\"payload\":{}}");
}

Test(json, shows_a_payload_as_its_kinds_message_or_base64) {
  Heya__V1__Command command;
  heya__v1__command__init(&command);
  command.room = (char[]){"chat/a"};
  command.payload = (ProtobufCBinaryData){.len = 6, .data = (uint8_t[]){0x0a, 4, 0x0a, 2, 'h', 'i'}};
  cr_assert_str_eq(encode(&command), "{\"room\":\"chat/a\",\"payload\":{\"say\":{\"text\":\"hi\"}}}");
  command.room = (char[]){"nobody/a"};
  cr_assert_str_eq(encode(&command), "{\"room\":\"nobody/a\",\"payload\":\"CgQKAmhp\"}");
  command.room = (char[]){"chat/a"};
  command.payload.len = 5;
  cr_assert_str_eq(encode(&command), "{\"room\":\"chat/a\",\"payload\":\"CgQKAmg=\"}");
}

Test(json, the_kind_of_a_nested_payload_is_that_of_the_room_around_it) {
  const char *text = "{\"joined\":{\"room\":\"live/a\",\"snapshot\":{\"members\":[{\"player\":\"p\",\"profile\":"
                     "{\"leaderCardId\":3,\"difficulty\":\"HARD\"}}],\"options\":{\"liveId\":5},\"state\":"
                     "{\"phase\":\"PLAYING\",\"deadlineMs\":\"12\"}}}}";
  ProtobufCMessage *message = decode(SERVER, text);
  cr_assert_not_null(message, "%s", error.text);
  cr_assert_str_eq(encode(message), text);
}

Test(json, the_options_of_a_room_that_a_lobby_is_to_make_are_of_its_kind) {
  const char *text =
      "{\"command\":{\"room\":\"lobby/main\",\"payload\":{\"quick\":{\"kind\":\"live\",\"maxMembers\":4,"
      "\"options\":{\"liveId\":5},\"mode\":\"duel\"}}}}";
  cr_assert_str_eq(encode(decode_client(text)), text);
}

Test(json, stops_at_the_arenas_limit) {
  Heya__V1__Pong pong;
  heya__v1__pong__init(&pong);
  struct bytes text;
  arena.limit = arena.used + 100;
  cr_assert_not(json_encode(&registry, &arena, &pong.base, &text));
  ProtobufCMessage *message;
  cr_assert_not(json_decode(&registry, &arena, CLIENT, bytes_of_str("{\"hello\":{}}"), &message, &error));
  cr_assert(strstr(error.text, "too much memory"));
}

/* ---- in ---- */

Test(json, takes_both_spellings_of_a_name) {
  cr_assert_eq(decode_client("{\"create\":{\"kind\":\"live\",\"maxMembers\":4}}")->create->max_members, 4);
  cr_assert_eq(decode_client("{\"create\":{\"kind\":\"live\",\"max_members\":4}}")->create->max_members, 4);
  refuses("{\"create\":{\"maxMembers\":4,\"max_members\":4}}", "create.max_members: given twice");
  refuses("{\"create\":{\"MaxMembers\":4}}", "create.MaxMembers: unknown field");
  refuses("{\"create\":{\"max_Members\":4}}", "create.max_Members: unknown field");
}

Test(json, a_payload_may_be_an_object_or_base64) {
  Heya__V1__ClientMessage *object = decode_client(
      "{\"command\":{\"payload\":{\"submit\":{\"round\":2,\"score\":9}},\"room\":\"live/x\",\"number\":1}}");
  Heya__V1__ClientMessage *base64 =
      decode_client("{\"command\":{\"room\":\"live/x\",\"number\":1,\"payload\":\"EgQIAhAJ\"}}");
  cr_assert_str_eq(encode(object), encode(base64));
  cr_assert_eq(object->command->payload.len, 6);
  refuses("{\"command\":{\"room\":\"other/x\",\"payload\":{}}}",
          "command.payload: of an unknown kind, so it must be a string of base64");
  refuses("{\"command\":{\"payload\":{}}}", "command.payload: of an unknown kind, so it must be a string of base64");
  refuses("{\"command\":{\"room\":\"chat/x\",\"payload\":\"?\"}}", "command.payload: not valid base64");
  refuses("{\"command\":{\"room\":\"chat/x\",\"payload\":5}}",
          "command.payload: expected an object, or a string of base64");
}

Test(json, says_where_and_why_it_refuses) {
  refuses("{\"command\":{\"room\":\"chat/x\",\"payload\":{\"say\":{\"txt\":\"a\"}}}}",
          "command.payload.say.txt: unknown field");
  refuses("{\"list\":{\"where\":[{},{\"value\":1}]}}", "list.where[1].value: expected a string");
  refuses("{\"list\":{\"where\":[null]}}", "list.where[0]: null is not an element");
  refuses("{\"list\":{\"where\":{}}}", "list.where: expected an array");
  refuses("{\"hello\":[]}", "hello: expected an object");
  refuses("{\"request\":-1}", "request: out of range");
  refuses("{\"request\":1.5}", "request: expected a whole number");
  refuses("{\"request\":true}", "request: expected a number");
  refuses("{\"join\":{\"create\":1}}", "join.create: expected true or false");
  refuses("{\"hello\":{},\"ping\":{}}", "ping: only one of the alternatives may be given");
  refuses("{\"hello\":{\"\\n\\u0085\xF0\x9F\x8E\xB5\":1}}", "hello.??🎵: unknown field");
  refuses("[]", "expected an object");
  refuses("{\"a\":1,\"a\":1}", "a name is given twice in one object");
  refuses("{\"hello\":{\"name\":\"a\\u0000b\"}}",
          "not valid JSON at line 1, column 27: the character U+0000 is not allowed");
  refuses("{\"hello\":{}} x", "not valid JSON at line 1, column 14: something follows its end");
  cr_assert_null(decode(CLIENT, "{\"hello\":{\"name\":\"\xC0\x80\"}}"));
  cr_assert_null(decode(CLIENT, "{\"hello\":{}} x"));
  cr_assert_null(decode(CLIENT, "5"));
  cr_assert_null(decode(CLIENT, ""));
  cr_assert_eq(strncmp(error.text, "not valid JSON", 14), 0);
}

Test(json, a_refusal_says_what_the_message_was_about) {
  cr_assert_null(decode(CLIENT, "{\"request\":77,\"command\":{\"room\":\"chat/lobby\",\"number\":3,"
                                "\"payload\":{\"say\":{\"txt\":\"a\"}}}}"));
  cr_assert_eq(error.about.request, 77);
  cr_assert_str_eq(error.about.room, "chat/lobby");
  cr_assert_eq(error.about.number, 3);
  cr_assert_null(decode(CLIENT, "{\"request\":4294967296,\"command\":{\"room\":\"a\\nb\",\"number\":-1}}"));
  cr_assert_eq(error.about.request, 0);
  cr_assert_str_eq(error.about.room, "");
  cr_assert_eq(error.about.number, 0);
  cr_assert_null(decode(CLIENT, "[{\"request\":77}]"));
  cr_assert_eq(error.about.request, 0);
  cr_assert_null(decode(CLIENT, "{\"request\":5,\"hello\":{},\"join\":{\"room\":\"x\"},\"bogus\":7}"));
  cr_assert_eq(error.about.request, 5);
  cr_assert_str_eq(error.about.room, "x");
}

Test(json, enums_are_names_or_known_numbers) {
  const ProtobufCMessageDescriptor *profile = &heya__kinds__live__profile__descriptor;
  cr_assert_str_eq(encode(decode(profile, "{\"difficulty\":\"HARD\"}")), "{\"difficulty\":\"HARD\"}");
  cr_assert_str_eq(encode(decode(profile, "{\"difficulty\":1}")), "{\"difficulty\":\"HARD\"}");
  cr_assert_null(decode(profile, "{\"difficulty\":2}"));
  cr_assert_null(decode(profile, "{\"difficulty\":4294967297}"));
  cr_assert_null(decode(profile, "{\"difficulty\":\"hard\"}"));
  cr_assert_str_eq(error.text, "difficulty: unknown enum value");
  cr_assert_null(decode(profile, "{\"difficulty\":1.0}"));
}

Test(json, null_is_the_default) {
  Heya__V1__ClientMessage *message =
      decode_client("{\"request\":null,\"hello\":null,\"list\":{\"where\":null,\"after\":null}}");
  cr_assert_eq(message->body_case, HEYA__V1__CLIENT_MESSAGE__BODY_LIST);
  cr_assert_str_eq(encode(message), "{\"list\":{}}");
}

Test(json, depth_values_and_elements_are_bounded) {
  char text[20000] = "";
  memset(text, '[', 5000);
  refuses(text, "nested too deep");
  memset(text, ',', 5000);
  refuses(text, "too many values");
  strcpy(text, "{\"list\":{\"where\":[{}");
  for (int i = 0; i < JSON_ELEMENTS_MAX; i++) strcat(text, ",{}");
  strcat(text, "]}}");
  refuses(text, "list.where: too many elements");
}

Test(json, long_hostile_names_are_cut_in_the_error) {
  char text[4000] = "{\"", *end = text + 2;
  for (int i = 0; i < 900; i++) end = stpcpy(end, "部");
  strcpy(end, "\":1}");
  cr_assert_null(decode(CLIENT, text));
  cr_assert_leq(strlen(error.text), 60);
  cr_assert(utf8_is_valid(error.text, strlen(error.text)));
}

/* ---- kinds whose payloads are JSON ---- */

static void comes_as(const char *payload, const char *shown) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  char expected[256], room[] = "mine/a", copy[128];
  snprintf(copy, sizeof copy, "%s", payload);
  event.room = room;
  event.body_case = HEYA__V1__EVENT__BODY_PAYLOAD;
  event.payload = (ProtobufCBinaryData){.len = strlen(copy), .data = (uint8_t *)copy};
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_EVENT;
  message.event = &event;
  snprintf(expected, sizeof expected, "{\"event\":{\"room\":\"mine/a\",\"payload\":%s}}", shown);
  cr_assert_str_eq(encode(&message), expected);
}

Test(json, payloads_that_are_json_objects_stand_as_they_are) {
  payload_registry_add(&registry, &(struct payload_kind){.name = "mine", .is_json = true});
  comes_as("{}", "{}");
  comes_as("{\"a\":[1.50,null,\"\\u00e9\"]}", "{\"a\":[1.50,null,\"\\u00e9\"]}");
  comes_as("{\n\"a\" : 1\r\n}", "{ \"a\" : 1  }");
  comes_as("[1]", "\"WzFd\"");
  comes_as("5", "\"NQ==\"");
  comes_as("{\"a\":1},\"evil\":{}", "\"eyJhIjoxfSwiZXZpbCI6e30=\"");
  comes_as("{\"a\":1,\"a\":2}", "\"eyJhIjoxLCJhIjoyfQ==\"");
  comes_as("{", "\"ew==\"");
  comes_as("", "\"\"");
}

Test(json, payloads_for_kinds_of_json_are_objects_or_base64) {
  payload_registry_add(&registry, &(struct payload_kind){.name = "mine", .is_json = true});
  Heya__V1__ClientMessage *message =
      decode_client("{\"command\":{\"room\":\"mine/a\",\"payload\": {\"b\" : [1, {\"c\":null}], \"a\":\"\u00e9\"}}}");
  const char *text = "{\"b\":[1,{\"c\":null}],\"a\":\"\u00e9\"}";
  cr_assert(bytes_equal_str(bytes_of(message->command->payload.data, message->command->payload.len), text));
  message = decode_client("{\"command\":{\"room\":\"mine/a\",\"payload\":\"e30=\"}}");
  cr_assert(bytes_equal_str(bytes_of(message->command->payload.data, message->command->payload.len), "{}"));
  refuses("{\"command\":{\"room\":\"mine/a\",\"payload\":[1]}}",
          "command.payload: expected an object, or a string of base64");
}
