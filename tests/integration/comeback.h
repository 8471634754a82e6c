/* Players who lose their connection and come back with what they know. */
#ifndef HEYA_TESTS_INTEGRATION_COMEBACK_H
#define HEYA_TESTS_INTEGRATION_COMEBACK_H

#include "tests/support/cluster.h"

#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* What a client keeps for a resume. */
struct place {
  char session[64], incarnation[64];
  uint64_t epoch, seq;
  uint32_t answered;
};

struct place place_of(const Heya__V1__Joined *joined);
/* Where it is after all that the player heard. */
void follow(struct place *place, const struct player *player);
uint32_t send_resume(struct player *player, const char *room, const struct place *place);

/* Fails the test unless the gateway says goodbye, to reconnect; then both gateways are ready again. */
void expect_sent_away(struct cluster *cluster, struct player *player);

/* A chat line under this command number; not waited for. */
uint32_t say(struct player *player, const char *room, uint32_t number, const char *text);
size_t times_heard(const struct player *player, const char *text);

#endif
