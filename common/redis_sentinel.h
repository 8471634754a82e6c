/* Who the master is, by turns: which Sentinel to ask next, what its answer means, and whether the server that it
 * named says the same of itself. No I/O: a link (common/redis_link.h) connects where `target` says, and tells what
 * came of it.
 *
 * The protocol is that of https://redis.io/docs/reference/sentinel-clients: one Sentinel after the other is asked
 * with SENTINEL GET-MASTER-ADDR-BY-NAME, the answer is connected to and must call itself a master in ROLE; after
 * every lost connection it begins again with asking. A Sentinel that named somebody who is not there, or is no
 * master, is behind the times, so the next question goes to the next one.
 */
#ifndef HEYA_COMMON_REDIS_SENTINEL_H
#define HEYA_COMMON_REDIS_SENTINEL_H

#include "common/redis_url.h"

struct redisReply;

struct redis_sentinel {
  unsigned next;             /* to ask */
  unsigned failed;           /* attempts in a row that led to no master */
  bool named;                /* `master` is to be connected to; not: a Sentinel */
  struct redis_place master; /* as last named; host "": never */
};

/* Where to connect to now, with the login that is right there; true when it is the master. `url` is a sentinel one.
 */
bool redis_sentinel_target(const struct redis_sentinel *, const struct redis_url *url, struct redis_url *out);

/* The answer of the Sentinel. NULL: the target is the master now; or a sentence about what is wrong with it. */
const char *redis_sentinel_answer(struct redis_sentinel *, const struct redisReply *reply);

/* The master's answer to ROLE. NULL: it is one. */
const char *redis_sentinel_role(const struct redisReply *reply);

/* The target did not answer, or not well: the next Sentinel is to be asked. True when the next one may be asked at
 * once, false when all have been in vain and a pause is due. */
bool redis_sentinel_failed(struct redis_sentinel *, const struct redis_url *url);

/* The master is in use; and it was lost, so that the Sentinels are to be asked again. */
void redis_sentinel_up(struct redis_sentinel *);
void redis_sentinel_lost(struct redis_sentinel *);

#endif
