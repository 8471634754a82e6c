/* Listings of a few hundred rooms, with filters, sorts and pages, through real gateways. */
#include "proto/pb.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(listing, .timeout = 120);

#define CODE(name) HEYA__V1__ERROR__CODE__##name
#define ROOMS      320

/* Room i: live/r000 and so on, made in this order. */
static uint32_t song_of(unsigned i) {
  return i * 37 % 120 + 1; /* 1 to 120: as text in another order than as numbers */
}

static uint32_t seats_of(unsigned i) {
  return i % 4 + 1;
}

static uint32_t send_create(struct player *player, unsigned i) {
  char room[32];
  struct player_payload options, profile;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  snprintf(room, sizeof room, "live/r%03u", i);
  join.room = room;
  join.create = true;
  join.max_members = seats_of(i);
  join.options = pb_bytes(player_live_options(&options, song_of(i), 0));
  join.profile = pb_bytes(player_live_profile(&profile, 1, false));
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  return player_send(player, &message);
}

/* Ann makes all rooms; bob joins every eighth, which has four seats. */
static struct cluster *start(struct player **ann, struct player **bob, unsigned shards) {
  static const char *const args[] = {"--max-rooms", "500", "--message-rate", "0", NULL};
  struct cluster *cluster = cluster_start(&(struct cluster_options){.gateway_args = args, .shards = shards});
  uint32_t requests[ROOMS];
  char room[32];
  *ann = cluster_player(cluster, 0, "ann");
  *bob = cluster_player(cluster, 1, "bob");
  for (unsigned i = 0; i < ROOMS; i++) requests[i] = send_create(*ann, i);
  for (unsigned i = 0; i < ROOMS; i++) cr_assert(player_joined(*ann, requests[i])->created);
  for (unsigned i = 7; i < ROOMS; i += 8) {
    snprintf(room, sizeof room, "live/r%03u", i);
    player_join_live(*bob, room, 1, 0);
  }
  return cluster;
}

static unsigned number_of(const Heya__V1__RoomInfo *info) {
  return (unsigned)strtoul(info->room + strlen("live/r"), NULL, 10);
}

/* All pages into `out`; returns how many rooms there are. */
static unsigned all(struct player *player, const char *filter, const char *sort, uint32_t limit, unsigned *out) {
  char after[1024] = "";
  unsigned n = 0;
  do {
    const Heya__V1__Rooms *rooms = player_search(player, "live", filter, sort, after, limit);
    cr_assert(rooms->n_rooms <= limit && !rooms->partial);
    for (size_t i = 0; i < rooms->n_rooms; i++) {
      cr_assert_lt(n, ROOMS + 1u);
      out[n++] = number_of(rooms->rooms[i]);
    }
    snprintf(after, sizeof after, "%s", rooms->after);
  } while (after[0]);
  return n;
}

static void find_all(unsigned shards) {
  struct player *ann, *bob;
  struct cluster *cluster = start(&ann, &bob, shards);
  unsigned found[ROOMS + 1], seen[ROOMS] = {0}, expected = 0;

  cr_assert_eq(all(bob, "", "", 50, found), ROOMS);

  for (unsigned i = 0; i < ROOMS; i++) expected += song_of(i) >= 9 && song_of(i) < 100 && seats_of(i) > 1;
  unsigned n = all(bob, "live_id >= 9 and live_id < 100 and not free < 1", "", 7, found);
  cr_assert_eq(n, expected);
  for (unsigned k = 0; k < n; k++)
    cr_assert(song_of(found[k]) >= 9 && song_of(found[k]) < 100 && seats_of(found[k]) > 1);

  n = all(ann, "", "-live_id,members", 33, found);
  cr_assert_eq(n, ROOMS);
  for (unsigned k = 0; k < n; k++) cr_assert_eq(++seen[found[k]], 1);
  for (unsigned k = 1; k < n; k++) cr_assert_geq(song_of(found[k - 1]), song_of(found[k]));

  n = all(ann, "members == 2", "name", 9, found);
  cr_assert_eq(n, ROOMS / 8);
  for (unsigned k = 0; k < n; k++) cr_assert_eq(found[k], 7 + 8 * k);

  n = all(ann, "live_id in (5, '6') and host == 'ann' and phase == \"waiting\"", "", 50, found);
  for (unsigned k = 0; k < n; k++) cr_assert(song_of(found[k]) == 5 || song_of(found[k]) == 6);
  cr_assert(n >= 4);
  cluster_stop(cluster);
}

Test(listing, rooms_are_filtered_sorted_and_paged) {
  find_all(1);
}

Test(listing, rooms_of_two_redis_are_listed_as_those_of_one) {
  find_all(2);
}

Test(listing, a_filter_follows_what_happens_in_the_room) {
  struct player *ann, *bob;
  struct cluster *cluster = start(&ann, &bob, 1);
  unsigned found[ROOMS + 1];
  cr_assert_eq(all(ann, "phase == 'playing' or status == 'locked'", "", 50, found), 0);
  struct player *eve = cluster_player(cluster, 0, "eve");
  player_join_live(eve, "live/eve", 500, 0);
  player_start_round(eve);
  const Heya__V1__Rooms *rooms = player_search(bob, "live", "phase == 'playing' and status == 'locked'", "", "", 50);
  cr_assert_eq(rooms->n_rooms, 1);
  cr_assert_str_eq(rooms->rooms[0]->room, "live/eve");
  rooms = player_search(bob, "live", "", "-live_id", "", 1);
  cr_assert_str_eq(rooms->rooms[0]->room, "live/eve");
  cluster_stop(cluster);
}

Test(listing, pages_hold_while_rooms_come_and_go) {
  struct player *ann, *bob;
  struct cluster *cluster = start(&ann, &bob, 1);
  unsigned seen[ROOMS + 100] = {0}, extra = ROOMS, gone = 1;
  char after[1024] = "", room[32];
  do {
    const Heya__V1__Rooms *rooms = player_search(bob, "live", "live_id > 0", "live_id", after, 40);
    for (size_t i = 0; i < rooms->n_rooms; i++) cr_assert_eq(++seen[number_of(rooms->rooms[i])], 1);
    snprintf(after, sizeof after, "%s", rooms->after);
    for (int i = 0; i < 5; i++, gone += 2) { /* rooms with even numbers stay; those with a song of 0 do not match */
      cr_assert(player_joined(ann, send_create(ann, extra++))->created);
      snprintf(room, sizeof room, "live/r%03u", gone);
      player_answer(ann, player_send_leave(ann, room));
    }
  } while (after[0]);
  for (unsigned i = 0; i < ROOMS; i += 2) cr_assert_eq(seen[i], 1, "room %u", i);
  cluster_stop(cluster);
}

Test(listing, what_is_wrong_with_a_filter_is_told) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  const Heya__V1__Error *error =
      player_refused(ann, player_send_search(ann, "live", "live_id == ", "", "", 0), CODE(BAD_MESSAGE));
  cr_assert_str_eq(error->message, "filter: at 11: expected a value after ==");
  error = player_refused(ann, player_send_search(ann, "live", "", "a,,b", "", 0), CODE(BAD_MESSAGE));
  cr_assert_str_eq(error->message, "sort: at 2: expected a name, or - and a name");
  cluster_stop(cluster);
}

Test(listing, json_clients_filter_and_sort_too) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  for (unsigned i = 0; i < 8; i++) player_joined(ann, send_create(ann, i));
  struct wsclient *bob =
      wsclient_open(cluster_address(cluster, 1), &(struct wsclient_options){.format = WSCLIENT_JSON}, NULL);
  struct buf answer = {0};
  cr_assert(bob);
  wsclient_send_text(bob, "{\"hello\":{\"player\":\"bob\"}}");
  wsclient_send_text(bob, "{\"request\":7,\"list\":{\"kind\":\"live\",\"filter\":\"free >= 1 and live_id != 38\","
                          "\"sort\":\"-max_members,live_id\",\"limit\":2}}");
  cr_assert_eq(wsclient_receive(bob, wait_deadline(5000), &answer), WSCLIENT_MESSAGE);
  cr_assert_eq(wsclient_receive(bob, wait_deadline(5000), &answer), WSCLIENT_MESSAGE);
  buf_append_char(&answer, '\0');
  const char *first = strstr((const char *)answer.data, "live/r007"),
             *second = first ? strstr(first, "live/r003") : NULL;
  cr_assert(second && strstr(second, "\"after\":"), "%s", (const char *)answer.data);
  buf_close(&answer);
  wsclient_destroy(bob);
  cluster_stop(cluster);
}
