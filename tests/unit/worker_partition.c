/* Promises of a partition: what its rooms do with the entries of its stream, at the stream's times. */
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CHAT  "chat/lounge"
#define LIVE  "live/stage"
#define TWIN  "live/~abcdefghijklmnopqrstuvwxyz"
#define T     UINT64_C(1000000) /* of the first entry */
#define AWAY  30000
#define EMPTY 10000

#define JOIN        HEYA__BUS__MODE__JOIN
#define OPEN        HEYA__BUS__MODE__JOIN_OR_CREATE
#define CREATE      HEYA__BUS__MODE__CREATE
#define EVENT(name) HEYA__V1__EVENT__BODY_##name
#define BODY(name)  HEYA__V1__SERVER_MESSAGE__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, cem = {"g-2", 1, 1};

static struct bench bench;
static void setup(void) {
  bench_open(&bench);
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(partition, .init = setup, .fini = teardown);

static const Heya__V1__ServerMessage *said(struct bench_from to, size_t nth) {
  const struct bench_message *message = bench_to(&bench, to.gateway, to.conn, nth);
  cr_assert(message, "there is no message %zu to %s", nth, to.gateway);
  return message->message;
}

static const Heya__V1__Joined *joined(struct bench_from to) {
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    if (said(to, i)->body_case == BODY(JOINED)) return said(to, i)->joined;
  }
  cr_assert_fail("not joined");
  return NULL;
}

static void expect_error(struct bench_from to, Heya__V1__Error__Code code) {
  Heya__V1__Error__Code found = bench_error(&bench, to.gateway, to.conn);
  cr_assert_eq(found, code, "error %d, not %d", found, code);
}

static Heya__Bus__Attachment attachment(struct bench_from to, size_t nth) {
  return bench_to(&bench, to.gateway, to.conn, nth)->delivery->attachment;
}

/* A room with these two in it. */
static void seat_both(const char *room) {
  bench_join(&bench, T, ann, room, "ann", OPEN);
  bench_join(&bench, T + 1, bob, room, "bob", JOIN);
}

/* ---- joining and leaving ---- */

Test(partition, a_join_makes_the_room_and_its_host) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  const Heya__V1__Joined *answer = joined(ann);
  cr_assert(answer->created && !answer->returned);
  cr_assert_str_eq(answer->snapshot->host, "ann");
  cr_assert_eq(answer->epoch, 7);
  cr_assert_eq(said(ann, 0)->request, 5);
  cr_assert_eq(attachment(ann, 0), HEYA__BUS__ATTACHMENT__ATTACHED);
  cr_assert(bench.whole);
  cr_assert_eq(bench_stored(&bench, CHAT)->expire_at_ms, 0);
}

Test(partition, others_hear_of_a_newcomer_and_he_sees_them) {
  seat_both(CHAT);
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(JOINED)), 1);
  cr_assert_eq(bench_events(&bench, "g-1", 2, EVENT(JOINED)), 0);
  cr_assert_eq(joined(bob)->snapshot->n_members, 2);
  cr_assert_not(joined(bob)->created);
  cr_assert_eq(joined(bob)->seq, bench_room(&bench, CHAT)->seq);
}

Test(partition, a_leaver_is_answered_and_the_host_moves_to_the_longest_seated) {
  seat_both(CHAT);
  bench_join(&bench, T + 2, cem, CHAT, "cem", JOIN);
  bench_leave(&bench, T + 3, ann, CHAT, "ann");
  cr_assert_eq(said(ann, 0)->body_case, BODY(LEFT));
  cr_assert_eq(attachment(ann, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_eq(bench_count_to(&bench, "g-1", 1), 1);
  cr_assert_eq(bench_events(&bench, "g-2", 1, EVENT(MEMBER_LEFT)), 1);
  cr_assert_eq(bench_events(&bench, "g-2", 1, EVENT(HOST)), 1);
  cr_assert_str_eq(bench_room(&bench, CHAT)->host->player, "bob");
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "host"), "bob");
  cr_assert_eq(strncmp(bench_text(&bench_stored(&bench, CHAT)->members, "bob"), "here host", 9), 0);
  cr_assert_null(bench_text(&bench_stored(&bench, CHAT)->members, "ann"));
}

Test(partition, to_leave_where_one_is_not_is_an_error) {
  bench_leave(&bench, T, ann, CHAT, "ann");
  expect_error(ann, CODE(NOT_IN_ROOM));
  seat_both(CHAT);
  bench_leave(&bench, T + 2, (struct bench_from){"g-1", 1, 2}, CHAT, "ann");
  expect_error(ann, CODE(NOT_IN_ROOM));
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 2);
}

Test(partition, a_join_without_create_needs_the_room) {
  bench_join(&bench, T, ann, CHAT, "ann", JOIN);
  expect_error(ann, CODE(ROOM_NOT_FOUND));
  cr_assert_eq(attachment(ann, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_null(bench_room(&bench, CHAT));
}

Test(partition, a_full_room_refuses) {
  static const char *const players[] = {"a", "b", "c", "d", "e"};
  for (uint64_t i = 0; i < 5; i++) {
    bench_join(&bench, T + i, (struct bench_from){"g-1", i + 1, 1}, LIVE, players[i], OPEN);
  }
  cr_assert_eq(bench_error(&bench, "g-1", 5), CODE(ROOM_FULL));
  cr_assert_eq(bench_room(&bench, LIVE)->n_members, 4);
}

Test(partition, a_locked_room_takes_back_its_own_and_nobody_else) {
  seat_both(LIVE);
  bench_command(&bench, T + 2, ann, LIVE, "ann", 1, bench_start(&bench));
  bench_join(&bench, T + 3, cem, LIVE, "cem", OPEN);
  expect_error(cem, CODE(ROOM_LOCKED));
  bench_disconnected(&bench, T + 4, bob, LIVE);
  struct bench_from again = {"g-2", 9, 1};
  bench_join(&bench, T + 5, again, LIVE, "bob", JOIN);
  cr_assert(joined(again)->returned);
  cr_assert_eq(joined(again)->snapshot->status, HEYA__V1__STATUS__LOCKED);
}

Test(partition, a_refused_open_leaves_no_trace) {
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  uint8_t garbage[] = {0xff, 0xff};
  entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  entry.room = (char[]){LIVE};
  entry.player = (char[]){"ann"};
  entry.conn = 1;
  entry.join = &join;
  join.mode = OPEN;
  join.options = (ProtobufCBinaryData){sizeof garbage, garbage};
  bench_batch(&bench, T + 1, "g-1", entries, 1);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(INVALID_ARGUMENT));
  entry.room = (char[]){CHAT};
  join.options = (ProtobufCBinaryData){0};
  join.profile = (ProtobufCBinaryData){sizeof garbage, garbage}; /* the room opens, the joiner is refused */
  bench_batch(&bench, T + 2, "g-1", entries, 1);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(INVALID_ARGUMENT));
  join.profile = (ProtobufCBinaryData){0};
  join.max_members = 1001;
  bench_batch(&bench, T + 3, "g-1", entries, 1);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(INVALID_ARGUMENT));
  entry.room = (char[]){"nokind/x"};
  bench_batch(&bench, T + 4, "g-1", entries, 1);
  cr_assert_eq(bench_error(&bench, "g-1", 1), CODE(UNKNOWN_KIND));
  cr_assert_eq(bench.n_rooms, 0);
  cr_assert_eq(partition_next_due_ms(&bench.partition), 0);
}

Test(partition, create_is_idempotent_and_its_end_leaves_a_tomb) {
  bench_join(&bench, T, ann, TWIN, "ann", CREATE);
  cr_assert(joined(ann)->created);
  struct bench_from again = {"g-1", 1, 2};
  bench_join(&bench, T + 1, again, TWIN, "ann", CREATE);
  cr_assert(joined(again)->returned && !joined(again)->created);
  bench_command(&bench, T + 2, again, TWIN, "ann", 1, bench_dissolve(&bench));
  cr_assert_null(bench_room(&bench, TWIN));
  cr_assert_eq(bench.n_tombs, 1);
  cr_assert_eq(bench.tombs[0].until_ms, T + 2 + TOMB_MS + TOMB_MARGIN_MS);
  bench_drop(&bench);
  bench_join(&bench, T + 1 + TOMB_MS, ann, TWIN, "ann", CREATE);
  expect_error(ann, CODE(ROOM_CLOSED));
  bench_join(&bench, T + 2 + TOMB_MS, ann, TWIN, "ann", CREATE);
  cr_assert(joined(ann)->created);
  cr_assert_eq(bench.n_tombs, 0);
}

Test(partition, a_dissolved_room_tells_its_members_and_is_gone) {
  seat_both(LIVE);
  bench_command(&bench, T + 2, ann, LIVE, "ann", 1, bench_dissolve(&bench));
  cr_assert_eq(said(ann, 0)->body_case, BODY(ACK));
  cr_assert_eq(bench_events(&bench, "g-1", 2, EVENT(CLOSED)), 1);
  cr_assert_eq(said(bob, 1)->body_case, BODY(DETACHED));
  cr_assert_eq(said(bob, 1)->detached->reason, CODE(ROOM_CLOSED));
  cr_assert_eq(attachment(bob, 1), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_null(bench_stored(&bench, LIVE));
  bench_command(&bench, T + 3, bob, LIVE, "bob", 1, bench_start(&bench));
  cr_assert_eq(attachment(bob, 0), HEYA__BUS__ATTACHMENT__LOST); /* he is told only if he was not */
  cr_assert_eq(said(bob, 1)->error->code, CODE(ROOM_CLOSED));
  bench_join(&bench, T + 4, bob, LIVE, "bob", OPEN);
  cr_assert(joined(bob)->created);
}

/* ---- connections come and go ---- */

Test(partition, who_is_disconnected_is_away_and_leaves_exactly_in_time) {
  seat_both(CHAT);
  bench_disconnected(&bench, T + 2, bob, CHAT);
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(AWAY)), 1);
  cr_assert_eq(bench_count_to(&bench, "g-1", 2), 0);
  bench_time(&bench, T + 2 + AWAY - 1);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 2);
  bench_time(&bench, T + 2 + AWAY);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 1);
  cr_assert_eq(said(ann, 0)->event->member_left->reason, HEYA__V1__LEAVE_REASON__TIMED_OUT);
}

Test(partition, who_returns_has_his_seat_and_a_new_session) {
  seat_both(CHAT);
  char session[SESSION_ID_MAX];
  snprintf(session, sizeof session, "%s", joined(bob)->session);
  bench_command(&bench, T + 2, bob, CHAT, "bob", 1, bench_say(&bench, "x"));
  bench_disconnected(&bench, T + 3, bob, CHAT);
  bench_join(&bench, T + 4, cem, CHAT, "bob", JOIN);
  cr_assert(joined(cem)->returned);
  cr_assert_str_neq(joined(cem)->session, session);
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(BACK)), 1);
  bench_command(&bench, T + 5, cem, CHAT, "bob", 1, bench_say(&bench, "y"));
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 1);
  bench_time(&bench, T + 3 + AWAY);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 2);
}

Test(partition, a_late_word_of_an_older_connection_or_join_changes_nothing) {
  seat_both(CHAT);
  struct bench_from again = {"g-1", 2, 2};
  bench_join(&bench, T + 2, again, CHAT, "bob", JOIN);
  bench_disconnected(&bench, T + 3, bob, CHAT);
  cr_assert_not(member_is_away(room_member(bench_room(&bench, CHAT), "bob")));
  bench_join(&bench, T + 4, cem, CHAT, "bob", JOIN);
  bench_disconnected(&bench, T + 5, again, CHAT);
  bench_disconnected(&bench, T + 6, (struct bench_from){"g-1", 2, UINT32_MAX}, CHAT);
  cr_assert_not(member_is_away(room_member(bench_room(&bench, CHAT), "bob")));
  bench_disconnected(&bench, T + 7, (struct bench_from){"g-2", 1, UINT32_MAX}, CHAT);
  cr_assert(member_is_away(room_member(bench_room(&bench, CHAT), "bob")));
}

Test(partition, an_older_join_of_the_same_connection_that_comes_late_changes_nothing) {
  struct bench_from later = {"g-1", 1, 2};
  bench_join(&bench, T, later, CHAT, "ann", OPEN);
  bench_join(&bench, T + 1, ann, CHAT, "ann", JOIN);
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(room_member(bench_room(&bench, CHAT), "ann")->binding.attempt, 2);
}

/* ann's client is in the room by its second connection when the join of its first one arrives. */
static const struct bench_from newer = {"g-2", 1, 1};
static const struct bench_client first_way = {"tab", 1}, second_way = {"tab", 2};

static void expect_the_late_join_is_stale(uint64_t ms) {
  bench_join_by(&bench, ms, ann, first_way, CHAT, "ann", JOIN);
  expect_error(ann, CODE(STALE));
  cr_assert_eq(attachment(ann, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_eq(bench_count_to(&bench, newer.gateway, newer.conn), 0);
}

static void expect_the_newer_one_speaks(uint64_t ms) {
  bench_disconnected(&bench, ms, ann, CHAT);
  bench_command(&bench, ms + 1, newer, CHAT, "ann", 1, bench_say(&bench, "here"));
  cr_assert_eq(bench_events(&bench, newer.gateway, newer.conn, HEYA__V1__EVENT__BODY_PAYLOAD), 1);
}

Test(partition, a_join_of_a_clients_older_connection_that_comes_late_changes_nothing) {
  bench_join_by(&bench, T, newer, second_way, CHAT, "ann", OPEN);
  expect_the_late_join_is_stale(T + 1);
  expect_the_newer_one_speaks(T + 2);
}

Test(partition, a_late_join_of_an_older_connection_is_known_to_the_next_owner_too) {
  bench_join_by(&bench, T, newer, second_way, CHAT, "ann", OPEN);
  bench_drop(&bench);
  expect_the_late_join_is_stale(T + 1);
  expect_the_newer_one_speaks(T + 2);
}

Test(partition, a_late_join_of_an_older_connection_does_not_bring_back_who_is_away) {
  bench_join_by(&bench, T, newer, second_way, CHAT, "ann", OPEN);
  bench_disconnected(&bench, T + 1, newer, CHAT);
  expect_the_late_join_is_stale(T + 2);
  cr_assert(member_is_away(room_member(bench_room(&bench, CHAT), "ann")));
}

Test(partition, another_client_of_a_player_replaces_the_first_however_few_connections_it_made) {
  bench_join_by(&bench, T, newer, second_way, CHAT, "ann", OPEN);
  bench_join_by(&bench, T + 1, ann, (struct bench_client){"phone", 1}, CHAT, "ann", JOIN);
  cr_assert_eq(said(newer, 0)->detached->reason, CODE(REPLACED));
  cr_assert(joined(ann)->returned);
}

Test(partition, the_same_player_by_another_connection_replaces_the_first) {
  seat_both(CHAT);
  bench_join(&bench, T + 2, cem, CHAT, "bob", JOIN);
  cr_assert_eq(said(bob, 0)->body_case, BODY(DETACHED));
  cr_assert_eq(said(bob, 0)->detached->reason, CODE(REPLACED));
  cr_assert_eq(attachment(bob, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert(joined(cem)->returned);
  cr_assert_eq(bench_count_to(&bench, "g-1", 1), 0);
  bench_command(&bench, T + 3, bob, CHAT, "bob", 1, bench_say(&bench, "still here"));
  expect_error(bob, CODE(STALE));
  cr_assert_eq(attachment(bob, 0), HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_eq(bench_count_to(&bench, "g-1", 1), 0);
}

static unsigned absent_gateways;
static void on_absent(void *arg, const char *gateway) {
  (void)arg;
  (void)gateway;
  absent_gateways++;
}
static void check_gateways(const char *const *living, size_t n, uint64_t now_ms) {
  partition_check_gateways(&bench.partition, living, n, now_ms, on_absent, NULL);
}

Test(partition, a_dead_gateway_makes_its_members_away_once) {
  static const char *const living[] = {"g-2"};
  seat_both(CHAT);
  bench_join(&bench, T + 2, cem, CHAT, "cem", JOIN);
  check_gateways(living, 1, T + 1); /* a view from before bob's join */
  check_gateways(living, 1, T + 3);
  check_gateways(living, 1, T + 3);
  partition_gateway_gone(&bench.partition, "g-1");
  partition_gateway_gone(&bench.partition, "g-9");
  bench_commit(&bench);
  cr_assert_eq(bench_own(&bench, HEYA__BUS__ENTRY__BODY_GATEWAY_GONE), 1);
  cr_assert_eq(absent_gateways, 1);
  bench_gateway_gone(&bench, T + 4, "g-1");
  cr_assert_eq(bench_events(&bench, "g-2", 1, EVENT(AWAY)), 2);
  check_gateways(living, 1, T + 5);
  bench_gateway_gone(&bench, T + 6, "g-1");
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(bench.own.len, 0);
  bench_time(&bench, T + 4 + AWAY);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 1);
}

Test(partition, what_was_said_of_a_dead_gateway_and_does_not_come_is_said_again) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  for (unsigned i = 0; i < 10; i++) check_gateways(NULL, 0, T + 1 + i * 1000);
  bench_commit(&bench);
  cr_assert_eq(bench_own(&bench, HEYA__BUS__ENTRY__BODY_GATEWAY_GONE), 2);
  cr_assert_eq(absent_gateways, 2);
}

Test(partition, a_view_does_not_judge_a_gateway_that_came_after_it) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  check_gateways(NULL, 0, T);
  bench_commit(&bench);
  cr_assert_eq(bench.own.len, 0);
  bench_drop(&bench); /* loaded bindings are older than any view taken now */
  check_gateways(NULL, 0, T);
  bench_commit(&bench);
  cr_assert_eq(bench_own(&bench, HEYA__BUS__ENTRY__BODY_GATEWAY_GONE), 1);
}

/* ---- commands, exactly once ---- */

Test(partition, a_duplicate_gets_the_first_outcome_and_does_nothing) {
  seat_both(LIVE);
  bench_command(&bench, T + 2, bob, LIVE, "bob", 1, bench_start(&bench));
  expect_error(bob, CODE(NOT_HOST));
  bench_command(&bench, T + 3, ann, LIVE, "ann", 1, bench_start(&bench));
  cr_assert_eq(bench_events(&bench, "g-1", 2, EVENT(PAYLOAD)), 1);
  for (uint64_t dropped = 0; dropped < 2; dropped++) {
    bench_command(&bench, T + 4 + 10 * dropped, bob, LIVE, "bob", 1, bench_start(&bench));
    expect_error(bob, CODE(NOT_HOST));
    cr_assert_eq(said(bob, 0)->error->number, 1);
    bench_command(&bench, T + 5 + 10 * dropped, ann, LIVE, "ann", 1, bench_start(&bench));
    cr_assert_eq(bench.n_said, 1);
    cr_assert_eq(said(ann, 0)->body_case, BODY(ACK));
    cr_assert_eq(said(ann, 0)->ack->number, 1);
    bench_drop(&bench);
  }
  cr_assert_eq(bench.metrics.duplicates, 4);
}

Test(partition, a_refusal_keeps_its_words_for_the_duplicate) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  char words[160];
  bench_command(&bench, T + 1, ann, CHAT, "ann", 1, bench_say(&bench, ""));
  expect_error(ann, CODE(INVALID_ARGUMENT));
  snprintf(words, sizeof words, "%s", said(ann, 0)->error->message);
  bench_drop(&bench);
  bench_command(&bench, T + 2, ann, CHAT, "ann", 1, bench_say(&bench, "valid now"));
  cr_assert_str_eq(said(ann, 0)->error->message, words);
  cr_assert_eq(bench.n_said, 1);
}

Test(partition, a_gap_consumes_nothing) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  bench_command(&bench, T + 1, ann, CHAT, "ann", 3, bench_say(&bench, "3"));
  expect_error(ann, CODE(GAP));
  cr_assert_eq(said(ann, 0)->error->expected, 1);
  cr_assert_eq(said(ann, 0)->error->number, 3);
  for (uint32_t number = 1; number <= 3; number++) {
    bench_command(&bench, T + 2, ann, CHAT, "ann", number, bench_say(&bench, "x"));
    cr_assert_eq(said(ann, 1)->body_case, BODY(ACK));
  }
  bench_command(&bench, T + 3, ann, CHAT, "ann", 0, bench_say(&bench, "next, whatever it is"));
  cr_assert_eq(said(ann, 1)->ack->number, 4);
}

Test(partition, a_forgotten_outcome_is_said_to_be_too_old) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  for (uint32_t number = 1; number <= SESSION_WINDOW + 1; number++) {
    bench_command(&bench, T + 1, ann, CHAT, "ann", number, bench_say(&bench, "x"));
  }
  bench_command(&bench, T + 2, ann, CHAT, "ann", 2, bench_say(&bench, "x"));
  cr_assert_eq(said(ann, 0)->body_case, BODY(ACK));
  bench_command(&bench, T + 2, ann, CHAT, "ann", 1, bench_say(&bench, "x"));
  expect_error(ann, CODE(TOO_OLD));
  cr_assert_eq(bench.n_said, 1);
}

/* ---- time ---- */

Test(partition, an_empty_room_is_revived_a_millisecond_before_it_expires) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  char incarnation[INCARNATION_MAX];
  snprintf(incarnation, sizeof incarnation, "%s", joined(ann)->incarnation);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  cr_assert(bench_stored(&bench, CHAT)->expire_at_ms > T + 1 + EMPTY);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "status"), "empty");
  bench_join(&bench, T + EMPTY, bob, CHAT, "bob", JOIN);
  cr_assert(bench.whole);
  cr_assert_not(joined(bob)->created);
  cr_assert_str_eq(joined(bob)->incarnation, incarnation);
  cr_assert_str_eq(joined(bob)->snapshot->host, "bob");
  cr_assert_eq(bench_stored(&bench, CHAT)->expire_at_ms, 0);
}

Test(partition, an_empty_room_ends_exactly_when_it_expires) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  char incarnation[INCARNATION_MAX];
  snprintf(incarnation, sizeof incarnation, "%s", joined(ann)->incarnation);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  bench_join(&bench, T + 1 + EMPTY, bob, CHAT, "bob", OPEN);
  cr_assert(bench.whole);
  cr_assert(joined(bob)->created);
  cr_assert_str_neq(joined(bob)->incarnation, incarnation);
  bench_leave(&bench, T + 2 + EMPTY, bob, CHAT, "bob");
  bench_join(&bench, T + 2 + 2 * EMPTY, bob, CHAT, "bob", JOIN);
  expect_error(bob, CODE(ROOM_NOT_FOUND));
  cr_assert_null(bench_stored(&bench, CHAT));
}

Test(partition, what_is_due_happens_before_the_entry_that_passes_it) {
  seat_both(CHAT);
  bench_disconnected(&bench, T + 2, ann, CHAT);
  bench_join(&bench, T + 2 + AWAY, cem, CHAT, "cem", JOIN);
  cr_assert_eq(joined(cem)->snapshot->n_members, 2);
  cr_assert_str_eq(joined(cem)->snapshot->host, "bob");
  cr_assert_eq(said(bob, 0)->event->body_case, EVENT(MEMBER_LEFT));
  cr_assert_eq(said(bob, 1)->event->body_case, EVENT(HOST));
  cr_assert_eq(said(bob, 2)->event->body_case, EVENT(JOINED));
}

static size_t asks_at(uint64_t now_ms, uint64_t monotonic_us) {
  partition_ask_time(&bench.partition, now_ms, monotonic_us);
  bench_commit(&bench);
  return bench_own(&bench, HEYA__BUS__ENTRY__BODY_TIME);
}

static size_t asks(uint64_t now_ms) {
  return asks_at(now_ms, 1000000);
}

Test(partition, an_entry_that_keeps_coming_too_early_is_asked_for_ever_less_often) {
  uint64_t now_us = 1000000, due = T + 1 + EMPTY;
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  size_t asked = 0;
  for (uint64_t until_us = now_us + 1000000; now_us < until_us; now_us += 500) {
    if (asks_at(due + 5, now_us) == 0) continue;
    asked++;
    bench_time(&bench, T + 2 + asked);
    cr_assert(partition_ask_wait_us(&bench.partition, due + 5, now_us) > 0);
  }
  cr_assert(asked >= 20 && asked <= 30, "%zu times", asked);
  cr_assert_eq(asks_at(due + 5, now_us + 50000), 1);
  bench_time(&bench, due);
  cr_assert_null(bench_room(&bench, CHAT));
}

Test(partition, an_entry_that_does_not_come_is_asked_for_again) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  cr_assert_eq(asks_at(T + 1 + EMPTY, 1000000), 1);
  cr_assert_eq(asks_at(T + 1 + EMPTY, 1000000 + PARTITION_ASK_AGAIN_US - 1), 0);
  cr_assert_eq(asks_at(T + 1 + EMPTY, 1000000 + PARTITION_ASK_AGAIN_US), 1);
}

Test(partition, an_entry_is_asked_for_when_something_is_due_and_again_if_it_came_too_early) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  cr_assert_eq(asks(T + 99999999), 0);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  cr_assert_eq(partition_next_due_ms(&bench.partition), T + 1 + EMPTY);
  cr_assert_eq(asks(T + EMPTY), 0);
  cr_assert_eq(asks(T + 1 + EMPTY), 1);
  cr_assert_eq(asks(T + 2 + EMPTY), 0); /* one is on its way */
  bench_time(&bench, T + EMPTY);
  cr_assert(bench_room(&bench, CHAT));
  cr_assert_eq(asks(T + 2 + EMPTY), 0); /* not at once */
  cr_assert_eq(asks_at(T + 2 + EMPTY, 1100000), 1);
  bench_drop(&bench); /* and a successor asks for himself */
  cr_assert_eq(asks(T + 2 + EMPTY), 1);
  bench_time(&bench, T + 1 + EMPTY);
  cr_assert_null(bench_room(&bench, CHAT));
  cr_assert_eq(asks(T + 99999999), 0);
}

static void play_until_the_first_result(void) {
  seat_both(LIVE);
  bench_command(&bench, T + 2, ann, LIVE, "ann", 1, bench_start(&bench));
  bench_command(&bench, T + 100, ann, LIVE, "ann", 2, bench_submit(&bench, 1, 500));
  cr_assert_eq(bench_stored(&bench, LIVE)->deadline_ms, T + 10100);
  cr_assert_eq(bench_stored(&bench, LIVE)->round, 1);
}

Test(partition, a_result_at_the_deadline_counts) {
  play_until_the_first_result();
  bench_drop(&bench);
  bench_command(&bench, T + 10100, bob, LIVE, "bob", 1, bench_submit(&bench, 1, 400));
  cr_assert_eq(said(bob, bench_count_to(&bench, "g-1", 2) - 1)->body_case, BODY(ACK));
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 2); /* submitted, results */
  cr_assert_eq(bench_stored(&bench, LIVE)->deadline_ms, 0);
  cr_assert_eq(strncmp(bench_text(&bench_stored(&bench, LIVE)->results, "bob"), "400 points", 10), 0);
}

Test(partition, a_result_a_millisecond_after_the_deadline_does_not) {
  play_until_the_first_result();
  bench_command(&bench, T + 10101, bob, LIVE, "bob", 1, bench_submit(&bench, 1, 400));
  cr_assert_eq(said(bob, 0)->body_case, BODY(EVENT)); /* the results, before his answer */
  cr_assert_eq(said(bob, 1)->error->code, CODE(TOO_LATE));
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 1);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, LIVE)->results, "bob"), "0 points, forfeited");
}

Test(partition, time_alone_ends_a_round) {
  play_until_the_first_result();
  bench_time(&bench, T + 10100);
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(asks(T + 10101), 1);
  bench_drop(&bench);
  bench_time(&bench, T + 10101);
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 1);
}

/* A kind whose timer sets itself again for now, counted by its events. */
static kind_code ticker_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)options, (void)reply;
  room_timer_set(room, 1, 0);
  return CODE(OK);
}
static kind_code ticker_command(struct room *room, struct member *member, struct bytes payload,
                                struct kind_reply *reply) {
  (void)room, (void)member, (void)payload, (void)reply;
  return CODE(OK);
}
static void ticker_timer(struct room *room, uint32_t id) {
  room_send_all(room, bytes_of("tick", 4));
  room_timer_set(room, id, room_time_ms(room));
}
static void ticker_save(struct room *room, struct buf *out) {
  (void)room, (void)out;
}
static bool ticker_load(struct room *room, struct bytes state) {
  (void)room;
  return state.len == 0;
}
static void ticker_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)room, (void)viewer, (void)out;
}
static const struct kind ticker = {.abi = KIND_ABI,
                                   .name = "ticker",
                                   .max_members = 2,
                                   .max_members_limit = 2,
                                   .empty_ms = EMPTY,
                                   .away_ms = AWAY,
                                   .open = ticker_open,
                                   .command = ticker_command,
                                   .timer = ticker_timer,
                                   .save = ticker_save,
                                   .load = ticker_load,
                                   .snapshot = ticker_snapshot};

Test(partition, a_timer_that_sets_itself_for_now_fires_once_in_a_millisecond, .timeout = 10) {
  cr_assert_eq(kind_registry_add(&bench.kinds, &ticker), KIND_ADDED);
  bench_join(&bench, T, ann, "ticker/a", "ann", OPEN);
  cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 0);
  for (uint64_t ms = T + 1; ms < T + 5; ms++) {
    bench_time(&bench, ms);
    cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 1);
    bench_time(&bench, ms);
    cr_assert_eq(bench_events(&bench, "g-1", 1, EVENT(PAYLOAD)), 0);
  }
}

Test(partition, a_room_that_was_left_locked_is_open_again) {
  bench_join(&bench, T, ann, CHAT, "ann", OPEN);
  room_lock(bench_room(&bench, CHAT), true);
  bench_leave(&bench, T + 1, ann, CHAT, "ann");
  bench_join(&bench, T + 2, bob, CHAT, "bob", JOIN);
  cr_assert_eq(joined(bob)->snapshot->status, HEYA__V1__STATUS__OPEN);
}

/* ---- hostile entries ---- */

static void expect_nothing_changed(const char *before) {
  struct buf after = {0};
  bench_commit(&bench);
  bench_print(&bench, &after);
  cr_assert_str_eq(buf_str(&after), before);
  buf_close(&after);
}

Test(partition, garbage_and_bad_senders_are_counted_and_change_nothing) {
  static const char *const senders[] = {"", "a:b", "\xff\xfe", "g-1\n",
                                        "a sender whose id is longer than any id may be"};
  struct buf before = {0};
  seat_both(CHAT);
  bench_print(&bench, &before);
  for (size_t i = 0; i < 5; i++)
    bench_feed(&bench, (struct stream_id){T + 2, i}, bytes_of_str(senders[i]), (struct bytes){0});
  bench_feed(&bench, (struct stream_id){T + 3, 0}, bytes_of_str("g-1"), bytes_of_str("\xff\xff\xff"));
  bench_feed(&bench, (struct stream_id){T + 3, 1}, bytes_of_str("g-1"), bytes_of_str("\x0a\x7f"));
  cr_assert_eq(bench.metrics.bad_entries, 7);
  cr_assert_eq(bench.done.ms, T + 3);
  cr_assert_eq(bench.consumed_bytes, 2);
  expect_nothing_changed(buf_str(&before));
  buf_close(&before);
}

Test(partition, entries_that_make_no_sense_are_refused_one_by_one) {
  static const char *const rooms[] = {"", "chat", "chat/", "/x", "chat/a:b", "chat/a/b", "Chat/x", "chat/~short"};
  struct buf before = {0};
  seat_both(CHAT);
  bench_print(&bench, &before);
  for (size_t i = 0; i < 8; i++) bench_join(&bench, T + 2, cem, rooms[i], "cem", OPEN);
  bench_join(&bench, T + 2, cem, CHAT, "", OPEN);
  bench_join(&bench, T + 2, cem, CHAT, "a\nb", OPEN);
  bench_join(&bench, T + 2, cem, TWIN, "cem", OPEN); /* a derived name is made by create alone */
  bench_gateway_gone(&bench, T + 2, "not:an:id");
  Heya__Bus__Entry empty = HEYA__BUS__ENTRY__INIT, *entries[] = {&empty};
  bench_batch(&bench, T + 2, "g-1", entries, 1); /* a body we do not know */
  cr_assert_eq(bench.metrics.bad_entries, 13);
  cr_assert_eq(bench.n_said, 0);
  expect_nothing_changed(buf_str(&before));
  buf_close(&before);
}

Test(partition, oversize_options_and_profiles_are_answered_and_change_nothing) {
  static uint8_t zeros[16385];
  for (int profile = 0; profile < 2; profile++) {
    Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT, *entries[] = {&entry};
    Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
    ProtobufCBinaryData big = {profile ? 4097 : 16385, zeros};
    *(profile ? &join.profile : &join.options) = big;
    join.mode = OPEN;
    entry.room = (char[]){CHAT};
    entry.player = (char[]){"ann"};
    entry.conn = 1;
    entry.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
    entry.join = &join;
    bench_batch(&bench, T, "g-1", entries, 1);
    expect_error(ann, CODE(INVALID_ARGUMENT));
    cr_assert_eq(attachment(ann, 0), HEYA__BUS__ATTACHMENT__DETACHED);
    cr_assert_eq(bench.n_rooms, 0);
  }
}

Test(partition, a_bad_entry_does_not_stop_the_rest_of_its_batch) {
  Heya__Bus__Entry bad = HEYA__BUS__ENTRY__INIT, good = HEYA__BUS__ENTRY__INIT, *entries[] = {&bad, &good};
  Heya__Bus__Join join = HEYA__BUS__JOIN__INIT;
  join.mode = OPEN;
  good.room = (char[]){CHAT};
  good.player = (char[]){"ann"};
  good.conn = 1;
  good.body_case = HEYA__BUS__ENTRY__BODY_JOIN;
  good.join = &join;
  bench_batch(&bench, T, "g-1", entries, 2);
  cr_assert_eq(bench.metrics.bad_entries, 1);
  cr_assert_str_eq(joined(ann)->session, "1000000-0.1");
}

Test(partition, entries_at_or_below_the_cursor_are_ignored) {
  seat_both(CHAT);
  bench_command(&bench, T + 2, ann, CHAT, "ann", 0, bench_say(&bench, "once"));
  uint64_t seq = bench_room(&bench, CHAT)->seq;
  for (size_t i = 0; i < 3; i++) {
    const struct bench_entry *old = &bench.stream[i];
    struct store_entry entry = {.id = old->id, .sender = bytes_of_str(old->sender), .batch = buf_bytes(&old->batch)};
    partition_consume(&bench.partition, &entry);
  }
  bench_commit(&bench);
  cr_assert_eq(bench.n_said, 0);
  cr_assert_eq(bench.consumed_bytes, 0);
  cr_assert_eq(bench_room(&bench, CHAT)->seq, seq);
}

Test(partition, a_room_that_cannot_be_read_is_given_up_and_the_others_live) {
  seat_both(CHAT);
  bench_join(&bench, T + 2, cem, LIVE, "cem", OPEN);
  struct bench_room *damaged = bench.rooms[0];
  for (size_t i = 0; i < damaged->fields.n; i++) {
    if (strcmp(damaged->fields.pairs[i].name, "image") == 0) damaged->fields.pairs[i].value.data[0] ^= 0xff;
  }
  partition_close(&bench.partition);
  partition_open(&bench.partition, ++bench.epoch, bench.done);
  for (size_t i = 0; i < 2; i++) {
    const char *image = bench_text(&bench.rooms[i]->fields, "image");
    struct bench_hash *fields = &bench.rooms[i]->fields;
    size_t len = 0;
    for (size_t j = 0; j < fields->n; j++) {
      if (strcmp(fields->pairs[j].name, "image") == 0) len = fields->pairs[j].value.len;
    }
    partition_load(&bench.partition, bench.rooms[i]->id, bytes_of(image, len), 0, false);
  }
  cr_assert_eq(bench.metrics.rooms_unreadable, 1);
  bench_commit(&bench);
  cr_assert_eq(bench.n_rooms, 1);
}

Test(partition, a_room_to_be_healed_is_written_whole_and_stays_what_it_was) {
  struct buf before = {0}, after = {0}, image = {0};
  seat_both(CHAT);
  bench_print(&bench, &before);
  for (size_t j = 0; j < bench.rooms[0]->fields.n; j++) {
    if (strcmp(bench.rooms[0]->fields.pairs[j].name, "image") == 0) {
      buf_append_bytes(&image, buf_bytes(&bench.rooms[0]->fields.pairs[j].value));
    }
  }
  partition_close(&bench.partition);
  partition_open(&bench.partition, ++bench.epoch, bench.done);
  partition_load(&bench.partition, CHAT, buf_bytes(&image), 0, true);
  bench_commit(&bench);
  cr_assert(bench.whole);
  cr_assert_eq(bench_stored(&bench, CHAT)->n_log, 0); /* that was among its keys */
  bench_print(&bench, &after);
  cr_assert_eq(strncmp(buf_str(&after), buf_str(&before), after.len), 0);
  buf_close(&before);
  buf_close(&after);
  buf_close(&image);
}

Test(partition, a_room_of_a_kind_this_worker_lacks_is_left_for_another) {
  struct buf image = {0};
  seat_both(CHAT);
  for (size_t j = 0; j < bench.rooms[0]->fields.n; j++) {
    if (strcmp(bench.rooms[0]->fields.pairs[j].name, "image") == 0) {
      buf_append_bytes(&image, buf_bytes(&bench.rooms[0]->fields.pairs[j].value));
    }
  }
  bench.kinds.count = 0;
  partition_close(&bench.partition);
  partition_open(&bench.partition, ++bench.epoch, bench.done);
  partition_load(&bench.partition, CHAT, buf_bytes(&image), 0, false);
  bench.sealed = 1;
  bench_join(&bench, T + 9, cem, CHAT, "cem", OPEN);
  expect_error(cem, HEYA__V1__ERROR__CODE__BUSY);
  bench_command(&bench, T + 10, ann, CHAT, "ann", 1, bench_say(&bench, "is anybody there?"));
  expect_error(ann, HEYA__V1__ERROR__CODE__BUSY);
  bench_leave(&bench, T + 11, ann, CHAT, "ann");
  expect_error(ann, HEYA__V1__ERROR__CODE__BUSY);
  cr_assert_eq(bench.n_rooms, 1, "its keys stay as they are");
  buf_close(&image);
}
