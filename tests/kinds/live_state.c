/* Promises of the state of the kind `live`: it can be taken over at any moment, hostile bytes are given up, and a
 * long random game keeps to the rules of a model that knows nothing of the kind's code. */
#include "proto/kinds/saved.pb-c.h"
#include "tests/kinds/live_table.h"
#include <stdio.h>

#define PLAYERS 5 /* one more than have a seat */

/* ---- a random game against a model ---- */

struct model {
  uint32_t round; /* the running one, or the last one */
  bool playing;
  uint64_t deadline_ms;
  int order[4], count;     /* who plays or has played it */
  bool submitted[PLAYERS]; /* in it */
  bool left[PLAYERS];      /* it */
  uint32_t score[PLAYERS];
};

static char *name_of(int player) {
  static char names[PLAYERS][4];
  snprintf(names[player], sizeof names[player], "p%d", player);
  return names[player];
}

static int player_of(const char *name) {
  return name[1] - '0';
}

static bool model_plays(const struct model *model, int player) {
  for (int i = 0; i < model->count; i++)
    if (model->order[i] == player) return true;
  return false;
}

static void model_check_results(const struct model *model, const Heya__Kinds__Live__Results *results) {
  cr_assert_eq(results->round, model->round);
  cr_assert_eq(results->n_scores, (size_t)model->count);
  for (int i = 0; i < model->count; i++) {
    int player = model->order[i];
    expect_score(results, i, name_of(player), model->submitted[player] ? model->score[player] : 0,
                 !model->submitted[player]);
  }
}

/* What is over is over, with exactly one Results event, the last of those sent. */
static void model_settle(struct model *model, struct room *room) {
  bool waits_for_somebody = false;
  for (int i = 0; i < model->count; i++) {
    int player = model->order[i];
    waits_for_somebody |= !model->submitted[player] && !model->left[player];
  }
  bool over = model->playing && (!waits_for_somebody || (model->deadline_ms && room->now_ms > model->deadline_ms));
  size_t results = 0;
  for (size_t i = 0; i < room->event_count; i++) {
    Heya__Kinds__Live__Event *event =
        unpacked(&heya__kinds__live__event__descriptor, buf_bytes(&room->events[i].payload));
    if (event->body_case == RESULTS) {
      cr_assert_eq(i, room->event_count - 1);
      model_check_results(model, event->results);
      results++;
    }
    free_event(event);
  }
  cr_assert_eq(results, over ? 1 : 0);
  if (over) model->playing = false;
  cr_assert_eq(room->locked, model->playing);
  cr_assert_eq(room->deadline_ms, model->playing ? model->deadline_ms : 0);
  cr_assert_eq(harness_timer_at(room, 1), model->playing && model->deadline_ms ? model->deadline_ms + 1 : 0);
  harness_forget_events(room);
}

static void model_start(struct model *model, struct room *room, int player) {
  bool is_host = room_host(room) == room_member(room, name_of(player));
  kind_code expected = !is_host ? NOT_HOST : model->playing ? WRONG_STATE : OK;
  cr_assert_eq(start(room, name_of(player)), expected);
  if (expected != OK) return;
  *model = (struct model){.round = model->round + 1, .playing = true};
  for (size_t i = 0; i < room->member_count; i++) model->order[model->count++] = player_of(room->members[i]->player);
}

static void model_submit(struct model *model, struct room *room, int player, uint32_t score) {
  kind_code expected = OK;
  if (model->round == 0)
    expected = UNKNOWN_ROUND;
  else if (!model_plays(model, player))
    expected = NOT_A_PLAYER;
  else if (model->submitted[player])
    expected = ALREADY_SUBMITTED;
  else if (!model->playing)
    expected = TOO_LATE;
  else if (score > 1000000000)
    expected = INVALID_ARGUMENT;
  cr_assert_eq(submit(room, name_of(player), model->round, score), expected);
  if (expected != OK) return;
  model->submitted[player] = true;
  model->score[player] = score;
  if (!model->deadline_ms) model->deadline_ms = room->now_ms + DEADLINE;
}

static void model_come(struct model *model, struct room *room, int player) {
  kind_code expected = model->playing            ? HEYA__V1__ERROR__CODE__ROOM_LOCKED
                       : room->member_count == 4 ? HEYA__V1__ERROR__CODE__ROOM_FULL
                                                 : OK;
  cr_assert_eq(harness_join(room, name_of(player), "Somebody", NO_PROFILE), expected);
}

static void model_leave(struct model *model, struct room *room, int player) {
  harness_leave(room, name_of(player), LEFT);
  model->left[player] = true;
}

static void walk(uint64_t seed, int steps) {
  struct model model = {.round = 0};
  struct room *room = table_of(0);
  for (int i = 0; i < steps; i++) {
    int player = (int)dice(&seed, PLAYERS);
    uint32_t move = dice(&seed, 16);
    if (move >= 14) {
      harness_time(room, room->now_ms + dice(&seed, 8000));
    } else if (move == 13 && model.playing && model.deadline_ms) {
      harness_time(room, model.deadline_ms + dice(&seed, 2)); /* to the edge */
    } else if (!room_member(room, name_of(player))) {
      model_come(&model, room, player);
    } else if (move == 0) {
      model_leave(&model, room, player);
    } else if (move < 5) {
      model_start(&model, room, player);
    } else if (move == 5) {
      kind_code code = choose(room, name_of(player), 1 + dice(&seed, 9));
      cr_assert(code == OK || code == NOT_HOST || code == WRONG_STATE);
    } else {
      model_submit(&model, room, player, dice(&seed, 20) ? dice(&seed, 1000000) : UINT32_MAX);
    }
    model_settle(&model, room);
  }
  cr_assert_gt(model.round, (uint32_t)steps / 100, "too few rounds to mean anything");
  harness_close(room);
}

Test(live_state, random_games_keep_to_the_model_through_a_failover_at_every_step) {
  for (uint64_t seed = 1; seed <= 20; seed++) walk(seed * 0x9E3779B97F4A7C15u, 1500);
}

/* ---- hostile states ---- */

/* A valid state in the second round: p1 has submitted, p2 plays. Tests spoil one thing in it. */
struct saved {
  Heya__Kinds__Saved__Live live;
  Heya__Kinds__Saved__Round running, last;
  Heya__Kinds__Saved__Seat seats[6], *running_seats[6], *last_seats[6];
  Heya__Kinds__Live__Judge judges[6];
};

static void saved_round(struct saved *saved, Heya__Kinds__Saved__Round *round, Heya__Kinds__Saved__Seat **list,
                        int first) {
  heya__kinds__saved__round__init(round);
  for (int i = first; i < first + 2; i++) {
    heya__kinds__saved__seat__init(&saved->seats[i]);
    heya__kinds__live__judge__init(&saved->judges[i]);
    saved->seats[i].player = field_text(i == first ? "p1" : "p2");
    saved->seats[i].name = field_text("Name");
    list[i - first] = &saved->seats[i];
  }
  saved->seats[first].submitted = true;
  saved->seats[first].score = 10;
  saved->seats[first].judge = &saved->judges[first];
  round->live_id = SONG;
  round->deadline_ms = NOW + DEADLINE;
  round->seats = list;
  round->n_seats = 2;
}

static void saved_make(struct saved *saved) {
  heya__kinds__saved__live__init(&saved->live);
  saved_round(saved, &saved->running, saved->running_seats, 0);
  saved_round(saved, &saved->last, saved->last_seats, 2);
  saved->last.number = 1;
  saved->running.number = 2;
  saved->live.live_id = SONG;
  saved->live.deadline_ms = DEADLINE;
  saved->live.running = &saved->running;
  saved->live.last = &saved->last;
}

static bool loads(struct room *room, const struct saved *saved) {
  struct buf bytes = packed(&saved->live.base);
  bool loads = harness_would_load(room, buf_bytes(&bytes));
  buf_close(&bytes);
  return loads;
}

/* One change to a valid state, and whether the result is one. */
#define EXPECT(change, expected)                                                                                     \
  do {                                                                                                               \
    saved_make(&saved);                                                                                              \
    change;                                                                                                          \
    cr_assert_eq(loads(room, &saved), expected, "%s", #change);                                                      \
  } while (0)

Test(live_state, loads_only_what_the_rules_can_reach) {
  struct room *room = table_of(2);
  struct saved saved;
  char long_text[66];
  memset(long_text, 'x', 65);
  long_text[65] = '\0';
  EXPECT((void)0, true);
  EXPECT(saved.live.running = NULL, true);
  EXPECT(saved.last.live_id = 7, true);
  EXPECT(saved.seats[3].left = true, true);
  EXPECT(saved.running.deadline_ms = UINT64_MAX, true);

  EXPECT(saved.live.live_id = 0, false); /* the running round has a song */
  EXPECT(saved.live.deadline_ms = 0, false);
  EXPECT(saved.live.deadline_ms = 120001, false);
  EXPECT(saved.live.last = NULL, false); /* the running round would be the first */
  EXPECT(saved.running.number = 1, false);
  EXPECT(saved.running.number = 3, false);
  EXPECT(saved.running.number = 0, false);
  EXPECT(saved.last.number = 0, false);
  EXPECT(saved.running.live_id = 7, false);
  EXPECT(saved.last.live_id = 0, false);
  EXPECT(saved.running.n_seats = 0, false);
  EXPECT(saved.running.n_seats = 1, false); /* all submitted: it would have ended */
  EXPECT(saved.seats[1].left = true, false);
  EXPECT(saved.running.deadline_ms = 0, false);
  EXPECT((saved.seats[0].submitted = false, saved.seats[0].score = 0, saved.seats[0].judge = NULL), false);
  EXPECT(saved.seats[0].judge = NULL, false);
  EXPECT(saved.seats[1].judge = &saved.judges[1], false);
  EXPECT(saved.seats[1].score = 1, false);
  EXPECT(saved.seats[0].score = 1000000001, false);
  EXPECT(saved.judges[0].bad = 100001, false);
  EXPECT(saved.seats[1].player = field_text("p1"), false);
  EXPECT(saved.seats[1].player = field_text(""), false);
  EXPECT(saved.seats[1].player = long_text, false);
  EXPECT(saved.seats[1].player = field_text("a\nb"), false);
  EXPECT(saved.seats[1].name = long_text, false);
  EXPECT(saved.seats[3].name = field_text("\x7f"), false);
  harness_close(room);
}

Test(live_state, gives_up_more_seats_than_there_are) {
  struct room *room = table_of(2);
  struct saved saved;
  for (size_t seats = 4; seats <= 6; seats++) {
    saved_make(&saved);
    char players[6][4];
    for (size_t i = 2; i < seats; i++) {
      snprintf(players[i], sizeof players[i], "q%zu", i);
      saved.running_seats[i] = &saved.seats[i < 4 ? 4 : 5];
    }
    for (size_t i = 4; i < 6; i++) {
      heya__kinds__saved__seat__init(&saved.seats[i]);
      saved.seats[i].player = players[i == 4 ? 2 : 3];
    }
    snprintf(players[3], sizeof players[3], "q3");
    if (seats == 4) saved.running_seats[3] = &saved.seats[5];
    saved.running.n_seats = seats;
    cr_assert_eq(loads(room, &saved), seats == 4, "%zu", seats);
  }
  harness_close(room);
}

Test(live_state, a_room_that_has_counted_to_the_end_starts_no_round) {
  kind_code code;
  struct room *room = table_open(SONG, 0, &code);
  cr_assert_eq(harness_join(room, "p1", "A", NO_PROFILE), OK);
  struct saved saved;
  saved_make(&saved);
  saved.live.running = NULL;
  saved.last.number = UINT32_MAX;
  struct buf bytes = packed(&saved.live.base);
  cr_assert(kind_live.load(room, buf_bytes(&bytes)));
  buf_clear(&room->saved);
  kind_live.save(room, &room->saved);
  buf_close(&bytes);
  cr_assert_eq(start(room, "p1"), WRONG_STATE);
  harness_close(room);
}

Test(live_state, survives_any_bytes_as_command_or_state) {
  struct room *room = table_playing(3);
  uint64_t seed = 4711;
  cr_assert_eq(submit(room, "p1", 1, 100), OK);
  harness_time(room, NOW + DEADLINE + 1);
  cr_assert_eq(start(room, "p1"), OK);
  cr_assert_eq(submit(room, "p2", 2, 100), OK);
  struct buf state = {0};
  buf_append_bytes(&state, buf_bytes(&room->saved));
  for (size_t len = 0; len < state.len; len++) harness_would_load(room, bytes_of(state.data, len));
  for (int i = 0; i < 20000; i++) {
    size_t at = dice(&seed, (uint32_t)state.len);
    unsigned char old = state.data[at];
    state.data[at] = (unsigned char)dice(&seed, 256);
    harness_would_load(room, buf_bytes(&state));
    state.data[at] = old;
  }
  for (int i = 0; i < 3000; i++) {
    unsigned char bytes[16] = {(unsigned char)(2 + 8 * dice(&seed, 6)), (unsigned char)dice(&seed, 16)};
    for (size_t j = 2; j < sizeof bytes; j++) bytes[j] = (unsigned char)dice(&seed, 32);
    harness_command(room, "p2", bytes_of(bytes, dice(&seed, sizeof bytes)));
    harness_forget_events(room);
  }
  buf_close(&state);
  harness_close(room);
}
