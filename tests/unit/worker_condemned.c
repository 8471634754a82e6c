/* Promises about a room in whose kind's code an owner died: the next owner closes it without calling the kind,
 * refuses what is addressed to it up to where the owner died, and does everything else. */
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SICK "chat/sick"
#define WELL "chat/well"
#define TWIN "chat/~abcdefghijklmnopqrstuvwxyz"
#define T    UINT64_C(1000000)

#define OPEN       HEYA__BUS__MODE__JOIN_OR_CREATE
#define CREATE     HEYA__BUS__MODE__CREATE
#define BODY(name) HEYA__V1__SERVER_MESSAGE__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, cem = {"g-2", 1, 1};

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(condemned, .init = setup, .fini = teardown);

/* The next owner is told that the last one died in this room, at the entry of this time. */
static void blame(const char *room, uint64_t ms, uint32_t index) {
  bench.blame = (struct store_blame){.sure = true, .entry = {ms, 0}, .index = index};
  snprintf(bench.blame.room, sizeof bench.blame.room, "%s", room);
}

static size_t count_said(struct bench_from to, Heya__V1__ServerMessage__BodyCase body) {
  size_t count = 0;
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    count += bench_to(&bench, to.gateway, to.conn, i)->message->body_case == body;
  }
  return count;
}

/* How many errors of this code he was told. */
static size_t count_errors(struct bench_from to, Heya__V1__Error__Code code) {
  size_t count = 0;
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    const Heya__V1__ServerMessage *message = bench_to(&bench, to.gateway, to.conn, i)->message;
    count += message->body_case == BODY(ERROR) && message->error->code == code;
  }
  return count;
}

static void expect_told(struct bench_from to) {
  cr_assert_eq(bench_events(&bench, to.gateway, to.conn, HEYA__V1__EVENT__BODY_CLOSED), 1);
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    const struct bench_message *said = bench_to(&bench, to.gateway, to.conn, i);
    if (said->message->body_case != BODY(DETACHED)) continue;
    cr_assert_eq(said->message->detached->reason, CODE(ROOM_FAILED));
    cr_assert_eq(said->delivery->attachment, HEYA__BUS__ATTACHMENT__DETACHED);
    return;
  }
  cr_assert_fail("he is not told that he is out");
}

/* Ann and bob in the sick room, cem in the other, all of it committed; then nothing is by itself. */
static void seat(void) {
  bench_join(&bench, T, ann, SICK, "ann", OPEN);
  bench_join(&bench, T + 1, bob, SICK, "bob", OPEN);
  bench_join(&bench, T + 2, cem, WELL, "cem", OPEN);
  bench.by_hand = true;
}

static void drop(void) {
  bench_drop(&bench);
  bench_commit(&bench);
}

/* ---- the room ---- */

Test(condemned, a_room_is_closed_by_the_next_owner_without_any_entry) {
  seat();
  struct buf before = {0}, after = {0};
  buf_append_bytes(&before, bytes_of_str(bench_text(&bench_stored(&bench, WELL)->fields, "event")));
  blame(SICK, T + 9, 0);
  drop();
  cr_assert_null(bench_room(&bench, SICK));
  cr_assert_null(bench_stored(&bench, SICK));
  expect_told(ann);
  expect_told(bob);
  cr_assert_eq(bench.metrics.rooms_failed, 1);
  cr_assert_eq(bench_count_to(&bench, "g-2", 1), 0);
  cr_assert_eq(bench_room(&bench, WELL)->n_members, 1);
  buf_append_bytes(&after, bytes_of_str(bench_text(&bench_stored(&bench, WELL)->fields, "event")));
  cr_assert(bytes_equal(buf_bytes(&before), buf_bytes(&after)), "the other room was touched");
  buf_close(&before);
  buf_close(&after);
}

Test(condemned, members_who_are_away_are_out_too) {
  bench_join(&bench, T, ann, SICK, "ann", OPEN);
  bench_disconnected(&bench, T + 1, ann, SICK);
  blame(SICK, T + 9, 0);
  bench_drop(&bench);
  cr_assert_null(bench_stored(&bench, SICK));
  cr_assert_eq(bench.n_said, 0);
}

Test(condemned, a_derived_room_leaves_its_tomb) {
  bench_join(&bench, T, ann, TWIN, "ann", CREATE);
  blame(TWIN, T + 9, 0);
  bench_drop(&bench);
  cr_assert_eq(bench.n_tombs, 1);
  bench_join(&bench, T + 9, bob, TWIN, "bob", CREATE);
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(ROOM_FAILED));
  bench_join(&bench, T + 10, bob, TWIN, "bob", CREATE);
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(ROOM_CLOSED));
}

Test(condemned, a_room_that_killed_while_it_was_loaded_is_closed_and_may_be_made_again) {
  seat();
  blame(SICK, T + 2, STORE_BLAME_ALL);
  drop();
  expect_told(ann);
  bench_join(&bench, T + 3, ann, SICK, "ann", OPEN);
  bench_commit(&bench);
  cr_assert_eq(count_said(ann, BODY(JOINED)), 1);
}

Test(condemned, who_is_blamed_again_after_the_room_is_gone_is_no_trouble) {
  seat();
  blame(SICK, T + 9, 0);
  drop();
  drop();
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(bench.metrics.rooms_failed, 1);
}

Test(condemned, what_is_no_room_of_this_partition_is_passed_over) {
  static const char *const bad[] = {"", "chat", "chat/", "/x", "chat/a b", "nonsense/\n"};
  struct partition *partition = &bench.partition;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    blame(bad[i], T, 0);
    partition_condemn(partition, &bench.blame);
  }
  cr_assert_eq(partition->n_condemned, 0);
  partition->partitions = 16;
  for (int i = 0; i < 32; i++) {
    char room[32];
    snprintf(room, sizeof room, "chat/%d", i);
    blame(room, T, 0);
    size_t before = partition->n_condemned;
    partition_condemn(partition, &bench.blame);
    cr_assert_eq(partition->n_condemned - before, room_partition(room, strlen(room), 16) == 3);
  }
  partition->partitions = 0;
  bench.blame.room[0] = '\0';
}

/* ---- entries ---- */

Test(condemned, what_comes_up_to_the_blamed_entry_is_refused_and_later_ones_are_not) {
  seat();
  bench_command(&bench, T + 10, ann, SICK, "ann", 1, bench_say(&bench, "before"));
  bench_join(&bench, T + 11, cem, SICK, "cem", OPEN);
  bench_disconnected(&bench, T + 12, bob, SICK);
  bench_leave(&bench, T + 13, bob, SICK, "bob");
  bench_command(&bench, T + 14, ann, SICK, "ann", 2, bench_say(&bench, "the one"));
  bench_command(&bench, T + 15, cem, WELL, "cem", 1, bench_say(&bench, "elsewhere"));
  bench_join(&bench, T + 16, bob, SICK, "bob", OPEN);
  blame(SICK, T + 14, 0);
  drop();
  expect_told(ann);
  expect_told(bob);
  cr_assert_eq(count_errors(ann, CODE(ROOM_FAILED)), 2);
  cr_assert_eq(count_errors(bob, CODE(ROOM_FAILED)), 1, "the leave, and nothing for the lost connection");
  cr_assert_eq(count_errors(cem, CODE(ROOM_FAILED)), 1);
  cr_assert_eq(count_said(cem, BODY(ACK)), 1);
  cr_assert_eq(count_said(bob, BODY(JOINED)), 1);
  cr_assert_eq(bench_room(&bench, SICK)->n_members, 1);
  cr_assert_eq(bench.metrics.rooms_opened, 3);
}

Test(condemned, a_refused_command_carries_its_number) {
  seat();
  bench_command(&bench, T + 10, ann, SICK, "ann", 7, bench_say(&bench, "x"));
  blame(SICK, T + 10, 0);
  drop();
  for (size_t i = 0; i < bench_count_to(&bench, "g-1", 1); i++) {
    const struct bench_message *said = bench_to(&bench, "g-1", 1, i);
    if (said->message->body_case != BODY(ERROR)) continue;
    cr_assert_eq(said->message->error->number, 7);
    cr_assert_str_eq(said->message->error->room, SICK);
    cr_assert_eq(said->message->request, 5);
    cr_assert_eq(said->delivery->attachment, HEYA__BUS__ATTACHMENT__DETACHED);
    return;
  }
  cr_assert_fail("no error");
}

/* Four joins in one batch, by players and connections 10 to 13. */
static void feed_joins(uint64_t ms) {
  static char room[] = SICK;
  char players[4][8];
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  Heya__Bus__Entry entries[4], *pointers[4];
  join.mode = OPEN;
  for (unsigned i = 0; i < 4; i++) {
    heya__bus__entry__init(&entries[i]);
    snprintf(players[i], sizeof players[i], "p%u", i);
    entries[i].room = room;
    entries[i].player = players[i];
    entries[i].conn = 10 + i;
    entries[i].body_case = HEYA__BUS__ENTRY__BODY_JOIN;
    entries[i].join = &join;
    pointers[i] = &entries[i];
  }
  bench_batch(&bench, ms, "g-1", pointers, 4);
}

static void expect_refused_joins(uint32_t index, unsigned refused) {
  feed_joins(T);
  blame(SICK, T, index);
  drop();
  for (unsigned i = 0; i < 4; i++) {
    struct bench_from player = {"g-1", 10 + i, 0};
    cr_assert_eq(count_errors(player, CODE(ROOM_FAILED)), i < refused, "player %u", i);
    cr_assert_eq(count_said(player, BODY(JOINED)), i >= refused, "player %u", i);
  }
}

Test(condemned, within_a_batch_what_comes_behind_the_index_is_applied) {
  bench.by_hand = true;
  expect_refused_joins(1, 2);
}

Test(condemned, a_death_behind_the_batch_refuses_all_of_it) {
  bench.by_hand = true;
  expect_refused_joins(STORE_BLAME_ALL, 4);
}

/* ---- the kind ---- */

/* A kind that says where it is when it is called, and may be forbidden to be called at all. */
static struct scene scene;
static bool forbidden;
static char called[64][ROOM_ID_MAX + 32];
static size_t n_called;

static void note_call(const char *what) {
  cr_assert_not(forbidden, "%s is called", what);
  cr_assert(scene.playing, "%s is called off the scene", what);
  if (n_called == 64) return;
  snprintf(called[n_called++], sizeof called[0], "%s %s %zu %u", what, scene.room, (size_t)(scene.entry.ms - T),
           scene.index);
}

static kind_code fragile_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  note_call("open");
  return CODE(OK);
}
static kind_code fragile_join(struct room *room, struct member *member, struct kind_reply *reply) {
  (void)room, (void)member, (void)reply;
  note_call("join");
  return CODE(OK);
}
static void fragile_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  (void)room, (void)member, (void)reason;
  note_call("leave");
}
static kind_code fragile_command(struct room *room, struct member *member, struct bytes payload,
                                 struct kind_reply *reply) {
  (void)member, (void)payload, (void)reply;
  note_call("command");
  room_timer_set(room, 1, room_time_ms(room) + 5);
  return CODE(OK);
}
static void fragile_timer(struct room *room, uint32_t id) {
  (void)room, (void)id;
  note_call("timer");
}
static void fragile_save(struct room *room, struct buf *out) {
  (void)room;
  note_call("save");
  buf_append_char(out, 'x');
}
static bool fragile_load(struct room *room, struct bytes state) {
  (void)room;
  note_call("load");
  return state.len == 1;
}
static void fragile_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)room, (void)viewer, (void)out;
  note_call("snapshot");
}
static void fragile_describe(const struct room *room, struct describe *describe) {
  (void)room, (void)describe;
  note_call("describe");
}
static void fragile_close(struct room *room) {
  (void)room;
  note_call("close");
}

static const struct kind fragile = {
    .abi = KIND_ABI,
    .name = "fragile",
    .max_members = 4,
    .max_members_limit = 4,
    .empty_ms = 10000,
    .away_ms = 30000,
    .state_size = 8,
    .open = fragile_open,
    .join = fragile_join,
    .leave = fragile_leave,
    .command = fragile_command,
    .timer = fragile_timer,
    .save = fragile_save,
    .load = fragile_load,
    .snapshot = fragile_snapshot,
    .describe = fragile_describe,
    .close = fragile_close,
};

static void use_fragile(void) {
  cr_assert_eq(kind_registry_add(&bench.kinds, &fragile), KIND_ADDED);
  bench.partition.scene = bench.partition.effects.scene = &scene;
}

Test(condemned, its_kind_is_not_called) {
  use_fragile();
  bench_join(&bench, T, ann, "fragile/a", "ann", OPEN);
  bench_command(&bench, T + 1, ann, "fragile/a", "ann", 1, bytes_of_str("x"));
  bench.by_hand = true;
  bench_command(&bench, T + 2, ann, "fragile/a", "ann", 2, bytes_of_str("x"));
  bench_time(&bench, T + 20); /* a timer is due */
  partition_close(&bench.partition);
  forbidden = true;
  blame("fragile/a", T + 2, 0);
  drop();
  expect_told(ann);
  cr_assert_null(bench_stored(&bench, "fragile/a"));
}

static bool was_called(const char *line) {
  for (size_t i = 0; i < n_called; i++) {
    if (strcmp(called[i], line) == 0) return true;
  }
  for (size_t i = 0; i < n_called; i++) fprintf(stderr, "  %s\n", called[i]);
  return false;
}

Test(condemned, whoever_dies_in_a_kind_can_say_where) {
  use_fragile();
  bench_join(&bench, T, ann, "fragile/a", "ann", OPEN);
  bench_command(&bench, T + 1, ann, "fragile/a", "ann", 1, bytes_of_str("x"));
  bench_time(&bench, T + 8);
  bench_leave(&bench, T + 9, ann, "fragile/a", "ann");
  bench_drop(&bench);
  cr_assert_not(scene.playing);
  cr_assert(was_called("open fragile/a 0 0"));
  cr_assert(was_called("join fragile/a 0 0"));
  cr_assert(was_called("snapshot fragile/a 0 0"));
  cr_assert(was_called("save fragile/a 0 4294967295"));
  cr_assert(was_called("describe fragile/a 0 4294967295"));
  cr_assert(was_called("command fragile/a 1 0"));
  cr_assert(was_called("timer fragile/a 8 0"));
  cr_assert(was_called("leave fragile/a 9 0"));
  cr_assert(was_called("close fragile/a 9 4294967295"));
  cr_assert(was_called("load fragile/a 9 4294967295"));
}
