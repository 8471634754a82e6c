/* Promises of the record of a room: what a commit carries of it. */
#include "proto/arena.h"
#include "tests/support/partition_bench.h"
#include "worker/record.h"

#include <criterion/criterion.h>

#define CHAT "chat/a"
#define LIVE "live/a"
#define T    UINT64_C(1000000)
#define OPEN HEYA__BUS__MODE__JOIN_OR_CREATE

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-2", 2, 1};

static struct bench bench;
static struct arena arena;
static struct commit_room record;

static void setup(void) {
  bench_open(&bench);
  arena_init(&arena, 4096, ARENA_NO_LIMIT);
}
static void teardown(void) {
  bench_close(&bench);
  arena_close(&arena);
}
TestSuite(record, .init = setup, .fini = teardown);

/* From here on the bench does not commit by itself: the changes are looked at. */
static void begin(const char *room) {
  bench_join(&bench, T, ann, room, "ann", OPEN);
  bench_join(&bench, T, bob, room, "bob", OPEN);
  bench.by_hand = true;
}

static void take(const char *id) {
  struct room *room = bench_room(&bench, id);
  cr_assert(room && room->is_changed);
  record_room(room, &arena, &record);
}

static const struct commit_field *field(const struct commit_field *fields, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    if (bytes_equal_str(fields[i].name, name)) return &fields[i];
  }
  return NULL;
}

static bool says(const struct commit_field *fields, size_t n, const char *name, const char *value) {
  const struct commit_field *found = field(fields, n, name);
  return found && bytes_equal_str(found->value, value);
}

Test(record, a_new_room_is_written_whole) {
  bench.by_hand = true;
  bench_join(&bench, T, ann, LIVE, "ann", OPEN);
  take(LIVE);
  cr_assert(record.whole && !record.gone);
  cr_assert_eq(record.listed_ms, T);
  cr_assert_eq(record.expire_at_ms, 0);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_KEEP);
  cr_assert(record.clear_results);
  static const char *const facts[][2] = {{"kind", "live"},
                                         {"name", "a"},
                                         {"status", "open"},
                                         {"host", "ann"},
                                         {"members", "1"},
                                         {"max_members", "4"},
                                         {"kept", "0"},
                                         {"partition", "3"},
                                         {"created_ms", "1000000"},
                                         {"incarnation", "1000000-0.0"},
                                         {"p:phase", "waiting"},
                                         {"properties", "live_id phase round"}};
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    cr_assert(says(record.fields, record.n_fields, facts[i][0], facts[i][1]), "%s", facts[i][0]);
  }
  cr_assert(field(record.fields, record.n_fields, "image"));
  cr_assert(says(record.members, record.n_members, "ann", "here host name=ann session=1000000-0.0 gateway=g-1"));
}

Test(record, a_command_writes_the_image_and_its_events_only) {
  begin(CHAT);
  bench_command(&bench, T + 1, ann, CHAT, "ann", 1, bench_say(&bench, "x"));
  take(CHAT);
  cr_assert_not(record.whole);
  cr_assert_eq(record.n_fields, 2);
  cr_assert(field(record.fields, record.n_fields, "image"));
  cr_assert(says(record.fields, record.n_fields, "event", "7-2"));
  cr_assert_eq(record.n_members, 0);
  cr_assert_not(record.clear_results);
  cr_assert_eq(record.n_log, 1);
  cr_assert_eq(record.log[0].seq, 2);
  cr_assert(bytes_equal_str(record.log[0].to, "*"));
}

Test(record, the_last_event_keeps_its_epoch_when_a_later_owner_writes_the_room) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  bench_join(&bench, T, bob, CHAT, "bob", OPEN);
  bench_drop(&bench);
  bench.by_hand = true;
  bench_join(&bench, T + 1, (struct bench_from){"g-2", 3, 1}, CHAT, "bob", OPEN); /* replaced: nobody is told */
  take(CHAT);
  cr_assert(says(record.fields, record.n_fields, "event", "7-1"));
}

Test(record, events_for_some_say_for_whom) {
  begin(CHAT);
  struct room *room = bench_room(&bench, CHAT);
  struct member *both[] = {room_member(room, "ann"), room_member(room, "bob")};
  room_send_one(room, both[0], bytes_of("1", 1));
  room_send_only(room, both, 2, bytes_of("2", 1));
  room_send_except(room, both[1], bytes_of("3", 1));
  room_send_only(room, both, 0, bytes_of("4", 1));
  take(CHAT);
  cr_assert_eq(record.n_log, 3);
  cr_assert(bytes_equal_str(record.log[0].to, "=\nann"));
  cr_assert(bytes_equal_str(record.log[1].to, "=\nann\nbob"));
  cr_assert(bytes_equal_str(record.log[2].to, "!\nbob"));
}

Test(record, who_left_has_his_line_removed_and_the_new_host_is_shown) {
  begin(CHAT);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  take(CHAT);
  cr_assert_eq(record.n_members, 2);
  const struct commit_field *line = field(record.members, record.n_members, "ann");
  cr_assert(line && !line->value.data);
  cr_assert(says(record.members, record.n_members, "bob", "here host name=bob session=1000000-1.0 gateway=g-2"));
  cr_assert(says(record.fields, record.n_fields, "host", "bob"));
}

Test(record, who_left_and_came_back_before_the_commit_keeps_his_line) {
  begin(CHAT);
  bench_leave(&bench, T + 1, bob, CHAT, "bob");
  bench_join(&bench, T + 2, bob, CHAT, "bob", OPEN);
  take(CHAT);
  cr_assert_eq(record.n_members, 1);
  cr_assert(record.members[0].value.data);
}

Test(record, an_away_member_shows_until_when) {
  begin(CHAT);
  bench_disconnected(&bench, T + 1, bob, CHAT);
  take(CHAT);
  cr_assert_eq(record.n_members, 1);
  cr_assert(says(record.members, 1, "bob", "away name=bob session=1000000-1.0 until=1030001"));
}

Test(record, an_empty_room_expires_later_than_its_time_and_is_persistent_when_revived) {
  begin(CHAT);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  bench_leave(&bench, T + 1, bob, CHAT, "bob");
  take(CHAT);
  cr_assert_eq(record.expire_at_ms, T + 1 + 10000 + RECORD_EXPIRE_MARGIN_MS);
  cr_assert(says(record.fields, record.n_fields, "status", "empty"));
  bench_commit(&bench);
  bench_join(&bench, T + 2, bob, CHAT, "bob", OPEN);
  take(CHAT);
  cr_assert(record.whole);
  cr_assert_eq(record.expire_at_ms, 0);
  cr_assert_eq(record.n_members, 1);
}

Test(record, the_deadline_is_set_kept_and_cleared_and_set_again_by_a_whole_write) {
  begin(LIVE);
  bench_command(&bench, T + 1, ann, LIVE, "ann", 0, bench_start(&bench));
  take(LIVE);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_KEEP);
  cr_assert(says(record.fields, record.n_fields, "status", "locked"));
  bench_command(&bench, T + 2, ann, LIVE, "ann", 0, bench_submit(&bench, 1, 5));
  take(LIVE);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_SET);
  cr_assert_eq(record.deadline_ms, T + 2 + 10000);
  cr_assert_eq(record.round, 1);
  bench_commit(&bench);
  bench_disconnected(&bench, T + 3, bob, LIVE);
  take(LIVE);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_KEEP);
  bench_room(&bench, LIVE)->changes.whole = true;
  take(LIVE);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_SET);
  bench_room(&bench, LIVE)->changes.whole = false;
  bench_time(&bench, T + 10003);
  take(LIVE);
  cr_assert_eq(record.deadline, COMMIT_DEADLINE_CLEAR);
}

Test(record, results_are_written_all_together) {
  begin(LIVE);
  bench_command(&bench, T + 1, ann, LIVE, "ann", 0, bench_start(&bench));
  bench_command(&bench, T + 2, ann, LIVE, "ann", 0, bench_submit(&bench, 1, 5));
  take(LIVE);
  cr_assert(record.clear_results);
  cr_assert_eq(record.n_results, 1);
  cr_assert(bytes_equal_str(record.results[0].name, "ann"));
  bench_commit(&bench);
  bench_time(&bench, T + 10003);
  take(LIVE);
  cr_assert(record.clear_results);
  cr_assert_eq(record.n_results, 2);
  cr_assert(says(record.results, 2, "bob", "0 points, forfeited"));
  bench_commit(&bench);
  bench_command(&bench, T + 10004, ann, LIVE, "ann", 0, bench_start(&bench)); /* the next round hides them */
  take(LIVE);
  cr_assert(record.clear_results);
  cr_assert_eq(record.n_results, 0);
}

Test(record, after_the_commit_nothing_is_left_to_write) {
  begin(LIVE);
  bench_command(&bench, T + 1, ann, LIVE, "ann", 0, bench_start(&bench));
  bench_commit(&bench);
  struct room *room = bench_room(&bench, LIVE);
  cr_assert_not(room->is_changed);
  room_touch(room);
  take(LIVE);
  cr_assert_eq(record.n_fields, 2);
  cr_assert_eq(record.n_members + record.n_results + record.n_log, 0);
  cr_assert_not(record.whole || record.clear_results);
}
