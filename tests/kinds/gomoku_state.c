/* Promises of what a `gomoku` room saves: only what the rules can reach is loaded, and no bytes from anywhere hurt.
 */
#include "tests/kinds/goban.h"

#define MOVES 9

/* A valid state: p1 plays black and has won with five in row 0. Tests spoil one thing in it. */
struct saved {
  Heya__Kinds__Gomoku__State state;
  Heya__Kinds__Gomoku__Over over;
  Heya__Kinds__Gomoku__Point points[MOVES + 1], *moves[MOVES + 1];
};

static void saved_make(struct saved *saved) {
  heya__kinds__gomoku__state__init(&saved->state);
  heya__kinds__gomoku__over__init(&saved->over);
  for (uint32_t i = 0; i <= MOVES; i++) {
    heya__kinds__gomoku__point__init(&saved->points[i]);
    saved->points[i].x = i / 2;
    saved->points[i].y = i % 2;
    saved->moves[i] = &saved->points[i];
  }
  saved->state.phase = OVER;
  saved->state.black = field_text("p1");
  saved->state.white = field_text("p2");
  saved->state.black_won = 1;
  saved->state.moves = saved->moves;
  saved->state.n_moves = MOVES;
  saved->state.over = &saved->over;
  saved->over.winner = field_text("p1");
}

/* The same, one move before. */
static void saved_make_playing(struct saved *saved) {
  saved_make(saved);
  saved->state.phase = PLAYING;
  saved->state.n_moves = MOVES - 1;
  saved->state.deadline_ms = NOW + 5;
  saved->state.over = NULL;
}

/* And given up by somebody. */
static void saved_make_broken_off(struct saved *saved, Heya__Kinds__Gomoku__Reason reason) {
  saved_make(saved);
  saved->state.n_moves = MOVES - 1;
  saved->over.reason = reason;
}

static bool loads(struct room *room, const struct saved *saved) {
  struct buf bytes = packed(&saved->state.base);
  bool loads = goban_would_load(room, buf_bytes(&bytes));
  buf_close(&bytes);
  return loads;
}

/* One change to a valid state, and whether the result is one. */
#define EXPECT(make, change, expected)                                                                               \
  do {                                                                                                               \
    make;                                                                                                            \
    change;                                                                                                          \
    cr_assert_eq(loads(room, &saved), expected, "%s", #change);                                                      \
  } while (0)
#define WON(change, expected)            EXPECT(saved_make(&saved), change, expected)
#define RUNNING(change, expected)        EXPECT(saved_make_playing(&saved), change, expected)
#define BROKEN(reason, change, expected) EXPECT(saved_make_broken_off(&saved, REASON(reason)), change, expected)

Test(gomoku_state, loads_only_what_the_rules_can_reach) {
  struct room *room = goban_of(2, (struct goban_options){.size = 9});
  struct saved saved;
  char long_text[66];
  memset(long_text, 'x', 65);
  long_text[65] = '\0';

  WON((void)0, true);
  WON(saved.state.phase = WAITING, true); /* somebody has left since */
  WON(saved.state.white_won = UINT32_MAX, true);
  WON(saved.state.rematch_wanted = field_text("p2"), true);
  WON(saved.state.rematch_wanted = field_text("p3"), false);
  WON((saved.state.phase = WAITING, saved.state.rematch_wanted = field_text("p2")), false);
  WON(saved.state.phase = PLAYING, false);
  WON(saved.state.deadline_ms = NOW, false);
  WON(saved.state.over = NULL, false);
  WON(saved.state.n_moves = MOVES + 1, false);                                         /* a move after the win */
  WON((saved.state.n_moves = MOVES + 1, saved.over.winner = field_text("p2")), false); /* with another win */
  WON(saved.state.n_moves = MOVES - 1, false);
  WON(saved.state.n_moves = 0, false);
  WON(saved.points[3].x = 9, false);
  WON(saved.points[3].y = UINT32_MAX, false);
  WON(saved.points[3] = saved.points[2], false);
  WON(saved.over.winner = field_text("p2"), false);
  WON(saved.over.winner = field_text(""), false);
  WON(saved.over.winner = field_text("p3"), false);
  WON(saved.over.reason = REASON(RESIGNED), false);
  WON((saved.over.reason = REASON(DRAW), saved.over.winner = field_text("")), false);
  WON(saved.state.black = field_text(""), false);
  WON(saved.state.white = field_text("p1"), false);
  WON(saved.state.white = long_text, false);
  WON(saved.state.white = field_text("a\nb"), false);
  WON((saved.state.black = field_text(""), saved.state.white = field_text("")), false);

  RUNNING((void)0, true);
  RUNNING(saved.state.deadline_ms = UINT64_MAX, true);
  RUNNING(saved.state.n_moves = 0, true);
  RUNNING(saved.state.deadline_ms = 0, false);
  RUNNING(saved.state.over = &saved.over, false);
  RUNNING(saved.state.rematch_wanted = field_text("p1"), false);

  BROKEN(RESIGNED, (void)0, true);
  BROKEN(RESIGNED, saved.over.winner = field_text("p2"), true);
  BROKEN(RESIGNED, saved.over.winner = field_text(""), false);
  BROKEN(TIMEOUT, saved.over.winner = field_text("p2"), true); /* black was to move */
  BROKEN(TIMEOUT, (void)0, false);
  BROKEN(LEFT, saved.state.phase = WAITING, true);
  BROKEN(LEFT, (void)0, false);
  BROKEN(FIVE, (void)0, false);
  goban_close(room);
}

Test(gomoku_state, belongs_to_the_options_of_its_room) {
  struct saved saved;
  struct room *room = goban_of(2, (struct goban_options){.size = 9, .untimed = true});
  RUNNING((void)0, false);
  RUNNING(saved.state.deadline_ms = 0, true);
  BROKEN(TIMEOUT, saved.over.winner = field_text("p2"), false);
  goban_close(room);
}

Test(gomoku_state, a_new_room_has_nothing_but_its_options) {
  struct room *room = goban_of(1, (struct goban_options){.size = 0});
  struct saved saved;
  cr_assert(goban_would_load(room, bytes_of(NULL, 0)));
  EXPECT(heya__kinds__gomoku__state__init(&saved.state), saved.state.phase = OVER, false);
  EXPECT(heya__kinds__gomoku__state__init(&saved.state), saved.state.phase = PLAYING, false);
  EXPECT(heya__kinds__gomoku__state__init(&saved.state), saved.state.white = field_text("p1"), false);
  EXPECT(heya__kinds__gomoku__state__init(&saved.state), saved.state.rematch_wanted = field_text("p1"), false);
  goban_close(room);
}

Test(gomoku_state, survives_any_bytes_as_command_or_state) {
  struct room *room = goban_of(3, (struct goban_options){.size = 9});
  uint64_t seed = 4711;
  goban_four_each(room, "p1", "p2");
  struct buf state = {0};
  buf_append_bytes(&state, goban_saved(room));
  for (size_t len = 0; len < state.len; len++) goban_would_load(room, bytes_of(state.data, len));
  for (int i = 0; i < 20000; i++) {
    size_t at = dice(&seed, (uint32_t)state.len);
    unsigned char old = state.data[at];
    state.data[at] = (unsigned char)dice(&seed, 256);
    goban_would_load(room, buf_bytes(&state));
    state.data[at] = old;
  }
  for (int i = 0; i < 3000; i++) {
    unsigned char bytes[16] = {(unsigned char)(2 + 8 * dice(&seed, 6)), (unsigned char)dice(&seed, 16)};
    for (size_t j = 2; j < sizeof bytes; j++) bytes[j] = (unsigned char)dice(&seed, 32);
    goban_command(room, i % 2 ? "p1" : "p2", bytes_of(bytes, dice(&seed, sizeof bytes)));
    goban_forget(room);
  }
  buf_close(&state);
  goban_close(room);
}

/* ---- whole evenings ---- */

/* Members come, go, move at random and let time pass; the phase and who may move are told from the State alone. */
static uint32_t evening(uint64_t seed, int steps) {
  struct room *room = goban_of(2, (struct goban_options){.size = 9, .exact = seed % 2});
  static const char *const players[] = {"p1", "p2", "p3"};
  bool is_in[] = {true, true, false};
  uint32_t games = 0;
  for (int i = 0; i < steps; i++) {
    uint32_t who = dice(&seed, 3), what = dice(&seed, 100);
    Heya__Kinds__Gomoku__State *state = goban_state(room);
    bool plays = strcmp(players[who], state->black) == 0 || strcmp(players[who], state->white) == 0;
    bool moves = strcmp(players[who], state->turn) == 0;
    if (!is_in[who]) {
      if (what < 10) is_in[who] = goban_join(room, players[who]) == OK;
    } else if (what < 1) {
      goban_leave(room, players[who]);
      is_in[who] = false;
    } else if (what < 2) {
      cr_assert_eq(goban_resign(room, players[who]) == OK, state->phase == PLAYING && plays);
    } else if (what < 10) {
      bool asks = state->phase == OVER && plays && strcmp(players[who], state->rematch_wanted) != 0;
      cr_assert_eq(goban_rematch(room, players[who]) == OK, asks);
    } else {
      kind_code code = goban_place(room, players[who], dice(&seed, 9), dice(&seed, 9));
      cr_assert(moves ? code == OK || code == INVALID_ARGUMENT : code == WRONG_STATE || code == NOT_A_PLAYER);
    }
    heya__kinds__gomoku__state__free_unpacked(state, NULL);
    goban_wait(room, dice(&seed, 100) ? dice(&seed, 1000) : TURN_MS + 1);
    uint32_t move;
    cr_assert_eq(goban_countdown(room, &move) != 0, goban_phase(room) == PLAYING);
    for (size_t e = 0; e < goban_event_count(room); e++) games += goban_is(room, e, EVENT(OVER));
    goban_forget(room);
  }
  goban_close(room);
  return games;
}

Test(gomoku_state, random_evenings_go_on_through_a_failover_at_every_step) {
  for (uint64_t seed = 1; seed <= 10; seed++)
    cr_assert_gt(evening(seed * 0x9E3779B97F4A7C15u, 1500), 10, "too few games to mean anything");
}
