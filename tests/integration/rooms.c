/* What all kinds of rooms have in common: making, numbered commands, sessions, seats, expiry, limits. */
#include "common/mem.h"
#include "proto/keys.h"
#include "tests/support/cluster.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(rooms, .timeout = 120);

#define CODE(name)    HEYA__V1__ERROR__CODE__##name
#define EMPTY_MS      10000 /* the grace of an empty room, of both kinds */
#define AWAY_MS       30000 /* the time a seat is kept, of both kinds */
#define EXPIRY_MAX_MS 60000 /* empty time and margin, generously */

static const struct bytes none;

/* ---- create ------------------------------------------------------------------------------------------------------
 */

Test(rooms, create_may_be_sent_again_through_another_gateway) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *first = player_joined(ann, player_send_create(ann, "chat", "my key", none));
  cr_assert(first->created);
  cr_assert_str_eq(first->snapshot->host, "ann");
  player_drop(ann);
  struct player *again = cluster_player(cluster, 1, "ann");
  const Heya__V1__Joined *second = player_joined(again, player_send_create(again, "chat", "my key", none));
  cr_assert_not(second->created);
  cr_assert(second->returned);
  cr_assert_str_eq(second->room, first->room);
  cr_assert_str_eq(second->incarnation, first->incarnation);

  const Heya__V1__Joined *other = player_joined(again, player_send_create(again, "chat", "other key", none));
  cr_assert_str_neq(other->room, first->room);
  const Heya__V1__Joined *bobs = player_joined(bob, player_send_create(bob, "chat", "my key", none));
  cr_assert_str_neq(bobs->room, first->room, "another player's key is another room");
  cr_assert(player_joined(bob, player_send_join(bob, first->room, false, none, none)), "but he may join by the id");
  cluster_stop(cluster);
}

Test(rooms, create_after_the_room_has_closed_says_so) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  struct player_payload options, payload;
  struct bytes song = player_live_options(&options, 1, 0);
  char room[96];
  snprintf(room, sizeof room, "%s", player_joined(ann, player_send_create(ann, "live", "once", song))->room);
  player_do(ann, player_dissolve_payload(&payload));
  player_await_detached(ann, CODE(ROOM_CLOSED));
  struct player *again = cluster_player(cluster, 1, "ann");
  player_refused(again, player_send_create(again, "live", "once", song), CODE(ROOM_CLOSED));
  struct key tomb = key_tomb(KEY_PREFIX_DEFAULT, room);
  int64_t ttl = redis_integer(cluster_redis(cluster), "PTTL %s", tomb.text);
  /* Ten minutes, and half a minute more in Redis, in case a failover comes just at its end. */
  cr_assert(ttl > 10 * 60 * 1000 && ttl <= 630 * 1000, "the tomb stays for 10 minutes, not %lld ms", (long long)ttl);
  cluster_stop(cluster);
}

/* ---- numbered commands -------------------------------------------------------------------------------------------
 */

static uint32_t say_as(struct player *player, uint32_t number, const char *text) {
  struct player_payload payload;
  return player_send_command(player, player->room, number, player_say_payload(&payload, text));
}

static bool is_line(const struct player_message *heard, const void *arg) {
  return heard->chat && strcmp(heard->chat->line->text, arg) == 0;
}

Test(rooms, a_command_sent_again_gets_its_first_outcome_and_is_not_done_twice) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/numbers");
  player_join(bob, "chat/numbers");
  cr_assert_eq(player_acked(ann, say_as(ann, 1, "one"))->number, 1);
  cr_assert_eq(player_acked(ann, say_as(ann, 1, "one again"))->number, 1);
  player_refused(ann, say_as(ann, 2, ""), CODE(INVALID_ARGUMENT));
  cr_assert_eq(player_refused(ann, say_as(ann, 2, "now it is fine"), CODE(INVALID_ARGUMENT))->number, 2);
  player_acked(ann, say_as(ann, 3, "three"));
  player_await_line(bob, "three");
  cr_assert_not(player_heard(bob, is_line, "one again"));
  cr_assert_not(player_heard(bob, is_line, "now it is fine"));
  for (uint32_t n = 4; n < 70; n++) player_acked(ann, say_as(ann, n, "more"));
  player_refused(ann, say_as(ann, 2, "long ago"), CODE(TOO_OLD));
  cluster_stop(cluster);
}

Test(rooms, a_command_that_comes_too_soon_is_told_which_one_is_missing) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/gap");
  player_acked(ann, say_as(ann, 1, "one"));
  const Heya__V1__Error *gap = player_refused(ann, say_as(ann, 3, "three"), CODE(GAP));
  cr_assert_eq(gap->expected, 2);
  cr_assert_eq(gap->number, 3);
  player_acked(ann, say_as(ann, 2, "two"));
  player_acked(ann, say_as(ann, 3, "three"));
  cluster_stop(cluster);
}

/* kill -9 of the owner between two tries: the next owner knows the outcome. */
Test(rooms, a_command_sent_again_to_the_next_owner_is_not_done_twice) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/heir");
  player_join(bob, "chat/heir");
  player_acked(ann, say_as(ann, 1, "one"));
  player_refused(ann, say_as(ann, 2, ""), CODE(INVALID_ARGUMENT));
  unsigned owner = cluster_await_owner(cluster, "chat/heir", -1);
  process_kill(cluster_worker(cluster, owner));
  player_acked(ann, say_as(ann, 1, "one again"));
  player_refused(ann, say_as(ann, 2, "now it is fine"), CODE(INVALID_ARGUMENT));
  player_acked(ann, say_as(ann, 3, "three"));
  player_await_line(bob, "three");
  cr_assert_not(player_heard(bob, is_line, "one again"));
  cluster_stop(cluster);
}

/* ---- sessions and seats ------------------------------------------------------------------------------------------
 */

static bool is_away(const struct player_message *heard, const void *arg) {
  (void)arg;
  return heard->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT &&
         heard->message->event->body_case == HEYA__V1__EVENT__BODY_AWAY;
}

Test(rooms, a_second_login_replaces_the_first) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *first = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 0, "bob");
  player_join(first, "chat/tabs");
  player_join(bob, "chat/tabs");
  struct player *second = cluster_player(cluster, 1, "ann");
  cr_assert(player_join(second, "chat/tabs")->returned);
  cr_assert_str_eq(player_await_detached(first, CODE(REPLACED))->room, "chat/tabs");
  player_refused(first, say_as(first, 1, "me too"), CODE(NOT_IN_ROOM));
  player_ping(first); /* the connection itself stays */
  player_drop(first); /* and its end, late, changes nothing */
  player_say(second, "it is me");
  player_await_line(bob, "it is me");
  player_say(bob, "so it is");
  player_await_line(second, "so it is");
  cr_assert_not(player_heard(bob, is_away, NULL));
  cluster_stop(cluster);
}

Test(rooms, one_connection_is_in_several_rooms) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  static const char *const rooms[] = {"chat/r1", "chat/r2", "chat/r3"};
  for (int i = 0; i < 3; i++) player_join(ann, rooms[i]);
  for (int i = 0; i < 3; i++) player_join(bob, rooms[i]);
  for (int i = 0; i < 3; i++) {
    struct player_payload payload;
    player_acked(ann, player_send_command(ann, rooms[i], 1, player_say_payload(&payload, rooms[i])));
    const Heya__V1__Event *event;
    do event = player_await_event(bob, HEYA__V1__EVENT__BODY_PAYLOAD);
    while (strcmp(event->room, rooms[i]) != 0);
  }
  cluster_stop(cluster);
}

Test(rooms, a_seat_is_kept_for_a_time_and_then_given_up) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/away");
  player_join(bob, "chat/away");
  uint64_t dropped_ms = redis_now_ms(cluster_redis(cluster));
  player_drop(ann);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_AWAY)->away, "ann");
  static const Heya__V1__Event__BodyCase left = HEYA__V1__EVENT__BODY_MEMBER_LEFT;
  const struct player_message *heard = NULL;
  uint64_t deadline = wait_deadline(AWAY_MS + 10000);
  while (!heard && wait_left(deadline)) {
    wait_readable(wsclient_fd(bob->socket), deadline);
    cr_assert(player_pump(bob));
    for (size_t i = 0; i < bob->log_count && !heard; i++)
      if (bob->log[i].message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT &&
          bob->log[i].message->event->body_case == left)
        heard = &bob->log[i];
  }
  cr_assert(heard, "the seat is kept for ever");
  uint64_t kept_ms = redis_now_ms(cluster_redis(cluster)) - dropped_ms;
  cr_assert_geq(kept_ms, AWAY_MS, "the seat is given up after %llu ms", (unsigned long long)kept_ms);
  cr_assert_eq(heard->message->event->member_left->reason, HEYA__V1__LEAVE_REASON__TIMED_OUT);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_HOST)->host, "bob");
  cluster_stop(cluster);
}

/* ---- empty rooms -------------------------------------------------------------------------------------------------
 */

/* All keys of the room have this expiry, -1 for none; returns how many there are. */
static size_t check_keys(struct cluster *cluster, const char *room, int64_t expires_ms) {
  struct redis_client *redis = cluster_redis(cluster);
  redisReply *keys = redis_reply(redis, "KEYS %s*", key_room(KEY_PREFIX_DEFAULT, room).text);
  cr_assert_eq(keys->type, REDIS_REPLY_ARRAY);
  size_t count = keys->elements;
  for (size_t i = 0; i < count; i++)
    cr_assert_eq(redis_integer(redis, "PEXPIRETIME %s", keys->element[i]->str), expires_ms, "%s",
                 keys->element[i]->str);
  freeReplyObject(keys);
  return count;
}

static int64_t expiry_of(struct cluster *cluster, const char *room) {
  return redis_integer(cluster_redis(cluster), "PEXPIRETIME %s", key_room(KEY_PREFIX_DEFAULT, room).text);
}

struct moment {
  struct cluster *cluster;
  uint64_t ms;
};

static bool has_come(void *arg) {
  struct moment *moment = arg;
  return redis_now_ms(cluster_redis(moment->cluster)) >= moment->ms;
}

Test(rooms, an_empty_room_is_revived_before_its_time_and_made_anew_after_it) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *first = player_join(ann, "chat/empty");
  player_say(ann, "remember this");
  cr_assert_gt(check_keys(cluster, "chat/empty", -1), 0);
  player_leave(ann);
  int64_t expires_ms = expiry_of(cluster, "chat/empty");
  cr_assert_gt(expires_ms, (int64_t)redis_now_ms(cluster_redis(cluster)) + EMPTY_MS - 1000);
  check_keys(cluster, "chat/empty", expires_ms);

  const Heya__V1__Joined *revived = player_join(bob, "chat/empty");
  cr_assert_not(revived->created);
  cr_assert_str_eq(revived->incarnation, first->incarnation);
  cr_assert_str_eq(revived->snapshot->host, "bob");
  Heya__Kinds__Chat__State *state =
      heya__kinds__chat__state__unpack(NULL, revived->snapshot->state.len, revived->snapshot->state.data);
  cr_assert(state && state->n_lines == 1, "the revived room remembers");
  heya__kinds__chat__state__free_unpacked(state, NULL);
  check_keys(cluster, "chat/empty", -1);

  player_leave(bob);
  struct moment later = {.cluster = cluster, .ms = redis_now_ms(cluster_redis(cluster)) + EMPTY_MS + 1};
  cr_assert(wait_until(EMPTY_MS + 5000, has_come, &later));
  const Heya__V1__Joined *anew = player_join(ann, "chat/empty");
  cr_assert(anew->created, "its time is over, even if its keys are still there");
  cr_assert_str_neq(anew->incarnation, first->incarnation);
  cr_assert_eq(anew->snapshot->state.len, 0);
  check_keys(cluster, "chat/empty", -1);
  cluster_stop(cluster);
}

Test(rooms, keys_of_an_empty_room_vanish_even_when_all_workers_are_dead) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/orphan");
  player_say(ann, "bye");
  player_leave(ann);
  cr_assert_gt(check_keys(cluster, "chat/orphan", expiry_of(cluster, "chat/orphan")), 0);
  for (unsigned i = 0; i < 2; i++) process_kill(cluster_worker(cluster, i));
  cr_assert(cluster_await_no_keys(cluster, "chat/orphan", EXPIRY_MAX_MS));
  cr_assert(player_list(ann, "chat", NULL, NULL, false)->n_rooms == 0, "and it is not listed");
  cluster_stop(cluster);
}

/* ---- limits ------------------------------------------------------------------------------------------------------
 */

Test(rooms, who_talks_too_fast_is_told_to_slow_down_and_loses_nothing) {
  static const char *const args[] = {"--message-rate", "20", "--message-burst", "10", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = args});
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, "chat/fast");
  uint32_t requests[20], refused = 0, number = 1;
  for (uint32_t i = 0; i < 20; i++) requests[i] = say_as(ann, 1 + i, "quick");
  for (uint32_t i = 0; i < 20; i++) {
    const Heya__V1__ServerMessage *answer = player_answer(ann, requests[i]);
    cr_assert(answer);
    if (answer->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK) {
      number++;
      continue;
    }
    cr_assert(answer->error->code == CODE(RATE_LIMITED) || answer->error->code == CODE(GAP));
    if (answer->error->code != CODE(RATE_LIMITED)) continue;
    refused++;
    cr_assert(answer->error->retry_after_ms > 0 && answer->error->retry_after_ms <= 1000);
    cr_assert_eq(answer->error->number, 1 + i);
  }
  cr_assert_gt(refused, 0);
  struct moment later = {.cluster = cluster, .ms = redis_now_ms(cluster_redis(cluster)) + 200};
  cr_assert(wait_until(5000, has_come, &later));
  player_acked(ann, say_as(ann, number, "slowly")); /* the number was not consumed */
  cluster_stop(cluster);
}

Test(rooms, who_does_not_read_is_closed_and_the_others_go_on) {
  static const char *const args[] = {"--message-rate", "0", "--max-output-bytes", "64k", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateways = 1, .gateway_args = args});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 0, "bob");
  struct player *slow = cluster_stranger(cluster, 0, "slow", &(struct wsclient_options){.receive_bytes = 2048});
  cr_assert(player_answer(slow, player_send_hello(slow, "slow", "", "")));
  char text[2001];
  memset(text, 'x', sizeof text - 1);
  text[2000] = '\0';
  player_join(ann, "chat/slow");
  player_join(bob, "chat/slow");
  player_join(slow, "chat/slow");
  const char *metric = "heya_gateway_closed_total{reason=\"slow_consumer\"}";
  cr_assert_eq(http_metric(cluster_gateway_admin(cluster, 0), metric), 0);
  for (int i = 0; i < 5000 && http_metric(cluster_gateway_admin(cluster, 0), metric) == 0; i++)
    for (int n = 0; n < 20; n++) player_say(ann, text);
  cr_assert_eq(http_metric(cluster_gateway_admin(cluster, 0), metric), 1);
  cr_assert_eq(wsclient_wait_close(slow->socket, 10000), 4041);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_AWAY)->away, "slow");
  player_say(ann, "and on");
  player_await_line(bob, "and on");
  cluster_stop(cluster);
}
