/* What the processes make of a Redis that restarts, with or without its data, stalls, is full, or turns into a
 * replica. No gateway and no worker is started anew by any of it. */
#include "proto/keys.h"
#include "proto/pb.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(redis_trouble, .timeout = 120);

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define ROOM       "chat/trouble"

static const struct bytes none;

/* ---- players who come back ---- */

struct place {
  char session[64], incarnation[64];
  uint64_t epoch, seq;
  uint32_t answered;
};

static struct place place_of(const Heya__V1__Joined *joined) {
  struct place place = {.epoch = joined->epoch, .seq = joined->seq};
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  snprintf(place.incarnation, sizeof place.incarnation, "%s", joined->incarnation);
  return place;
}

/* Where a player is after all that it heard. */
static void follow(struct place *place, const struct player *player) {
  for (size_t i = 0; i < player->log_count; i++) {
    const Heya__V1__ServerMessage *message = player->log[i].message;
    if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT) {
      place->epoch = message->event->epoch;
      place->seq = message->event->seq;
    } else if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK && message->ack->number > place->answered) {
      place->answered = message->ack->number;
    }
  }
}

static uint32_t send_resume(struct player *player, const struct place *place) {
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  resume.session = pb_text(place->session);
  resume.incarnation = pb_text(place->incarnation);
  resume.epoch = place->epoch;
  resume.seq = place->seq;
  resume.answered = place->answered;
  join.room = pb_text(ROOM);
  join.resume = &resume;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  return player_send(player, &message);
}

static bool is_over(void *arg) {
  return !player_pump(arg);
}

/* Both gateways send everybody away, and are there again. */
static void expect_sent_away(struct cluster *cluster, struct player *player) {
  cr_assert(wait_until(20000, is_over, player), "%s is not sent away", player->name);
  const Heya__V1__ServerMessage *last = player->log[player->log_count - 1].message;
  cr_assert_eq(last->body_case, HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE);
  cr_assert_eq(last->goodbye->reason, CODE(GATEWAY_LOST));
  cr_assert(last->goodbye->reconnect);
  for (unsigned i = 0; i < 2; i++) cluster_await_gateway(cluster, i);
}

static size_t times_heard(const struct player *player, const char *text) {
  size_t times = 0;
  for (size_t i = 0; i < player->log_count; i++) {
    const Heya__Kinds__Chat__Event *chat = player->log[i].chat;
    if (chat && chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE) times += !strcmp(chat->line->text, text);
  }
  return times;
}

static uint32_t say(struct player *player, uint32_t number, const char *text) {
  struct player_payload payload;
  return player_send_command(player, ROOM, number, player_say_payload(&payload, text));
}

static void restart(struct cluster *cluster) {
  process_kill(cluster_redis_process(cluster));
  cluster_restart_redis(cluster);
}

/* ---- restarts ---- */

#define BURST 40

/* It kept everything: all go on where they were, and what was unanswered is sent again. */
Test(redis_trouble, killed_with_all_its_data_it_costs_a_reconnect_and_nothing_else) {
  static const char *const always[] = {"--appendfsync", "always", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = always});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  char text[32];
  for (uint32_t i = 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    uint32_t request = say(ann, i, text);
    if (i == BURST / 2) player_acked(ann, request);
  }
  restart(cluster);
  expect_sent_away(cluster, ann);
  expect_sent_away(cluster, bob);
  follow(&anns, ann);
  follow(&bobs, bob);
  cr_assert_geq(anns.answered, BURST / 2);
  struct player *ann2 = cluster_player(cluster, 1, "ann"), *bob2 = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *back = player_joined(ann2, send_resume(ann2, &anns));
  cr_assert_str_eq(back->session, anns.session);
  cr_assert_str_eq(back->incarnation, anns.incarnation);
  back = player_joined(bob2, send_resume(bob2, &bobs));
  cr_assert_str_eq(back->session, bobs.session);
  bool has_snapshot = back->snapshot != NULL;
  for (uint32_t i = anns.answered + 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    player_acked(ann2, say(ann2, i, text));
  }
  player_acked(ann2, say(ann2, BURST + 1, "the end"));
  player_await_line(bob2, "the end");
  for (uint32_t i = 1; i <= BURST; i++) {
    snprintf(text, sizeof text, "line %u", i);
    size_t times = times_heard(bob, text) + times_heard(bob2, text);
    cr_assert(times == 1 || (times == 0 && has_snapshot), "%s: %zu times", text, times);
  }
  cluster_stop(cluster);
}

Test(redis_trouble, killed_during_a_round_it_leaves_the_deadline_where_it_was) {
  static const char *const always[] = {"--appendfsync", "always", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = always});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join_live(ann, "live/trouble", 1, 3000);
  player_join_live(bob, "live/trouble", 1, 3000);
  player_submit(ann, player_start_round(ann), 100);
  uint64_t deadline_ms = player_await_live(ann, HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED)->submitted->deadline_ms;
  restart(cluster);
  expect_sent_away(cluster, ann);
  struct player *again = cluster_player(cluster, 1, "ann");
  player_joined(again, player_send_join(again, "live/trouble", false, none, none));
  const Heya__Kinds__Live__Results *results =
      player_await_live(again, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
  uint64_t late_ms = redis_now_ms(cluster_redis(cluster)) - deadline_ms;
  cr_assert(late_ms < 2000, "%lu ms after the deadline", (unsigned long)late_ms);
  cr_assert_eq(results->n_scores, 2);
  cr_assert_eq(results->scores[0]->score, 100);
  cr_assert(results->scores[1]->forfeited);
  cluster_stop(cluster);
}

/* It is as it was at some moment before: what clients have seen since is not there. */
Test(redis_trouble, restarted_without_its_last_writes_it_begins_new_sessions) {
  static const char *const snapshots[] = {"--appendonly", "no", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = snapshots});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct place anns = place_of(player_join(ann, ROOM)), bobs = place_of(player_join(bob, ROOM));
  player_acked(ann, say(ann, 1, "kept"));
  redis_do(cluster_redis(cluster), "SAVE");
  player_acked(ann, say(ann, 2, "forgotten"));
  player_await_line(bob, "forgotten");
  restart(cluster);
  expect_sent_away(cluster, ann);
  expect_sent_away(cluster, bob);
  follow(&anns, ann);
  follow(&bobs, bob);
  struct player *ann2 = cluster_player(cluster, 0, "ann"), *bob2 = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *back = player_joined(ann2, send_resume(ann2, &anns));
  cr_assert_str_neq(back->session, anns.session, "number 2 was used up, the room does not know it");
  cr_assert(back->snapshot);
  cr_assert_str_eq(back->incarnation, anns.incarnation);
  back = player_joined(bob2, send_resume(bob2, &bobs));
  cr_assert(back->snapshot, "he has seen an event that never was");
  player_acked(ann2, say(ann2, 1, "again"));
  player_await_line(bob2, "again");
  cluster_stop(cluster);
}

Test(redis_trouble, restarted_without_anything_it_is_set_up_again_and_rooms_are_lost_loudly) {
  static const char *const nothing[] = {"--appendonly", "no", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.redis_args = nothing});
  struct player *ann = cluster_player(cluster, 0, "ann");
  struct place place = place_of(player_join(ann, ROOM));
  player_acked(ann, say(ann, 1, "forgotten"));
  restart(cluster);
  expect_sent_away(cluster, ann);
  follow(&place, ann);
  cluster_await_all_owned(cluster);
  struct player *again = cluster_player(cluster, 1, "ann");
  player_refused(again, send_resume(again, &place), CODE(ROOM_NOT_FOUND));
  cr_assert(player_join(again, ROOM)->created);
  player_say(again, "a new room");
  cluster_stop(cluster);
}

/* ---- it is there, but ---- */

/* All leases end while it stands still. Whoever is back first does not take everything: each keeps what it had. */
Test(redis_trouble, a_stall_longer_than_the_leases_loses_nothing_and_moves_nothing) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.lease_ms = 1000});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  char room[32], text[32];
  int owners[16];
  cluster_await_all_owned(cluster);
  player_join(ann, ROOM);
  player_join(bob, ROOM);
  for (unsigned i = 0; i < 16; i++) {
    snprintf(room, sizeof room, "chat/%u", i);
    owners[i] = cluster_owner(cluster, room);
  }
  process_stop(cluster_redis_process(cluster));
  uint32_t requests[10];
  for (uint32_t i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "line %u", i);
    requests[i] = say(ann, i + 1, text);
  }
  cr_assert(process_wait_line(cluster_worker(cluster, 0), "no answer in time", 30000, NULL, 0));
  cr_assert(process_wait_line(cluster_worker(cluster, 1), "no answer in time", 30000, NULL, 0));
  process_continue(cluster_redis_process(cluster));
  for (uint32_t i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "line %u", i);
    player_acked(ann, requests[i]);
    if (!times_heard(bob, text)) player_await_line(bob, text);
    cr_assert_eq(times_heard(bob, text), 1);
  }
  cluster_await_all_owned(cluster);
  for (unsigned i = 0; i < 16; i++) {
    snprintf(room, sizeof room, "chat/%u", i);
    cr_assert_eq(cluster_owner(cluster, room), owners[i], "%s has moved", room);
  }
  cluster_stop(cluster);
}

/* A Redis at maxmemory takes no more commands, says so, and finishes what it has. */
Test(redis_trouble, a_full_redis_is_told_as_busy_until_it_has_room_again) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  player_join(ann, ROOM);
  player_acked(ann, say(ann, 1, "one"));
  redis_do(cluster_redis(cluster), "CONFIG SET maxmemory 1");
  cr_assert_gt(player_refused(ann, say(ann, 2, "two"), CODE(BUSY))->retry_after_ms, 0);
  player_ping(ann);
  redis_do(cluster_redis(cluster), "CONFIG SET maxmemory 0");
  player_acked(ann, say(ann, 2, "two"));
  player_await_line(ann, "two");
  cluster_stop(cluster);
}

/* As after a failover that went past us: writes are refused, until the address leads to a master again. */
Test(redis_trouble, a_master_that_became_a_replica_is_waited_out) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  cluster_await_all_owned(cluster);
  player_join(ann, ROOM);
  player_join(bob, ROOM);
  redis_do(cluster_redis(cluster), "REPLICAOF 127.0.0.1 1");
  uint32_t request = say(ann, 1, "once");
  cr_assert(process_wait_line(cluster_worker(cluster, 0), "READONLY", 20000, NULL, 0));
  cr_assert(process_wait_line(cluster_gateway(cluster, 0), "READONLY", 20000, NULL, 0));
  redis_do(cluster_redis(cluster), "REPLICAOF NO ONE");
  player_acked(ann, request);
  player_await_line(bob, "once");
  player_acked(ann, say(ann, 2, "twice"));
  player_await_line(bob, "twice");
  cr_assert_eq(times_heard(bob, "once"), 1);
  cluster_stop(cluster);
}
