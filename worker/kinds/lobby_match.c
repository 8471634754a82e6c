/* Each candidate in turn looks for his nearest neighbours on the line of skills, and tries to fill a group with them.
 */
#include "worker/kinds/lobby_match.h"

#include "common/mem.h"
#include <stdbool.h>
#include <stdlib.h>

struct place {
  int32_t skill;
  size_t index; /* among the candidates */
};

/* A group that is being put together. */
struct search {
  const struct lobby_candidate *candidates;
  size_t near[LOBBY_MATCH_NEAR]; /* whom it may take, the nearest first */
  size_t n_near;
  size_t taken[LOBBY_MATCH_SIZE];
  size_t n_taken;
  uint32_t missing; /* players */
  uint32_t steps;
};

static int compare(const void *a, const void *b) {
  const struct place *left = a, *right = b;
  if (left->skill != right->skill) return left->skill < right->skill ? -1 : 1;
  return left->index < right->index ? -1 : left->index > right->index;
}

static uint64_t distance(int32_t a, int32_t b) {
  int64_t difference = (int64_t)a - b;
  return (uint64_t)(difference < 0 ? -difference : difference);
}

static bool accept_each_other(const struct lobby_candidate *a, const struct lobby_candidate *b) {
  uint64_t apart = distance(a->skill, b->skill);
  return apart <= a->range && apart <= b->range;
}

/* Whether there is room for one more, and all that are taken can be together with it. */
static bool fits(const struct search *search, size_t index) {
  const struct lobby_candidate *one = &search->candidates[index];
  if (one->players > search->missing) return false;
  for (size_t i = 0; i < search->n_taken; i++)
    if (!accept_each_other(one, &search->candidates[search->taken[i]])) return false;
  return true;
}

static void take(struct search *search, size_t index) {
  search->taken[search->n_taken++] = index;
  search->missing -= search->candidates[index].players;
}

static void give_back(struct search *search) {
  search->missing += search->candidates[search->taken[--search->n_taken]].players;
}

static bool fill(struct search *search, size_t from) {
  if (search->missing == 0) return true;
  for (size_t i = from; i < search->n_near; i++) {
    if (search->steps++ >= LOBBY_MATCH_STEPS) return false;
    if (!fits(search, search->near[i])) continue;
    take(search, search->near[i]);
    if (fill(search, i + 1)) return true;
    give_back(search);
  }
  return false;
}

/* Down or up the line from a place, to the next who waits still; n: there is none. */
static size_t next_waiting(const struct place *line, size_t n, const uint32_t *group, size_t at, size_t step) {
  do at += step; /* going down wraps below 0, and is then beyond n */
  while (at < n && group[line[at].index]);
  return at < n ? at : n;
}

static uint64_t distance_on(const struct place *line, size_t n, size_t a, size_t b) {
  return b < n ? distance(line[a].skill, line[b].skill) : UINT64_MAX;
}

/* Those who and whom the one at a place accepts. True if they are enough. */
static bool gather(struct search *search, const struct place *line, size_t n, const uint32_t *group, size_t at) {
  const struct lobby_candidate *seed = &search->candidates[line[at].index];
  size_t down = next_waiting(line, n, group, at, (size_t)-1), up = next_waiting(line, n, group, at, 1);
  uint64_t players = 0;
  search->n_near = 0;
  while (search->n_near < LOBBY_MATCH_NEAR) {
    bool goes_up = distance_on(line, n, at, up) < distance_on(line, n, at, down);
    size_t *side = goes_up ? &up : &down;
    uint64_t far = distance_on(line, n, at, *side);
    if (*side >= n || far > seed->range) break;
    size_t index = line[*side].index;
    if (far <= search->candidates[index].range) {
      search->near[search->n_near++] = index;
      players += search->candidates[index].players;
    }
    *side = next_waiting(line, n, group, *side, goes_up ? 1 : (size_t)-1);
  }
  return players >= search->missing;
}

static bool find_group(struct search *search, const struct place *line, size_t n, const uint32_t *group, size_t at,
                       uint32_t size) {
  search->n_taken = 0;
  search->missing = size;
  search->steps = 0;
  if (search->candidates[line[at].index].players > size) return false;
  take(search, line[at].index);
  return gather(search, line, n, group, at) && fill(search, 0);
}

uint32_t lobby_match(const struct lobby_candidate *candidates, size_t n, uint32_t size, uint32_t *group) {
  struct search search = {.candidates = candidates};
  struct place *line = xcalloc(n, sizeof *line);
  size_t *places = xcalloc(n, sizeof *places);
  uint32_t groups = 0;
  for (size_t i = 0; i < n; i++) line[i] = (struct place){.skill = candidates[i].skill, .index = i};
  qsort(line, n, sizeof *line, compare);
  for (size_t i = 0; i < n; i++) places[line[i].index] = i;
  for (size_t i = 0; i < n; i++) group[i] = 0;
  for (size_t i = 0; i < n && size <= LOBBY_MATCH_SIZE; i++) {
    if (group[i] || !find_group(&search, line, n, group, places[i], size)) continue;
    groups++;
    for (size_t j = 0; j < search.n_taken; j++) group[search.taken[j]] = groups;
  }
  free(places);
  free(line);
  return groups;
}
