/* Promises to those who watch: they hear what all hear, have no say, take nobody's seat, and are gone with their
 * connection, whoever owns the room. */
#include "proto/pb.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CHAT "chat/lounge"
#define LIVE "live/stage"
#define T    UINT64_C(1000000)

#define JOIN        HEYA__BUS__MODE__JOIN
#define OPEN        HEYA__BUS__MODE__JOIN_OR_CREATE
#define EVENT(name) HEYA__V1__EVENT__BODY_##name
#define BODY(name)  HEYA__V1__SERVER_MESSAGE__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, eve = {"g-2", 1, 1}, fay = {"g-2", 2, 1};

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(spectators, .init = setup, .fini = teardown);

static void watch_saying(uint64_t ms, struct bench_from from, const char *room, const char *player,
                         Heya__Bus__Join *join) {
  join->spectate = true;
  bench_join_saying(&bench, ms, from, room, player, join);
}

static void watch(uint64_t ms, struct bench_from from, const char *room, const char *player) {
  watch_saying(ms, from, room, player, &(Heya__Bus__Join)HEYA__BUS__JOIN__INIT);
}

static const Heya__V1__ServerMessage *said(struct bench_from to, size_t nth) {
  const struct bench_message *message = bench_to(&bench, to.gateway, to.conn, nth);
  cr_assert(message, "there is no message %zu to %s", nth, to.gateway);
  return message->message;
}

static const Heya__V1__Joined *joined(struct bench_from to) {
  cr_assert_eq(said(to, 0)->body_case, BODY(JOINED), "body %d", said(to, 0)->body_case);
  return said(to, 0)->joined;
}

static void expect_error(struct bench_from to, Heya__V1__Error__Code code) {
  Heya__V1__Error__Code found = bench_error(&bench, to.gateway, to.conn);
  cr_assert_eq(found, code, "error %d, not %d", found, code);
}

static Heya__Bus__Attachment attachment(struct bench_from to, size_t nth) {
  return bench_to(&bench, to.gateway, to.conn, nth)->delivery->attachment;
}

/* ann is host of the room, and eve watches. */
static void seat_and_watch(const char *room) {
  bench_join(&bench, T, ann, room, "ann", OPEN);
  watch(T + 1, eve, room, "eve");
}

static size_t events(struct bench_from to, Heya__V1__Event__BodyCase what) {
  return bench_events(&bench, to.gateway, to.conn, what);
}

/* ---- watching ---- */

Test(spectators, they_are_shown_the_room_and_are_no_members) {
  seat_and_watch(CHAT);
  const Heya__V1__Snapshot *snapshot = joined(eve)->snapshot;
  cr_assert(snapshot->spectator);
  cr_assert_eq(snapshot->spectators, 1);
  cr_assert_eq(snapshot->n_members, 1);
  cr_assert_eq(attachment(eve, 0), HEYA__BUS__ATTACHMENT__ATTACHED);
  cr_assert_eq(bench_count_to(&bench, "g-1", 1), 0, "nobody is told");
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "spectators"), "1");
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "members"), "1");
}

Test(spectators, they_hear_what_all_hear_in_the_next_life_of_the_room_too) {
  seat_and_watch(CHAT);
  for (uint32_t life = 0; life < 3; life++) {
    bench_command(&bench, T + 2 + life, ann, CHAT, "ann", life + 1, bench_say(&bench, "hello"));
    cr_assert_eq(events(eve, EVENT(PAYLOAD)), 1);
    bench_drop(&bench);
  }
  bench_join(&bench, T + 9, bob, CHAT, "bob", JOIN);
  cr_assert_eq(events(eve, EVENT(JOINED)), 1);
  cr_assert_eq(joined(bob)->snapshot->spectators, 1);
  cr_assert_not(joined(bob)->snapshot->spectator);
}

Test(spectators, what_is_for_one_or_some_is_not_for_them) {
  struct room *room;
  seat_and_watch(CHAT);
  room = bench_room(&bench, CHAT);
  room_send_one(room, room->host, bytes_of("x", 1));
  bench_commit(&bench);
  cr_assert_eq(events(ann, EVENT(PAYLOAD)), 1);
  cr_assert_eq(events(eve, EVENT(PAYLOAD)), 0);
  room_send_except(room, room->host, bytes_of("x", 1));
  bench_commit(&bench);
  cr_assert_eq(events(ann, EVENT(PAYLOAD)), 0);
  cr_assert_eq(events(eve, EVENT(PAYLOAD)), 1);
}

Test(spectators, a_word_of_the_house_is_heard_by_all) {
  seat_and_watch(CHAT);
  room_notice(bench_room(&bench, CHAT), "closing at ten");
  bench_commit(&bench);
  cr_assert_eq(events(ann, EVENT(NOTICE)), 1);
  cr_assert_eq(events(eve, EVENT(NOTICE)), 1);
  cr_assert_str_eq(said(eve, 0)->event->notice, "closing at ten");
}

Test(spectators, they_have_no_say) {
  seat_and_watch(CHAT);
  bench_command(&bench, T + 2, eve, CHAT, "eve", 1, bench_say(&bench, "psst"));
  expect_error(eve, CODE(SPECTATOR));
  cr_assert_eq(said(eve, 0)->error->number, 1);
  cr_assert_eq(attachment(eve, 0), HEYA__BUS__ATTACHMENT__UNCHANGED);
  Heya__V1__Manage lock = HEYA__V1__MANAGE__INIT;
  lock.body_case = HEYA__V1__MANAGE__BODY_LOCK;
  lock.lock = true;
  bench_manage(&bench, T + 3, eve, CHAT, "eve", 1, &lock);
  expect_error(eve, CODE(SPECTATOR));
  cr_assert_eq(bench.metrics.commands, 0);
}

/* ---- the place ---- */

Test(spectators, a_room_that_is_not_there_cannot_be_watched) {
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = OPEN;
  watch_saying(T, eve, CHAT, "eve", &join);
  expect_error(eve, CODE(ROOM_NOT_FOUND));
  cr_assert_eq(bench.n_rooms, 0);
}

Test(spectators, a_full_or_locked_room_can_be_watched) {
  seat_and_watch(CHAT);
  bench_room(&bench, CHAT)->max_members = 1;
  room_lock(bench_room(&bench, CHAT), true);
  bench_commit(&bench);
  watch(T + 2, fay, CHAT, "fay");
  cr_assert_eq(joined(fay)->snapshot->spectators, 2);
}

Test(spectators, the_host_limits_how_many) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = OPEN;
  join.config = &config;
  config.max_spectators = 1;
  bench_join_saying(&bench, T, ann, CHAT, "ann", &join);
  watch(T + 1, eve, CHAT, "eve");
  bench_drop(&bench);
  watch(T + 2, fay, CHAT, "fay");
  expect_error(fay, CODE(ROOM_FULL));
  struct bench_from again = {"g-2", 9, 1};
  watch(T + 3, again, CHAT, "eve");
  cr_assert_eq(joined(again)->snapshot->spectators, 1, "who has a place keeps it");
}

Test(spectators, the_password_is_asked_of_them) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT, knowing = HEYA__BUS__JOIN__INIT;
  join.mode = OPEN;
  join.config = &config;
  config.password = pb_text("sesame");
  bench_join_saying(&bench, T, ann, CHAT, "ann", &join);
  watch(T + 1, eve, CHAT, "eve");
  expect_error(eve, CODE(WRONG_PASSWORD));
  cr_assert_eq(attachment(eve, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  knowing.password = pb_text("sesame");
  watch_saying(T + 2, eve, CHAT, "eve", &knowing);
  cr_assert(joined(eve)->snapshot->spectator);
}

Test(spectators, a_member_cannot_watch_as_well) {
  seat_and_watch(CHAT);
  watch(T + 2, fay, CHAT, "ann");
  expect_error(fay, CODE(INVALID_ARGUMENT));
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 1);
}

Test(spectators, who_takes_a_seat_watches_no_more) {
  seat_and_watch(CHAT);
  bench_join(&bench, T + 2, fay, CHAT, "eve", JOIN);
  cr_assert_eq(joined(fay)->snapshot->n_members, 2);
  cr_assert_eq(joined(fay)->snapshot->spectators, 0);
  cr_assert_eq(said(eve, 0)->body_case, BODY(DETACHED));
  cr_assert_eq(said(eve, 0)->detached->reason, CODE(REPLACED));
  cr_assert_eq(bench_count_to(&bench, "g-2", 1), 1);
}

Test(spectators, who_is_refused_a_seat_watches_on) {
  seat_and_watch(CHAT);
  room_lock(bench_room(&bench, CHAT), true);
  bench_commit(&bench);
  bench_join(&bench, T + 2, fay, CHAT, "eve", JOIN);
  expect_error(fay, CODE(ROOM_LOCKED));
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 1);
}

Test(spectators, the_newest_connection_of_a_player_watches) {
  seat_and_watch(CHAT);
  watch(T + 2, fay, CHAT, "eve");
  cr_assert_eq(said(eve, 0)->detached->reason, CODE(REPLACED));
  cr_assert(joined(fay)->snapshot->spectator);
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 1);
}

Test(spectators, a_join_of_a_connection_that_was_given_up_changes_nothing) {
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  join.instance = pb_text("tab");
  join.connection = 2;
  watch_saying(T + 1, eve, CHAT, "eve", &join);
  bench_drop(&bench);
  join.connection = 1;
  watch_saying(T + 2, fay, CHAT, "eve", &join);
  expect_error(fay, CODE(STALE));
  join.spectate = false;
  bench_join_saying(&bench, T + 3, fay, CHAT, "eve", &join);
  expect_error(fay, CODE(STALE));
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 1);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 1);
}

Test(spectators, who_asks_to_resume_is_shown_the_room) {
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  seat_and_watch(CHAT);
  resume.session = pb_text(bench_room(&bench, CHAT)->spectators[0]->session);
  resume.incarnation = bench_room(&bench, CHAT)->incarnation;
  resume.epoch = bench.epoch;
  join.resume = &resume;
  watch_saying(T + 2, fay, CHAT, "eve", &join);
  cr_assert_not(joined(fay)->resumed);
  cr_assert(joined(fay)->snapshot->spectator);
}

/* ---- going ---- */

Test(spectators, who_leaves_or_loses_his_connection_is_gone_at_once) {
  seat_and_watch(CHAT);
  watch(T + 2, fay, CHAT, "fay");
  bench_leave(&bench, T + 3, eve, CHAT, "eve");
  cr_assert_eq(said(eve, 0)->body_case, BODY(LEFT));
  cr_assert_eq(attachment(eve, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_eq(bench_count_to(&bench, "g-1", 1), 0, "nobody is told");
  bench_disconnected(&bench, T + 4, (struct bench_from){"g-2", 2, 9}, CHAT);
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 1, "a late word of another join");
  bench_disconnected(&bench, T + 5, (struct bench_from){"g-2", 2, UINT32_MAX}, CHAT);
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 0);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "spectators"), "0");
}

Test(spectators, those_of_a_dead_gateway_are_gone) {
  seat_and_watch(CHAT);
  watch(T + 2, fay, CHAT, "fay");
  bench_drop(&bench);
  bench_gateway_gone(&bench, T + 3, "g-2");
  cr_assert_eq(bench_room(&bench, CHAT)->n_spectators, 0);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 1);
}

Test(spectators, a_gateway_that_is_not_known_any_more_is_looked_into) {
  seat_and_watch(CHAT);
  bench_drop(&bench);
  partition_gateway_gone(&bench.partition, "g-2");
  bench_commit(&bench);
  cr_assert_eq(bench_own(&bench, HEYA__BUS__ENTRY__BODY_GATEWAY_GONE), 1);
}

Test(spectators, they_do_not_keep_a_room_alive_and_are_told_of_its_end) {
  seat_and_watch(CHAT);
  bench_leave(&bench, T + 2, ann, CHAT, "ann");
  cr_assert_eq(events(eve, EVENT(MEMBER_LEFT)), 1);
  bench_drop(&bench);
  bench_time(&bench, T + 2 + 10000);
  cr_assert_null(bench_room(&bench, CHAT));
  cr_assert_eq(events(eve, EVENT(CLOSED)), 1);
  cr_assert_eq(said(eve, 1)->detached->reason, CODE(ROOM_CLOSED));
  cr_assert_eq(attachment(eve, 1), HEYA__BUS__ATTACHMENT__DETACHED);
}

Test(spectators, of_an_empty_room_they_see_the_next_one_come) {
  seat_and_watch(CHAT);
  bench_leave(&bench, T + 2, ann, CHAT, "ann");
  bench_join(&bench, T + 3, bob, CHAT, "bob", JOIN);
  cr_assert_eq(events(eve, EVENT(JOINED)), 1);
  cr_assert_eq(events(eve, EVENT(HOST)), 1);
  cr_assert_eq(bench_count_to(&bench, "g-1", 2), 1);
  cr_assert_eq(joined(bob)->seq, bench_room(&bench, CHAT)->seq);
}

Test(spectators, the_host_puts_them_out) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  seat_and_watch(CHAT);
  manage.body_case = HEYA__V1__MANAGE__BODY_KICK;
  manage.kick = pb_text("eve");
  bench_manage(&bench, T + 2, ann, CHAT, "ann", 1, &manage);
  cr_assert_eq(said(eve, 0)->detached->reason, CODE(PLAYER_KICKED));
  watch(T + 3, eve, CHAT, "eve");
  cr_assert(joined(eve)->snapshot->spectator);
  manage.body_case = HEYA__V1__MANAGE__BODY_BAN;
  manage.ban = pb_text("eve");
  bench_manage(&bench, T + 4, ann, CHAT, "ann", 2, &manage);
  cr_assert_eq(said(eve, 0)->detached->reason, CODE(PLAYER_KICKED));
  bench_drop(&bench);
  watch(T + 5, eve, CHAT, "eve");
  expect_error(eve, CODE(BANNED));
}

Test(spectators, after_a_doubt_they_are_shown_the_room_again) {
  seat_and_watch(LIVE);
  bench_drop(&bench);
  partition_resync(&bench.partition);
  bench_commit(&bench);
  cr_assert_eq(joined(eve)->reason, CODE(RESYNC));
  cr_assert(joined(eve)->snapshot->spectator && !joined(eve)->returned);
  cr_assert_not(joined(ann)->snapshot->spectator);
}
