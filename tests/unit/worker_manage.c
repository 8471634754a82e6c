/* Promises of host actions: only the host's are done, each once whatever is sent again, and they hold in the next
 * life of the room. */
#include "proto/codec.h"
#include "proto/kinds/live.pb-c.h"
#include "proto/pb.h"
#include "tests/support/partition_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CHAT  "chat/lounge"
#define LIVE  "live/stage"
#define CLOCK "clock/tower"
#define T     UINT64_C(1000000)

#define JOIN        HEYA__BUS__MODE__JOIN
#define OPEN        HEYA__BUS__MODE__JOIN_OR_CREATE
#define EVENT(name) HEYA__V1__EVENT__BODY_##name
#define BODY(name)  HEYA__V1__SERVER_MESSAGE__BODY_##name

static const struct bench_from ann = {"g-1", 1, 1}, bob = {"g-1", 2, 1}, cem = {"g-2", 1, 1};

static struct bench bench;
static uint64_t now_ms;
static void setup(void) {
  bench_open(&bench);
  now_ms = T;
}
static void teardown(void) {
  bench_close(&bench);
}
TestSuite(manage, .init = setup, .fini = teardown);

/* ---- steps ---- */

static const Heya__V1__ServerMessage *said(struct bench_from to, size_t nth) {
  const struct bench_message *message = bench_to(&bench, to.gateway, to.conn, nth);
  cr_assert(message, "there is no message %zu to %s", nth, to.gateway);
  return message->message;
}

static void expect_error(struct bench_from to, Heya__V1__Error__Code code) {
  Heya__V1__Error__Code found = bench_error(&bench, to.gateway, to.conn);
  cr_assert_eq(found, code, "error %d, not %d", found, code);
}

static bool is_acked(struct bench_from to) {
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    if (said(to, i)->body_case == BODY(ACK)) return true;
  }
  return false;
}

static size_t events(struct bench_from to, Heya__V1__Event__BodyCase what) {
  return bench_events(&bench, to.gateway, to.conn, what);
}

static const Heya__V1__Event *event(struct bench_from to, Heya__V1__Event__BodyCase what) {
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    const Heya__V1__ServerMessage *message = said(to, i);
    if (message->body_case == BODY(EVENT) && message->event->body_case == what) return message->event;
  }
  cr_assert_fail("no such event");
  return NULL;
}

static void join(struct bench_from from, const char *room, const char *player) {
  bench_join(&bench, ++now_ms, from, room, player, OPEN);
}

/* A room with these two in it; ann is its host. */
static void seat_both(const char *room) {
  join(ann, room, "ann");
  join(bob, room, "bob");
}

static Heya__V1__Manage a_lock(bool locked) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  manage.body_case = HEYA__V1__MANAGE__BODY_LOCK;
  manage.lock = locked;
  return manage;
}

/* An action that names a player: kick, ban, unban and host share their place in the union. */
static Heya__V1__Manage about(Heya__V1__Manage__BodyCase what, const char *player) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  manage.body_case = what;
  manage.kick = pb_text(player);
  return manage;
}
#define KICK(player)  about(HEYA__V1__MANAGE__BODY_KICK, player)
#define BAN(player)   about(HEYA__V1__MANAGE__BODY_BAN, player)
#define UNBAN(player) about(HEYA__V1__MANAGE__BODY_UNBAN, player)
#define HOST(player)  about(HEYA__V1__MANAGE__BODY_HOST, player)

static Heya__V1__Manage a_profile(const void *data, size_t len) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  manage.body_case = HEYA__V1__MANAGE__BODY_PROFILE;
  manage.profile = pb_bytes(bytes_of(data, len));
  return manage;
}

static void manage(struct bench_from from, const char *room, const char *player, uint32_t number,
                   Heya__V1__Manage action) {
  bench_manage(&bench, ++now_ms, from, room, player, number, &action);
}

static void change(struct bench_from from, const char *room, uint32_t number, Heya__V1__Config *config,
                   uint32_t max_members) {
  Heya__V1__Manage action = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change wanted = HEYA__V1__CHANGE__INIT;
  action.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  action.change = &wanted;
  wanted.config = config;
  wanted.max_members = max_members;
  manage(from, room, "ann", number, action);
}

/* ---- who may ---- */

Test(manage, only_the_host_may) {
  seat_both(CHAT);
  Heya__V1__Change wanted = HEYA__V1__CHANGE__INIT;
  Heya__V1__Manage actions[] = {a_lock(true), KICK("ann"), BAN("ann"), UNBAN("ann"), HOST("bob"), a_lock(true)};
  actions[5].body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  actions[5].change = &wanted;
  for (uint32_t i = 0; i < 6; i++) {
    manage(bob, CHAT, "bob", i + 1, actions[i]);
    expect_error(bob, CODE(NOT_HOST));
    cr_assert_eq(bench_count_to(&bench, "g-1", 1), 0);
  }
  manage(bob, CHAT, "bob", 6, actions[0]);
  expect_error(bob, CODE(NOT_HOST));
  cr_assert_eq(bench.metrics.duplicates, 1, "the numbers were used up");
}

Test(manage, what_says_nothing_is_refused) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, (Heya__V1__Manage)HEYA__V1__MANAGE__INIT);
  expect_error(ann, CODE(INVALID_ARGUMENT));
}

/* ---- lock ---- */

Test(manage, a_locked_room_takes_back_its_own_and_nobody_else) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, a_lock(true));
  cr_assert(is_acked(ann));
  cr_assert(event(bob, EVENT(FACTS))->facts->locked);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "status"), "locked");
  bench_drop(&bench);
  join(cem, CHAT, "cem");
  expect_error(cem, CODE(ROOM_LOCKED));
  bench_disconnected(&bench, ++now_ms, bob, CHAT);
  join(bob, CHAT, "bob");
  cr_assert(said(bob, 0)->joined->returned && said(bob, 0)->joined->snapshot->facts->locked);
  manage(ann, CHAT, "ann", 2, a_lock(false));
  join(cem, CHAT, "cem");
  cr_assert_eq(said(cem, 0)->body_case, BODY(JOINED));
}

Test(manage, the_locks_of_host_and_kind_are_two) {
  seat_both(LIVE);
  manage(ann, LIVE, "ann", 1, a_lock(true));
  bench_command(&bench, ++now_ms, ann, LIVE, "ann", 2, bench_start(&bench));
  manage(ann, LIVE, "ann", 3, a_lock(false));
  cr_assert_not(event(bob, EVENT(FACTS))->facts->locked);
  join(cem, LIVE, "cem");
  expect_error(cem, CODE(ROOM_LOCKED));
}

Test(manage, to_lock_twice_tells_once) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, a_lock(true));
  manage(ann, CHAT, "ann", 2, a_lock(true));
  cr_assert(is_acked(ann));
  cr_assert_eq(events(bob, EVENT(FACTS)), 0);
}

Test(manage, a_room_that_was_left_locked_is_open_again) {
  join(ann, CHAT, "ann");
  manage(ann, CHAT, "ann", 1, a_lock(true));
  bench_leave(&bench, ++now_ms, ann, CHAT, "ann");
  join(bob, CHAT, "bob");
  cr_assert_eq(said(bob, 0)->joined->snapshot->status, HEYA__V1__STATUS__OPEN);
}

/* ---- change ---- */

Test(manage, a_change_is_told_to_all_and_stays) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  seat_both(CHAT);
  config.title = pb_text("late show");
  change(ann, CHAT, 1, &config, 5);
  cr_assert_str_eq(event(bob, EVENT(FACTS))->facts->title, "late show");
  cr_assert_eq(event(bob, EVENT(FACTS))->facts->max_members, 5);
  bench_drop(&bench);
  change(ann, CHAT, 2, NULL, 3);
  cr_assert_str_eq(event(bob, EVENT(FACTS))->facts->title, "late show", "no config: it stays");
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "max_members"), "3");
  change(ann, CHAT, 3, &config, 0);
  cr_assert_eq(event(bob, EVENT(FACTS))->facts->max_members, 3, "0: it stays");
}

Test(manage, a_change_out_of_its_limits_changes_nothing) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  seat_both(CHAT);
  config.title = pb_text("late show");
  change(ann, CHAT, 1, &config, 1);
  expect_error(ann, CODE(INVALID_ARGUMENT));
  change(ann, CHAT, 2, &config, 1001);
  expect_error(ann, CODE(INVALID_ARGUMENT));
  config.max_spectators = 201;
  change(ann, CHAT, 3, &config, 5);
  expect_error(ann, CODE(INVALID_ARGUMENT));
  cr_assert_eq(events(bob, EVENT(FACTS)), 0);
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "title"), "");
}

/* ---- kick and ban ---- */

Test(manage, who_is_kicked_is_told_is_out_and_may_come_back) {
  seat_both(CHAT);
  join(cem, CHAT, "cem");
  manage(ann, CHAT, "ann", 1, KICK("bob"));
  cr_assert(is_acked(ann));
  cr_assert_eq(bench_count_to(&bench, "g-1", 2), 1);
  cr_assert_eq(said(bob, 0)->detached->reason, CODE(PLAYER_KICKED));
  cr_assert_eq(bench_to(&bench, "g-1", 2, 0)->delivery->attachment, HEYA__BUS__ATTACHMENT__DETACHED);
  cr_assert_str_eq(event(cem, EVENT(MEMBER_LEFT))->member_left->player, "bob");
  cr_assert_eq(event(cem, EVENT(MEMBER_LEFT))->member_left->reason, HEYA__V1__LEAVE_REASON__KICKED);
  cr_assert_null(bench_text(&bench_stored(&bench, CHAT)->members, "bob"));
  bench_drop(&bench);
  join((struct bench_from){"g-1", 2, 2}, CHAT, "bob");
  cr_assert_not(said(bob, 0)->joined->returned);
}

Test(manage, a_kick_that_is_sent_again_kicks_once) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, KICK("bob"));
  join((struct bench_from){"g-1", 2, 2}, CHAT, "bob");
  bench_drop(&bench);
  manage(ann, CHAT, "ann", 1, KICK("bob"));
  cr_assert(is_acked(ann));
  cr_assert_eq(bench_count_to(&bench, "g-1", 2), 0);
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 2);
}

Test(manage, who_is_away_can_be_kicked) {
  seat_both(CHAT);
  bench_disconnected(&bench, ++now_ms, bob, CHAT);
  manage(ann, CHAT, "ann", 1, KICK("bob"));
  cr_assert(is_acked(ann));
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 1);
  cr_assert_eq(bench_count_to(&bench, "g-1", 2), 0);
}

Test(manage, who_is_not_there_cannot_be_kicked_nor_made_host_and_nobody_kicks_himself) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, KICK("cem"));
  expect_error(ann, CODE(NO_SUCH_MEMBER));
  manage(ann, CHAT, "ann", 2, HOST("cem"));
  expect_error(ann, CODE(NO_SUCH_MEMBER));
  manage(ann, CHAT, "ann", 3, KICK("ann"));
  expect_error(ann, CODE(INVALID_ARGUMENT));
  manage(ann, CHAT, "ann", 4, BAN("ann"));
  expect_error(ann, CODE(INVALID_ARGUMENT));
  cr_assert_eq(bench_room(&bench, CHAT)->n_members, 2);
}

Test(manage, a_kick_in_a_round_forfeits_it) {
  seat_both(LIVE);
  bench_command(&bench, ++now_ms, ann, LIVE, "ann", 1, bench_start(&bench));
  bench_command(&bench, ++now_ms, ann, LIVE, "ann", 2, bench_submit(&bench, 1, 7));
  manage(ann, LIVE, "ann", 3, KICK("bob"));
  cr_assert_eq(events(ann, EVENT(PAYLOAD)), 1, "the results");
  cr_assert_eq(bench_stored(&bench, LIVE)->deadline_ms, 0);
}

Test(manage, who_is_banned_stays_out_until_he_is_not) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, BAN("bob"));
  cr_assert_eq(said(bob, 0)->detached->reason, CODE(PLAYER_KICKED));
  manage(ann, CHAT, "ann", 2, BAN("cem"));
  cr_assert(is_acked(ann), "he was never there");
  bench_drop(&bench);
  join(bob, CHAT, "bob");
  expect_error(bob, CODE(BANNED));
  join(cem, CHAT, "cem");
  expect_error(cem, CODE(BANNED));
  manage(ann, CHAT, "ann", 3, UNBAN("cem"));
  bench_drop(&bench);
  join(cem, CHAT, "cem");
  cr_assert_eq(said(cem, 0)->body_case, BODY(JOINED));
  join(bob, CHAT, "bob");
  expect_error(bob, CODE(BANNED));
  manage(ann, CHAT, "ann", 4, UNBAN("nobody"));
  cr_assert(is_acked(ann), "that is so already");
}

Test(manage, a_ban_is_of_a_player_and_256_are_enough) {
  char player[16];
  join(ann, CHAT, "ann");
  manage(ann, CHAT, "ann", 1, BAN(""));
  expect_error(ann, CODE(INVALID_ARGUMENT));
  for (uint32_t i = 0; i < ROOM_BANNED_MAX; i++) {
    snprintf(player, sizeof player, "p%u", i);
    manage(ann, CHAT, "ann", i + 2, BAN(player));
    cr_assert(is_acked(ann));
  }
  manage(ann, CHAT, "ann", 300 - 42, BAN("one more"));
  expect_error(ann, CODE(INVALID_ARGUMENT));
  manage(ann, CHAT, "ann", 259, BAN("p7"));
  cr_assert(is_acked(ann), "banned already");
  bench_drop(&bench);
  cr_assert_eq(bench_room(&bench, CHAT)->n_banned, ROOM_BANNED_MAX);
}

/* ---- the host ---- */

Test(manage, a_new_host_has_all_that_the_old_one_had) {
  seat_both(CHAT);
  manage(ann, CHAT, "ann", 1, HOST("bob"));
  cr_assert_str_eq(event(ann, EVENT(HOST))->host, "bob");
  cr_assert_str_eq(bench_text(&bench_stored(&bench, CHAT)->fields, "host"), "bob");
  bench_drop(&bench);
  manage(ann, CHAT, "ann", 2, a_lock(true));
  expect_error(ann, CODE(NOT_HOST));
  manage(bob, CHAT, "bob", 1, HOST("bob"));
  cr_assert(is_acked(bob));
  cr_assert_eq(events(ann, EVENT(HOST)), 0);
  manage(bob, CHAT, "bob", 2, KICK("ann"));
  cr_assert(is_acked(bob));
}

/* ---- profiles ---- */

Test(manage, a_member_changes_his_profile_if_the_kind_lets_him) {
  static const uint8_t card_7[] = {0x08, 0x07}, garbage[] = {0xff};
  static uint8_t big[4097];
  seat_both(LIVE);
  manage(bob, LIVE, "bob", 1, a_profile(card_7, sizeof card_7));
  cr_assert(is_acked(bob));
  cr_assert_eq(event(ann, EVENT(CHANGED))->changed->profile.len, sizeof card_7);
  cr_assert_str_eq(event(bob, EVENT(CHANGED))->changed->player, "bob");
  bench_drop(&bench);
  join(cem, LIVE, "cem");
  cr_assert_eq(said(cem, 0)->joined->snapshot->members[1]->profile.data[1], 7);
  manage(bob, LIVE, "bob", 2, a_profile(garbage, sizeof garbage));
  expect_error(bob, CODE(INVALID_ARGUMENT));
  manage(bob, LIVE, "bob", 3, a_profile(big, sizeof big));
  expect_error(bob, CODE(INVALID_ARGUMENT));
  cr_assert_eq(room_member(bench_room(&bench, LIVE), "bob")->profile.len, sizeof card_7);
}

Test(manage, without_a_word_of_the_kind_profiles_do_not_change) {
  join(ann, "gomoku/a", "ann");
  manage(ann, "gomoku/a", "ann", 1, a_profile(NULL, 0));
  expect_error(ann, CODE(INVALID_ARGUMENT));
}

/* ---- a kind that ticks, and forbids kicks ---- */

static kind_code clock_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return CODE(OK);
}
static kind_code clock_command(struct room *room, struct member *member, struct bytes payload,
                               struct kind_reply *reply) {
  (void)member, (void)reply;
  room_send_all(room, payload);
  return CODE(OK);
}
static kind_code clock_manage(struct room *room, struct member *host, const Heya__V1__Manage *wanted,
                              struct kind_reply *reply) {
  (void)room, (void)host;
  if (wanted->body_case != HEYA__V1__MANAGE__BODY_UNBAN) return CODE(OK);
  kind_refuse(reply, "no mercy");
  return CODE(WRONG_STATE);
}
static bool clock_tick(struct room *room, const struct kind_tick *tick) {
  (void)room, (void)tick;
  return true;
}
static void clock_save(struct room *room, struct buf *out) {
  (void)room, (void)out;
}
static bool clock_load(struct room *room, struct bytes state) {
  (void)room;
  return state.len == 0;
}
static void clock_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)room, (void)viewer, (void)out;
}
static const struct kind clock_kind = {.abi = KIND_ABI,
                                       .name = "clock",
                                       .max_members = 4,
                                       .max_members_limit = 4,
                                       .empty_ms = 10000,
                                       .away_ms = 30000,
                                       .tick_hz = 10,
                                       .open = clock_open,
                                       .command = clock_command,
                                       .manage = clock_manage,
                                       .tick = clock_tick,
                                       .save = clock_save,
                                       .load = clock_load,
                                       .snapshot = clock_snapshot};

static void start_clock(void) {
  cr_assert_eq(kind_registry_add(&bench.kinds, &clock_kind), KIND_ADDED);
  seat_both(CLOCK);
}

Test(manage, a_kind_may_forbid_what_the_host_wants) {
  start_clock();
  manage(ann, CLOCK, "ann", 1, UNBAN("bob"));
  bench_frame(&bench, now_ms + 200);
  expect_error(ann, CODE(WRONG_STATE));
  cr_assert_str_eq(said(ann, 0)->error->message, "no mercy");
}

Test(manage, in_a_room_that_ticks_actions_wait_their_turn_and_survive_the_worker) {
  start_clock();
  bench_command(&bench, ++now_ms, bob, CLOCK, "bob", 1, bytes_of("a", 1));
  manage(ann, CLOCK, "ann", 1, a_lock(true));
  manage(ann, CLOCK, "ann", 1, a_lock(true)); /* sent again */
  bench_command(&bench, ++now_ms, bob, CLOCK, "bob", 2, bytes_of("b", 1));
  cr_assert_eq(bench.n_said, 0);
  bench_drop(&bench);
  bench_frame(&bench, now_ms + 200);
  cr_assert(is_acked(ann));
  struct bench_from to = bob;
  size_t order[3], n = 0; /* of the events that bob hears */
  for (size_t i = 0; i < bench_count_to(&bench, to.gateway, to.conn); i++) {
    if (said(to, i)->body_case == BODY(EVENT)) order[n++ % 3] = said(to, i)->event->body_case;
  }
  cr_assert_eq(n, 3);
  cr_assert(order[0] == EVENT(PAYLOAD) && order[1] == EVENT(FACTS) && order[2] == EVENT(PAYLOAD));
  bench_frame(&bench, now_ms + 400);
  cr_assert_eq(bench.n_said, 0);
}

Test(manage, who_is_kicked_in_a_frame_gets_an_answer_for_what_he_has_waiting) {
  start_clock();
  bench_command(&bench, ++now_ms, bob, CLOCK, "bob", 1, bytes_of("a", 1));
  manage(ann, CLOCK, "ann", 1, KICK("bob"));
  bench_command(&bench, ++now_ms, bob, CLOCK, "bob", 2, bytes_of("b", 1));
  bench_command(&bench, ++now_ms, ann, CLOCK, "ann", 2, bytes_of("c", 1));
  bench_frame(&bench, now_ms + 200);
  cr_assert_eq(events(ann, EVENT(PAYLOAD)), 2, "not the one behind the kick");
  cr_assert(is_acked(bob));
  bool refused = false, told = false;
  for (size_t i = 0; i < bench_count_to(&bench, "g-1", 2); i++) {
    const Heya__V1__ServerMessage *message = said(bob, i);
    told = told || message->body_case == BODY(DETACHED);
    refused = refused || (message->body_case == BODY(ERROR) && message->error->code == CODE(NOT_IN_ROOM) &&
                          message->error->number == 2);
  }
  cr_assert(refused && told);
}
