/* Kind `gomoku`: a whole game through two gateways whose worker dies in the middle, and the rematch. */
#include "tests/support/cluster.h"

#include "proto/kinds/gomoku.pb-c.h"
#include <criterion/criterion.h>

TestSuite(gomoku, .timeout = 90);

#define ROOM        "gomoku/match"
#define CODE(name)  HEYA__V1__ERROR__CODE__##name
#define EVENT(name) HEYA__KINDS__GOMOKU__EVENT__BODY_##name

/* ---- talking ---- */

static uint32_t send_body(struct player *player, Heya__Kinds__Gomoku__Command *command) {
  struct player_payload payload;
  cr_assert(heya__kinds__gomoku__command__get_packed_size(command) <= sizeof payload.data);
  return player_try(player, bytes_of(payload.data, heya__kinds__gomoku__command__pack(command, payload.data)));
}

static uint32_t send_place(struct player *player, uint32_t x, uint32_t y) {
  Heya__Kinds__Gomoku__Place place = HEYA__KINDS__GOMOKU__PLACE__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  place.x = x;
  place.y = y;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_PLACE;
  command.place = &place;
  return send_body(player, &command);
}

static uint32_t send_rematch(struct player *player) {
  Heya__Kinds__Gomoku__Rematch rematch = HEYA__KINDS__GOMOKU__REMATCH__INIT;
  Heya__Kinds__Gomoku__Command command = HEYA__KINDS__GOMOKU__COMMAND__INIT;
  command.body_case = HEYA__KINDS__GOMOKU__COMMAND__BODY_REMATCH;
  command.rematch = &rematch;
  return send_body(player, &command);
}

static Heya__Kinds__Gomoku__Event *event_of(const struct player_message *heard) {
  if (heard->message->body_case != HEYA__V1__SERVER_MESSAGE__BODY_EVENT) return NULL;
  const Heya__V1__Event *event = heard->message->event;
  if (event->body_case != HEYA__V1__EVENT__BODY_PAYLOAD) return NULL;
  Heya__Kinds__Gomoku__Event *said =
      heya__kinds__gomoku__event__unpack(NULL, event->payload.len, event->payload.data);
  cr_assert(said, "a payload that is no event of the kind");
  return said;
}

static void forget(Heya__Kinds__Gomoku__Event *event) {
  if (event) heya__kinds__gomoku__event__free_unpacked(event, NULL);
}

static bool is_event(const struct player_message *heard, const void *body) {
  Heya__Kinds__Gomoku__Event *event = event_of(heard);
  bool is = event && event->body_case == *(const Heya__Kinds__Gomoku__Event__BodyCase *)body;
  forget(event);
  return is;
}

/* The next event of this sort, as each that is awaited is; freed with forget. */
static Heya__Kinds__Gomoku__Event *await(struct player *player, Heya__Kinds__Gomoku__Event__BodyCase body) {
  const struct player_message *heard = player_await(player, PLAYER_MS, is_event, &body);
  if (!heard) player_print(player);
  cr_assert(heard, "%s does not hear event %d", player->name, (int)body);
  return event_of(heard);
}

static void await_started(struct player *player, const char *black, const char *white) {
  Heya__Kinds__Gomoku__Event *event = await(player, EVENT(STARTED));
  cr_assert_str_eq(event->started->black, black);
  cr_assert_str_eq(event->started->white, white);
  forget(event);
}

/* ---- a match ---- */

struct match {
  struct cluster *cluster;
  struct player *players[2]; /* at two gateways */
};

static struct bytes pack_options(struct player_payload *out, uint32_t turn_ms) {
  Heya__Kinds__Gomoku__Options options = HEYA__KINDS__GOMOKU__OPTIONS__INIT;
  options.turn_ms = turn_ms;
  return bytes_of(out->data, heya__kinds__gomoku__options__pack(&options, out->data));
}

/* ann, who plays black, and bob. */
static struct match match_start(uint32_t turn_ms) {
  struct match match = {.cluster = cluster_start(NULL)};
  struct player_payload payload;
  struct bytes options = pack_options(&payload, turn_ms);
  cluster_await_all_owned(match.cluster);
  for (int i = 0; i < 2; i++) {
    match.players[i] = cluster_player(match.cluster, i, i ? "bob" : "ann");
    player_joined(match.players[i], player_send_join(match.players[i], ROOM, true, options, bytes_of(NULL, 0)));
  }
  for (int i = 0; i < 2; i++) await_started(match.players[i], "ann", "bob");
  return match;
}

/* A move that both hear of. */
static void move(struct match *match, int who, uint32_t x, uint32_t y) {
  player_acked(match->players[who], send_place(match->players[who], x, y));
  for (int i = 0; i < 2; i++) {
    Heya__Kinds__Gomoku__Event *event = await(match->players[i], EVENT(PLACED));
    cr_assert_str_eq(event->placed->player, match->players[who]->name);
    cr_assert(event->placed->x == x && event->placed->y == y);
    forget(event);
  }
}

static void expect_over(struct match *match, const char *winner, Heya__Kinds__Gomoku__Reason reason, size_t line) {
  for (int i = 0; i < 2; i++) {
    Heya__Kinds__Gomoku__Event *event = await(match->players[i], EVENT(OVER));
    cr_assert_str_eq(event->over->winner, winner);
    cr_assert_eq(event->over->reason, reason);
    cr_assert_eq(event->over->n_line, line);
    forget(event);
  }
}

static Heya__Kinds__Gomoku__State *state_seen_by(struct player *player) {
  const Heya__V1__Joined *joined = player_join(player, ROOM);
  Heya__Kinds__Gomoku__State *state =
      heya__kinds__gomoku__state__unpack(NULL, joined->snapshot->state.len, joined->snapshot->state.data);
  cr_assert(state);
  return state;
}

Test(gomoku, a_game_survives_its_worker_and_a_rematch_swaps_the_colours) {
  struct match match = match_start(0);
  struct player *ann = match.players[0], *bob = match.players[1];
  for (uint32_t i = 0; i < 2; i++) {
    move(&match, 0, i, 0);
    move(&match, 1, i, 1);
  }
  player_refused(bob, send_place(bob, 9, 9), CODE(WRONG_STATE));
  unsigned owner = cluster_await_owner(match.cluster, ROOM, -1);
  process_kill(cluster_worker(match.cluster, owner));
  for (uint32_t i = 2; i < 4; i++) {
    move(&match, 0, i, 0);
    move(&match, 1, i, 1);
  }
  cr_assert_neq(cluster_await_owner(match.cluster, ROOM, (int)owner), owner);
  player_refused(ann, send_place(ann, 0, 0), CODE(INVALID_ARGUMENT)); /* from before the worker died */
  move(&match, 0, 4, 0);
  expect_over(&match, "ann", HEYA__KINDS__GOMOKU__REASON__FIVE, 5);

  char *line = redis_string(cluster_redis(match.cluster), "HGET heya:room:" ROOM ":results ann");
  cr_assert(line && strstr(line, "won (five in a row), 1 games won"), "%s", line ? line : "nothing");
  free(line);
  player_acked(bob, send_rematch(bob));
  forget(await(ann, EVENT(REMATCH_WANTED)));
  player_acked(ann, send_rematch(ann));
  for (int i = 0; i < 2; i++) await_started(match.players[i], "bob", "ann");
  move(&match, 1, 7, 7);

  Heya__Kinds__Gomoku__State *state = state_seen_by(cluster_player(match.cluster, 1, "eve"));
  cr_assert_eq(state->phase, HEYA__KINDS__GOMOKU__PHASE__PLAYING);
  cr_assert_eq(state->n_moves, 1);
  cr_assert_eq(state->white_won, 1, "ann's");
  cr_assert_str_eq(state->turn, "ann");
  heya__kinds__gomoku__state__free_unpacked(state, NULL);
  cluster_stop(match.cluster);
}

Test(gomoku, who_does_not_move_loses_also_when_the_worker_dies_meanwhile) {
  struct match match = match_start(1000);
  unsigned owner = cluster_await_owner(match.cluster, ROOM, -1);
  process_kill(cluster_worker(match.cluster, owner));
  expect_over(&match, "bob", HEYA__KINDS__GOMOKU__REASON__TIMEOUT, 0);
  cr_assert_eq(redis_integer(cluster_redis(match.cluster), "EXISTS heya:room:" ROOM ":deadline"), 0);
  cluster_stop(match.cluster);
}

Test(gomoku, the_countdown_of_a_move_is_readable_in_redis_and_rooms_are_listed_by_what_they_need) {
  struct match match = match_start(0);
  struct player *ann = match.players[0];
  move(&match, 0, 7, 7);
  struct redis_client *redis = cluster_redis(match.cluster);
  char *number = redis_string(redis, "GET heya:room:" ROOM ":deadline");
  cr_assert(number && strcmp(number, "2") == 0, "the second move, not %s", number ? number : "none");
  free(number);
  long long left_ms = redis_integer(redis, "PTTL heya:room:" ROOM ":deadline");
  cr_assert(left_ms > 0 && left_ms <= 30000, "%lld", left_ms);
  cr_assert_eq(player_list(ann, "gomoku", "phase", "playing", true)->n_rooms, 1);
  cr_assert_eq(player_list(ann, "gomoku", "free_seats", "1", true)->n_rooms, 0);
  player_leave(match.players[1]);
  Heya__Kinds__Gomoku__Event *over = await(ann, EVENT(OVER));
  cr_assert_eq(over->over->reason, HEYA__KINDS__GOMOKU__REASON__LEFT);
  forget(over);
  cr_assert_eq(player_list(ann, "gomoku", "free_seats", "1", true)->n_rooms, 1);
  cluster_stop(match.cluster);
}
