/* Promises of the questions that all shards are asked: one listing of all, which says when it is not, and reports. */
#include "common/store_shards.h"
#include "tests/support/fake_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fake_store *fakes[2];
static struct store *store;

static void setup(void) {
  struct store *stores[2];
  for (int i = 0; i < 2; i++) {
    fakes[i] = fake_store_create();
    stores[i] = &fakes[i]->store;
  }
  store = store_shards_create(stores, 2);
}
static void teardown(void) {
  for (int i = 0; i < 2; i++) fake_store_destroy(fakes[i]);
  store_shards_destroy(store);
}
TestSuite(store_shards, .init = setup, .fini = teardown);

/* ---- listings ---- */

struct answer {
  unsigned fired;
  enum store_result result;
  bool incomplete;
  char rows[256], after[128];
  uint64_t examined;
};

static void on_list(void *arg, enum store_result result, const struct store_list_page *page) {
  struct answer *answer = arg;
  size_t len = 0;
  *answer = (struct answer){
      .fired = answer->fired + 1, .result = result, .incomplete = page->incomplete, .examined = page->examined};
  snprintf(answer->after, sizeof answer->after, "%s", page->after);
  for (size_t i = 0; i < page->n; i++)
    len += (size_t)snprintf(answer->rows + len, sizeof answer->rows - len, "%s=%s ", page->rows[i].room,
                            page->rows[i].n_properties ? page->rows[i].properties[0].value : "");
}

static void ask(struct answer *answer, uint32_t limit, const char *after) {
  *answer = (struct answer){.fired = 0};
  store->ops->list(store, &(struct store_list){.kind = "chat", .limit = limit, .after = after}, on_list, answer);
  cr_assert_eq(answer->fired, 0);
  cr_assert(fakes[0]->list.n == 1 && fakes[1]->list.n == 1);
  cr_assert_str_eq(fakes[1]->list.after, after, "one position serves all");
}

/* Rooms made at these times, in order. */
static void answer_with(unsigned shard, const uint64_t *times, size_t n, const char *after) {
  struct store_list_row rows[8] = {{.room = NULL}};
  struct property properties[8];
  char ids[8][32];
  for (size_t i = 0; i < n; i++) {
    snprintf(ids[i], sizeof ids[i], "chat/%u-%u", (unsigned)times[i], shard);
    properties[i] = (struct property){.name = "of", .value = shard ? "b" : "a"};
    rows[i] = (struct store_list_row){.room = ids[i],
                                      .status = "open",
                                      .host = "",
                                      .created_ms = times[i],
                                      .properties = &properties[i],
                                      .n_properties = 1};
  }
  fake_store_list(fakes[shard], STORE_OK, rows, n, after);
  memset(ids, '?', sizeof ids); /* nobody may look at them any more */
}

#define TIMES(...) (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)

Test(store_shards, rooms_of_all_are_listed_newest_first) {
  struct answer answer;
  ask(&answer, 10, "");
  answer_with(1, TIMES(9, 7, 1), "");
  cr_assert_eq(answer.fired, 0, "the other one is waited for");
  answer_with(0, TIMES(8, 7, 2), "");
  cr_assert_eq(answer.fired, 1);
  cr_assert_str_eq(answer.rows, "chat/9-1=b chat/8-0=a chat/7-1=b chat/7-0=a chat/2-0=a chat/1-1=b ");
  cr_assert_str_eq(answer.after, "");
  cr_assert_eq(answer.examined, 6);
  cr_assert_not(answer.incomplete);
}

Test(store_shards, a_page_ends_with_the_last_room_that_it_shows) {
  struct answer answer;
  ask(&answer, 3, "");
  answer_with(0, TIMES(8, 7, 6), "6 chat/6-0");
  answer_with(1, TIMES(9, 5), "");
  cr_assert_str_eq(answer.rows, "chat/9-1=b chat/8-0=a chat/7-0=a ");
  cr_assert_str_eq(answer.after, "7 chat/7-0");
  ask(&answer, 3, answer.after);
  answer_with(0, TIMES(6), "");
  answer_with(1, TIMES(5), "");
  cr_assert_str_eq(answer.rows, "chat/6-0=a chat/5-1=b ");
  cr_assert_str_eq(answer.after, "");
}

/* One has looked at many rooms that do not match, and stopped at 6: whether there is one at 5 there is not known. */
Test(store_shards, what_lies_behind_the_place_where_a_shard_stopped_is_left_for_the_next_page) {
  struct answer answer;
  ask(&answer, 10, "");
  answer_with(0, TIMES(8), "6 chat/6-0");
  answer_with(1, TIMES(7, 5, 4), "");
  cr_assert_str_eq(answer.rows, "chat/8-0=a chat/7-1=b ");
  cr_assert_str_eq(answer.after, "6 chat/6-0");
}

Test(store_shards, a_full_page_with_nothing_behind_it_is_the_last) {
  struct answer answer;
  ask(&answer, 2, "");
  answer_with(0, TIMES(8), "");
  answer_with(1, TIMES(7), "");
  cr_assert_str_eq(answer.after, "");
}

Test(store_shards, a_shard_that_is_away_makes_a_listing_incomplete_and_all_make_it_fail) {
  struct answer answer;
  ask(&answer, 10, "");
  fake_store_list(fakes[0], STORE_LOST, NULL, 0, "");
  answer_with(1, TIMES(7, 5), "");
  cr_assert_eq(answer.result, STORE_OK);
  cr_assert(answer.incomplete);
  cr_assert_str_eq(answer.rows, "chat/7-1=b chat/5-1=b ");
  ask(&answer, 10, "");
  fake_store_list(fakes[0], STORE_LOST, NULL, 0, "");
  fake_store_list(fakes[1], STORE_FULL, NULL, 0, "");
  cr_assert_eq(answer.result, STORE_LOST);
  cr_assert_eq(answer.fired, 1);
}

Test(store_shards, what_is_asked_when_all_ends_is_never_answered) {
  struct answer answer;
  ask(&answer, 10, "");
  answer_with(0, TIMES(8), "");
}

/* ---- reports and drains ---- */

struct scripted {
  struct store store;
  const char *text;
  enum store_result result;
  store_report_cb *report;
  store_done_cb *done;
  void *arg;
};

static void report(struct store *base, enum store_report what, store_report_cb *cb, void *arg) {
  struct scripted *self = (struct scripted *)(void *)base;
  (void)what;
  self->report = cb;
  self->arg = arg;
}

static void drain(struct store *base, const char *worker, bool wanted, store_done_cb *cb, void *arg) {
  struct scripted *self = (struct scripted *)(void *)base;
  (void)worker, (void)wanted;
  self->done = cb;
  self->arg = arg;
}

static const struct store_ops scripted_ops = {.report = report, .drain = drain};

static void answer_all(struct scripted *shards) {
  for (int i = 0; i < 2; i++) {
    if (shards[i].report) shards[i].report(shards[i].arg, shards[i].result, bytes_of_str(shards[i].text));
    if (shards[i].done) shards[i].done(shards[i].arg, shards[i].result);
  }
}

struct heard {
  enum store_result result;
  char text[512];
};

static void on_report(void *arg, enum store_result result, struct bytes text) {
  struct heard *heard = arg;
  heard->result = result;
  snprintf(heard->text, sizeof heard->text, "%.*s", (int)text.len, (const char *)text.data);
}

static void on_drained(void *arg, enum store_result result) {
  *(enum store_result *)arg = result;
}

static struct store *of_two(struct scripted *shards) {
  struct store *stores[2];
  for (int i = 0; i < 2; i++) {
    shards[i].store.ops = &scripted_ops;
    stores[i] = &shards[i].store;
  }
  return store_shards_create(stores, 2);
}

Test(store_shards, a_worker_is_reported_once_with_all_that_it_holds) {
  struct scripted shards[2] = {
      {.text = "[{\"id\":\"w\",\"lease_remaining_ms\":900,\"fields\":{\"rooms\":\"3\",\"host\":\"h\"}}]"},
      {.text = "[{\"id\":\"w\",\"lease_remaining_ms\":700,\"fields\":{\"rooms\":\"4\",\"host\":\"h\"}}]"}};
  struct heard heard;
  struct store *both = of_two(shards);
  both->ops->report(both, STORE_REPORT_WORKERS, on_report, &heard);
  answer_all(shards);
  cr_assert_eq(heard.result, STORE_OK);
  cr_assert_str_eq(heard.text,
                   "[{\"id\":\"w\",\"lease_remaining_ms\":700,\"fields\":{\"rooms\":\"7\",\"host\":\"h\"}}]");
  shards[1].result = STORE_LOST;
  both->ops->report(both, STORE_REPORT_WORKERS, on_report, &heard);
  answer_all(shards);
  cr_assert_eq(heard.result, STORE_LOST);
  store_shards_destroy(both);
}

Test(store_shards, partitions_are_reported_in_order) {
  struct scripted shards[2] = {{.text = "[{\"partition\":0},{\"partition\":2}]"},
                               {.text = "[{\"partition\":1},{\"partition\":3}]"}};
  struct heard heard;
  struct store *both = of_two(shards);
  both->ops->report(both, STORE_REPORT_PARTITIONS, on_report, &heard);
  answer_all(shards);
  cr_assert_str_eq(heard.text, "[{\"partition\":0},{\"partition\":1},{\"partition\":2},{\"partition\":3}]");
  store_shards_destroy(both);
}

Test(store_shards, a_drain_is_said_to_all_and_tells_of_a_refusal) {
  struct scripted shards[2] = {{.text = ""}, {.text = ""}};
  enum store_result result;
  struct store *both = of_two(shards);
  both->ops->drain(both, "w", true, on_drained, &result);
  answer_all(shards);
  cr_assert_eq(result, STORE_OK);
  shards[1].result = STORE_DENIED;
  both->ops->drain(both, "w", true, on_drained, &result);
  answer_all(shards);
  cr_assert_eq(result, STORE_DENIED);
  store_shards_destroy(both);
}
