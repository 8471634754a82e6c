/* What the tests of the kind `gomoku` share: a room with players, their moves, and reading what was sent. The fake
 * room is used here only. */
#ifndef HEYA_TESTS_KINDS_GOBAN_H
#define HEYA_TESTS_KINDS_GOBAN_H

#include "proto/kinds/gomoku.pb-c.h"
#include "tests/kinds/messages.h"
#include "worker/kinds/kinds.h"

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define NOT_A_PLAYER     HEYA__V1__ERROR__CODE__NOT_A_PLAYER

#define NOW     1700000000000u
#define TURN_MS 30000u

#define WAITING HEYA__KINDS__GOMOKU__PHASE__WAITING
#define PLAYING HEYA__KINDS__GOMOKU__PHASE__PLAYING
#define OVER    HEYA__KINDS__GOMOKU__PHASE__OVER

#define REASON(name) HEYA__KINDS__GOMOKU__REASON__##name
#define EVENT(name)  HEYA__KINDS__GOMOKU__EVENT__BODY_##name

struct goban_options {
  uint32_t size, turn_ms;
  bool untimed, exact;
};

/* A room at NOW. Like the rest here it is destroyed with goban_close. */
struct room *goban_open(struct goban_options options, kind_code *code);
struct room *goban_open_bytes(struct bytes options, kind_code *code);
void goban_close(struct room *room);
/* With the members p1 (the host) to p<n>; if they are two or more, a game is running, and nothing was sent yet. */
struct room *goban_of(int members, struct goban_options options);

kind_code goban_join(struct room *room, const char *player);
kind_code goban_join_with(struct room *room, const char *player, struct bytes profile);
void goban_leave(struct room *room, const char *player);
void goban_close_seat(struct room *room, const char *player); /* he leaves because the room ends */
void goban_set_away(struct room *room, const char *player);
void goban_wait(struct room *room, uint64_t ms);
uint64_t goban_now(const struct room *room);

kind_code goban_command(struct room *room, const char *player, struct bytes payload);
kind_code goban_place(struct room *room, const char *player, uint32_t x, uint32_t y);
kind_code goban_resign(struct room *room, const char *player);
kind_code goban_rematch(struct room *room, const char *player);
kind_code goban_decline(struct room *room, const char *player);
/* Four rounds after which `first`, who moves, has stones at 0 to 3 of row 0, and the other one of row 1. */
void goban_four_each(struct room *room, const char *first, const char *second);
/* What the last refusal said; empty after OK. */
const char *goban_message(const struct room *room);

/* The event sent as number `index`, which must be of this sort; freed with goban_free. */
Heya__Kinds__Gomoku__Event *goban_event(struct room *room, size_t index, Heya__Kinds__Gomoku__Event__BodyCase body);
Heya__Kinds__Gomoku__Event *goban_last(struct room *room, Heya__Kinds__Gomoku__Event__BodyCase body);
bool goban_is(struct room *room, size_t index, Heya__Kinds__Gomoku__Event__BodyCase body);
size_t goban_event_count(const struct room *room);
size_t goban_receivers(const struct room *room, size_t index);
void goban_forget(struct room *room);
void goban_free(Heya__Kinds__Gomoku__Event *event);
/* The last event must be Over with these. */
void goban_expect_over(struct room *room, const char *winner, Heya__Kinds__Gomoku__Reason reason, size_t line);
/* As a newcomer sees it; freed with heya__kinds__gomoku__state__free_unpacked. */
Heya__Kinds__Gomoku__State *goban_state(struct room *room);
Heya__Kinds__Gomoku__Phase goban_phase(struct room *room);

/* For people: the countdown (0: none) and its number, the lines of results, the listed properties. */
uint64_t goban_countdown(const struct room *room, uint32_t *move);
bool goban_has_timer(const struct room *room); /* of any sort */
const char *goban_result(const struct room *room, const char *player);
bool goban_is_listed(struct room *room, const char *property, const char *value);

/* The state as it was saved last; and whether a new owner would go on with this one. */
struct bytes goban_saved(const struct room *room);
bool goban_would_load(struct room *room, struct bytes state);

#endif
