/* Story: nothing is missed and nothing is said twice. A player's connection breaks while others go on; through
 * another gateway he resumes and hears exactly what he missed, and a command that he does not know the fate of is
 * sent again.
 */
#include "tests/integration/comeback.h"

#include <criterion/criterion.h>

#define ROOM "chat/resume"

static const Heya__V1__Joined *resume(struct player *player, const struct place *place) {
  return player_joined(player, send_resume(player, ROOM, place));
}

static void say_again(struct player *player, uint32_t number, const char *text) {
  player_acked(player, say(player, ROOM, number, text));
}

Test(story, story_resume_misses_nothing_and_doubles_nothing, .timeout = 90) {
  struct cluster *cluster = cluster_start(NULL);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, ROOM);
  struct place place = place_of(player_join(bob, ROOM));
  say_again(bob, 1, "is this heard?"); /* it is, and now let him not know */
  place.seq++;
  player_drop(bob);
  player_await_event(ann, HEYA__V1__EVENT__BODY_AWAY);
  player_say(ann, "one");
  player_say(ann, "two");

  struct player *again = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *back = resume(again, &place);
  cr_assert(back->resumed);
  cr_assert_str_eq(back->session, place.session);
  player_await_line(again, "one");
  player_await_line(again, "two");
  say_again(again, 1, "is this heard?");
  say_again(again, 2, "goodbye");
  player_await_line(again, "goodbye");
  player_await_line(ann, "goodbye");
  cr_assert_eq(times_heard(ann, "is this heard?"), 1);
  cr_assert_eq(times_heard(again, "is this heard?"), 0, "he had heard it before");
  cr_assert_eq(times_heard(again, "one") + times_heard(again, "two"), 2);
  cluster_stop(cluster);
}

/* His gateway and the room's worker die at once: the next owner knows the session, and gives a snapshot. */
Test(story, story_resume_after_gateway_and_worker_died, .timeout = 120) {
  struct cluster *cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  struct player *ann = cluster_player(cluster, 0, "ann"), *bob = cluster_player(cluster, 1, "bob");
  player_join(ann, ROOM);
  struct place place = place_of(player_join(bob, ROOM));
  say_again(bob, 1, "before");
  process_kill(cluster_gateway(cluster, 1));
  process_kill(cluster_worker(cluster, cluster_await_owner(cluster, ROOM, -1)));
  player_say(ann, "meanwhile");

  struct player *again = cluster_player(cluster, 0, "bob");
  const Heya__V1__Joined *back = resume(again, &place);
  cr_assert(back->returned);
  cr_assert_str_eq(back->session, place.session);
  cr_assert_str_eq(back->incarnation, place.incarnation);
  cr_assert_neq(back->resumed, back->snapshot != NULL, "all that was missed, or a snapshot");
  say_again(again, 1, "before");
  say_again(again, 2, "after");
  player_await_line(ann, "after");
  cr_assert_eq(times_heard(ann, "before"), 1);
  cluster_stop(cluster);
}
