/* Promises of the flattened commit: parsed back here in the order of proto/heya.lua's parse_segment and parse_room.
 */
#include "common/store_commit.h"

#include "proto/keys.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct cursor {
  const struct redis_args *args;
  size_t at;
};

static struct bytes take(struct cursor *cursor) {
  cr_assert(cursor->at < cursor->args->n, "argument %zu is missing", cursor->at);
  struct bytes bytes = bytes_of(cursor->args->argv[cursor->at], cursor->args->argvlen[cursor->at]);
  cursor->at++;
  return bytes;
}

static void expect(struct cursor *cursor, const char *text) {
  struct bytes bytes = take(cursor);
  cr_assert(bytes_equal_str(bytes, text), "argument %zu is %.*s, not %s", cursor->at - 1, (int)bytes.len,
            (const char *)bytes.data, text);
}

static void expect_all(struct cursor *cursor, const char *const *texts) {
  for (; *texts; texts++) expect(cursor, *texts);
}

static const struct store_commit_terms terms = {
    .prefix = "heya:", .gateway_entries = 10, .gateway_bytes = 4096, .log_max = 64};

#define B(text)    bytes_of_str(text)
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(store_commit, an_empty_commit_is_its_terms) {
  struct redis_args args = {0};
  store_commit_flatten(&(struct commit){.worker = "w-1"}, &terms, &args);
  struct cursor cursor = {.args = &args};
  expect_all(&cursor, TEXTS("FCALL", FUNCTION_COMMIT, "0", "heya:", "w-1", "10", "4096", "64", "0"));
  cr_assert_eq(cursor.at, args.n);
  redis_args_close(&args);
}

Test(store_commit, a_full_room_is_in_the_order_the_function_reads) {
  struct commit_field fields[] = {{B("status"), B("open")}, {B("old"), {0}}, {B("image"), bytes_of("\0\1", 2)}};
  struct commit_field members[] = {{B("ann"), {0}}, {B("bob"), B("Bob")}};
  struct commit_field results[] = {{B("bob"), B("1")}, {B("ann"), {0}}};
  struct commit_log_entry log[] = {{.seq = 7, .to = B("*"), .message = B("m7")},
                                   {.seq = 8, .to = B("!\nann"), .message = B("")}};
  struct commit_room room = {.id = "live/x",
                             .kind = "live",
                             .whole = true,
                             .expire_at_ms = 111,
                             .fields = fields,
                             .n_fields = 3,
                             .members = members,
                             .n_members = 2,
                             .clear_results = true,
                             .results = results,
                             .n_results = 2,
                             .deadline = COMMIT_DEADLINE_SET,
                             .deadline_ms = 222,
                             .round = 3,
                             .log = log,
                             .n_log = 2,
                             .listed_ms = 333};
  struct commit_append append = {.partition = 5, .batch = B("batch")};
  struct commit_delivery delivery = {.gateway = "g-1", .deliveries = B("events")};
  struct commit_segment segment = {.partition = 4,
                                   .epoch = 9,
                                   .done = {.ms = UINT64_MAX, .seq = 12},
                                   .consumed_bytes = 100,
                                   .rooms = &room,
                                   .n_rooms = 1,
                                   .appends = &append,
                                   .n_appends = 1,
                                   .deliveries = &delivery,
                                   .n_deliveries = 1};
  struct redis_args args = {0};
  store_commit_flatten(&(struct commit){.worker = "w", .segments = &segment, .n_segments = 1}, &terms, &args);
  struct cursor cursor = {.args = &args};
  expect_all(&cursor, TEXTS("FCALL", FUNCTION_COMMIT, "0", "heya:", "w", "10", "4096", "64", "1"));
  expect_all(&cursor, TEXTS("4 9 18446744073709551615-12 18446744073709551615-13 100 1 1 1"));
  expect_all(&cursor, TEXTS("live/x live 1010 set 222 3 0 111 333 2 1 1 1 1 1 2"));
  expect_all(&cursor, TEXTS("status", "open", "image"));
  cr_assert(bytes_equal(take(&cursor), bytes_of("\0\1", 2)));
  expect_all(&cursor, TEXTS("old", "bob", "Bob", "ann", "bob", "1", "ann"));
  expect_all(&cursor, TEXTS("7", "*", "m7", "8", "!\nann", ""));
  expect_all(&cursor, TEXTS("5", "batch", "g-1", "events"));
  cr_assert_eq(cursor.at, args.n);
  redis_args_close(&args);
}

Test(store_commit, a_room_that_is_gone_says_until_when_its_tomb_stands) {
  struct commit_room room = {
      .id = "chat/x", .kind = "chat", .gone = true, .tomb_until_ms = 600000, .deadline = COMMIT_DEADLINE_CLEAR};
  struct commit_segment segment = {.epoch = 1, .rooms = &room, .n_rooms = 1};
  struct redis_args args = {0};
  store_commit_flatten(&(struct commit){.worker = "w", .segments = &segment, .n_segments = 1}, &terms, &args);
  struct cursor cursor = {.args = &args, .at = 9};
  expect_all(&cursor, TEXTS("0 1 0-0 0-1 0 1 0 0", "chat/x chat 0100 clear 0 0 600000 0 0 0 0 0 0 0 0 0"));
  cr_assert_eq(cursor.at, args.n);
  redis_args_close(&args);
}

Test(store_commit, a_room_that_goes_on_as_it_was_has_a_short_head) {
  struct commit_field fields[] = {{B("event"), B("1-7")}, {B("image"), B("i")}};
  struct commit_log_entry log = {.seq = 7, .to = B("*"), .message = B("m7")};
  struct commit_room room = {
      .id = "chat/x", .kind = "chat", .fields = fields, .n_fields = 2, .log = &log, .n_log = 1};
  struct commit_segment segment = {.epoch = 1, .done = {.ms = 5, .seq = UINT64_MAX}, .rooms = &room, .n_rooms = 1};
  struct redis_args args = {0};
  store_commit_flatten(&(struct commit){.worker = "w", .segments = &segment, .n_segments = 1}, &terms, &args);
  struct cursor cursor = {.args = &args, .at = 9};
  expect_all(&cursor, TEXTS("0 1 5-18446744073709551615 6-0 0 1 0 0", "chat/x 2 1"));
  expect_all(&cursor, TEXTS("event", "1-7", "image", "i", "7", "*", "m7"));
  cr_assert_eq(cursor.at, args.n);
  redis_args_close(&args);
}

Test(store_commit, reused_arguments_allocate_nothing_and_forget_the_last_commit) {
  enum { ROOMS = 300 };
  struct commit_room rooms[ROOMS];
  char ids[ROOMS][16];
  for (size_t i = 0; i < ROOMS; i++) {
    snprintf(ids[i], sizeof ids[i], "chat/r%zu", i);
    rooms[i] = (struct commit_room){.id = ids[i], .kind = "chat", .expire_at_ms = 1000000 + i};
  }
  struct commit_segment segment = {.epoch = 1, .rooms = rooms, .n_rooms = ROOMS};
  struct commit commit = {.worker = "w", .segments = &segment, .n_segments = 1};
  struct redis_args args = {0};
  store_commit_flatten(&commit, &terms, &args);
  const void *argv = args.argv, *numbers = args.numbers.data;
  for (size_t n = ROOMS; n > 0; n -= 100) {
    segment.n_rooms = n;
    store_commit_flatten(&commit, &terms, &args);
    cr_assert_eq((const void *)args.argv, argv);
    cr_assert_eq((const void *)args.numbers.data, numbers);
    struct cursor cursor = {.args = &args, .at = 10};
    for (size_t i = 0; i < n; i++) {
      char head[128];
      snprintf(head, sizeof head, "chat/r%zu chat 0000 keep 0 0 0 %zu 0 0 0 0 0 0 0 0", i, 1000000 + i);
      expect(&cursor, head);
    }
    cr_assert_eq(cursor.at, args.n);
  }
  redis_args_close(&args);
}

Test(store_commit, parcels_for_other_shards_and_what_has_arrived_come_last) {
  struct redis_args args = {0};
  struct commit_parcel parcel = {.partition = 3, .shard = 1, .batch = B("batch")};
  struct commit_settled settled = {.shard = 1, .number = {7, 8}};
  struct commit_delivery delivery = {.gateway = "g-1", .deliveries = B("d")};
  struct commit_segment segment = {.partition = 2,
                                   .epoch = 5,
                                   .done = {1, 2},
                                   .deliveries = &delivery,
                                   .n_deliveries = 1,
                                   .parcels = &parcel,
                                   .n_parcels = 1,
                                   .settled = &settled,
                                   .n_settled = 1};
  struct commit commit = {.worker = "w-1", .segments = &segment, .n_segments = 1};
  store_commit_flatten(&commit, &terms, &args);
  struct cursor cursor = {.args = &args, .at = 9};
  expect_all(&cursor, TEXTS("2 5 1-2 1-3 0 0 0 1 1 1", "g-1", "d", "3", "1", "batch", "1", "7-8"));
  cr_assert_eq(cursor.at, args.n);
  segment.n_parcels = segment.n_settled = 0;
  store_commit_flatten(&commit, &terms, &args);
  cursor.at = 9;
  expect_all(&cursor, TEXTS("2 5 1-2 1-3 0 0 0 1", "g-1", "d"));
  cr_assert_eq(cursor.at, args.n, "with one Redis the call is what it was");
  redis_args_close(&args);
}
