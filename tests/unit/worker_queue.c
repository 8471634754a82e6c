/* Promises of the queue of commands that wait for a frame. */
#include "worker/queue.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct queue queue;

static void close_queue(void) {
  queue_close(&queue);
}
TestSuite(queue, .fini = close_queue);

static bool add(const char *player, uint32_t number, const char *payload) {
  return queue_add(&queue, player, number, 1000 + number, bytes_of_str(payload));
}

static void expect_next(const char *of, const char *player, uint32_t number, const char *payload) {
  struct queued item;
  cr_assert(queue_take(&queue, of, &item));
  cr_assert_str_eq(item.player, player);
  cr_assert_eq(item.number, number);
  cr_assert_eq(item.request, 1000 + number);
  cr_assert(bytes_equal_str(bytes_of(item.payload, item.len), payload));
  free(item.payload);
}

Test(queue, gives_back_what_came_in_the_order_in_which_it_came) {
  struct queued item;
  add("ann", 1, "a");
  add("bob", 1, "b");
  add("ann", 2, "");
  expect_next(NULL, "ann", 1, "a");
  expect_next(NULL, "bob", 1, "b");
  expect_next(NULL, "ann", 2, "");
  cr_assert_not(queue_take(&queue, NULL, &item));
}

Test(queue, takes_out_those_of_one_player) {
  struct queued item;
  add("ann", 1, "a");
  add("bob", 1, "b");
  add("ann", 2, "c");
  add("bob", 2, "d");
  expect_next("bob", "bob", 1, "b");
  expect_next("bob", "bob", 2, "d");
  cr_assert_not(queue_take(&queue, "bob", &item));
  expect_next(NULL, "ann", 1, "a");
  expect_next(NULL, "ann", 2, "c");
}

Test(queue, finds_by_player_and_number_and_counts) {
  add("ann", 1, "a");
  add("bob", 1, "b");
  add("ann", 2, "c");
  cr_assert_eq(queue_count(&queue, "ann"), 2);
  cr_assert_eq(queue_count(&queue, "bob"), 1);
  cr_assert_eq(queue_count(&queue, "an"), 0);
  cr_assert(bytes_equal_str(bytes_of(queue_find(&queue, "bob", 1)->payload, 1), "b"));
  cr_assert_null(queue_find(&queue, "bob", 2));
  queue_find(&queue, "ann", 2)->request = 7;
  cr_assert_eq(queue_find(&queue, "ann", 2)->request, 7);
}

Test(queue, keeps_a_copy) {
  char payload[] = "before";
  queue_add(&queue, "ann", 1, 1001, bytes_of_str(payload));
  memcpy(payload, "after!", 6);
  expect_next(NULL, "ann", 1, "before");
}

Test(queue, is_bounded_in_number) {
  char player[16];
  for (uint32_t i = 0; i < QUEUE_MAX; i++) {
    snprintf(player, sizeof player, "p%u", i);
    cr_assert(add(player, 1, "x"));
  }
  cr_assert_not(add("late", 1, "x"));
  cr_assert_null(queue_find(&queue, "late", 1));
  expect_next("p500", "p500", 1, "x");
  cr_assert(add("late", 1, "x"));
}

Test(queue, is_bounded_in_bytes_and_takes_their_end) {
  static char payload[QUEUE_BYTES + 1];
  cr_assert_not(queue_add(&queue, "ann", 1, 1, bytes_of(payload, QUEUE_BYTES + 1)));
  cr_assert(queue_add(&queue, "ann", 1, 1, bytes_of(payload, QUEUE_BYTES - 1)));
  cr_assert(queue_add(&queue, "ann", 2, 1, bytes_of(payload, 1)));
  cr_assert_not(queue_add(&queue, "ann", 3, 1, bytes_of(payload, 1)));
  cr_assert(queue_add(&queue, "ann", 3, 1, bytes_of(NULL, 0)));
  struct queued item;
  cr_assert(queue_take(&queue, NULL, &item));
  free(item.payload);
  cr_assert(queue_add(&queue, "ann", 4, 1, bytes_of(payload, QUEUE_BYTES - 1)));
  cr_assert_eq(queue.bytes, QUEUE_BYTES);
}

Test(queue, is_empty_after_closing_and_may_be_used_again) {
  add("ann", 1, "a");
  queue_close(&queue);
  cr_assert_eq(queue_count(&queue, "ann"), 0);
  add("ann", 2, "b");
  expect_next(NULL, "ann", 2, "b");
}
