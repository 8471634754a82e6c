/* Kind `chat` through two gateways, and both subprotocols in one room. */
#include "common/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <jansson.h>

TestSuite(chat, .timeout = 90);

#define LINES 200

static Heya__Kinds__Chat__State *lines_of(const Heya__V1__Joined *joined) {
  ProtobufCBinaryData state = joined->snapshot->state;
  Heya__Kinds__Chat__State *unpacked = heya__kinds__chat__state__unpack(NULL, state.len, state.data);
  cr_assert(unpacked);
  return unpacked;
}

static bool is_line(const struct player_message *heard, const void *arg) {
  (void)arg;
  return heard->chat && heard->chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE;
}

Test(chat, lines_of_two_gateways_reach_all_in_one_order) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *speakers[2] = {cluster_player(cluster, 0, "ann"), cluster_player(cluster, 1, "bob")};
  struct player *listeners[2] = {cluster_player(cluster, 0, "cid"), cluster_player(cluster, 1, "dan")};
  for (int i = 0; i < 2; i++) {
    player_join(speakers[i], "chat/order");
    player_join(listeners[i], "chat/order");
  }
  uint32_t last[2] = {0};
  for (int n = 0; n < LINES / 2; n++)
    for (int i = 0; i < 2; i++) {
      struct player_payload payload;
      char text[32];
      snprintf(text, sizeof text, "%s %d", speakers[i]->name, n);
      last[i] = player_try(speakers[i], player_say_payload(&payload, text));
      if (n % 20 == 19) player_acked(speakers[i], last[i]); /* within the window and the rate */
    }
  for (int i = 0; i < 2; i++) player_acked(speakers[i], last[i]);

  int counts[2] = {0};
  for (int n = 0; n < LINES; n++) {
    const struct player_message *a = player_await(listeners[0], PLAYER_MS, is_line, NULL);
    const struct player_message *b = player_await(listeners[1], PLAYER_MS, is_line, NULL);
    cr_assert(a && b, "line %d is missing", n);
    cr_assert_str_eq(a->chat->line->text, b->chat->line->text, "both hear the same order");
    cr_assert_eq(a->message->event->seq, b->message->event->seq);
    int who = strcmp(a->chat->line->player, "bob") == 0;
    char text[32];
    snprintf(text, sizeof text, "%s %d", speakers[who]->name, counts[who]++);
    cr_assert_str_eq(a->chat->line->text, text, "each speaker's lines keep their order, none is lost or doubled");
  }
  cluster_stop(cluster);
}

Test(chat, members_and_their_coming_and_going_are_seen) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *first = player_join(ann, "chat/door"), *second = player_join(bob, "chat/door");
  cr_assert(first->created && !second->created);
  cr_assert_str_eq(first->incarnation, second->incarnation);
  cr_assert_str_eq(second->snapshot->host, "ann");
  cr_assert_eq(second->snapshot->n_members, 2);
  cr_assert_str_eq(second->snapshot->members[0]->player, "ann");
  cr_assert_str_eq(second->snapshot->members[1]->player, "bob");
  cr_assert_str_eq(player_await_event(ann, HEYA__V1__EVENT__BODY_JOINED)->joined->player, "bob");
  player_leave(ann);
  const Heya__V1__MemberLeft *left = player_await_event(bob, HEYA__V1__EVENT__BODY_MEMBER_LEFT)->member_left;
  cr_assert_str_eq(left->player, "ann");
  cr_assert_eq(left->reason, HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_HOST)->host, "bob");
  cluster_stop(cluster);
}

Test(chat, a_newcomer_gets_the_last_fifty_lines) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/history");
  for (int i = 0; i < 60; i++) {
    char text[16];
    snprintf(text, sizeof text, "line %d", i);
    player_say(ann, text);
  }
  uint64_t now = redis_now_ms(cluster_redis(cluster));
  Heya__Kinds__Chat__State *state = lines_of(player_join(bob, "chat/history"));
  cr_assert_eq(state->n_lines, 50);
  cr_assert_str_eq(state->lines[0]->text, "line 10");
  cr_assert_str_eq(state->lines[49]->text, "line 59");
  cr_assert_str_eq(state->lines[49]->player, "ann");
  cr_assert_leq(state->lines[49]->time_ms, now);
  cr_assert_gt(state->lines[49]->time_ms, now - 60000);
  heya__kinds__chat__state__free_unpacked(state, NULL);
  cluster_stop(cluster);
}

Test(chat, a_line_is_text_within_its_limit) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  struct player_payload payload;
  char longest[2002];
  memset(longest, 'x', sizeof longest);
  longest[2001] = '\0';
  const char *const bad[] = {longest, "", "bell \a", "nul-like \x01", "not UTF-8 \xff\xfe", "cut \xe9\x83"};
  player_join(ann, "chat/text");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    player_refused(ann, player_try(ann, player_say_payload(&payload, bad[i])),
                   HEYA__V1__ERROR__CODE__INVALID_ARGUMENT);
  longest[2000] = '\0';
  player_do(ann, player_say_payload(&payload, longest));
  player_await_line(ann, longest);
  const char *const good[] = {"部屋へようこそ 🎵", "two\nlines\tand a tab"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    player_say(ann, good[i]);
    player_await_line(ann, good[i]);
  }
  cluster_stop(cluster);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------
 */

/* The next message that has a member of this name, which is returned; the others are thrown away. */
static json_t *json_hear(struct wsclient *client, const char *member) {
  uint64_t deadline = wait_deadline(PLAYER_MS);
  for (;;) {
    struct buf message;
    cr_assert_eq(wsclient_receive(client, deadline, &message), WSCLIENT_MESSAGE, "no %s", member);
    json_error_t error;
    json_t *root = json_loadb((const char *)message.data, message.len, 0, &error);
    cr_assert(root, "not JSON: %s", error.text);
    buf_close(&message);
    json_t *found = json_incref(json_object_get(root, member));
    json_decref(root);
    if (found) return found;
  }
}

static json_t *json_hear_line(struct wsclient *client) {
  for (;;) {
    json_t *event = json_hear(client, "event");
    json_t *line = json_incref(json_object_get(json_object_get(event, "payload"), "line"));
    json_decref(event);
    if (line) return line;
  }
}

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void json_enter(struct wsclient *client, const char *player) {
  char hello[64];
  snprintf(hello, sizeof hello, "{\"request\":1,\"hello\":{\"player\":\"%s\"}}", player);
  wsclient_send_text(client, hello);
  json_t *welcome = json_hear(client, "welcome");
  cr_assert_str_eq(text_of(welcome, "player"), player);
  json_decref(welcome);
}

Test(chat, json_and_protobuf_clients_share_a_room) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/both");
  player_say(ann, "before");
  struct wsclient_options options = {.format = WSCLIENT_JSON, .path = "/v1/chat/both"};
  struct wsclient *bob = wsclient_open(cluster_address(cluster, 1), &options, NULL);
  cr_assert(bob);
  json_enter(bob, "bob");
  json_t *joined = json_hear(bob, "joined"); /* the path joined him */
  const json_t *snapshot = json_object_get(joined, "snapshot");
  cr_assert_str_eq(text_of(joined, "room"), "chat/both");
  cr_assert_str_eq(text_of(snapshot, "host"), "ann");
  cr_assert_eq(json_array_size(json_object_get(snapshot, "members")), 2);
  const json_t *lines = json_object_get(json_object_get(snapshot, "state"), "lines");
  cr_assert_str_eq(text_of(json_array_get(lines, 0), "text"), "before", "a kind's state is an object in JSON");
  json_decref(joined);

  player_say(ann, "quote \" and 部屋");
  json_t *line = json_hear_line(bob);
  cr_assert_str_eq(text_of(line, "text"), "quote \" and 部屋");
  cr_assert_str_eq(text_of(line, "player"), "ann");
  json_decref(line);

  wsclient_send_text(bob, "{\"request\":7,\"command\":{\"room\":\"chat/both\",\"number\":1,"
                          "\"payload\":{\"say\":{\"text\":\"hi \\u90e8\"}}}}");
  json_t *ack = json_hear(bob, "ack");
  cr_assert_eq(json_integer_value(json_object_get(ack, "number")), 1);
  json_decref(ack);
  player_await_line(ann, "hi 部");

  wsclient_send_text(bob, "{\"request\":8,\"command\":{\"room\":\"chat/both\",\"number\":5,"
                          "\"payload\":{\"say\":{\"text\":\"gap\"}}}}");
  json_t *error = json_hear(bob, "error");
  cr_assert_str_eq(text_of(error, "code"), "GAP", "codes have names in JSON");
  cr_assert_eq(json_integer_value(json_object_get(error, "expected")), 2);
  json_decref(error);

  wsclient_send_text(bob, "{\"leave\":{\"room\":\"chat/both\"}}");
  json_decref(json_hear(bob, "left"));
  player_await_event(ann, HEYA__V1__EVENT__BODY_MEMBER_LEFT);
  wsclient_destroy(bob);
  cluster_stop(cluster);
}
