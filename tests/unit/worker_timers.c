/* Promises of the timer heap, against a model that looks at every node. */
#include "worker/timers.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>

#define NODES 200

static struct timer_node *earliest(struct timer_node *nodes, const bool *set) {
  struct timer_node *first = NULL;
  for (size_t i = 0; i < NODES; i++) {
    if (set[i] && (!first || nodes[i].at < first->at)) first = &nodes[i];
  }
  return first;
}

static void expect_sound(const struct timers *timers) {
  for (size_t i = 0; i < timers->n; i++) {
    cr_assert_eq(timers->heap[i]->place, i + 1);
    if (i) cr_assert_leq(timers->heap[(i - 1) / 2]->at, timers->heap[i]->at);
  }
}

Test(timers, an_empty_heap_has_no_first) {
  struct timers timers = {0};
  struct timer_node node = {0};
  cr_assert_null(timers_first(&timers));
  timers_set(&timers, &node, 0); /* taking out what is not in it is nothing */
  cr_assert_null(timers_first(&timers));
  timers_close(&timers);
}

Test(timers, setting_again_moves_and_zero_takes_out) {
  struct timers timers = {0};
  struct timer_node a = {0}, b = {0};
  timers_set(&timers, &a, 10);
  timers_set(&timers, &b, 20);
  cr_assert_eq(timers_first(&timers), &a);
  timers_set(&timers, &a, 30);
  cr_assert_eq(timers_first(&timers), &b);
  timers_set(&timers, &b, 0);
  cr_assert_eq(timers_first(&timers), &a);
  cr_assert_eq(b.place, 0);
  timers_set(&timers, &a, 0);
  timers_set(&timers, &a, 30); /* the same time as before, but it was out */
  cr_assert_eq(timers_first(&timers), &a);
  timers_close(&timers);
}

Test(timers, the_first_is_the_earliest_after_any_operations) {
  for (unsigned seed = 1; seed <= 20; seed++) {
    struct timers timers = {0};
    struct timer_node nodes[NODES] = {{0}};
    bool set[NODES] = {false};
    srand(seed);
    for (size_t step = 0; step < 2000; step++) {
      size_t i = (size_t)rand() % NODES;
      uint64_t at_ms = rand() % 4 ? 1 + (uint64_t)rand() % (seed % 2 ? 10 : 100000) : 0;
      timers_set(&timers, &nodes[i], at_ms);
      set[i] = at_ms != 0;
      const struct timer_node *first = timers_first(&timers), *model = earliest(nodes, set);
      cr_assert_eq(first == NULL, model == NULL);
      if (first) cr_assert_eq(first->at, model->at, "seed %u, step %zu", seed, step);
      cr_assert_eq(nodes[i].place != 0, set[i]);
      if (step % 16 == 0) expect_sound(&timers);
    }
    for (uint64_t last_ms = 0; timers_first(&timers);) {
      struct timer_node *first = timers_first(&timers);
      cr_assert_geq(first->at, last_ms);
      last_ms = first->at;
      timers_set(&timers, first, 0);
    }
    timers_close(&timers);
  }
}
