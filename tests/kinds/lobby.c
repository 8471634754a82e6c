/* Promises of the kind `lobby`. The harness checks on the way that every state survives a failover and that
 * refusals change nothing. */
#include "worker/kinds/lobby.h"
#include "proto/kinds/lobby.pb-c.h"
#include "proto/pb.h"
#include "tests/kind_harness.h"
#include "tests/kinds/messages.h"
#include "worker/kinds/kinds.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CODE(name)  HEYA__V1__ERROR__CODE__##name
#define EVENT(name) HEYA__KINDS__LOBBY__EVENT__BODY_##name
#define NOW         1700000000000u

static struct room *room;
static void teardown(void) {
  if (room) harness_close(room);
}
TestSuite(lobby, .fini = teardown);

/* ---- talking ---- */

static char names[64][4]; /* p0 ... */

static void open_with(int members) {
  kind_code code;
  room = harness_open(&kind_lobby, bytes_of("", 0), NOW, &code);
  cr_assert_eq(code, CODE(OK));
  for (int i = 0; i < members; i++) {
    snprintf(names[i], sizeof names[i], "p%d", i);
    cr_assert_eq(harness_join(room, names[i], "", bytes_of("", 0)), CODE(OK));
  }
}

static kind_code say(const char *player, Heya__Kinds__Lobby__Command *command) {
  uint8_t bytes[2048];
  cr_assert_leq(heya__kinds__lobby__command__get_packed_size(command), sizeof bytes);
  return harness_command(room, player, bytes_of(bytes, heya__kinds__lobby__command__pack(command, bytes)));
}

static kind_code quick_of(const char *player, const char *kind, uint32_t members, const char *mode) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Quick quick = HEYA__KINDS__LOBBY__QUICK__INIT;
  quick.kind = pb_text(kind);
  quick.max_members = members;
  quick.mode = pb_text(mode);
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_QUICK;
  command.quick = &quick;
  return say(player, &command);
}

static kind_code quick(const char *player) {
  return quick_of(player, "live", 4, "duel");
}

struct search {
  uint32_t size;
  int32_t skill;
  uint32_t range, widen_per_s;
  const char *party[4];
};

static kind_code enqueue(const char *player, struct search search) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Enqueue enqueue = HEYA__KINDS__LOBBY__ENQUEUE__INIT;
  char *party[4];
  for (size_t i = 0; i < 4 && search.party[i]; i++) party[enqueue.n_party++] = pb_text(search.party[i]);
  enqueue.kind = pb_text("live");
  enqueue.mode = pb_text("ranked");
  enqueue.size = search.size;
  enqueue.skill = search.skill;
  enqueue.range = search.range;
  enqueue.widen_per_s = search.widen_per_s;
  enqueue.party = party;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_ENQUEUE;
  command.enqueue = &enqueue;
  return say(player, &command);
}

static kind_code cancel(const char *player) {
  Heya__Kinds__Lobby__Command command = HEYA__KINDS__LOBBY__COMMAND__INIT;
  Heya__Kinds__Lobby__Cancel body = HEYA__KINDS__LOBBY__CANCEL__INIT;
  command.body_case = HEYA__KINDS__LOBBY__COMMAND__BODY_CANCEL;
  command.cancel = &body;
  return say(player, &command);
}

static void wait_ms(uint64_t ms) {
  harness_time(room, room->now_ms + ms);
}

/* ---- hearing ---- */

/* How many events of this sort he was sent; id, if not NULL: of the last one that says a room. */
static size_t heard(const char *player, Heya__Kinds__Lobby__Event__BodyCase what, char *id) {
  size_t n = 0;
  for (size_t i = 0; i < room->event_count; i++) {
    const struct harness_event *sent = &room->events[i];
    if (!harness_heard(room, i, player)) continue;
    Heya__Kinds__Lobby__Event *event = heya__kinds__lobby__event__unpack(NULL, sent->payload.len, sent->payload.data);
    cr_assert(event);
    n += event->body_case == what;
    if (id && event->body_case == EVENT(MATCHED)) snprintf(id, ROOM_ID_MAX + 1, "%s", event->matched->room);
    heya__kinds__lobby__event__free_unpacked(event, NULL);
  }
  return n;
}

static size_t matched(const char *player) {
  return heard(player, EVENT(MATCHED), NULL);
}

static Heya__Kinds__Lobby__State *state_of(const char *player) {
  struct buf out = {0};
  harness_snapshot(room, player, &out);
  Heya__Kinds__Lobby__State *state = heya__kinds__lobby__state__unpack(NULL, out.len, out.data);
  cr_assert(state);
  buf_close(&out);
  return state;
}

/* ---- quick ---- */

Test(lobby, the_first_has_a_room_made_and_those_after_him_fill_it) {
  open_with(9);
  for (int i = 0; i < 9; i++) cr_assert_eq(quick(names[i]), CODE(OK));
  cr_assert_eq(room->ask_count, 9);
  for (size_t i = 0; i < 9; i++) {
    const struct harness_ask *ask = &room->asks[i];
    cr_assert_eq(ask->open, i % 4 == 0, "%zu", i);
    cr_assert_str_eq(ask->id, room->asks[i / 4 * 4].id);
    cr_assert_str_eq(ask->players[0], names[i]);
    if (ask->open) cr_assert_eq(ask->max_members, 4);
  }
  cr_assert_eq(matched("p0"), 0, "nobody is told before the room has answered");
  for (size_t i = 0; i < 9; i++) harness_answer(room, i, CODE(OK));
  for (size_t i = 0; i < 9; i++) {
    char id[ROOM_ID_MAX + 1];
    cr_assert_eq(heard(names[i], EVENT(MATCHED), id), 1);
    cr_assert_str_eq(id, room->asks[i].id);
  }
}

Test(lobby, what_a_room_says_is_counted_without_what_is_under_way) {
  open_with(6);
  for (int i = 0; i < 3; i++) quick(names[i]);
  harness_answer(room, 0, CODE(OK));
  harness_vacancy(room, room->asks[0].id, 3, false); /* two more are on their way */
  quick("p3");
  cr_assert_str_eq(room->asks[3].id, room->asks[0].id);
  quick("p4");
  cr_assert(room->asks[4].open, "it is full");
  for (size_t i = 1; i < 4; i++) {
    harness_answer(room, i, CODE(OK));
    harness_vacancy(room, room->asks[0].id, (uint32_t)(3 - i), false);
  }
  harness_vacancy(room, room->asks[0].id, 1, false); /* one has left */
  quick("p5");
  cr_assert_str_eq(room->asks[5].id, room->asks[0].id, "the fullest that has a seat");
}

Test(lobby, other_modes_sizes_and_kinds_are_other_rooms) {
  open_with(5);
  quick_of("p0", "live", 4, "duel");
  quick_of("p1", "live", 4, "race");
  quick_of("p2", "live", 3, "duel");
  quick_of("p3", "chat", 4, "duel");
  quick_of("p4", "live", 4, "race");
  for (int i = 0; i < 4; i++) cr_assert(room->asks[i].open);
  cr_assert_str_eq(room->asks[4].id, room->asks[1].id);
}

Test(lobby, who_is_refused_by_a_room_gets_another) {
  open_with(3);
  quick("p0");
  harness_answer(room, 0, CODE(OK));
  quick("p1");
  harness_answer(room, 1, CODE(ROOM_LOCKED));
  cr_assert(room->asks[2].open);
  harness_answer(room, 2, CODE(OK));
  cr_assert_eq(matched("p1"), 1);
  harness_vacancy(room, room->asks[2].id, 0, true);
  harness_vacancy(room, room->asks[0].id, 3, false);
  quick("p2");
  cr_assert_str_eq(room->asks[3].id, room->asks[0].id, "it is open again, and the other one is no more");
  harness_answer(room, 3, CODE(ROOM_NOT_FOUND));
  cr_assert(room->asks[4].open);
}

Test(lobby, who_is_banned_from_a_room_gets_a_new_one_and_others_go_there_still) {
  open_with(3);
  quick("p0");
  harness_answer(room, 0, CODE(OK));
  quick("p1");
  harness_answer(room, 1, CODE(BANNED));
  cr_assert(room->asks[2].open);
  cr_assert_str_eq(room->asks[2].players[0], "p1");
  quick("p2");
  cr_assert_str_eq(room->asks[3].id, room->asks[0].id);
}

Test(lobby, who_cannot_have_a_room_made_is_told) {
  open_with(2);
  quick("p0");
  quick("p1");
  harness_answer(room, 0, CODE(UNKNOWN_KIND));
  cr_assert_eq(heard("p0", EVENT(FAILED), NULL), 1);
  harness_answer(room, 1, CODE(ROOM_NOT_FOUND));
  harness_answer(room, 2, CODE(UNKNOWN_KIND));
  cr_assert_eq(heard("p1", EVENT(FAILED), NULL), 1);
  cr_assert_eq(quick("p0"), CODE(OK));
  cr_assert_eq(room->ask_count, 4);
}

Test(lobby, to_ask_twice_is_to_ask_once) {
  open_with(1);
  quick("p0");
  quick("p0");
  cr_assert_eq(enqueue("p0", (struct search){.size = 1}), CODE(OK));
  cr_assert_eq(room->ask_count, 1);
  harness_answer(room, 0, CODE(OK));
  quick("p0");
  cr_assert_eq(room->ask_count, 1);
  cr_assert_eq(matched("p0"), 2, "told again");
  Heya__Kinds__Lobby__State *state = state_of("p0");
  cr_assert(state->matched && strcmp(state->matched->room, room->asks[0].id) == 0);
  heya__kinds__lobby__state__free_unpacked(state, NULL);
  wait_ms(LOBBY_KEEP_MS);
  quick("p0");
  cr_assert_eq(room->ask_count, 2, "his seat is given up: he may have another");
}

Test(lobby, who_was_matched_may_give_his_seat_up) {
  open_with(1);
  quick("p0");
  cr_assert_eq(cancel("p0"), CODE(WRONG_STATE));
  harness_answer(room, 0, CODE(OK));
  cr_assert_eq(cancel("p0"), CODE(OK));
  quick("p0");
  cr_assert_eq(room->ask_count, 2);
}

Test(lobby, who_waits_in_vain_for_the_answer_of_a_room_may_cancel_after_a_minute_and_ask_again) {
  open_with(2);
  quick("p0");
  wait_ms(LOBBY_PATIENCE_MS - 1);
  cr_assert_eq(cancel("p0"), CODE(WRONG_STATE));
  wait_ms(1);
  cr_assert_eq(cancel("p0"), CODE(OK));
  quick("p0");
  quick("p1");
  cr_assert_eq(room->ask_count, 3);
  cr_assert_str_neq(room->asks[1].id, room->asks[0].id, "not where nobody answers");
  cr_assert_str_eq(room->asks[2].id, room->asks[1].id);
  harness_answer(room, 0, CODE(OK)); /* after all: its seat becomes free by itself */
  cr_assert_eq(matched("p0"), 0);
  harness_answer(room, 1, CODE(OK));
  cr_assert_eq(matched("p0"), 1);
}

Test(lobby, of_a_group_that_waits_in_vain_one_may_cancel_and_the_others_are_matched_still) {
  open_with(2);
  enqueue("p0", (struct search){.size = 2});
  enqueue("p1", (struct search){.size = 2});
  wait_ms(LOBBY_PATIENCE_MS);
  cr_assert_eq(cancel("p0"), CODE(OK));
  harness_answer(room, 0, CODE(OK));
  cr_assert_eq(matched("p0"), 0);
  cr_assert_eq(matched("p1"), 1);
}

Test(lobby, a_room_that_has_ended_holds_nobody) {
  open_with(1);
  quick("p0");
  harness_answer(room, 0, CODE(OK));
  harness_vacancy(room, room->asks[0].id, 0, true);
  quick("p0");
  cr_assert(room->ask_count == 2 && room->asks[1].open);
}

Test(lobby, who_cannot_be_asked_for_now_waits) {
  open_with(3);
  room->asks_max = 1;
  quick("p0");
  quick("p1");
  quick("p2");
  cr_assert_eq(room->ask_count, 1);
  room->asks_max = ROOM_ASKED_MAX;
  cr_assert_eq(cancel("p2"), CODE(OK));
  harness_answer(room, 0, CODE(OK));
  cr_assert_eq(room->ask_count, 2);
  cr_assert_str_eq(room->asks[1].players[0], "p1");
}

Test(lobby, knows_a_thousand_rooms_and_forgets_empty_ones_beyond_that) {
  open_with(2);
  char mode[16];
  for (size_t i = 0; i < LOBBY_ROOMS_MAX; i++) {
    snprintf(mode, sizeof mode, "m%zu", i);
    cr_assert_eq(quick_of("p0", "live", 4, mode), CODE(OK));
    cr_assert_eq(room->ask_count, i + 1);
    harness_answer(room, i, CODE(OK));
    cr_assert_eq(cancel("p0"), CODE(OK));
    harness_vacancy(room, room->asks[i].id, i == 0 ? 3 : 4, false); /* somebody stays in the first one */
  }
  quick_of("p0", "live", 4, "more");
  cr_assert_eq(room->ask_count, LOBBY_ROOMS_MAX + 1, "nobody waits");
  quick_of("p1", "live", 4, "m0");
  cr_assert_str_eq(room->asks[LOBBY_ROOMS_MAX + 1].id, room->asks[0].id, "it is not empty");
  harness_answer(room, LOBBY_ROOMS_MAX + 1, CODE(OK));
  cancel("p1");
  quick_of("p1", "live", 4, "m1");
  cr_assert_neq(strcmp(room->asks[LOBBY_ROOMS_MAX + 2].id, room->asks[1].id), 0, "it was the oldest empty one");
}

Test(lobby, answers_that_nobody_waits_for_change_nothing) {
  open_with(2);
  quick("p0");
  harness_answer(room, 0, CODE(OK));
  harness_answer(room, 0, CODE(OK));
  harness_answer(room, 0, CODE(ROOM_FULL));
  cr_assert_eq(matched("p0"), 1);
  harness_vacancy(room, "live/another", 3, false);
  harness_vacancy(room, "live/another", 3, true);
  harness_leave(room, "p0", HEYA__V1__LEAVE_REASON__ASKED);
  quick("p1");
  harness_leave(room, "p1", HEYA__V1__LEAVE_REASON__ASKED);
  harness_answer(room, 1, CODE(ROOM_FULL));
  cr_assert_eq(room->ask_count, 2, "he has gone, and no other room is sought");
}

/* ---- matchmaking ---- */

Test(lobby, those_of_about_the_same_skill_get_a_room_of_their_own) {
  open_with(5);
  static const int32_t skills[] = {100, 500, 105, 95, 110};
  for (int i = 0; i < 5; i++) {
    cr_assert_eq(enqueue(names[i], (struct search){.size = 3, .skill = skills[i], .range = 20}), CODE(OK));
    cr_assert_eq(heard(names[i], EVENT(QUEUED), NULL), 1);
  }
  wait_ms(LOBBY_GATHER_MS);
  cr_assert_eq(room->ask_count, 1);
  const struct harness_ask *ask = &room->asks[0];
  cr_assert(ask->open && ask->player_count == 3 && ask->max_members == 3);
  cr_assert_str_eq(ask->players[0], "p0");
  harness_answer(room, 0, CODE(OK));
  cr_assert_eq(matched("p0") + matched("p1") + matched("p2") + matched("p3") + matched("p4"), 3);
  cr_assert_eq(matched("p1"), 0);
}

Test(lobby, a_range_grows_until_somebody_is_within_it) {
  open_with(2);
  enqueue("p0", (struct search){.size = 2, .skill = 0, .widen_per_s = 10});
  enqueue("p1", (struct search){.size = 2, .skill = 50, .range = 5, .widen_per_s = 10});
  for (int i = 0; i < 4; i++) wait_ms(1000);
  cr_assert_eq(room->ask_count, 0);
  for (int i = 0; i < 2; i++) wait_ms(1000);
  cr_assert_eq(room->ask_count, 1);
}

Test(lobby, a_party_stays_together) {
  open_with(6);
  cr_assert_eq(enqueue("p0", (struct search){.size = 4, .party = {"p1", "p2"}}), CODE(OK));
  cr_assert_eq(heard("p2", EVENT(QUEUED), NULL), 1);
  cr_assert_eq(enqueue("p3", (struct search){.size = 4, .party = {"p4"}}), CODE(OK));
  wait_ms(LOBBY_GATHER_MS);
  cr_assert_eq(room->ask_count, 0, "three and two are not four");
  enqueue("p5", (struct search){.size = 4});
  wait_ms(LOBBY_GATHER_MS);
  cr_assert_eq(room->ask_count, 1);
  harness_answer(room, 0, CODE(OK));
  for (int i = 0; i < 6; i++) cr_assert_eq(matched(names[i]), i < 3 || i == 5);
}

Test(lobby, a_party_is_in_the_lobby_free_and_not_too_large) {
  open_with(4);
  cr_assert_eq(enqueue("p0", (struct search){.size = 4, .party = {"nobody"}}), CODE(NO_SUCH_MEMBER));
  cr_assert_eq(enqueue("p0", (struct search){.size = 1, .party = {"p1"}}), CODE(INVALID_ARGUMENT));
  cr_assert_eq(enqueue("p1", (struct search){.size = 4}), CODE(OK));
  cr_assert_eq(enqueue("p0", (struct search){.size = 4, .party = {"p1"}}), CODE(WRONG_STATE));
  quick("p2");
  cr_assert_eq(enqueue("p0", (struct search){.size = 4, .party = {"p2"}}), CODE(WRONG_STATE));
  cr_assert_eq(enqueue("p0", (struct search){.size = 2, .party = {"p0", "p3", "p3"}}), CODE(OK));
}

Test(lobby, who_leaves_or_cancels_takes_his_party_out) {
  open_with(4);
  enqueue("p0", (struct search){.size = 4, .party = {"p1"}});
  harness_leave(room, "p1", HEYA__V1__LEAVE_REASON__TIMED_OUT);
  cr_assert_eq(heard("p0", EVENT(CANCELLED), NULL), 1);
  enqueue("p2", (struct search){.size = 4, .party = {"p3"}});
  cr_assert_eq(cancel("p3"), CODE(OK));
  cr_assert_eq(heard("p2", EVENT(CANCELLED), NULL), 1);
  cr_assert_eq(cancel("p3"), CODE(OK));
  wait_ms(LOBBY_AGAIN_MS);
  cr_assert_eq(room->timers[0].at_ms, 0, "nobody waits, so no timer is set");
}

Test(lobby, who_is_away_is_not_matched_until_he_is_back) {
  open_with(2);
  enqueue("p0", (struct search){.size = 2});
  harness_away(room, "p0", true);
  enqueue("p1", (struct search){.size = 2});
  wait_ms(LOBBY_AGAIN_MS);
  cr_assert_eq(room->ask_count, 0);
  harness_away(room, "p0", false);
  wait_ms(LOBBY_AGAIN_MS);
  cr_assert_eq(room->ask_count, 1);
}

Test(lobby, nobody_is_in_two_matches) {
  open_with(4);
  for (int i = 0; i < 2; i++) enqueue(names[i], (struct search){.size = 2});
  wait_ms(LOBBY_GATHER_MS);
  for (int i = 0; i < 2; i++) enqueue(names[i], (struct search){.size = 2});
  harness_answer(room, 0, CODE(OK));
  for (int i = 0; i < 4; i++) enqueue(names[i], (struct search){.size = 2});
  wait_ms(LOBBY_GATHER_MS);
  cr_assert_eq(room->ask_count, 2);
  cr_assert_str_eq(room->asks[1].players[0], "p2");
  cr_assert_str_eq(room->asks[1].players[1], "p3");
}

Test(lobby, a_group_whose_room_cannot_be_made_is_told) {
  open_with(2);
  for (int i = 0; i < 2; i++) enqueue(names[i], (struct search){.size = 2});
  wait_ms(LOBBY_GATHER_MS);
  harness_answer(room, 0, CODE(INVALID_ARGUMENT));
  for (int i = 0; i < 2; i++) cr_assert_eq(heard(names[i], EVENT(FAILED), NULL), 1);
  cr_assert_eq(enqueue("p0", (struct search){.size = 2}), CODE(OK));
}

/* ---- limits ---- */

Test(lobby, what_makes_no_sense_is_refused) {
  open_with(1);
  cr_assert_eq(quick_of("p0", "No Kind", 4, ""), CODE(INVALID_ARGUMENT));
  cr_assert_eq(quick_of("p0", "live", 0, ""), CODE(INVALID_ARGUMENT));
  cr_assert_eq(quick_of("p0", "live", 1001, ""), CODE(INVALID_ARGUMENT));
  cr_assert_eq(quick_of("p0", "live", 4, "a\nb"), CODE(INVALID_ARGUMENT));
  cr_assert_eq(enqueue("p0", (struct search){.size = 65}), CODE(INVALID_ARGUMENT));
  cr_assert_eq(harness_command(room, "p0", bytes_of("", 0)), CODE(INVALID_ARGUMENT));
  cr_assert_eq(harness_command(room, "p0", bytes_of("\x08", 1)), CODE(INVALID_ARGUMENT));
  cr_assert_eq(room->ask_count + room->event_count, 0);
}

Test(lobby, only_the_kinds_that_are_allowed_can_be_asked_for) {
  Heya__Kinds__Lobby__Options options = HEYA__KINDS__LOBBY__OPTIONS__INIT;
  char *kinds[] = {pb_text("live"), pb_text("gomoku")};
  uint8_t bytes[64];
  kind_code code;
  options.kinds = kinds;
  options.n_kinds = 2;
  room = harness_open(&kind_lobby, bytes_of(bytes, heya__kinds__lobby__options__pack(&options, bytes)), NOW, &code);
  cr_assert_eq(harness_join(room, "p0", "", bytes_of("", 0)), CODE(OK));
  cr_assert_eq(quick_of("p0", "chat", 2, ""), CODE(INVALID_ARGUMENT));
  cr_assert_eq(quick_of("p0", "gomoku", 2, ""), CODE(OK));
}

Test(lobby, a_state_that_cannot_be_is_not_loaded) {
  open_with(3);
  quick("p0");
  harness_answer(room, 0, CODE(OK));
  quick("p1");
  enqueue("p2", (struct search){.size = 2});
  Heya__Kinds__Lobby__Saved *saved = heya__kinds__lobby__saved__unpack(NULL, room->saved.len, room->saved.data);
  uint8_t bytes[2048];
  cr_assert(saved && saved->n_matches == 2 && saved->n_tickets == 1 && saved->n_rooms == 1);
  saved->tokens = 1;
  cr_assert_not(harness_would_load(room, bytes_of(bytes, heya__kinds__lobby__saved__pack(saved, bytes))));
  saved->tokens = 2;
  cr_assert(harness_would_load(room, bytes_of(bytes, heya__kinds__lobby__saved__pack(saved, bytes))));
  saved->rooms[0]->size = 0;
  cr_assert_not(harness_would_load(room, bytes_of(bytes, heya__kinds__lobby__saved__pack(saved, bytes))));
  saved->rooms[0]->size = 4;
  strcpy(saved->tickets[0]->players[0], "p1");
  cr_assert_not(harness_would_load(room, bytes_of(bytes, heya__kinds__lobby__saved__pack(saved, bytes))));
  heya__kinds__lobby__saved__free_unpacked(saved, NULL);
}
