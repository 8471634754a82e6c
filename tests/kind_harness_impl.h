/* What the files of the harness share. Not for tests. */
#ifndef HEYA_TESTS_KIND_HARNESS_IMPL_H
#define HEYA_TESTS_KIND_HARNESS_IMPL_H

#include "tests/kind_harness.h"

#define OK HEYA__V1__ERROR__CODE__OK

/* A condition that the kind has to meet. */
#define demand(room, condition, sentence) ((condition) ? (void)0 : harness_blame(room, sentence))
_Noreturn void harness_blame(const struct room *, const char *sentence);

/* The call that is about to be made, for messages. `whom` may be NULL. */
void harness_doing(struct room *, const char *what, const char *whom);
void harness_renew_arena(struct room *);
/* After each call that may have changed something: a failover. */
void harness_settle(struct room *);
bool harness_is_as_saved(struct room *);
/* After a refusal, of a room in which so many effects there were before. */
void harness_demand_unchanged(struct room *, uint32_t effects);
void harness_keep_message(struct room *, const struct kind_reply *);
struct member *harness_member(struct room *, const char *player);
/* One command, whose outcome of this number waits for it. */
void harness_execute(struct room *, const char *player, struct bytes payload, size_t number);
/* All that wait, or those of one player. */
void harness_refuse_waiting(struct room *, const char *player, kind_code);
/* Somebody comes into the empty room. */
void harness_resume_frames(struct room *);

#endif
