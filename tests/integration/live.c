/* Kind `live`: rounds from the first member to the last results, and everything a round refuses. */
#include "tests/support/cluster.h"

#include <criterion/criterion.h>

TestSuite(live, .timeout = 90);

#define CODE(name) HEYA__V1__ERROR__CODE__##name

struct band {
  struct cluster *cluster;
  struct player *players[4];
  int count;
};

static const char *const names[] = {"ann", "bob", "cid", "dan"};

static void band_start(struct band *band, const char *room, int count, uint32_t deadline_ms) {
  *band = (struct band){.cluster = cluster_start(NULL), .count = count};
  for (int i = 0; i < count; i++) {
    band->players[i] = cluster_player(band->cluster, i % 2, names[i]);
    player_join_live(band->players[i], room, 5, deadline_ms);
  }
}

static uint32_t send_submit(struct player *player, uint32_t round, uint32_t score) {
  struct player_payload payload;
  return player_try(player, player_submit_payload(&payload, round, score));
}

static uint32_t send_join(struct player *player, const char *room) {
  struct player_payload options;
  return player_send_join(player, room, true, player_live_options(&options, 5, 0), bytes_of(NULL, 0));
}

static const Heya__Kinds__Live__Results *await_results(struct player *player) {
  return player_await_live(player, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
}

Test(live, a_round_ends_at_once_when_all_are_through_and_another_follows) {
  struct band band;
  struct player_payload payload;
  band_start(&band, "live/rounds", 3, 60000);
  for (uint32_t song = 5; song < 8; song++) {
    uint32_t round = player_start_round(band.players[0]);
    for (int i = 0; i < 3; i++) player_submit(band.players[i], round, 1000 * song + (uint32_t)i);
    for (int i = 0; i < 3; i++) {
      const Heya__Kinds__Live__Results *results = await_results(band.players[i]);
      cr_assert_eq(results->round, round);
      cr_assert_eq(results->live_id, song);
      cr_assert_eq(results->n_scores, 3);
      for (uint32_t who = 0; who < 3; who++) {
        cr_assert_str_eq(results->scores[who]->player, names[who]);
        cr_assert_eq(results->scores[who]->score, 1000 * song + who);
        cr_assert_not(results->scores[who]->forfeited);
        cr_assert_eq(results->scores[who]->judge->great, 3);
      }
    }
    cr_assert_eq(redis_integer(cluster_redis(band.cluster), "EXISTS heya:room:live/rounds:deadline"), 0);
    player_do(band.players[0], player_choose_payload(&payload, song + 1));
  }
  cluster_stop(band.cluster);
}

Test(live, profiles_are_shown_to_the_others) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct player_payload options, profile;
  player_join_live(ann, "live/cards", 5, 0);
  player_joined(bob, player_send_join(bob, "live/cards", true, player_live_options(&options, 5, 0),
                                      player_live_profile(&profile, 77, true)));
  const Heya__V1__Member *member = player_await_event(ann, HEYA__V1__EVENT__BODY_JOINED)->joined;
  Heya__Kinds__Live__Profile *shown =
      heya__kinds__live__profile__unpack(NULL, member->profile.len, member->profile.data);
  cr_assert(shown);
  cr_assert_eq(shown->leader_card_id, 77);
  cr_assert_eq(shown->difficulty, HEYA__KINDS__LIVE__DIFFICULTY__HARD);
  heya__kinds__live__profile__free_unpacked(shown, NULL);
  cluster_stop(cluster);
}

Test(live, only_the_host_starts_chooses_and_dissolves_and_only_while_waiting) {
  struct band band;
  struct player_payload payload;
  band_start(&band, "live/host", 2, 0);
  struct player *ann = band.players[0], *bob = band.players[1];
  player_refused(bob, player_try(bob, player_start_payload(&payload)), CODE(NOT_HOST));
  player_refused(bob, player_try(bob, player_choose_payload(&payload, 9)), CODE(NOT_HOST));
  player_refused(bob, player_try(bob, player_dissolve_payload(&payload)), CODE(NOT_HOST));
  player_refused(ann, send_submit(ann, 1, 5), CODE(UNKNOWN_ROUND));
  player_start_round(ann);
  player_refused(ann, player_try(ann, player_start_payload(&payload)), CODE(WRONG_STATE));
  player_refused(ann, player_try(ann, player_choose_payload(&payload, 9)), CODE(WRONG_STATE));
  player_refused(ann, player_try(ann, player_dissolve_payload(&payload)), CODE(WRONG_STATE));
  cluster_stop(band.cluster);
}

Test(live, a_room_may_be_made_before_its_song_is_chosen) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann");
  struct player_payload payload;
  player_join_live(ann, "live/later", 0, 0);
  player_refused(ann, player_try(ann, player_start_payload(&payload)), CODE(WRONG_STATE));
  player_refused(ann, player_try(ann, player_choose_payload(&payload, 0)), CODE(INVALID_ARGUMENT));
  player_do(ann, player_choose_payload(&payload, 3));
  player_start_round(ann);
  cluster_stop(cluster);
}

Test(live, one_player_alone_can_play) {
  struct band band;
  band_start(&band, "live/alone", 1, 0);
  uint32_t round = player_start_round(band.players[0]);
  player_submit(band.players[0], round, 123);
  cr_assert_eq(await_results(band.players[0])->scores[0]->score, 123);
  cluster_stop(band.cluster);
}

Test(live, a_fifth_player_finds_it_full_and_a_newcomer_finds_it_locked) {
  struct band band;
  band_start(&band, "live/full", 4, 0);
  struct player *eve = cluster_player(band.cluster, 0, "eve");
  player_refused(eve, send_join(eve, "live/full"), CODE(ROOM_FULL));
  player_leave(band.players[3]);
  uint32_t round = player_start_round(band.players[0]);
  player_refused(eve, send_join(eve, "live/full"), CODE(ROOM_LOCKED));
  for (int i = 0; i < 3; i++) player_submit(band.players[i], round, 1);
  await_results(band.players[0]);
  player_joined(eve, send_join(eve, "live/full"));
  cluster_stop(band.cluster);
}

Test(live, each_result_that_does_not_count_has_its_own_error) {
  struct band band;
  band_start(&band, "live/errors", 3, 1000);
  struct player *ann = band.players[0], *bob = band.players[1], *cid = band.players[2];
  uint32_t round = player_start_round(ann);
  player_submit(ann, round, 10);
  player_refused(ann, send_submit(ann, round, 20), CODE(ALREADY_SUBMITTED));
  player_refused(bob, send_submit(bob, round + 1, 20), CODE(UNKNOWN_ROUND));
  player_refused(bob, send_submit(bob, 0, 20), CODE(UNKNOWN_ROUND));
  const Heya__Kinds__Live__Results *results = await_results(bob);
  cr_assert_eq(results->scores[0]->score, 10, "the second result has not replaced the first");
  cr_assert(results->scores[1]->forfeited && results->scores[2]->forfeited);
  player_refused(bob, send_submit(bob, round, 20), CODE(TOO_LATE));

  struct player *eve = cluster_player(band.cluster, 1, "eve");
  player_joined(eve, send_join(eve, "live/errors"));
  player_refused(eve, send_submit(eve, round, 20), CODE(NOT_A_PLAYER));
  player_leave(cid);
  uint32_t next = player_start_round(ann);
  player_refused(bob, send_submit(bob, round, 20), CODE(TOO_LATE)); /* still: it was his round */
  for (int i = 0; i < 2; i++) player_submit(i ? eve : ann, next, 30);
  player_submit(bob, next, 30);
  player_start_round(ann);
  player_refused(bob, send_submit(bob, round, 20), CODE(UNKNOWN_ROUND));
  cluster_stop(band.cluster);
}

Test(live, who_leaves_forfeits_and_the_others_wait_no_longer) {
  struct band band;
  band_start(&band, "live/leave", 3, 60000);
  uint32_t round = player_start_round(band.players[0]);
  player_submit(band.players[0], round, 10);
  player_submit(band.players[1], round, 20);
  player_leave(band.players[2]);
  const Heya__Kinds__Live__Results *results = await_results(band.players[1]);
  cr_assert_eq(results->n_scores, 3);
  cr_assert(results->scores[2]->forfeited);
  cr_assert_eq(results->scores[2]->score, 0);
  cluster_stop(band.cluster);
}

Test(live, results_are_readable_in_redis) {
  struct band band;
  band_start(&band, "live/readable", 2, 60000);
  uint32_t round = player_start_round(band.players[0]);
  player_submit(band.players[0], round, 4321);
  char *line = redis_string(cluster_redis(band.cluster), "HGET heya:room:live/readable:results ann");
  cr_assert(line && strstr(line, "4321"), "%s", line ? line : "nothing");
  free(line);
  cluster_stop(band.cluster);
}

/* ---- hosts and ends ---- */

Test(live, the_host_passes_the_role_on_and_the_room_is_dissolved) {
  struct band band;
  struct player_payload payload;
  band_start(&band, "live/end", 3, 0);
  struct player *ann = band.players[0], *bob = band.players[1], *cid = band.players[2];
  player_leave(ann);
  cr_assert_str_eq(player_await_event(cid, HEYA__V1__EVENT__BODY_HOST)->host, "bob");
  player_acked(bob, player_try(bob, player_dissolve_payload(&payload)));
  for (int i = 1; i < 3; i++) {
    const Heya__V1__Event *closed = player_await_event(band.players[i], HEYA__V1__EVENT__BODY_CLOSED);
    cr_assert_eq(closed->closed->reason, HEYA__V1__CLOSE_REASON__DISBANDED);
    player_await_detached(band.players[i], CODE(ROOM_CLOSED));
  }
  cr_assert(cluster_await_no_keys(band.cluster, "live/end", 5000));
  player_refused(cid, player_send_command(cid, "live/end", 0, player_start_payload(&payload)), CODE(NOT_IN_ROOM));
  player_refused(cid, player_send_join(cid, "live/end", false, bytes_of(NULL, 0), bytes_of(NULL, 0)),
                 CODE(ROOM_NOT_FOUND));
  cluster_stop(band.cluster);
}

/* ---- listing ---- */

static bool lists(struct player *player, const char *song, bool joinable, const char *room) {
  const Heya__V1__Rooms *rooms = player_list(player, "live", "live_id", song, joinable);
  for (size_t i = 0; i < rooms->n_rooms; i++)
    if (strcmp(rooms->rooms[i]->room, room) == 0) return true;
  return false;
}

Test(live, rooms_are_listed_by_song_and_only_joinable_ones_if_wanted) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  struct player *eve = cluster_player(cluster, 1, "eve");
  cr_assert_eq(player_list(eve, "live", "live_id", "0", true)->n_rooms, 0);
  player_join_live(ann, "live/one", 1, 0);
  player_join_live(bob, "live/two", 2, 0);
  cr_assert(lists(eve, "1", true, "live/one") && !lists(eve, "1", true, "live/two"));
  cr_assert(lists(eve, "2", true, "live/two") && !lists(eve, "2", true, "live/one"));
  cr_assert(lists(eve, "0", true, "live/one") && lists(eve, "0", true, "live/two"), "0 is any song");
  cr_assert(lists(eve, "", true, "live/one") && lists(eve, "", true, "live/two"));
  cr_assert_not(lists(eve, "3", true, "live/one"));

  const Heya__V1__Rooms *rooms = player_list(eve, "live", "live_id", "1", true);
  cr_assert_eq(rooms->n_rooms, 1);
  cr_assert_str_eq(rooms->rooms[0]->host, "ann");
  cr_assert_eq(rooms->rooms[0]->members, 1);
  cr_assert_eq(rooms->rooms[0]->max_members, 4);

  player_start_round(ann);
  cr_assert_not(lists(eve, "1", true, "live/one"), "a round is being played");
  cr_assert(lists(eve, "1", false, "live/one"));
  cluster_stop(cluster);
}
