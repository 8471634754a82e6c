/* Kind `lobby` through two gateways: many ask at once and nobody is seated twice or alone, also when workers die. */
#include "tests/support/cluster.h"

#include "proto/kinds/lobby.pb-c.h"
#include "proto/pb.h"
#include "tests/support/wait.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(lobby, .timeout = 180);

#define LOBBY       "lobby/main"
#define PLAYERS     200
#define ROOM_SIZE   4
#define EVENT(name) HEYA__KINDS__LOBBY__EVENT__BODY_##name

static char names[PLAYERS][8];
static struct player *players[PLAYERS];
static struct cluster *cluster;

/* ---- talking ---- */

static uint32_t send_body(struct player *player, Heya__Kinds__Lobby__Command *command) {
  struct player_payload payload;
  cr_assert(heya__kinds__lobby__command__get_packed_size(command) <= sizeof payload.data);
  return player_send_command(player, LOBBY, 0,
                             bytes_of(payload.data, heya__kinds__lobby__command__pack(command, payload.data)));
}

static uint32_t send_quick(struct player *player, const char *mode) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Quick quick = HEYA__KINDS__LOBBY__QUICK__INIT;
  quick.kind = pb_text("chat");
  quick.max_members = ROOM_SIZE;
  quick.mode = pb_text(mode);
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_QUICK;
  command.quick = &quick;
  return send_body(player, &command);
}

static uint32_t send_cancel(struct player *player) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Cancel cancel = HEYA__KINDS__LOBBY__CANCEL__INIT;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_CANCEL;
  command.cancel = &cancel;
  return send_body(player, &command);
}

/* `with`: the index of another one of his party, or -1. */
static uint32_t send_enqueue(struct player *player, int32_t skill, int with) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Enqueue enqueue = HEYA__KINDS__LOBBY__ENQUEUE__INIT;
  char *party[] = {with < 0 ? NULL : names[with]};
  enqueue.kind = pb_text("chat");
  enqueue.size = ROOM_SIZE;
  enqueue.skill = skill;
  enqueue.range = 50;
  enqueue.widen_per_s = 400;
  enqueue.mode = pb_text("ranked");
  enqueue.party = party;
  enqueue.n_party = with >= 0;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_ENQUEUE;
  command.enqueue = &enqueue;
  return send_body(player, &command);
}

/* ---- hearing ---- */

static Heya__Kinds__Lobby__Event *event_of(const struct player_message *heard) {
  if (heard->message->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return NULL;
  const Heya__V1__Event *event = heard->message->event;
  if (event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD || strcmp(event->room, LOBBY) != 0) return NULL;
  Heya__Kinds__Lobby__Event *said = heya__kinds__lobby__event__unpack(NULL, event->payload.len, event->payload.data);
  cr_assert(said, "a payload that is no event of the kind");
  return said;
}

static bool is_matched(const struct player_message *heard, const void *mode) {
  Heya__Kinds__Lobby__Event *event = event_of(heard);
  bool is = event && event->body_case == EVENT(MATCHED) && strcmp(event->matched->mode, mode) == 0;
  if (event) heya__kinds__lobby__event__free_unpacked(event, NULL);
  return is;
}

struct place {
  char room[96];
  size_t together;
  bool has_partner;
};

/* Where he is matched to, with how many others, and whether one of these is among them. */
static struct place await_matched(struct player *player, const char *mode, int partner) {
  const struct player_message *heard = player_await(player, 30000, is_matched, mode);
  if (!heard) player_print(player);
  cr_assert(heard, "%s is not matched", player->name);
  Heya__Kinds__Lobby__Event *event = event_of(heard);
  struct place place = {.together = event->matched->n_players};
  snprintf(place.room, sizeof place.room, "%s", event->matched->room);
  for (size_t i = 0; partner >= 0 && i < event->matched->n_players; i++)
    place.has_partner = place.has_partner || strcmp(event->matched->players[i], names[partner]) == 0;
  heya__kinds__lobby__event__free_unpacked(event, NULL);
  cr_assert_null(player_await(player, 1, is_matched, mode), "%s is matched twice", player->name);
  return place;
}

/* ---- all of them ---- */

static void gather(const struct cluster_options *options) {
  cluster = cluster_start(options);
  cluster_await_all_owned(cluster);
  uint32_t requests[PLAYERS];
  for (int i = 0; i < PLAYERS; i++) {
    snprintf(names[i], sizeof names[i], "p%d", i);
    players[i] = cluster_player(cluster, i % 2, names[i]);
  }
  for (int i = 0; i < PLAYERS; i++)
    requests[i] = player_send_join(players[i], LOBBY, true, bytes_of(NULL, 0), bytes_of(NULL, 0));
  for (int i = 0; i < PLAYERS; i++) player_joined(players[i], requests[i]);
}

/* Everybody goes where he was sent, and in each of these rooms there are exactly so many. */
static void expect_full_rooms(const struct place *places) {
  uint32_t requests[PLAYERS];
  for (int i = 0; i < PLAYERS; i++)
    requests[i] = player_send_join(players[i], places[i].room, false, bytes_of(NULL, 0), bytes_of(NULL, 0));
  for (int i = 0; i < PLAYERS; i++) player_joined(players[i], requests[i]);
  size_t rooms = 0;
  for (int i = 0; i < PLAYERS; i++) {
    size_t here = 0;
    bool first = true;
    for (int j = 0; j < PLAYERS; j++) {
      if (strcmp(places[i].room, places[j].room) != 0) continue;
      here++;
      first = first && j >= i;
    }
    cr_assert_eq(here, ROOM_SIZE, "%zu in %s", here, places[i].room);
    rooms += first;
  }
  cr_assert_eq(rooms, PLAYERS / ROOM_SIZE);
}

static void all_leave(const struct place *places) {
  uint32_t requests[PLAYERS];
  for (int i = 0; i < PLAYERS; i++) requests[i] = player_send_leave(players[i], places[i].room);
  for (int i = 0; i < PLAYERS; i++) cr_assert(player_answer(players[i], requests[i]));
}

Test(lobby, P3_two_hundred_who_ask_at_once_fill_fifty_rooms_of_four) {
  static struct place places[PLAYERS];
  gather(NULL);
  for (int round = 0; round < 4; round++) {
    char mode[16];
    uint32_t requests[PLAYERS];
    snprintf(mode, sizeof mode, "round-%d", round);
    for (int i = 0; i < PLAYERS; i++) requests[i] = send_quick(players[i], mode);
    for (int i = 0; i < PLAYERS; i++) player_acked(players[i], requests[i]);
    for (int i = 0; i < PLAYERS; i++) places[i] = await_matched(players[i], mode, -1);
    expect_full_rooms(places);
    for (int i = 0; i < PLAYERS; i++) requests[i] = send_cancel(players[i]);
    for (int i = 0; i < PLAYERS; i++) player_acked(players[i], requests[i]);
    all_leave(places);
  }
  cluster_stop(cluster);
}

Test(lobby, P1_quick_requests_survive_the_death_of_the_worker_of_the_lobby) {
  static struct place places[PLAYERS];
  uint32_t requests[PLAYERS];
  gather(&(struct cluster_options){.lease_ms = 1000});
  unsigned owner = cluster_await_owner(cluster, LOBBY, -1);
  for (int i = 0; i < PLAYERS; i++) {
    requests[i] = send_quick(players[i], "duel");
    if (i == PLAYERS / 2) process_kill(cluster_worker(cluster, owner));
  }
  for (int i = 0; i < PLAYERS; i++) player_acked(players[i], requests[i]);
  for (int i = 0; i < PLAYERS; i++) places[i] = await_matched(players[i], "duel", -1);
  expect_full_rooms(places);
  cluster_stop(cluster);
}

/* The lobby is on one Redis, half of the rooms that it opens on another: what they say to each other waits in an
 * outbox, from which the next owner brings it. */
Test(lobby, P1_quick_requests_across_two_redis_survive_the_death_of_the_worker_of_the_lobby) {
  static struct place places[PLAYERS];
  uint32_t requests[PLAYERS], on_other = 0;
  gather(&(struct cluster_options){.lease_ms = 1000, .shards = 2});
  unsigned owner = cluster_await_owner(cluster, LOBBY, -1);
  for (int i = 0; i < PLAYERS; i++) {
    requests[i] = send_quick(players[i], "duel");
    if (i == PLAYERS / 2) process_kill(cluster_worker(cluster, owner));
  }
  for (int i = 0; i < PLAYERS; i++) player_acked(players[i], requests[i]);
  for (int i = 0; i < PLAYERS; i++) places[i] = await_matched(players[i], "duel", -1);
  for (int i = 0; i < PLAYERS; i++)
    on_other += cluster_partition(cluster, places[i].room) % 2 != cluster_partition(cluster, LOBBY) % 2;
  cr_assert_gt(on_other, 0);
  expect_full_rooms(places);
  cluster_stop(cluster);
}

/* What this partition has for the other one of two Redis. */
static int64_t parcels_of(uint32_t partition) {
  unsigned shard = partition % 2;
  return redis_integer(cluster_shard(cluster, shard), "XLEN heya:part:%u:out:%u", (unsigned)partition, 1 - shard);
}

static bool all_has_arrived(void *partition) {
  return parcels_of(*(uint32_t *)partition) == 0;
}

static void go_to(struct player *player, const char *room) {
  player_joined(player, player_send_join(player, room, false, bytes_of(NULL, 0), bytes_of(NULL, 0)));
}

static void leave(struct player *player, const char *room) {
  cr_assert(player_answer(player, player_send_leave(player, room)));
}

#define SEEKERS 16

/* They ask in one mode each, until one is sent to a room on another Redis than the lobby's. */
static struct player *find_room_elsewhere(char mode[8], struct place *place) {
  for (int i = 0; i < SEEKERS; i++) {
    snprintf(mode, 8, "m%d", i);
    player_acked(players[i], send_quick(players[i], mode));
    *place = await_matched(players[i], mode, -1);
    if (cluster_partition(cluster, place->room) % 2 != cluster_partition(cluster, LOBBY) % 2) return players[i];
  }
  cr_assert_fail("all rooms are on the lobby's Redis");
  return NULL;
}

/* A room may have news for each who comes and goes, for hours: so they are held back, and the last is told. */
Test(lobby, P7_news_for_a_lobby_whose_redis_is_away_do_not_pile_up_and_the_last_is_told_when_it_is_back) {
  static const char *const args[] = {"--reply-timeout", "1s", NULL};
  static const char *const gateway_args[] = {"--reply-timeout", "1s", "--message-rate", "0", NULL};
  char mode[8];
  struct place place;
  cluster = cluster_start(&(struct cluster_options){
      .shards = 2, .workers = 1, .gateways = 1, .worker_args = args, .gateway_args = gateway_args});
  for (int i = 0; i < SEEKERS + 6; i++) {
    snprintf(names[i], sizeof names[i], "p%d", i);
    players[i] = cluster_player(cluster, 0, names[i]);
    player_joined(players[i], player_send_join(players[i], LOBBY, true, bytes_of(NULL, 0), bytes_of(NULL, 0)));
  }
  struct player *host = find_room_elsewhere(mode, &place), **others = players + SEEKERS;
  go_to(host, place.room);
  go_to(others[0], place.room);
  go_to(others[1], place.room); /* one seat is left */
  uint32_t partition = cluster_partition(cluster, place.room);
  cr_assert(wait_until(10000, all_has_arrived, &partition));

  struct process *away = cluster_shard_process(cluster, 1 - partition % 2); /* the lobby's */
  process_stop(away);
  go_to(others[2], place.room);
  for (unsigned i = 0; i < 100; i++) {
    leave(others[2], place.room);
    go_to(others[2], place.room); /* full: so says the last that is not held back */
  }
  for (int i = 0; i < 3; i++) leave(others[i], place.room); /* three are left */
  int64_t parcels = parcels_of(partition);
  cr_assert(parcels > 60 && parcels < 70, "%d of 204 wait", (int)parcels);

  process_continue(away);
  cr_assert(wait_until(20000, all_has_arrived, &partition));
  for (int i = 3; i < 6; i++) {
    player_acked(others[i], send_quick(others[i], mode));
    cr_assert_str_eq(await_matched(others[i], mode, -1).room, place.room, "the lobby knows of three seats");
  }
  cluster_stop(cluster);
}

/* The other one of his party; -1: he is alone. Each tenth and the one after him are one. */
static int partner_of(int i) {
  return i % 10 == 0 ? i + 1 : i % 10 == 1 ? i - 1 : -1;
}

Test(lobby, P1_matchmaking_keeps_parties_together_through_the_death_of_a_worker) {
  static struct place places[PLAYERS];
  uint32_t requests[PLAYERS];
  gather(&(struct cluster_options){.lease_ms = 1000});
  unsigned owner = cluster_await_owner(cluster, LOBBY, -1);
  srand(7);
  for (int i = 0; i < PLAYERS; i++) {
    if (i % 10 == 1) continue;
    requests[i] = send_enqueue(players[i], rand() % 1000, partner_of(i));
    if (i == PLAYERS / 2) process_kill(cluster_worker(cluster, owner));
  }
  for (int i = 0; i < PLAYERS; i++)
    if (i % 10 != 1) player_acked(players[i], requests[i]);
  for (int i = 0; i < PLAYERS; i++) {
    places[i] = await_matched(players[i], "ranked", partner_of(i));
    cr_assert_eq(places[i].together, ROOM_SIZE);
    cr_assert_eq(places[i].has_partner, partner_of(i) >= 0, "%s", names[i]);
  }
  expect_full_rooms(places);
  cluster_stop(cluster);
}
