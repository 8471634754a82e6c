/* Story: the infinite result screen. Four play, one quits without telling, and nobody waits for ever: at the first
 * result + the deadline all others get the same results, with his score 0. Not early, hardly late, whoever dies.
 *
 * All times are Redis's. A result screen's time is taken after its arrival, so it is never earlier than it was sent.
 */
#include "common/mem.h"
#include "proto/keys.h"
#include "tests/support/cluster.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <poll.h>

#define ROOM         "live/stage"
#define DEADLINE_MS  10000 /* the kind's default */
#define LATE_MS      250
#define SLOW_LATE_MS 1000 /* more, for sanitized servers */
#define WATCHERS     3

struct screen {
  struct cluster *cluster;
  struct player *players[4]; /* the last one quits */
  uint32_t round;
  uint64_t deadline_ms;
  uint64_t arrived_ms[WATCHERS]; /* 0: not yet */
  int64_t last_ttl;
};

static void start_playing(struct screen *screen) {
  static const char *const names[] = {"ann", "bob", "cid", "dan"};
  bool two_gateways = false;
  cluster_await_all_owned(screen->cluster);
  for (int i = 0; i < 4; i++) {
    screen->players[i] = cluster_player(screen->cluster, CLUSTER_LB, names[i]);
    player_join_live(screen->players[i], ROOM, 7, 0);
    two_gateways |= strcmp(screen->players[i]->gateway, screen->players[0]->gateway) != 0;
  }
  cr_assert(two_gateways, "the balancer spreads connections");
  screen->round = player_start_round(screen->players[0]);
  for (int i = 1; i < 4; i++)
    cr_assert_eq(player_await_live(screen->players[i], HEYA__KINDS__LIVE__EVENT__BODY_STARTED)->started->n_players,
                 4);
}

/* The first result starts the deadline; it is Redis's time of that result + 10 s, and stands in a key for all to see.
 */
static void submit(struct screen *screen) {
  struct redis_client *redis = cluster_redis(screen->cluster);
  struct key key = key_room_deadline(KEY_PREFIX_DEFAULT, ROOM);
  cr_assert_eq(redis_integer(redis, "EXISTS %s", key.text), 0, "no deadline before the first result");
  uint64_t before = redis_now_ms(redis);
  player_submit(screen->players[0], screen->round, 90000);
  uint64_t after = redis_now_ms(redis);
  screen->deadline_ms =
      player_await_live(screen->players[1], HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED)->submitted->deadline_ms;
  cr_assert_geq(screen->deadline_ms, before + DEADLINE_MS);
  cr_assert_leq(screen->deadline_ms, after + DEADLINE_MS);
  cr_assert_eq(redis_integer(redis, "PEXPIRETIME %s", key.text), (int64_t)screen->deadline_ms);
  cr_assert_eq(redis_integer(redis, "GET %s", key.text), screen->round);
  player_submit(screen->players[1], screen->round, 80000);
  player_submit(screen->players[2], screen->round, 70000);
  screen->last_ttl = DEADLINE_MS;
}

/* PTTL is the countdown: it agrees with the deadline at every moment, and ends with it. */
static void watch_countdown(struct screen *screen) {
  struct redis_client *redis = cluster_redis(screen->cluster);
  uint64_t before = redis_now_ms(redis);
  int64_t ttl = redis_integer(redis, "PTTL %s", key_room_deadline(KEY_PREFIX_DEFAULT, ROOM).text);
  uint64_t after = redis_now_ms(redis);
  if (ttl == -2) {
    cr_assert_geq(after, screen->deadline_ms, "the countdown ended early");
    return;
  }
  cr_assert_leq(ttl, screen->last_ttl, "the countdown goes down");
  cr_assert_leq(before + (uint64_t)ttl, screen->deadline_ms);
  cr_assert_geq(after + (uint64_t)ttl, screen->deadline_ms);
  screen->last_ttl = ttl;
}

static bool is_results(const struct player_message *heard, const void *arg) {
  (void)arg;
  return heard->live && heard->live->body_case == HEYA__KINDS__LIVE__EVENT__BODY_RESULTS;
}

static bool watch_screens(struct screen *screen) {
  struct pollfd fds[WATCHERS];
  for (int i = 0; i < WATCHERS; i++)
    fds[i] = (struct pollfd){.fd = wsclient_fd(screen->players[i]->socket), .events = POLLIN};
  poll(fds, WATCHERS, 20);
  bool all = true;
  for (int i = 0; i < WATCHERS; i++) {
    cr_assert(player_pump(screen->players[i]));
    if (!screen->arrived_ms[i] && player_heard(screen->players[i], is_results, NULL))
      screen->arrived_ms[i] = redis_now_ms(cluster_redis(screen->cluster));
    all &= screen->arrived_ms[i] != 0;
  }
  return all;
}

/* Watches until all have the results; kills the room's worker when so much is left of the countdown (0: never). */
static void wait_for_results(struct screen *screen, uint64_t kill_before_ms) {
  uint64_t patience = wait_deadline(DEADLINE_MS + CLUSTER_FAILOVER_MS + 5000);
  while (!watch_screens(screen)) {
    cr_assert(wait_left(patience), "the result screen is infinite");
    watch_countdown(screen);
    if (kill_before_ms && redis_now_ms(cluster_redis(screen->cluster)) + kill_before_ms >= screen->deadline_ms) {
      int owner = cluster_owner(screen->cluster, ROOM);
      cr_assert_geq(owner, 0);
      process_kill(cluster_worker(screen->cluster, (unsigned)owner));
      kill_before_ms = 0;
    }
  }
  cr_assert_eq(kill_before_ms, 0);
}

static void check_times(const struct screen *screen, uint64_t allowed_ms) {
  if (wait_is_sanitized()) allowed_ms += SLOW_LATE_MS;
  for (int i = 0; i < WATCHERS; i++) {
    int64_t late = (int64_t)(screen->arrived_ms[i] - screen->deadline_ms);
    cr_assert_geq(late, 0, "%s gets the results %lld ms early", screen->players[i]->name, (long long)-late);
    cr_assert_leq(late, (int64_t)allowed_ms, "%s gets the results %lld ms late", screen->players[i]->name,
                  (long long)late);
  }
}

static const struct player_message *the_results(const struct player *player) {
  const struct player_message *results = NULL;
  for (size_t i = 0; i < player->log_count; i++) {
    if (!is_results(&player->log[i], NULL)) continue;
    cr_assert_null(results, "%s gets results twice", player->name);
    results = &player->log[i];
  }
  cr_assert(results);
  return results;
}

static void check_results(const struct screen *screen) {
  static const uint32_t scores[] = {90000, 80000, 70000, 0};
  const struct player_message *first = the_results(screen->players[0]);
  const Heya__Kinds__Live__Results *results = first->live->results;
  cr_assert_eq(results->round, screen->round);
  cr_assert_eq(results->live_id, 7);
  cr_assert_eq(results->n_scores, 4);
  for (int i = 0; i < 4; i++) {
    cr_assert_str_eq(results->scores[i]->player, screen->players[i]->name);
    cr_assert_eq(results->scores[i]->score, scores[i]);
    cr_assert_eq(results->scores[i]->forfeited, i == 3);
    cr_assert_eq(results->scores[i]->judge ? results->scores[i]->judge->perfect : 0, scores[i] / 1000);
  }
  for (int i = 1; i < WATCHERS; i++) {
    const struct player_message *other = the_results(screen->players[i]);
    ProtobufCBinaryData a = first->message->event->payload, b = other->message->event->payload;
    cr_assert(bytes_equal(bytes_of(a.data, a.len), bytes_of(b.data, b.len)), "all get the same results");
    cr_assert_eq(first->message->event->seq, other->message->event->seq);
  }
}

static void play(uint64_t kill_before_ms, uint64_t allowed_ms) {
  struct screen screen = {.cluster = cluster_start(&(struct cluster_options){.haproxy = true})};
  start_playing(&screen);
  player_drop(screen.players[3]);
  submit(&screen);
  wait_for_results(&screen, kill_before_ms);
  check_times(&screen, allowed_ms);
  /* Back to waiting for another song; and nothing came twice in between. */
  struct player_payload payload;
  player_do(screen.players[0], player_choose_payload(&payload, 8));
  for (int i = 0; i < WATCHERS; i++)
    cr_assert_eq(player_await_live(screen.players[i], HEYA__KINDS__LIVE__EVENT__BODY_CHOSEN)->chosen->live_id, 8);
  check_results(&screen);
  cluster_stop(screen.cluster);
}

Test(story, story_infinite_result_screen, .timeout = 240) {
  play(0, LATE_MS);
}

Test(story, story_infinite_result_screen_whose_worker_is_killed, .timeout = 240) {
  play(DEADLINE_MS - 1000, LATE_MS);
}

Test(story, story_infinite_result_screen_whose_worker_is_killed_at_the_end, .timeout = 240) {
  play(1000, LATE_MS + CLUSTER_FAILOVER_MS);
}
