/* Promises of the assignment of partitions: everybody computes the same, evenly, and little moves. */
#include "worker/assignment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX    9
#define PARTITIONS_MAX 256

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

static void owners_of(const char *const *workers, size_t n, uint32_t partitions, const char **owners) {
  size_t indices[PARTITIONS_MAX];
  assignment_compute(workers, n, partitions, indices);
  for (uint32_t p = 0; p < partitions; p++) {
    cr_assert_lt(indices[p], n);
    owners[p] = workers[indices[p]];
  }
}

Test(assignment, without_workers_nobody_owns) {
  size_t owners[4] = {0};
  assignment_compute(NULL, 0, 4, owners);
  for (size_t p = 0; p < 4; p++) cr_assert_eq(owners[p], ASSIGNMENT_NOBODY);
}

Test(assignment, loads_differ_by_at_most_one) {
  struct crew crew;
  for (unsigned seed = 0; seed < 50; seed++) {
    name_crew(&crew, seed);
    for (size_t n = 1; n <= WORKERS_MAX; n++) {
      for (uint32_t partitions = 1; partitions <= PARTITIONS_MAX; partitions += seed % 7 + 1) {
        size_t owners[PARTITIONS_MAX], load[WORKERS_MAX] = {0};
        assignment_compute(crew.list, n, partitions, owners);
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
  const char *before[PARTITIONS_MAX], *after[PARTITIONS_MAX];
  owners_of(crew.list, WORKERS_MAX, 100, before);
  srand(1);
  for (int round = 0; round < 100; round++) {
    size_t a = (size_t)rand() % WORKERS_MAX, b = (size_t)rand() % WORKERS_MAX;
    const char *swapped = crew.list[a];
    crew.list[a] = crew.list[b];
    crew.list[b] = swapped;
    owners_of(crew.list, WORKERS_MAX, 100, after);
    for (size_t p = 0; p < 100; p++) cr_assert_str_eq(after[p], before[p]);
  }
}

/* The mean share of partitions that change hands when one of n + 1 workers leaves, over many crews, in percent of the
 * share that has to: the one of who leaves. As when one joins, seen from the other side. */
static unsigned movement_percent(size_t n, uint32_t partitions) {
  struct crew crew;
  size_t moved = 0, must = 0;
  for (unsigned seed = 0; seed < 100; seed++) {
    const char *before[PARTITIONS_MAX], *after[PARTITIONS_MAX];
    name_crew(&crew, seed);
    owners_of(crew.list, n + 1, partitions, before);
    owners_of(crew.list, n, partitions, after);
    for (uint32_t p = 0; p < partitions; p++) {
      must += strcmp(before[p], crew.list[n]) == 0;
      moved += strcmp(before[p], after[p]) != 0;
    }
  }
  return (unsigned)(100 * moved / must);
}

Test(assignment, when_one_comes_or_goes_mostly_its_own_share_moves) {
  static const struct {
    size_t n;
    uint32_t partitions;
  } cases[] = {{1, 16}, {2, 16}, {3, 16}, {7, 16}, {2, 64}, {3, 64}, {8, 64}, {4, 256}, {8, 256}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned percent = movement_percent(cases[i].n, cases[i].partitions);
    cr_log_info("%zu workers and one, %u partitions: %u %% of the necessary", cases[i].n, cases[i].partitions,
                percent);
    cr_assert_leq(percent, 250, "%zu workers, %u partitions: %u %%", cases[i].n, cases[i].partitions, percent);
  }
}
