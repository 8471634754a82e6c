/* What the tests of the kind `live` share: a table of players, their moves, and reading what was sent. */
#ifndef HEYA_TESTS_KINDS_LIVE_TABLE_H
#define HEYA_TESTS_KINDS_LIVE_TABLE_H

#include "proto/kinds/live.pb-c.h"
#include "tests/kind_harness.h"
#include "tests/kinds/messages.h"
#include "worker/kinds/kinds.h"

#define OK                HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT  HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define NOT_HOST          HEYA__V1__ERROR__CODE__NOT_HOST
#define WRONG_STATE       HEYA__V1__ERROR__CODE__WRONG_STATE
#define UNKNOWN_ROUND     HEYA__V1__ERROR__CODE__UNKNOWN_ROUND
#define TOO_LATE          HEYA__V1__ERROR__CODE__TOO_LATE
#define ALREADY_SUBMITTED HEYA__V1__ERROR__CODE__ALREADY_SUBMITTED
#define NOT_A_PLAYER      HEYA__V1__ERROR__CODE__NOT_A_PLAYER

#define NOW        1700000000000u
#define SONG       42u
#define DEADLINE   10000u
#define NO_PROFILE bytes_of(NULL, 0)
#define LEFT       HEYA__V1__LEAVE_REASON__ASKED
#define TIMED_OUT  HEYA__V1__LEAVE_REASON__TIMED_OUT

/* A room with this song; deadline_ms as in Options. */
struct room *table_open(uint32_t live_id, uint32_t deadline_ms, kind_code *code);
/* A room at NOW with the players p1 (the host) to p<n>, named "Name 1" and so on. */
struct room *table_of(int players);
/* The same with round 1 running, and nothing sent yet. */
struct room *table_playing(int players);

kind_code start(struct room *room, const char *player);
kind_code submit(struct room *room, const char *player, uint32_t round, uint32_t score);
kind_code submit_judged(struct room *room, const char *player, uint32_t round, uint32_t score,
                        Heya__Kinds__Live__Judge *judge);
kind_code choose(struct room *room, const char *player, uint32_t live_id);
kind_code dissolve(struct room *room, const char *player);

/* The event sent as number `index`, which must be of this sort; freed with free_event. */
Heya__Kinds__Live__Event *event_at(struct room *room, size_t index, Heya__Kinds__Live__Event__BodyCase body);
Heya__Kinds__Live__Event *last_event(struct room *room, Heya__Kinds__Live__Event__BodyCase body);
void free_event(Heya__Kinds__Live__Event *event);
/* As a newcomer sees it; freed with heya__kinds__live__state__free_unpacked. */
Heya__Kinds__Live__State *state_of(struct room *room);
/* One row of Results; a forfeit has score 0 and no judge. */
void expect_score(const Heya__Kinds__Live__Results *results, size_t row, const char *player, uint32_t score,
                  bool forfeited);

#define STARTED   HEYA__KINDS__LIVE__EVENT__BODY_STARTED
#define SUBMITTED HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED
#define RESULTS   HEYA__KINDS__LIVE__EVENT__BODY_RESULTS
#define CHOSEN    HEYA__KINDS__LIVE__EVENT__BODY_CHOSEN

#endif
