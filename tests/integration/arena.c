/* Kinds `arena` and `skirmish` through two gateways, while their worker dies: the first loses nothing, not even what
 * waits for the next frame, and the second tells how far it went back. HEYA_REPORT=1 in the environment prints what
 * happened. */
#include "tests/support/cluster.h"

#include "proto/kinds/arena.pb-c.h"
#include "proto/pb.h"
#include "tests/support/wait.h"
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(arena, .timeout = 90);

#define FIGHTERS    8
#define SLOW_HZ     1 /* commands wait for up to a second */
#define EVENT(name) HEYA__KINDS__ARENA__EVENT__BODY_##name
#define REPORT(...) (getenv("HEYA_REPORT") ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

static struct cluster *cluster;
static struct player *fighters[FIGHTERS];
static char names[FIGHTERS][8];

/* ---- talking ---- */

static uint32_t send_body(struct player *player, Heya__Kinds__Arena__Command *command) {
  struct player_payload payload;
  return player_try(player, bytes_of(payload.data, heya__kinds__arena__command__pack(command, payload.data)));
}

static uint32_t send_move(struct player *player, float x) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Move move = HEYA__KINDS__ARENA__MOVE__INIT;
  move.x = x;
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_MOVE;
  command.move = &move;
  return send_body(player, &command);
}

static uint32_t send_attack(struct player *player, const char *target) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Attack attack = HEYA__KINDS__ARENA__ATTACK__INIT;
  attack.target = pb_text(target);
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_ATTACK;
  command.attack = &attack;
  return send_body(player, &command);
}

/* ---- hearing ---- */

static Heya__Kinds__Arena__Event *event_of(const struct player_message *heard) {
  if (heard->message->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return NULL;
  const Heya__V1__Event *event = heard->message->event;
  if (event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return NULL;
  Heya__Kinds__Arena__Event *said = heya__kinds__arena__event__unpack(NULL, event->payload.len, event->payload.data);
  cr_assert(said, "a payload that is no event of the kind");
  return said;
}

/* The number of the frame that a message tells of; 0: it tells of none. */
static uint64_t frame_in(const struct player_message *heard) {
  Heya__Kinds__Arena__Event *event = event_of(heard);
  uint64_t number = event && event->body_case == EVENT(FRAME) ? event->frame->number : 0;
  if (event) heya__kinds__arena__event__free_unpacked(event, NULL);
  return number;
}

static bool is_frame_from(const struct player_message *heard, const void *first) {
  return frame_in(heard) >= *(const uint64_t *)first;
}

static uint64_t await_frame(struct player *player, uint64_t first) {
  const struct player_message *heard = player_await(player, PLAYER_MS, is_frame_from, &first);
  cr_assert(heard, "%s hears of no frame from %" PRIu64 " on", player->name, first);
  return frame_in(heard);
}

static bool is_attack_by(const struct player_message *heard, const void *name) {
  Heya__Kinds__Arena__Event *event = event_of(heard);
  bool is = event && event->body_case == EVENT(ATTACKED) && strcmp(event->attacked->player, name) == 0;
  if (event) heya__kinds__arena__event__free_unpacked(event, NULL);
  return is;
}

static size_t attacks_by(const struct player *player, const char *name) {
  size_t n = 0;
  for (size_t i = 0; i < player->log_count; i++) n += is_attack_by(&player->log[i], name);
  return n;
}

static bool is_rolled_back(const struct player_message *heard, const void *arg) {
  (void)arg;
  return heard->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED &&
         heard->message->joined->reason == HEYA__V1__ERROR__CODE__ROLLED_BACK;
}

/* Frames are told in order, none of them twice. Returns how many numbers lie between the first and the last told one
 * without being told: those that were skipped, if somebody runs all the time. A room that went back begins anew. */
static uint64_t check_frames(const struct player *player) {
  uint64_t first = 0, last = 0, told = 0;
  for (size_t i = 0; i < player->log_count; i++) {
    uint64_t number = frame_in(&player->log[i]);
    if (is_rolled_back(&player->log[i], NULL)) first = last = told = 0;
    if (!number) continue;
    cr_assert_gt(number, last, "%s: frame %" PRIu64 " after %" PRIu64, player->name, number, last);
    if (!first) first = number;
    last = number;
    told++;
  }
  return told ? last - first + 1 - told : 0;
}

/* ---- the arena ---- */

static void enter(const char *room, uint32_t hz, int n) {
  struct player_payload payload;
  Heya__Kinds__Arena__Options options = HEYA__KINDS__ARENA__OPTIONS__INIT;
  options.tick_hz = hz;
  options.width = options.height = 1000; /* nobody reaches anybody, or a wall */
  options.cooldown = 1;
  struct bytes packed = bytes_of(payload.data, heya__kinds__arena__options__pack(&options, payload.data));
  cluster = cluster_start(NULL);
  cluster_await_all_owned(cluster);
  for (int i = 0; i < n; i++) {
    snprintf(names[i], sizeof names[i], "p%d", i);
    fighters[i] = cluster_player(cluster, i % 2, names[i]);
    player_joined(fighters[i], player_send_join(fighters[i], room, true, packed, bytes_of(NULL, 0)));
  }
}

static void kill_owner(const char *room) {
  unsigned owner = cluster_await_owner(cluster, room, -1);
  process_kill(cluster_worker(cluster, owner));
}

/* All that was sent to the room's partition is stored: what is not executed yet waits in the room. */
static bool all_is_stored(void *room) {
  uint32_t partition = cluster_partition(cluster, room);
  char *done = redis_string(cluster_redis(cluster), "GET heya:part:%u:done", partition);
  redisReply *last = redis_reply(cluster_redis(cluster), "XREVRANGE heya:part:%u:cmd + - COUNT 1", partition);
  bool is = last->type == REDIS_REPLY_ARRAY &&
            (last->elements == 0 || (done && strcmp(last->element[0]->element[0]->str, done) == 0));
  freeReplyObject(last);
  free(done);
  return is;
}

Test(arena, P1_what_waits_for_the_next_frame_survives_the_worker) {
  static char room[] = "arena/slow";
  uint32_t requests[FIGHTERS];
  enter(room, SLOW_HZ, FIGHTERS);
  player_acked(fighters[0], send_move(fighters[0], 1));
  uint64_t before = await_frame(fighters[0], 1); /* almost a second until the next one */
  for (int i = 0; i < FIGHTERS; i++) requests[i] = send_attack(fighters[i], names[(i + 1) % FIGHTERS]);
  cr_assert(wait_until(PLAYER_MS, all_is_stored, room));
  size_t executed = attacks_by(fighters[0], names[0]);
  kill_owner(room);
  for (int i = 0; i < FIGHTERS; i++) player_acked(fighters[i], requests[i]);
  uint64_t after = 0;
  for (int i = 0; i < FIGHTERS; i++) after = await_frame(fighters[i], before + 2);
  for (int i = 0; i < FIGHTERS; i++)
    for (int by = 0; by < FIGHTERS; by++)
      cr_assert_eq(attacks_by(fighters[i], names[by]), 1, "%s heard of %s", names[i], names[by]);
  uint64_t skipped = check_frames(fighters[0]);
  REPORT("arena, %d Hz: %d commands wait (%zu executed) when the worker is killed after frame %" PRIu64
         "; all are executed once; frame %" PRIu64 " is heard, %" PRIu64 " were skipped\n",
         SLOW_HZ, FIGHTERS, executed, before, after, skipped);
  cluster_stop(cluster);
}

Test(arena, P1_frames_go_on_where_the_dead_worker_left_them) {
  static const char room[] = "arena/quick";
  enter(room, 60, 2);
  for (int i = 0; i < 2; i++) player_acked(fighters[i], send_move(fighters[i], 1));
  uint64_t before = await_frame(fighters[1], 30);
  kill_owner(room);
  player_acked(fighters[0], send_move(fighters[0], -1));
  uint64_t first = await_frame(fighters[1], before + 1), after = await_frame(fighters[1], first + 60);
  for (int i = 0; i < 2; i++) check_frames(fighters[i]);
  cr_assert(!player_heard(fighters[0], is_rolled_back, NULL) && !player_heard(fighters[1], is_rolled_back, NULL));
  REPORT("arena, 60 Hz: killed at about frame %" PRIu64 ", went on to %" PRIu64 ", of which %" PRIu64
         " were skipped; nobody was told of anything\n",
         before, after, check_frames(fighters[1]));
  cluster_stop(cluster);
}

Test(arena, a_skirmish_goes_back_and_says_so) {
  static const char room[] = "skirmish/quick";
  enter(room, 60, 2);
  for (int i = 0; i < 2; i++) player_acked(fighters[i], send_move(fighters[i], 1));
  uint64_t before = await_frame(fighters[1], 70); /* it has been saved at least once while they ran */
  kill_owner(room);
  for (int i = 0; i < 2; i++) {
    const struct player_message *heard = player_await(fighters[i], PLAYER_MS, is_rolled_back, NULL);
    cr_assert(heard, "%s is not told", names[i]);
    const Heya__V1__Joined *joined = heard->message->joined;
    cr_assert(joined->snapshot && !joined->resumed && joined->snapshot->n_members == 2);
    Heya__Kinds__Arena__State *state =
        heya__kinds__arena__state__unpack(NULL, joined->snapshot->state.len, joined->snapshot->state.data);
    cr_assert(state && state->n_fighters == 2);
    REPORT("skirmish, 60 Hz: killed at about frame %" PRIu64
           "; %s is told ROLLED_BACK, with the state of frame %" PRIu64 "\n",
           before, names[i], state->frame);
    heya__kinds__arena__state__free_unpacked(state, NULL);
    cr_assert_gt(joined->first_number, fighters[i]->number + 1);
    fighters[i]->number = joined->first_number - 1; /* a new session */
    player_acked(fighters[i], send_move(fighters[i], -1));
  }
  await_frame(fighters[1], before + 1);
  for (int i = 0; i < 2; i++) check_frames(fighters[i]);
  cluster_stop(cluster);
}
