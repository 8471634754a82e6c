/* Story: nothing is missed and nothing is said twice. A player's connection breaks while others go on; through
 * another gateway he resumes and hears exactly what he missed, and a command that he does not know the fate of is
 * sent again.
 */
#include "proto/pb.h"
#include "tests/support/cluster.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ROOM "chat/resume"

struct place {
  char session[64], incarnation[64];
  uint64_t epoch, seq;
};

static struct place place_of(const Heya__V1__Joined *joined) {
  struct place place = {.epoch = joined->epoch, .seq = joined->seq};
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  snprintf(place.incarnation, sizeof place.incarnation, "%s", joined->incarnation);
  return place;
}

static const Heya__V1__Joined *resume(struct player *player, const struct place *place) {
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  resume.session = pb_text(place->session);
  resume.incarnation = pb_text(place->incarnation);
  resume.epoch = place->epoch;
  resume.seq = place->seq;
  join.room = pb_text(ROOM);
  join.resume = &resume;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  return player_joined(player, player_send(player, &message));
}

static void say_again(struct player *player, uint32_t number, const char *text) {
  struct player_payload payload;
  player_acked(player, player_send_command(player, ROOM, number, player_say_payload(&payload, text)));
}

/* How often this line is in all that a player heard. */
static size_t times_heard(const struct player *player, const char *text) {
  size_t times = 0;
  for (size_t i = 0; i < player->log_count; i++) {
    const Heya__Kinds__Chat__Event *chat = player->log[i].chat;
    if (chat && chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE) times += !strcmp(chat->line->text, text);
  }
  return times;
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
