/* Promises of matchmaking: who may play together, who comes first, and that a group that exists is found. */
#include "worker/kinds/lobby_match.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>

#define MANY UINT64_MAX

static struct lobby_candidate one(int32_t skill, uint64_t range) {
  return (struct lobby_candidate){.skill = skill, .players = 1, .range = range};
}

/* All of a group accept each other, and there are exactly so many. */
static void expect_sound(const struct lobby_candidate *candidates, size_t n, uint32_t size, const uint32_t *group,
                         uint32_t groups) {
  for (uint32_t g = 1; g <= groups; g++) {
    uint32_t players = 0;
    for (size_t i = 0; i < n; i++) {
      if (group[i] != g) continue;
      players += candidates[i].players;
      for (size_t j = 0; j < n; j++) {
        int64_t apart = (int64_t)candidates[i].skill - candidates[j].skill;
        if (group[j] == g) cr_assert_leq((uint64_t)(apart < 0 ? -apart : apart), candidates[i].range);
      }
    }
    cr_assert_eq(players, size);
  }
}

Test(lobby_match, nobody_waits_alone_for_nobody) {
  uint32_t group[1];
  cr_assert_eq(lobby_match(NULL, 0, 2, group), 0);
  struct lobby_candidate alone = one(5, MANY);
  cr_assert_eq(lobby_match(&alone, 1, 2, group), 0);
  cr_assert_eq(group[0], 0);
  cr_assert_eq(lobby_match(&alone, 1, 1, group), 1, "a game for one");
}

Test(lobby_match, skills_meet_only_within_the_range_of_both) {
  uint32_t group[2];
  struct lobby_candidate pair[] = {one(100, 50), one(150, 50)};
  cr_assert_eq(lobby_match(pair, 2, 2, group), 1);
  pair[1].range = 49;
  cr_assert_eq(lobby_match(pair, 2, 2, group), 0);
  struct lobby_candidate ends[] = {one(INT32_MIN, UINT32_MAX), one(INT32_MAX, UINT32_MAX)};
  cr_assert_eq(lobby_match(ends, 2, 2, group), 1);
}

Test(lobby_match, who_has_waited_for_longest_is_first_and_gets_the_nearest) {
  struct lobby_candidate line[] = {one(50, 100), one(0, 100), one(60, 100), one(45, 100)};
  uint32_t group[4];
  cr_assert_eq(lobby_match(line, 4, 2, group), 2);
  cr_assert(group[0] == 1 && group[3] == 1);
  cr_assert(group[1] == 2 && group[2] == 2);
}

Test(lobby_match, parties_fill_a_group_exactly) {
  struct lobby_candidate parties[] = {
      one(0, 100), one(1, 100), one(2, 100), {.skill = 3, .players = 2, .range = 100}};
  uint32_t group[4];
  cr_assert_eq(lobby_match(parties, 4, 4, group), 1, "not three alone and no fourth");
  cr_assert(group[0] && group[3]);
  expect_sound(parties, 4, 4, group, 1);
  struct lobby_candidate large = {.skill = 0, .players = 5, .range = 100};
  cr_assert_eq(lobby_match(&large, 1, 4, group), 0);
}

/* Whether the first one is in any group at all, by trying every subset. */
static bool first_can_play(const struct lobby_candidate *candidates, size_t n, uint32_t size) {
  for (uint32_t set = 1; set < 1u << n; set += 2) {
    uint32_t players = 0;
    bool sound = true;
    for (size_t i = 0; i < n; i++) {
      if (!(set >> i & 1)) continue;
      players += candidates[i].players;
      for (size_t j = 0; j < n; j++) {
        int64_t apart = (int64_t)candidates[i].skill - candidates[j].skill;
        if (set >> j & 1) sound = sound && (uint64_t)(apart < 0 ? -apart : apart) <= candidates[i].range;
      }
    }
    if (sound && players == size) return true;
  }
  return false;
}

Test(lobby_match, a_group_for_the_first_is_found_whenever_there_is_one) {
  uint32_t found = 0;
  for (unsigned seed = 1; seed <= 3000; seed++) {
    struct lobby_candidate some[9];
    uint32_t group[9], size = seed % 5 + 1;
    srand(seed);
    for (size_t i = 0; i < 9; i++) {
      some[i] = (struct lobby_candidate){
          .skill = rand() % 100, .players = (uint32_t)(rand() % 3) + 1, .range = (uint64_t)(rand() % 60)};
    }
    uint32_t groups = lobby_match(some, 9, size, group);
    expect_sound(some, 9, size, group, groups);
    cr_assert_eq(group[0] != 0, first_can_play(some, 9, size), "seed %u", seed);
    found += group[0] != 0;
  }
  cr_assert(found > 500 && found < 2900, "%u", found);
}

Test(lobby_match, a_thousand_are_grouped_until_too_few_are_left) {
  static struct lobby_candidate many[1000];
  static uint32_t group[1000];
  srand(1);
  for (size_t i = 0; i < 1000; i++) many[i] = one(rand() % 2000, MANY);
  cr_assert_eq(lobby_match(many, 1000, 4, group), 250);
  expect_sound(many, 1000, 4, group, 250);
  for (size_t i = 0; i < 1000; i++) many[i] = one((int32_t)i * 10, 9);
  cr_assert_eq(lobby_match(many, 1000, 4, group), 0);
}
