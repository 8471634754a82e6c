/* Promises of the assignment of partitions: everybody computes the same, evenly, and little moves. */
#include "worker/assignment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX    9
#define PARTITIONS_MAX 256

static const struct assignment_part WHOLE = {.of = 1};

struct crew {
  char ids[WORKERS_MAX][24];
  const char *list[WORKERS_MAX];
};

static void name_crew(struct crew *crew, unsigned seed) {
  for (unsigned w = 0; w < WORKERS_MAX; w++) {
    snprintf(crew->ids[w], sizeof crew->ids[w], "w-%08x", (seed * 31 + w) * 2654435761u);
    crew->list[w] = crew->ids[w];
  }
}

/* `owners` is who owns what before, NULL: nobody; and then who should. */
static void owners_of(const char *const *workers, size_t n, uint32_t partitions, const char **owners) {
  size_t indices[PARTITIONS_MAX], current[PARTITIONS_MAX];
  for (uint32_t p = 0; p < partitions; p++) {
    current[p] = ASSIGNMENT_NOBODY;
    for (size_t w = 0; owners[p] && w < n; w++) {
      if (strcmp(workers[w], owners[p]) == 0) current[p] = w;
    }
  }
  assignment_compute(workers, n, partitions, WHOLE, current, indices);
  for (uint32_t p = 0; p < partitions; p++) {
    cr_assert_lt(indices[p], n);
    owners[p] = workers[indices[p]];
  }
}

Test(assignment, without_workers_nobody_owns) {
  size_t owners[4] = {0};
  assignment_compute(NULL, 0, 4, WHOLE, (const size_t[4]){0}, owners);
  for (size_t p = 0; p < 4; p++) cr_assert_eq(owners[p], ASSIGNMENT_NOBODY);
}

Test(assignment, loads_differ_by_at_most_one) {
  struct crew crew;
  for (unsigned seed = 0; seed < 50; seed++) {
    name_crew(&crew, seed);
    for (size_t n = 1; n <= WORKERS_MAX; n++) {
      for (uint32_t partitions = 1; partitions <= PARTITIONS_MAX; partitions += seed % 7 + 1) {
        size_t current[PARTITIONS_MAX], owners[PARTITIONS_MAX], load[WORKERS_MAX] = {0};
        for (uint32_t p = 0; p < partitions; p++) current[p] = (p * seed) % (n + 2); /* anyhow; some are nobody's */
        assignment_compute(crew.list, n, partitions, WHOLE, current, owners);
        for (uint32_t p = 0; p < partitions; p++) load[owners[p]]++;
        for (size_t w = 0; w < n; w++) {
          cr_assert(load[w] == partitions / n || load[w] == partitions / n + 1, "%zu of %u for one of %zu", load[w],
                    partitions, n);
        }
      }
    }
  }
}

Test(assignment, the_order_of_workers_is_of_no_importance) {
  struct crew crew;
  name_crew(&crew, 1);
  const char *before[PARTITIONS_MAX] = {0}, *after[PARTITIONS_MAX], *first[PARTITIONS_MAX];
  for (size_t p = 0; p < 100; p++) first[p] = p % 3 ? crew.ids[p % 4] : NULL;
  memcpy(before, first, sizeof first);
  owners_of(crew.list, WORKERS_MAX, 100, before);
  srand(1);
  for (int round = 0; round < 100; round++) {
    size_t a = (size_t)rand() % WORKERS_MAX, b = (size_t)rand() % WORKERS_MAX;
    const char *swapped = crew.list[a];
    crew.list[a] = crew.list[b];
    crew.list[b] = swapped;
    memcpy(after, first, sizeof first);
    owners_of(crew.list, WORKERS_MAX, 100, after);
    for (size_t p = 0; p < 100; p++) cr_assert_str_eq(after[p], before[p]);
  }
}

/* How many of the partitions that `workers` own change hands when `n` of them are left, or have become. */
static size_t moved_to(const char *const *workers, size_t n, uint32_t partitions, const char **owners) {
  const char *before[PARTITIONS_MAX];
  size_t moved = 0;
  memcpy(before, owners, partitions * sizeof *before);
  owners_of(workers, n, partitions, owners);
  for (uint32_t p = 0; p < partitions; p++) moved += strcmp(before[p], owners[p]) != 0;
  return moved;
}

Test(assignment, when_one_leaves_only_its_own_share_moves) {
  struct crew crew;
  for (unsigned seed = 0; seed < 50; seed++) {
    name_crew(&crew, seed);
    for (size_t n = 2; n <= WORKERS_MAX; n++) {
      const char *owners[PARTITIONS_MAX] = {0};
      size_t share = 0;
      owners_of(crew.list, n, 64, owners);
      for (uint32_t p = 0; p < 64; p++) share += owners[p] == crew.list[n - 1];
      cr_assert_eq(moved_to(crew.list, n - 1, 64, owners), share);
    }
  }
}

Test(assignment, when_one_comes_only_its_own_share_moves) {
  struct crew crew;
  for (unsigned seed = 0; seed < 50; seed++) {
    name_crew(&crew, seed);
    for (size_t n = 1; n < WORKERS_MAX; n++) {
      const char *owners[PARTITIONS_MAX] = {0};
      owners_of(crew.list, n, 64, owners);
      cr_assert_eq(moved_to(crew.list, n + 1, 64, owners), 64 / (n + 1));
    }
  }
}

Test(assignment, nothing_moves_while_nobody_comes_or_goes) {
  struct crew crew;
  for (unsigned seed = 0; seed < 50; seed++) {
    name_crew(&crew, seed);
    for (size_t n = 1; n <= WORKERS_MAX; n++) {
      const char *owners[PARTITIONS_MAX] = {0};
      owners_of(crew.list, n, 100, owners);
      cr_assert_eq(moved_to(crew.list, n, 100, owners), 0);
    }
  }
}

/* Each Redis is dealt from what it alone says, and all together it is even. */
Test(assignment, partitions_of_several_redis_are_dealt_by_themselves_and_evenly) {
  for (unsigned seed = 0; seed < 20; seed++) {
    struct crew crew;
    name_crew(&crew, seed);
    for (size_t n = 1; n <= WORKERS_MAX; n++) {
      for (uint32_t shards = 1; shards <= 4; shards++) {
        size_t load[WORKERS_MAX] = {0}, current[16], owners[16];
        for (uint32_t shard = 0; shard < shards; shard++) {
          for (uint32_t p = 0; p < 16; p++) current[p] = ASSIGNMENT_NOBODY;
          assignment_compute(crew.list, n, 16, (struct assignment_part){.number = shard, .of = shards}, current,
                             owners);
          for (uint32_t p = shard; p < 16; p += shards) {
            cr_assert_lt(owners[p], n);
            load[owners[p]]++;
          }
        }
        size_t least = 16, most = 0;
        for (size_t w = 0; w < n; w++) {
          if (load[w] < least) least = load[w];
          if (load[w] > most) most = load[w];
        }
        cr_assert_leq(most - least, 1, "%zu workers, %u Redis: %zu to %zu", n, shards, least, most);
      }
    }
  }
}
