/* Promises of what rooms do to each other: seats that are kept, answers that come once, news of free seats. */
#include "proto/pb.h"
#include "tests/support/partition_bench.h"
#include "worker/kind.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define ROOM        "chat/~abcdefghijklmnopqrstuvwxyz"
#define ASKER       "live/asker"
#define T           UINT64_C(1000000)
#define KEEP        5000
#define EMPTY       10000
#define JOIN        HEYA__BUS__MODE__JOIN
#define ENTRY(name) HEYA__BUS__ENTRY__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, cem = {"g-2", 1, 1};

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(elsewhere, .init = setup, .fini = teardown);

struct question {
  bool open; /* else only reserve */
  const char *room, *from, *lobby;
  uint32_t max_members;
  const char *players; /* "ann bob" */
  uint64_t keep_ms;
};

static void ask(uint64_t ms, struct question question) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
  Heya__Bus__Open open = HEYA__BUS__OPEN__INIT;
  Heya__Bus__Reserve reserve = HEYA__BUS__RESERVE__INIT;
  Heya__Bus__Seat seats[8], *list[8];
  char names[256], *rest = NULL;
  snprintf(names, sizeof names, "%s", question.players);
  for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
    Heya__Bus__Seat *seat = &seats[reserve.n_seats];
    heya__bus__seat__init(seat);
    seat->player = name;
    list[reserve.n_seats++] = seat;
  }
  reserve.seats = list;
  reserve.from = pb_text(question.from ? question.from : "");
  reserve.keep_ms = question.keep_ms ? question.keep_ms : KEEP;
  reserve.token = 77;
  reserve.incarnation = pb_text("life");
  open.seats = &reserve;
  open.max_members = question.max_members;
  open.lobby = pb_text(question.lobby ? question.lobby : "");
  entry.room = pb_text(question.room ? question.room : ROOM);
  entry.conn = 99;
  entry.request = 8;
  entry.body_case = question.open ? ENTRY(OPEN) : ENTRY(RESERVE);
  if (question.open) entry.open = &open;
  if (!question.open) entry.reserve = &reserve;
  bench_batch(&bench, ms, question.from ? "w-1" : "g-1", entries, 1);
}

static const Heya__Bus__Opened *answer(void) {
  cr_assert_eq(bench_own(&bench, ENTRY(OPENED)), 1);
  const Heya__Bus__Entry *entry = bench_own_entry(&bench, ENTRY(OPENED), 0);
  cr_assert_str_eq(entry->room, ASKER);
  cr_assert_eq(entry->opened->token, 77);
  cr_assert_str_eq(entry->opened->incarnation, "life");
  return entry->opened;
}

static void expect_answer(Heya__V1__Error__Code code, bool created) {
  cr_assert_eq(answer()->code, code, "%u", answer()->code);
  cr_assert_eq(answer()->created, created);
}

static bool is_in(struct bench_from from) {
  const struct bench_message *said = bench_to(&bench, from.gateway, from.conn, 0);
  return said && said->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
}

/* ---- opening ---- */

Test(elsewhere, a_room_is_opened_with_nobody_in_it_and_waits) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob", .max_members = 2});
  expect_answer(CODE(OK), true);
  cr_assert_eq(bench_room(&bench, ROOM)->n_members, 0);
  cr_assert_eq(bench_stored(&bench, ROOM)->expire_at_ms, T + EMPTY + 30000);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, ROOM)->fields, "status"), "empty");
  bench_drop(&bench);
  bench_join(&bench, T + 1, cem, ROOM, "cem", JOIN);
  cr_assert_eq(bench_error(&bench, "g-2", 1), CODE(ROOM_FULL));
  bench_join(&bench, T + 2, ann, ROOM, "ann", JOIN);
  cr_assert(is_in(ann));
  bench_join(&bench, T + 3, cem, ROOM, "cem", JOIN);
  cr_assert_eq(bench_error(&bench, "g-2", 1), CODE(ROOM_FULL), "bob's is kept still");
  bench_join(&bench, T + 4, bob, ROOM, "bob", JOIN);
  cr_assert(is_in(bob));
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 0);
}

Test(elsewhere, to_open_twice_makes_one_room_and_keeps_its_seats) {
  for (uint64_t i = 0; i < 3; i++) {
    ask(T + i, (struct question){.open = true, .from = ASKER, .players = "ann", .max_members = 2});
    expect_answer(CODE(OK), i == 0);
    cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 1);
  }
}

/* As when a key of the internal API is used again with another body. */
Test(elsewhere, to_open_again_otherwise_changes_nothing_but_seats) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann", .max_members = 3});
  ask(T + 1, (struct question){.open = true, .from = ASKER, .players = "bob", .max_members = 9});
  expect_answer(CODE(OK), false);
  cr_assert_eq(bench_room(&bench, ROOM)->max_members, 3);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 2);
  ask(T + 2, (struct question){.open = true, .from = ASKER, .players = "cem dan", .max_members = 9});
  expect_answer(CODE(ROOM_FULL), false);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 2);
}

Test(elsewhere, what_cannot_be_opened_leaves_no_trace) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob cem", .max_members = 2});
  expect_answer(CODE(ROOM_FULL), true);
  cr_assert_null(bench_room(&bench, ROOM));
  ask(T + 1, (struct question){.open = true, .from = ASKER, .players = "ann", .max_members = 100000});
  expect_answer(CODE(INVALID_ARGUMENT), true);
  ask(T + 2, (struct question){.open = true, .from = ASKER, .room = "nothing/x", .players = "ann"});
  expect_answer(CODE(UNKNOWN_KIND), true);
  cr_assert_eq(bench.n_rooms, 0);
}

Test(elsewhere, a_room_that_has_ended_is_not_opened_again) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann"});
  bench_time(&bench, T + EMPTY);
  cr_assert_null(bench_room(&bench, ROOM));
  ask(T + EMPTY + 1, (struct question){.open = true, .from = ASKER, .players = "ann"});
  expect_answer(CODE(ROOM_CLOSED), false);
  ask(T + EMPTY + 2, (struct question){.from = ASKER, .players = "ann"});
  expect_answer(CODE(ROOM_CLOSED), false);
}

Test(elsewhere, who_asks_through_a_gateway_is_shown_the_room) {
  ask(T, (struct question){.open = true, .players = "ann"});
  const struct bench_message *said = bench_to(&bench, "g-1", 99, 0);
  cr_assert(said && said->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_JOINED);
  cr_assert(said->message->joined->created && said->message->request == 8);
  cr_assert_eq(said->delivery->attachment, HEYA__BUS__ATTACHMENT__UNCHANGED);
  ask(T + 1, (struct question){.room = "chat/nowhere", .players = "ann"});
  cr_assert_eq(bench_error(&bench, "g-1", 99), CODE(ROOM_NOT_FOUND));
}

/* ---- keeping ---- */

Test(elsewhere, all_seats_are_kept_or_none) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann", .max_members = 3});
  ask(T + 1, (struct question){.from = ASKER, .players = "bob cem dan"});
  expect_answer(CODE(ROOM_FULL), false);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 1);
  ask(T + 2, (struct question){.from = ASKER, .players = "ann bob bob cem"});
  expect_answer(CODE(OK), false);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 3);
}

Test(elsewhere, a_member_needs_no_seat) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob", .max_members = 2});
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  ask(T + 2, (struct question){.from = ASKER, .players = "ann bob"});
  expect_answer(CODE(OK), false);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 1);
}

Test(elsewhere, a_kept_seat_is_given_up_in_stream_time) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob", .max_members = 2});
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  bench_join(&bench, T + KEEP - 1, cem, ROOM, "cem", JOIN);
  cr_assert_eq(bench_error(&bench, "g-2", 1), CODE(ROOM_FULL));
  bench_join(&bench, T + KEEP, cem, ROOM, "cem", JOIN);
  cr_assert(is_in(cem));
  bench_join(&bench, T + KEEP + 1, bob, ROOM, "bob", JOIN);
  cr_assert_eq(bench_error(&bench, "g-1", 2), CODE(ROOM_FULL));
}

Test(elsewhere, an_empty_room_waits_for_those_who_have_seats) {
  uint64_t keep = 4 * EMPTY;
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob", .keep_ms = keep});
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  bench_leave(&bench, T + 2, ann, ROOM, "ann");
  bench_time(&bench, T + keep - 1);
  cr_assert(bench_room(&bench, ROOM));
  bench_time(&bench, T + keep);
  cr_assert_null(bench_room(&bench, ROOM));
}

Test(elsewhere, a_locked_room_takes_those_whose_seats_were_kept_and_keeps_no_more) {
  static const char live[] = "live/stage";
  bench_join(&bench, T, ann, live, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  ask(T + 1, (struct question){.from = ASKER, .room = live, .players = "bob"});
  expect_answer(CODE(OK), false);
  bench_command(&bench, T + 2, ann, live, "ann", 1, bench_start(&bench));
  ask(T + 3, (struct question){.from = ASKER, .room = live, .players = "bob"});
  expect_answer(CODE(OK), false);
  ask(T + 4, (struct question){.from = ASKER, .room = live, .players = "cem"});
  expect_answer(CODE(ROOM_LOCKED), false);
  bench_join(&bench, T + 5, cem, live, "cem", JOIN);
  cr_assert_eq(bench_error(&bench, "g-2", 1), CODE(ROOM_LOCKED));
  bench_join(&bench, T + 6, bob, live, "bob", JOIN);
  cr_assert(is_in(bob));
}

static bool stored_kept(const char *expected) {
  return strcmp(bench_text(&bench_stored(&bench, ROOM)->fields, "kept"), expected) == 0;
}

Test(elsewhere, what_is_stored_says_how_many_seats_are_kept) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob cem", .max_members = 4});
  cr_assert(stored_kept("3"));
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  cr_assert(stored_kept("2"));
  bench_drop(&bench);
  ask(T + 2, (struct question){.from = ASKER, .players = "dan", .keep_ms = 2 * KEEP});
  cr_assert(stored_kept("3"));
  bench_time(&bench, T + KEEP);
  cr_assert(stored_kept("1"), "two have run out");
  bench_time(&bench, T + 2 + 2 * KEEP);
  cr_assert(stored_kept("0"));
}

Test(elsewhere, no_seat_is_kept_for_who_is_banned) {
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann bob", .max_members = 4});
  struct room *room = bench_room(&bench, ROOM);
  room_ban(room, "bob");
  cr_assert_not(seats_are_kept_for(&room->seats, "bob"));
  room_touch_facts(room);
  ask(T + 1, (struct question){.from = ASKER, .players = "bob cem"});
  expect_answer(CODE(BANNED), false);
  cr_assert_eq(room->seats.n, 1);
}

Test(elsewhere, seats_in_a_lossy_room_are_saved_before_the_answer_is_known) {
  const char *room = "skirmish/x";
  ask(T, (struct question){.open = true, .room = room, .from = ASKER, .players = "ann", .max_members = 4});
  expect_answer(CODE(OK), true);
  bench_drop(&bench);
  ask(T + 1, (struct question){.room = room, .from = ASKER, .players = "bob"});
  expect_answer(CODE(OK), false);
  cr_assert_not(bench_room(&bench, room)->unsaved);
}

/* ---- news for a lobby ---- */

/* What it is told in the last commit: free seats, -1 that the room has ended, -2 nothing. */
static int news(void) {
  const Heya__Bus__Entry *entry = bench_own_entry(&bench, ENTRY(VACANCY), 0);
  if (!entry) return -2;
  cr_assert_str_eq(entry->room, ASKER);
  cr_assert_str_eq(entry->vacancy->room, ROOM);
  cr_assert_eq(bench_own(&bench, ENTRY(VACANCY)), 1);
  return entry->vacancy->ended ? -1 : (int)entry->vacancy->free;
}

Test(elsewhere, a_lobby_is_told_when_the_number_of_free_seats_changes) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  cr_assert_eq(news(), 2);
  bench_drop(&bench);
  cr_assert_eq(news(), -2);
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  cr_assert_eq(news(), -2, "the seat was hers before");
  bench_join(&bench, T + 2, bob, ROOM, "bob", JOIN);
  cr_assert_eq(news(), 1);
  bench_leave(&bench, T + 3, bob, ROOM, "bob");
  cr_assert_eq(news(), 2);
  bench_leave(&bench, T + 4, ann, ROOM, "ann");
  cr_assert_eq(news(), 3);
  bench_time(&bench, T + 4 + EMPTY);
  cr_assert_eq(news(), -1);
}

Test(elsewhere, a_lobby_that_asks_for_who_has_a_seat_is_told_that_none_was_taken) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  bench_join(&bench, T + 1, ann, ROOM, "ann", JOIN);
  ask(T + 2, (struct question){.from = ASKER, .players = "ann"});
  expect_answer(CODE(OK), false);
  cr_assert_eq(news(), 2);
  ask(T + 3, (struct question){.from = ASKER, .players = "bob"});
  cr_assert_eq(news(), 1);
  ask(T + 4, (struct question){.from = ASKER, .players = "bob cem"});
  cr_assert_eq(news(), 0);
  ask(T + 5, (struct question){.from = ASKER, .players = "bob"});
  cr_assert_eq(news(), 0);
}

Test(elsewhere, the_answer_stands_before_the_news_of_it) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  ask(T + 1, (struct question){.from = ASKER, .players = "bob"});
  const Heya__Bus__Entry *opened = bench_own_entry(&bench, ENTRY(OPENED), 0);
  const Heya__Bus__Entry *vacancy = bench_own_entry(&bench, ENTRY(VACANCY), 0);
  cr_assert(opened && vacancy && opened < vacancy);
  cr_assert_eq(vacancy->vacancy->free, 1);
}

/* ---- a lobby on another Redis, which is away ---- */

static void pile_up(uint32_t n) {
  struct effects *effects = &bench.partition.effects;
  bench.partition.shards = 2;
  parcels_init(&effects->parcels, 2);
  for (uint32_t i = 0; i < n; i++)
    parcels_load(&effects->parcels, effects->partition, (struct stream_id){.ms = i + 1}, bytes_of_str("x"));
}

static void one_arrives(void) {
  struct parcels *parcels = &bench.partition.effects.parcels;
  uint32_t shard = bench.partition.effects.partition % 2;
  parcels_arrived(parcels, parcels_next(parcels, shard, NULL), 1);
  partition_unclogged(&bench.partition, shard);
  bench_commit(&bench);
}

/* Or the news of one hour would pile up: what counts is the last. */
Test(elsewhere, news_are_held_back_while_the_lobby_cannot_be_reached) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  cr_assert_eq(news(), 2);
  pile_up(PARCELS_CLOGGED + 1);
  bench_join(&bench, T + 1, bob, ROOM, "bob", JOIN);
  cr_assert_eq(news(), -2);
  bench_join(&bench, T + 2, cem, ROOM, "cem", JOIN);
  bench_leave(&bench, T + 3, bob, ROOM, "bob");
  cr_assert_eq(news(), -2);
  one_arrives();
  cr_assert_eq(news(), 1);
  one_arrives();
  cr_assert_eq(news(), -2, "once");
}

Test(elsewhere, the_end_of_a_room_is_not_held_back) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  pile_up(PARCELS_CLOGGED + 1);
  bench_time(&bench, T + KEEP);
  bench_time(&bench, T + KEEP + EMPTY);
  cr_assert_eq(news(), -1);
}

Test(elsewhere, news_that_were_held_back_are_told_by_the_next_owner) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann", .max_members = 3});
  pile_up(PARCELS_CLOGGED + 1);
  ask(T + 1, (struct question){.from = ASKER, .players = "ann"}); /* it takes that for a seat less, and none is */
  cr_assert_eq(news(), -2);
  bench_drop(&bench); /* there it gets through again */
  cr_assert_eq(news(), 2);
}

/* ---- asking ---- */

static struct room *asking_room(void) {
  bench_join(&bench, T, ann, ASKER, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  return bench_room(&bench, ASKER);
}

Test(elsewhere, a_question_leaves_with_the_commit_and_its_answer_is_counted) {
  const char *players[] = {"ann", "bob"};
  struct kind_seats seats = {.players = players, .n = 2, .keep_ms = KEEP};
  bench.by_hand = true;
  struct room *room = asking_room();
  cr_assert(room_open_elsewhere(room, ROOM, bytes_of("", 0), 4, &seats, 5));
  cr_assert(room_reserve_elsewhere(room, ROOM, &seats, 6));
  bench_commit(&bench);
  cr_assert_eq(bench_own(&bench, ENTRY(OPEN)) + bench_own(&bench, ENTRY(RESERVE)), 2);
  cr_assert_eq(bench_own_entry(&bench, ENTRY(OPEN), 0)->open->seats->n_seats, 2);
  bench_drop(&bench);
  cr_assert_eq(bench_room(&bench, ASKER)->asked, 2);
  cr_assert(bench_pass_on(&bench, T + 1));
  bench_commit(&bench);
  cr_assert_eq(bench_room(&bench, ROOM)->seats.n, 2);
  cr_assert_eq(bench_own(&bench, ENTRY(OPENED)), 2);
  cr_assert_eq(bench_own_entry(&bench, ENTRY(OPENED), 1)->opened->token, 6);
  cr_assert(bench_pass_on(&bench, T + 2));
  cr_assert_eq(bench_room(&bench, ASKER)->asked, 0);
}

Test(elsewhere, what_a_room_asks_is_bounded_and_makes_sense) {
  const char *players[] = {"ann"};
  struct kind_seats seats = {.players = players, .n = 1, .keep_ms = KEEP};
  struct room *room = asking_room();
  cr_assert_not(room_reserve_elsewhere(room, "no room", &seats, 1));
  cr_assert_not(room_reserve_elsewhere(room, ROOM, &(struct kind_seats){.players = players, .n = 1}, 1));
  for (int i = 0; i < ROOM_ASKED_MAX; i++) cr_assert(room_reserve_elsewhere(room, ROOM, &seats, 1));
  cr_assert_not(room_reserve_elsewhere(room, ROOM, &seats, 1));
}

Test(elsewhere, a_new_id_is_nobody_elses_and_comes_again_when_its_entry_does) {
  static char ids[100][ROOM_ID_MAX + 1];
  struct room_id parsed;
  bench.by_hand = true;
  struct room *room = asking_room();
  for (int i = 0; i < 100; i++) {
    room_new_id(room, "chat", ids[i]);
    cr_assert(room_id_parse(ids[i], strlen(ids[i]), &parsed) && parsed.derived, "%s", ids[i]);
    for (int j = 0; j < i; j++) cr_assert_str_neq(ids[i], ids[j]);
  }
  bench_drop(&bench);
  char again[ROOM_ID_MAX + 1];
  room_new_id(bench_room(&bench, ASKER), "chat", again);
  cr_assert_str_eq(again, ids[0]);
}

/* ---- who cannot answer ---- */

Test(elsewhere, a_room_whose_kind_crashed_answers_for_what_was_asked_of_it) {
  bench.by_hand = true;
  ask(T, (struct question){.open = true, .from = ASKER, .players = "ann"});
  bench.blame = (struct store_blame){.entry = {.ms = T, .seq = 0}, .index = 0, .room = ROOM};
  bench_drop(&bench);
  bench_commit(&bench);
  expect_answer(CODE(ROOM_FAILED), false);
}

Test(elsewhere, an_answer_to_nobody_is_ignored) {
  ask(T, (struct question){.open = true, .from = ASKER, .lobby = ASKER, .players = "ann"});
  cr_assert(bench_pass_on(&bench, T + 1));
  cr_assert_not(bench_pass_on(&bench, T + 2));
  cr_assert_eq(bench.metrics.bad_entries, 0);
}

Test(elsewhere, nonsense_is_refused) {
  ask(T, (struct question){.open = true, .from = "no room", .players = "ann"});
  ask(T + 1, (struct question){.open = true, .from = ASKER, .lobby = "no room", .players = "ann"});
  ask(T + 2, (struct question){.open = true, .from = ASKER, .players = "ann", .keep_ms = UINT64_MAX});
  ask(T + 3, (struct question){.from = ASKER, .players = "a\nb"});
  cr_assert_eq(bench.metrics.bad_entries, 4);
  cr_assert_eq(bench.n_rooms, 0);
}
