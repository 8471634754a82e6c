/* Promises of what the people who run the server can do to a room. */
#include "proto/pb.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>

#define ROOM        "chat/lounge"
#define T           UINT64_C(1000000)
#define API         UINT64_C(4611686018427387904)
#define EVENT(name) HEYA__V1__EVENT__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-2", 2, 1};

static struct bench bench;
static uint64_t now = T;
static void setup(void) {
  bench_open(&bench);
  bench_join(&bench, T, ann, ROOM, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  bench_join(&bench, T, bob, ROOM, "bob", HEYA__BUS__MODE__JOIN);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(admin_entry, .init = setup, .fini = teardown);

static void send(const char *room, Heya__Bus__Admin *admin) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
  entry.room = pb_text(room);
  entry.conn = API;
  entry.body_case = HEYA__BUS__ENTRY__BODY_ADMIN;
  entry.admin = admin;
  bench_batch(&bench, ++now, "g-1", entries, 1);
}

static void say(const char *room, Heya__Bus__Admin__BodyCase what, const char *text) {
  Heya__Bus__Admin admin = HEYA__BUS__ADMIN__INIT;
  admin.body_case = what;
  if (what == HEYA__BUS__ADMIN__BODY_COMPLETE) {
    admin.complete = true;
  } else {
    admin.kick = pb_text(text); /* they share their place in the union */
  }
  send(room, &admin);
}

static void expect_ack(void) {
  const struct bench_message *said = bench_to(&bench, "g-1", API, 0);
  cr_assert(said && said->message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK);
  cr_assert_eq(said->delivery->attachment, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

Test(admin_entry, a_room_can_be_completed) {
  say(ROOM, HEYA__BUS__ADMIN__BODY_COMPLETE, "");
  expect_ack();
  cr_assert_eq(bench_events(&bench, "g-2", 2, EVENT(CLOSED)), 1);
  cr_assert_null(bench_room(&bench, ROOM));
}

Test(admin_entry, a_member_can_be_kicked_and_come_back_but_not_when_banned) {
  say(ROOM, HEYA__BUS__ADMIN__BODY_KICK, "bob");
  expect_ack();
  cr_assert_eq(bench_room(&bench, ROOM)->n_members, 1);
  say(ROOM, HEYA__BUS__ADMIN__BODY_KICK, "bob");
  cr_assert_eq(bench_error(&bench, "g-1", API), CODE(NO_SUCH_MEMBER));
  bench_join(&bench, ++now, bob, ROOM, "bob", HEYA__BUS__MODE__JOIN);
  cr_assert_eq(bench_room(&bench, ROOM)->n_members, 2);
  say(ROOM, HEYA__BUS__ADMIN__BODY_BAN, "bob");
  expect_ack();
  bench_join(&bench, ++now, bob, ROOM, "bob", HEYA__BUS__MODE__JOIN);
  cr_assert_eq(bench_error(&bench, "g-2", 2), CODE(BANNED));
}

Test(admin_entry, a_notice_is_heard_by_all) {
  say(ROOM, HEYA__BUS__ADMIN__BODY_NOTICE, "maintenance in ten minutes");
  expect_ack();
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(NOTICE)), 1);
  cr_assert_eq(bench_events(&bench, "g-2", 2, EVENT(NOTICE)), 1);
  say(ROOM, HEYA__BUS__ADMIN__BODY_NOTICE, "");
  cr_assert_eq(bench_error(&bench, "g-1", API), CODE(INVALID_ARGUMENT));
}

Test(admin_entry, a_room_that_is_not_there_is_said_to_be_so) {
  say("chat/nowhere", HEYA__BUS__ADMIN__BODY_COMPLETE, "");
  cr_assert_eq(bench_error(&bench, "g-1", API), CODE(ROOM_NOT_FOUND));
}
