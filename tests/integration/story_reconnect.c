/* Story: a reconnect keeps the seat. A player whose connection breaks comes back through another gateway within the
 * reconnect time and is the same member: same place in the list, still host, still in the round.
 */
#include "common/mem.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>

#define ROOM "live/seat"

static Heya__Kinds__Live__State *state_of(const Heya__V1__Joined *joined) {
  ProtobufCBinaryData state = joined->snapshot->state;
  Heya__Kinds__Live__State *unpacked = heya__kinds__live__state__unpack(NULL, state.len, state.data);
  cr_assert(unpacked);
  return unpacked;
}

static void check_member(const Heya__V1__Joined *joined, size_t index, const char *player, bool away) {
  cr_assert_gt(joined->snapshot->n_members, index);
  cr_assert_str_eq(joined->snapshot->members[index]->player, player);
  cr_assert_eq(joined->snapshot->members[index]->away, away, "%s away: should be %d", player, away);
}

Test(story, story_reconnect_keeps_the_seat, .timeout = 90) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.haproxy = true});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  const Heya__V1__Joined *first = player_join_live(ann, ROOM, 3, 0);
  cr_assert(first->created);
  cr_assert_not(first->returned);
  player_join_live(bob, ROOM, 3, 0);
  uint32_t round = player_start_round(ann);

  player_drop(ann);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_AWAY)->away, "ann");
  player_submit(bob, round, 600);

  struct player *again = cluster_player(cluster, 1, "ann");
  cr_assert_str_neq(again->gateway, ann->gateway, "she comes back through the other gateway");
  const Heya__V1__Joined *back = player_join_live(again, ROOM, 3, 0);
  cr_assert(back->returned, "she is a member already, also while the room is locked by the round");
  cr_assert_not(back->created);
  cr_assert_str_eq(back->incarnation, first->incarnation);
  cr_assert_str_neq(back->session, first->session);
  cr_assert_str_eq(back->snapshot->host, "ann", "the host's absence has not moved the role");
  cr_assert_eq(back->snapshot->n_members, 2);
  check_member(back, 0, "ann", false);
  check_member(back, 1, "bob", false);
  cr_assert_str_eq(player_await_event(bob, HEYA__V1__EVENT__BODY_BACK)->back, "ann");

  Heya__Kinds__Live__State *state = state_of(back);
  cr_assert_eq(state->phase, HEYA__KINDS__LIVE__PHASE__PLAYING);
  cr_assert_eq(state->round, round);
  cr_assert_eq(state->n_submitted, 1);
  cr_assert_str_eq(state->submitted[0], "bob");
  cr_assert_gt(state->deadline_ms, 0);
  heya__kinds__live__state__free_unpacked(state, NULL);

  /* Her result is the last one: results at once, nobody forfeited, and the new session counts from 1. */
  player_submit(again, round, 700);
  cr_assert_eq(again->number, 1);
  const Heya__Kinds__Live__Results *results = player_await_live(bob, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
  cr_assert_eq(results->n_scores, 2);
  cr_assert_eq(results->scores[0]->score, 700);
  cr_assert_not(results->scores[0]->forfeited);
  cr_assert_eq(results->scores[1]->score, 600);
  player_await_live(again, HEYA__KINDS__LIVE__EVENT__BODY_RESULTS);
  cluster_stop(cluster);
}

/* The whole gateway dies; through the balancer another one is found. */
Test(story, story_reconnect_keeps_the_seat_when_the_gateway_is_killed, .timeout = 120) {
  struct cluster *cluster = cluster_start(&(struct cluster_options){.haproxy = true});
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, "chat/seat");
  player_join(bob, "chat/seat");
  process_kill(cluster_gateway(cluster, 0));
  cr_assert_eq(wsclient_wait_close(ann->socket, 5000), 1006);
  struct player *again = cluster_player(cluster, CLUSTER_LB, "ann");
  const Heya__V1__Joined *back = player_join(again, "chat/seat");
  cr_assert(back->returned);
  cr_assert_eq(back->snapshot->n_members, 2);
  check_member(back, 0, "ann", false);
  player_say(bob, "there you are");
  player_await_line(again, "there you are");
  cluster_stop(cluster);
}
