/* Promises of the kinds `arena` and `skirmish`. The harness checks on the way that every command and every frame
 * survives a failover and that refusals change nothing. */
#include "tests/kinds/arena_ring.h"

#include <math.h>
#include <stdio.h>

static const arena_options *options_of(uint32_t hz, uint32_t size, uint32_t sight) {
  static arena_options options;
  options = (arena_options)HEYA__KINDS__ARENA__OPTIONS__INIT;
  options.tick_hz = hz;
  options.width = options.height = size;
  options.sight = sight;
  return &options;
}

/* ---- moving ---- */

Test(arena, who_runs_gets_five_units_a_second_at_every_rate) {
  for (uint32_t hz = 1; hz <= 60; hz++) {
    struct room *room = ring_of(1, options_of(hz, 1000, 0));
    put(room, 1, 500000, 500000);
    move(room, "p1", 1, 0);
    harness_frames(room, 3 * hz);
    cr_assert_eq(fighter(room, 1)->now.x, 515000, "%u Hz: %u", hz, fighter(room, 1)->now.x);
    move(room, "p1", -0.5F, -1.0F / 3);
    harness_frames(room, 2 * hz);
    cr_assert_eq(fighter(room, 1)->now.x, 510000, "%u Hz: %u", hz, fighter(room, 1)->now.x);
    cr_assert_eq(fighter(room, 1)->now.y, 500000 - 2 * 1666, "%u Hz: %u", hz, fighter(room, 1)->now.y);
    harness_close(room);
  }
}

Test(arena, nobody_is_faster_than_that) {
  struct room *room = ring_of(1, NULL);
  put(room, 1, 10000, 10000);
  move(room, "p1", 300, 400);
  harness_frames(room, 10);
  cr_assert_eq(fighter(room, 1)->now.x, 13000);
  cr_assert_eq(fighter(room, 1)->now.y, 14000);
  harness_close(room);
}

Test(arena, the_last_move_of_a_frame_counts) {
  struct room *room = ring_of(1, NULL);
  put(room, 1, 10000, 10000);
  size_t first = move(room, "p1", 1, 0), last = move(room, "p1", 0, 1);
  cr_assert(harness_frame(room));
  cr_assert_eq(code_of(room, first), OK);
  cr_assert_eq(code_of(room, last), OK);
  cr_assert_eq(fighter(room, 1)->now.x, 10000);
  cr_assert_eq(fighter(room, 1)->now.y, 10500);
  harness_close(room);
}

Test(arena, walls_stop_and_the_frame_is_idle_then) {
  struct room *room = ring_of(1, options_of(0, 10, 0));
  put(room, 1, 600, 9700);
  move(room, "p1", -1, 0);
  cr_assert(harness_frame(room));
  cr_assert(harness_frame(room));
  cr_assert_eq(fighter(room, 1)->now.x, 0);
  cr_assert_not(harness_frame(room));
  move(room, "p1", 0, 1);
  cr_assert(harness_frame(room));
  cr_assert_eq(fighter(room, 1)->now.y, 10000);
  cr_assert_not(harness_frame(room));
  harness_close(room);
}

Test(arena, a_frame_tells_only_what_has_changed) {
  struct room *room = ring_of(3, NULL);
  put(room, 2, 10000, 10000);
  move(room, "p2", 1, 0);
  cr_assert(harness_frame(room));
  cr_assert_eq(room->event_count, 1);
  const arena_event *event = ring_event(room, 0, FRAME);
  cr_assert_eq(room->events[0].receivers, 3);
  cr_assert_eq(event->frame->number, 2);
  cr_assert_eq(event->frame->n_fighters, 1);
  cr_assert_eq(in_frame(event, "p2")->x, 10500);
  cr_assert_eq(in_frame(event, "p2")->y, 10000);
  cr_assert_eq(in_frame(event, "p2")->hp, 100);
  harness_close(room);
}

Test(arena, frames_in_which_nobody_moves_send_nothing) {
  struct room *room = ring_of(4, NULL);
  cr_assert_eq(harness_frames(room, 100), 0);
  cr_assert_eq(room->event_count, 0);
  cr_assert_eq(room_frame(room), 101);
  harness_close(room);
}

Test(arena, the_world_stands_still_in_frames_that_are_skipped) {
  struct room *room = ring_of(1, NULL);
  put(room, 1, 10000, 10000);
  move(room, "p1", 1, 0);
  harness_frame(room);
  harness_skip(room, 25);
  harness_frame(room);
  cr_assert_eq(fighter(room, 1)->now.x, 11000);
  cr_assert_eq(ring_event(room, 1, FRAME)->frame->number, 28);
  harness_close(room);
}

/* ---- coming and going ---- */

Test(arena, newcomers_get_the_same_places_in_every_room) {
  struct room *one = ring_of(5, NULL), *two = ring_of(5, NULL);
  for (int i = 1; i <= 5; i++) {
    cr_assert_eq(memcmp(&fighter(one, i)->now, &fighter(two, i)->now, sizeof fighter(one, i)->now), 0);
    cr_assert_leq(fighter(one, i)->now.x, 50000);
    for (int j = 1; j < i; j++) cr_assert_not(arena_is_within(&fighter(one, i)->now, &fighter(one, j)->now, 3000));
  }
  harness_close(one);
  harness_close(two);
}

Test(arena, who_leaves_is_gone_and_the_others_stay) {
  struct room *room = ring_of(3, NULL);
  uint32_t x = fighter(room, 3)->now.x;
  size_t late = move(room, "p2", 1, 0);
  harness_leave(room, "p2", HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_eq(code_of(room, late), HEYA__V1__ERROR__CODE__NOT_IN_ROOM);
  cr_assert_str_eq(fighter(room, 2)->player, "p3");
  cr_assert_eq(fighter(room, 2)->now.x, x);
  cr_assert_not(harness_frame(room));
  cr_assert_eq(harness_join(room, "p2", "", NO_BYTES), OK);
  cr_assert(harness_frame(room));
  cr_assert_eq(ring_event(room, 0, FRAME)->frame->n_fighters, 1);
  cr_assert_not_null(in_frame(ring_event(room, 0, FRAME), "p2"));
  harness_close(room);
}

static Heya__Kinds__Arena__State *state_for(struct room *room, const char *viewer) {
  struct buf bytes = {0};
  harness_snapshot(room, viewer, &bytes);
  Heya__Kinds__Arena__State *state = unpacked(&heya__kinds__arena__state__descriptor, buf_bytes(&bytes));
  buf_close(&bytes);
  return state;
}

Test(arena, a_newcomer_is_shown_everything) {
  struct room *room = ring_of(3, options_of(20, 30, 0));
  Heya__Kinds__Arena__State *state = state_for(room, "p3");
  cr_assert_eq(state->frame, 1);
  cr_assert_eq(state->options->tick_hz, 20);
  cr_assert_eq(state->options->width, 30);
  cr_assert_eq(state->options->max_hp, 100);
  cr_assert_eq(state->options->cooldown, 5);
  cr_assert_eq(state->n_fighters, 3);
  cr_assert_str_eq(state->fighters[1]->player, "p2");
  cr_assert_eq(state->fighters[1]->x, fighter(room, 2)->now.x);
  heya__kinds__arena__state__free_unpacked(state, NULL);
  harness_close(room);
}

/* ---- striking ---- */

/* Two of them, so far apart. */
static struct room *duel(uint32_t distance) {
  struct room *room = ring_of(3, NULL);
  put(room, 1, 10000, 10000);
  put(room, 2, 10000 + distance, 10000);
  put(room, 3, 40000, 40000);
  return room;
}

static bool has_hit(struct room *room, size_t command) {
  cr_assert_eq(code_of(room, command), OK);
  Heya__Kinds__Arena__Result *result =
      unpacked(&heya__kinds__arena__result__descriptor, buf_bytes(&harness_outcome(room, command)->result));
  bool hit = result->hit;
  heya__kinds__arena__result__free_unpacked(result, NULL);
  return hit;
}

Test(arena, a_strike_hurts_and_everybody_hears_of_it) {
  struct room *room = duel(2000);
  size_t strike = attack(room, "p1", "p2");
  cr_assert(harness_frame(room));
  cr_assert(has_hit(room, strike));
  const arena_event *event = ring_event(room, 0, ATTACKED);
  cr_assert_str_eq(event->attacked->player, "p1");
  cr_assert_str_eq(event->attacked->target, "p2");
  cr_assert(event->attacked->hit);
  cr_assert_eq(event->attacked->hp, 75);
  cr_assert_eq(room->events[0].receivers, 3);
  cr_assert_eq(in_frame(ring_event(room, 1, FRAME), "p2")->hp, 75);
  cr_assert_eq(room->event_count, 2);
  harness_close(room);
}

Test(arena, a_strike_reaches_two_units) {
  struct room *room = duel(2001);
  size_t strike = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert_not(has_hit(room, strike));
  cr_assert_not(ring_event(room, 0, ATTACKED)->attacked->hit);
  cr_assert_eq(fighter(room, 2)->now.hp, 100);
  harness_close(room);
}

Test(arena, a_strike_is_judged_by_what_the_last_frame_showed) {
  struct room *room = duel(2000);
  move(room, "p2", 1, 0); /* away, in the same frame */
  size_t strike = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert(has_hit(room, strike));
  cr_assert_eq(fighter(room, 2)->now.x, 12500);
  harness_close(room);
}

Test(arena, strikes_need_their_cooldown_in_frames) {
  struct room *room = duel(1000);
  attack(room, "p1", "p2");
  size_t second = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert_eq(code_of(room, second), WRONG_STATE);
  harness_frames(room, 3);
  size_t early = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert_eq(code_of(room, early), WRONG_STATE);
  size_t late = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert(has_hit(room, late));
  cr_assert_eq(fighter(room, 2)->now.hp, 50);

  harness_skip(room, 4); /* they count, too */
  size_t after = attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert(has_hit(room, after));
  harness_close(room);
}

Test(arena, four_strikes_kill_and_count) {
  struct room *room = duel(1000);
  for (int i = 0; i < 4; i++) {
    harness_forget_events(room);
    attack(room, "p1", "p2");
    harness_frame(room);
    harness_skip(room, 4);
  }
  const arena_event *event = ring_event(room, 1, DIED);
  cr_assert_str_eq(event->died->player, "p2");
  cr_assert_str_eq(event->died->by, "p1");
  cr_assert_eq(event->died->score, 1);
  cr_assert_eq(in_frame(ring_event(room, 2, FRAME), "p2")->hp, 0);

  size_t run = move(room, "p2", 1, 0), strike = attack(room, "p2", "p1"), again = attack(room, "p1", "p2");
  cr_assert_not(harness_frame(room));
  cr_assert_eq(code_of(room, run), WRONG_STATE);
  cr_assert_eq(code_of(room, strike), WRONG_STATE);
  cr_assert_not(has_hit(room, again));
  cr_assert_eq(fighter(room, 1)->score, 1);
  harness_close(room);
}

Test(arena, who_is_dead_comes_back_elsewhere) {
  struct room *room = duel(1000);
  size_t alive = respawn(room, "p2");
  for (int i = 0; i < 4; i++) {
    attack(room, "p1", "p2");
    harness_frame(room);
    harness_skip(room, 4);
  }
  cr_assert_eq(code_of(room, alive), WRONG_STATE);
  harness_forget_events(room);
  size_t dead = respawn(room, "p2");
  cr_assert(harness_frame(room));
  cr_assert_eq(code_of(room, dead), OK);
  const arena_event *event = ring_event(room, 0, RESPAWNED);
  cr_assert_str_eq(event->respawned->player, "p2");
  cr_assert_eq(event->respawned->x, fighter(room, 2)->now.x);
  cr_assert_neq(event->respawned->x, 11000);
  cr_assert_eq(in_frame(ring_event(room, 1, FRAME), "p2")->hp, 100);
  harness_close(room);
}

/* ---- sight ---- */

Test(arena, with_a_sight_each_is_told_what_is_near) {
  struct room *room = ring_of(3, options_of(0, 100, 10));
  put(room, 1, 10000, 10000);
  put(room, 2, 15000, 10000);
  put(room, 3, 90000, 90000);
  move(room, "p2", 0, 1);
  cr_assert(harness_frame(room));
  cr_assert_eq(room->event_count, 2); /* p3 is not bothered */
  cr_assert(harness_heard(room, 0, "p1") && harness_heard(room, 1, "p2"));
  cr_assert_eq(in_frame(ring_event(room, 0, FRAME), "p2")->y, 10500);
  cr_assert_null(in_frame(ring_event(room, 0, FRAME), "p1"));

  harness_forget_events(room);
  attack(room, "p1", "p2");
  harness_frame(room);
  cr_assert_eq(room->events[0].receivers, 2);
  cr_assert_not(harness_heard(room, 0, "p3"));
  Heya__Kinds__Arena__State *state = state_for(room, "p3");
  cr_assert_eq(state->n_fighters, 1);
  heya__kinds__arena__state__free_unpacked(state, NULL);
  harness_close(room);
}

Test(arena, who_crosses_the_edge_of_sight_appears_and_is_hidden) {
  struct room *room = ring_of(2, options_of(0, 100, 10));
  put(room, 1, 10000, 10000);
  put(room, 2, 20300, 10000);
  move(room, "p2", -1, 0);
  harness_frame(room);
  const arena_event *event = ring_event(room, heard_by(room, "p1", 0), FRAME);
  cr_assert_eq(in_frame(event, "p2")->x, 19800);
  event = ring_event(room, heard_by(room, "p2", 0), FRAME);
  cr_assert_eq(event->frame->n_fighters, 2); /* himself, and p1, who has not moved */

  harness_forget_events(room);
  move(room, "p2", 1, 0);
  harness_frame(room);
  event = ring_event(room, heard_by(room, "p1", 0), FRAME);
  cr_assert_eq(event->frame->n_fighters, 0);
  cr_assert_eq(event->frame->n_hidden, 1);
  cr_assert_str_eq(event->frame->hidden[0], "p2");

  harness_forget_events(room);
  harness_frame(room);
  cr_assert_eq(room->event_count, 1);
  cr_assert_not(harness_heard(room, 0, "p1"));
  harness_close(room);
}

/* ---- hostile input ---- */

Test(arena, refuses_directions_that_are_none) {
  struct room *room = ring_of(1, NULL);
  const float bad[][2] = {{NAN, 0}, {0, NAN}, {INFINITY, 0}, {-INFINITY, INFINITY}, {3e38F, 3e38F}, {2e6F, 0}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    size_t command = move(room, "p1", bad[i][0], bad[i][1]);
    cr_assert_not(harness_frame(room));
    cr_assert_eq(code_of(room, command), INVALID_ARGUMENT, "%zu", i);
  }
  size_t tiny = move(room, "p1", 1e-30F, -1e-44F);
  cr_assert_not(harness_frame(room));
  cr_assert_eq(code_of(room, tiny), OK);
  harness_close(room);
}

Test(arena, refuses_targets_that_are_none) {
  struct room *room = ring_of(2, NULL);
  const char *const bad[] = {"", "p1", "p3", "P2"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    size_t command = attack(room, "p1", bad[i]);
    harness_frame(room);
    cr_assert_eq(code_of(room, command), INVALID_ARGUMENT, "%s", bad[i]);
  }
  cr_assert_eq(room->event_count, 0);
  harness_close(room);
}

Test(arena, refuses_options_and_profiles_that_are_none) {
  kind_code code;
  const uint32_t bad[][3] = {{61, 0, 0}, {0, 1001, 0}, {0, 0, 2001}, {UINT32_MAX, 0, 0}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    harness_close(ring_open(options_of(bad[i][0], bad[i][1], bad[i][2]), &code));
    cr_assert_eq(code, INVALID_ARGUMENT);
  }
  harness_close(harness_open(&kind_arena, bytes_of("\xff", 1), NOW, &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
  struct room *room = ring_of(1, NULL);
  cr_assert_eq(harness_join(room, "p2", "", bytes_of("\x0a\x7f", 2)), INVALID_ARGUMENT);
  harness_close(room);
}

Test(arena, survives_any_bytes_as_command_or_state) {
  struct room *room = duel(1000);
  uint64_t seed = 4711;
  move(room, "p1", 0.3F, 0.4F);
  attack(room, "p2", "p1");
  harness_frame(room);
  struct buf state = {0};
  buf_append_bytes(&state, buf_bytes(&room->saved));
  cr_assert(harness_would_load(room, buf_bytes(&state)));
  for (size_t len = 0; len < state.len; len++) harness_would_load(room, bytes_of(state.data, len));
  for (int i = 0; i < 20000; i++) {
    size_t at = dice(&seed, (uint32_t)state.len);
    unsigned char old = state.data[at];
    state.data[at] = (unsigned char)dice(&seed, 256);
    harness_would_load(room, buf_bytes(&state));
    state.data[at] = old;
  }
  for (int i = 0; i < 3000; i++) {
    unsigned char bytes[16] = {(unsigned char)(2 + 8 * dice(&seed, 5)), (unsigned char)dice(&seed, 16)};
    for (size_t j = 2; j < sizeof bytes; j++) bytes[j] = (unsigned char)dice(&seed, 256);
    harness_send(room, "p2", bytes_of(bytes, dice(&seed, sizeof bytes)));
    if (i % 8 == 0) harness_frame(room);
    harness_forget_events(room);
  }
  buf_close(&state);
  harness_close(room);
}

Test(arena, loads_only_a_fighter_for_each_member) {
  struct room *room = ring_of(2, NULL), *other = ring_of(3, NULL);
  cr_assert(harness_would_load(room, buf_bytes(&room->saved)));
  cr_assert_not(harness_would_load(room, buf_bytes(&other->saved)));
  cr_assert_not(harness_would_load(other, buf_bytes(&room->saved)));
  cr_assert_not(harness_would_load(room, bytes_of(NULL, 0)));
  harness_close(room);
  harness_close(other);
}

/* ---- a whole game ---- */

/* Everything that is sent, in a game of random commands whose frames sometimes are skipped; the harness has a
 * failover after each command and each frame. */
static struct buf play(const struct kind *kind, uint64_t seed) {
  kind_code code;
  struct buf heard = {0};
  struct room *room = harness_open(kind, NO_BYTES, NOW, &code);
  cr_assert_eq(code, OK);
  for (int i = 0; i < 600; i++) {
    char player[8], target[8];
    snprintf(player, sizeof player, "p%u", dice(&seed, 6));
    snprintf(target, sizeof target, "p%u", dice(&seed, 6));
    uint32_t what = dice(&seed, 8);
    if (!room_member(room, player)) {
      cr_assert_eq(harness_join(room, player, "", NO_BYTES), OK);
    } else if (what == 0) {
      harness_leave(room, player, HEYA__V1__LEAVE_REASON__ASKED);
    } else if (what <= 3) {
      move(room, player, (float)dice(&seed, 5) - 2, (float)dice(&seed, 5) - 2);
    } else if (what <= 6) {
      attack(room, player, target);
    } else {
      respawn(room, player);
    }
    if (dice(&seed, 10) == 0) harness_skip(room, dice(&seed, 30));
    harness_frame(room);
  }
  for (size_t i = 0; i < room->event_count; i++) buf_append_bytes(&heard, buf_bytes(&room->events[i].payload));
  harness_close(room);
  return heard;
}

Test(arena, the_same_commands_make_the_same_game) {
  struct buf one = play(&kind_arena, 7), two = play(&kind_arena, 7), three = play(&kind_skirmish, 7);
  cr_assert_gt(one.len, 1000);
  cr_assert(bytes_equal(buf_bytes(&one), buf_bytes(&two)));
  cr_assert(bytes_equal(buf_bytes(&one), buf_bytes(&three)));
  buf_close(&one);
  buf_close(&two);
  buf_close(&three);
}

Test(arena, describes_itself_for_listings) {
  char value[PROPERTY_VALUE_MAX + 1];
  struct room *room = ring_of(1, options_of(30, 20, 0));
  cr_assert(harness_property(room, "size", value));
  cr_assert_str_eq(value, "20x20");
  cr_assert(harness_property(room, "tick_hz", value));
  cr_assert_str_eq(value, "30");
  harness_close(room);
}
