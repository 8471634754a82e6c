/* Who comes back gets exactly what he missed, or a whole snapshot; and his session goes on. */
#include "common/mem.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define T          1000000
#define CHAT       "chat/lobby"
#define BODY(name) HEYA__V1__SERVER_MESSAGE__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, back = {"g-2", 1, 1};
static struct bench bench;
static struct bench_place place; /* bob's */

static const Heya__V1__ServerMessage *said(struct bench_from to, size_t nth) {
  const struct bench_message *message = bench_to(&bench, to.gateway, to.conn, nth);
  cr_assert(message, "there is no message %zu to %s", nth, to.gateway);
  return message->message;
}

static void say(uint64_t ms, const char *text) {
  bench_command(&bench, ms, ann, CHAT, "ann", 0, bench_say(&bench, text));
}

/* Ann and bob are in; bob has said one thing, heard it, and his connection is lost. */
static void setup(void) {
  bench_open(&bench);
  bench_join(&bench, T, ann, CHAT, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  bench_join(&bench, T + 1, bob, CHAT, "bob", HEYA__BUS__MODE__JOIN);
  const Heya__V1__Joined *joined = said(bob, 0)->joined;
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  snprintf(place.incarnation, sizeof place.incarnation, "%s", joined->incarnation);
  bench_command(&bench, T + 2, bob, CHAT, "bob", 1, bench_say(&bench, "hello"));
  place.epoch = said(bob, 0)->event->epoch;
  place.seq = said(bob, 0)->event->seq;
  bench_disconnected(&bench, T + 3, bob, CHAT);
}

static void teardown(void) {
  bench_close(&bench);
}
TestSuite(resume, .init = setup, .fini = teardown);

static const Heya__V1__Joined *resume(uint64_t ms) {
  bench_resume(&bench, ms, back, CHAT, "bob", &place);
  cr_assert_eq(said(back, 0)->body_case, BODY(JOINED));
  cr_assert(said(back, 0)->joined->returned);
  return said(back, 0)->joined;
}

Test(resume, exactly_the_missed_events_follow_in_order_with_their_numbers) {
  say(T + 4, "one");
  say(T + 5, "two");
  const Heya__V1__Joined *joined = resume(T + 6);
  cr_assert(joined->resumed);
  cr_assert_null(joined->snapshot);
  cr_assert_str_eq(joined->session, place.session);
  cr_assert_eq(joined->seq, place.seq);
  /* His own going away was for the others. */
  cr_assert_eq(bench_count_to(&bench, back.gateway, back.conn), 3);
  cr_assert_eq(said(back, 1)->event->seq, place.seq + 2);
  cr_assert_eq(said(back, 2)->event->seq, place.seq + 3);
  cr_assert_eq(said(back, 2)->event->epoch, place.epoch);
  cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_BACK), 1);
  cr_assert_eq(bench.metrics.resumed, 1);
}

Test(resume, who_missed_nothing_gets_nothing) {
  place.seq++; /* he has heard that he is away: the last event */
  cr_assert(resume(T + 4)->resumed);
  cr_assert_eq(bench_count_to(&bench, back.gateway, back.conn), 1);
}

Test(resume, a_command_sent_again_gets_its_first_outcome_and_the_next_is_next) {
  resume(T + 4);
  bench_command(&bench, T + 5, back, CHAT, "bob", 1, bench_say(&bench, "hello"));
  cr_assert_eq(said(back, 0)->body_case, BODY(ACK));
  cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_PAYLOAD), 0);
  bench_command(&bench, T + 6, back, CHAT, "bob", 2, bench_say(&bench, "more"));
  cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_PAYLOAD), 1);
}

Test(resume, the_session_goes_on_in_the_next_owner_too_with_a_snapshot_for_what_is_not_known) {
  say(T + 4, "one");
  bench_drop(&bench);
  const Heya__V1__Joined *joined = resume(T + 5);
  cr_assert_not(joined->resumed);
  cr_assert(joined->snapshot);
  cr_assert_str_eq(joined->session, place.session);
  bench_command(&bench, T + 6, back, CHAT, "bob", 1, bench_say(&bench, "hello"));
  cr_assert_eq(said(back, 0)->body_case, BODY(ACK));
  cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_PAYLOAD), 0);
}

Test(resume, who_missed_nothing_needs_no_snapshot_from_the_next_owner) {
  place.seq++;
  bench_drop(&bench);
  cr_assert(resume(T + 5)->resumed);
}

Test(resume, events_of_several_epochs_follow_each_other) {
  bench_drop(&bench);
  bench_join(&bench, T + 4, back, CHAT, "bob", HEYA__BUS__MODE__JOIN);
  const Heya__V1__Joined *joined = said(back, 0)->joined;
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  place.epoch = joined->epoch;
  place.seq = joined->seq;
  bench_disconnected(&bench, T + 5, back, CHAT);
  say(T + 6, "one");
  bench_resume(&bench, T + 7, bob, CHAT, "bob", &place);
  cr_assert(said(bob, 0)->joined->resumed);
  cr_assert_eq(bench_count_to(&bench, bob.gateway, bob.conn), 2);
}

Test(resume, what_cannot_be_replayed_is_a_snapshot_of_the_same_session) {
  place.epoch--;
  place.answered = 1;
  const Heya__V1__Joined *joined = resume(T + 10);
  cr_assert_not(joined->resumed);
  cr_assert(joined->snapshot);
  cr_assert_str_eq(joined->session, place.session);
  cr_assert_eq(bench_count_to(&bench, back.gateway, back.conn), 1);
}

/* Redis lost its last writes: a number that the client has seen is still to come. Going on would give it out twice.
 */
Test(resume, who_knows_more_than_the_room_begins_a_new_session) {
  const struct {
    int64_t epoch, seq;
    uint32_t answered;
  } ahead[] = {{1, 0, 0}, {1, -1, 0}, {0, 1000, 0}, {0, INT64_MAX, 0}, {0, 0, 2}, {-1, 0, 2}};
  for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
    place.epoch += (uint64_t)ahead[i].epoch;
    place.seq += (uint64_t)ahead[i].seq;
    place.answered = ahead[i].answered;
    const Heya__V1__Joined *joined = resume(T + 10 + 3 * i);
    cr_assert_not(joined->resumed, "%zu", i);
    cr_assert(joined->snapshot);
    cr_assert_str_neq(joined->session, place.session, "%zu", i);
    cr_assert_eq(bench_count_to(&bench, back.gateway, back.conn), 1);
    place = (struct bench_place){.epoch = joined->epoch, .seq = joined->seq};
    snprintf(place.session, sizeof place.session, "%s", joined->session);
    snprintf(place.incarnation, sizeof place.incarnation, "%s", joined->incarnation);
    bench_command(&bench, T + 11 + 3 * i, back, CHAT, "bob", 1, bench_say(&bench, "again from 1"));
    cr_assert_eq(bench_events(&bench, "g-1", 1, HEYA__V1__EVENT__BODY_PAYLOAD), 1);
    bench_disconnected(&bench, T + 12 + 3 * i, back, CHAT);
  }
}

Test(resume, another_session_or_incarnation_is_a_new_session) {
  struct bench_place right = place;
  snprintf(place.session, sizeof place.session, "other");
  const Heya__V1__Joined *joined = resume(T + 4);
  cr_assert_str_neq(joined->session, right.session);
  cr_assert(joined->snapshot);
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  snprintf(place.incarnation, sizeof place.incarnation, "other");
  bench_disconnected(&bench, T + 5, back, CHAT);
  cr_assert_str_neq(resume(T + 6)->session, place.session);
}

Test(resume, who_missed_too_much_gets_a_snapshot) {
  char text[16];
  for (unsigned i = 0; i < BACKLOG_EVENTS_MAX; i++) {
    snprintf(text, sizeof text, "%u", i);
    say(T + 10 + i, text);
  }
  const Heya__V1__Joined *joined = resume(T + 500);
  cr_assert_not(joined->resumed);
  cr_assert_eq(joined->seq, bench_room(&bench, CHAT)->seq);
}

Test(resume, who_was_out_for_too_long_joins_anew) {
  bench_time(&bench, T + 1000000);
  bench_join(&bench, T + 1000001, ann, CHAT, "ann", HEYA__BUS__MODE__JOIN_OR_CREATE);
  bench_resume(&bench, T + 1000002, back, CHAT, "bob", &place);
  cr_assert_not(said(back, 0)->joined->returned);
  cr_assert_not(said(back, 0)->joined->resumed);
}

/* ---- the backlog itself ---- */

static struct backlog filled(uint64_t from, uint64_t to) {
  struct backlog backlog = {0};
  for (uint64_t seq = from; seq <= to; seq++) backlog_add(&backlog, 1, seq, NULL, xmemdup("m", 1), 1);
  return backlog;
}

Test(backlog, keeps_the_newest_when_written_and_all_before) {
  struct backlog backlog = filled(1, 200);
  cr_assert_eq(backlog.n, 200);
  backlog_written(&backlog);
  cr_assert_eq(backlog.n, BACKLOG_EVENTS_MAX);
  cr_assert_eq(backlog.events[BACKLOG_EVENTS_MAX - 1].seq, 200);
  backlog_close(&backlog);
}

Test(backlog, is_bounded_in_bytes) {
  struct backlog backlog = {0};
  char big[BACKLOG_BYTES_MAX / 2];
  memset(big, 'x', sizeof big);
  for (uint64_t seq = 1; seq <= 5; seq++) backlog_add(&backlog, 1, seq, NULL, xmemdup(big, sizeof big), sizeof big);
  backlog_written(&backlog);
  cr_assert_eq(backlog.n, 2);
  cr_assert_eq(backlog.bytes, sizeof big * 2);
  backlog_close(&backlog);
}

Test(backlog, knows_what_it_has) {
  struct backlog backlog = filled(10, 12), empty = {0};
  size_t first;
  cr_assert(backlog_since(&backlog, 1, 9, &first) && first == 0);
  cr_assert(backlog_since(&backlog, 1, 11, &first) && first == 2);
  cr_assert(backlog_since(&backlog, 1, 12, &first) && first == 3);
  cr_assert_not(backlog_since(&backlog, 1, 8, &first));
  cr_assert_not(backlog_since(&backlog, 1, 13, &first));
  cr_assert_not(backlog_since(&backlog, 2, 11, &first));
  cr_assert_not(backlog_since(&backlog, 1, UINT64_MAX, &first));
  cr_assert_not(backlog_since(&empty, 1, 0, &first));
  backlog_close(&backlog);
}

Test(backlog, addresses_whole_names_only) {
  char all[] = "*", some[] = "=\nann\nbob", but[] = "!\nann", odd[] = "=\n*";
  struct backlog_event event = {.to = all};
  cr_assert(backlog_is_for(&event, "cem"));
  event.to = some;
  cr_assert(backlog_is_for(&event, "ann") && backlog_is_for(&event, "bob"));
  cr_assert_not(backlog_is_for(&event, "an"));
  cr_assert_not(backlog_is_for(&event, "bobby"));
  event.to = but;
  cr_assert_not(backlog_is_for(&event, "ann"));
  cr_assert(backlog_is_for(&event, "anna"));
  event.to = odd;
  cr_assert(backlog_is_for(&event, "*"));
  cr_assert_not(backlog_is_for(&event, "ann"));
}
