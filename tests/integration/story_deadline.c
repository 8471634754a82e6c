/* Story: the deadline is exact. A result that Redis accepted up to the deadline counts, one after it does not, even
 * when the worker stood still all the while. Which side a result is on is read from the partition's stream itself.
 */
#include "common/mem.h"
#include "proto/bus.pb-c.h"
#include "proto/keys.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>

#define ROOM        "live/exact"
#define DEADLINE_MS 1500

struct finish {
  struct cluster *cluster;
  struct player *players[3]; /* the first sets the deadline, the second is to be in time, the third late */
  uint32_t round;
  uint64_t deadline_ms;
};

static void open_room(struct finish *finish) {
  static const char *const names[] = {"first", "before", "after"};
  for (int i = 0; i < 3; i++) {
    finish->players[i] = cluster_player(finish->cluster, i % 2, names[i]);
    player_join_live(finish->players[i], ROOM, 1, DEADLINE_MS);
  }
}

static void start_countdown(struct finish *finish) {
  finish->round = player_start_round(finish->players[0]);
  player_submit(finish->players[0], finish->round, 1000);
  finish->deadline_ms =
      player_await_live(finish->players[0], HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED)->submitted->deadline_ms;
}

/* Returns at Redis's time `at_ms` or a moment later. */
static void wait_for_redis_time(struct finish *finish, uint64_t at_ms) {
  struct redis_client *redis = cluster_redis(finish->cluster);
  uint64_t patience = wait_deadline(30000);
  while (redis_now_ms(redis) < at_ms) cr_assert(wait_left(patience));
}

static uint32_t send_result(struct player *player, uint32_t round, uint32_t score) {
  struct player_payload payload;
  return player_try(player, player_submit_payload(&payload, round, score));
}

struct search {
  struct finish *finish;
  const char *player;
  uint64_t found_ms;
};

static bool names_player(const redisReply *fields, const char *player) {
  bool found = false;
  for (size_t i = 0; i + 1 < fields->elements; i += 2) {
    if (strcmp(fields->element[i]->str, "m") != 0) continue;
    const redisReply *m = fields->element[i + 1];
    Heya__Bus__Batch *batch = heya__bus__batch__unpack(NULL, m->len, (const uint8_t *)m->str);
    cr_assert(batch);
    for (size_t e = 0; e < batch->n_entries; e++)
      found |= batch->entries[e]->body_case == HEYA__BUS__ENTRY__BODY_COMMAND &&
               strcmp(batch->entries[e]->player, player) == 0;
    heya__bus__batch__free_unpacked(batch, NULL);
  }
  return found;
}

/* The newest command of that player that no worker has consumed yet. */
static bool find_in_stream(void *arg) {
  struct search *search = arg;
  struct cluster *cluster = search->finish->cluster;
  struct key key = key_part_commands(KEY_PREFIX_DEFAULT, cluster_partition(cluster, ROOM));
  redisReply *reply = redis_reply(cluster_redis(cluster), "XREVRANGE %s + - COUNT 20", key.text);
  cr_assert_eq(reply->type, REDIS_REPLY_ARRAY);
  for (size_t i = 0; i < reply->elements && !search->found_ms; i++)
    if (names_player(reply->element[i]->element[1], search->player))
      search->found_ms = strtoull(reply->element[i]->element[0]->str, NULL, 10);
  freeReplyObject(reply);
  return search->found_ms != 0;
}

static uint64_t time_of_result(struct finish *finish, const char *player) {
  struct search search = {.finish = finish, .player = player};
  cr_assert(wait_until(5000, find_in_stream, &search), "the result of %s is not in the stream", player);
  return search.found_ms;
}

/* A result counts iff its time is at most the deadline's. */
static void check(struct player *player, uint32_t request, const Heya__Kinds__Live__Score *score, bool in_time) {
  cr_assert_str_eq(score->player, player->name);
  cr_assert_eq(score->forfeited, !in_time, "%s: forfeited should be %d", player->name, !in_time);
  cr_assert_eq(score->score, in_time ? 500 : 0);
  if (in_time)
    player_acked(player, request);
  else
    player_refused(player, request, HEYA__V1__ERROR__CODE__TOO_LATE);
}

/* The worker stands still from the first result on; the other results are sent so long before and after the deadline.
 * `resume` makes the room go on. Tells whether they fell on the two sides of it. */
static bool play(struct finish *finish, uint64_t before_ms, uint64_t after_ms,
                 void (*resume)(struct finish *, unsigned)) {
  start_countdown(finish);
  unsigned owner = cluster_await_owner(finish->cluster, ROOM, -1);
  process_stop(cluster_worker(finish->cluster, owner));

  wait_for_redis_time(finish, finish->deadline_ms - before_ms);
  uint32_t before = send_result(finish->players[1], finish->round, 500);
  uint64_t before_at = time_of_result(finish, "before");
  wait_for_redis_time(finish, finish->deadline_ms + after_ms);
  uint32_t after = send_result(finish->players[2], finish->round, 500);
  uint64_t after_at = time_of_result(finish, "after");
  resume(finish, owner);

  const Heya__Kinds__Live__Results *results = NULL;
  for (int i = 0; i < 3; i++) {
    const struct player *player = finish->players[i];
    results = player_await_live(finish->players[i], HEYA__KINDS__LIVE__EVENT__BODY_RESULTS)->results;
    cr_assert_eq(results->round, finish->round, "%s gets the results of another round", player->name);
    cr_assert_eq(results->n_scores, 3);
  }
  cr_assert_eq(results->scores[0]->score, 1000);
  check(finish->players[1], before, results->scores[1], before_at <= finish->deadline_ms);
  check(finish->players[2], after, results->scores[2], after_at <= finish->deadline_ms);
  return before_at <= finish->deadline_ms && after_at > finish->deadline_ms;
}

static void wake_up(struct finish *finish, unsigned owner) {
  process_continue(cluster_worker(finish->cluster, owner));
}

Test(story, story_deadline_is_exact, .timeout = 180) {
  static const uint64_t distances_ms[][2] = {{300, 100}, {50, 20}, {12, 3}, {6, 1}, {4, 1}};
  struct finish finish = {.cluster = cluster_start(&(struct cluster_options){.workers = 1, .lease_ms = 20000})};
  int both_sides = 0;
  open_room(&finish);
  for (size_t i = 0; i < sizeof distances_ms / sizeof distances_ms[0]; i++)
    both_sides += play(&finish, distances_ms[i][0], distances_ms[i][1], wake_up);
  cr_assert_geq(both_sides, 2, "too few rounds had results on both sides of the deadline to say anything");
  cluster_stop(finish.cluster);
}

static void be_replaced(struct finish *finish, unsigned owner) {
  cluster_await_owner(finish->cluster, ROOM, (int)owner);
}

static bool is_results(const struct player_message *heard, const void *arg) {
  (void)arg;
  return heard->live && heard->live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_RESULTS;
}

Test(story, story_deadline_is_exact_when_the_stalled_owner_is_replaced, .timeout = 180) {
  struct finish finish = {.cluster = cluster_start(NULL)};
  cluster_await_all_owned(finish.cluster);
  open_room(&finish);
  unsigned stalled = cluster_await_owner(finish.cluster, ROOM, -1);
  cr_expect(play(&finish, 300, 100, be_replaced));
  /* It wakes up, and nobody hears a thing from it. */
  process_continue(cluster_worker(finish.cluster, stalled));
  struct player_payload payload;
  for (uint32_t song = 2; song < 6; song++) {
    player_do(finish.players[0], player_choose_payload(&payload, song));
    player_await_live(finish.players[2], HEYA__KINDS__LIVE__EVENT__BODY_CHOSEN);
  }
  for (int i = 0; i < 3; i++) {
    finish.players[i]->cursor = 0;
    cr_assert(player_await(finish.players[i], 1, is_results, NULL));
    cr_assert_null(player_await(finish.players[i], 200, is_results, NULL), "results came twice");
  }
  cluster_stop(finish.cluster);
}
