/* One connection to Redis in the process's loop: kept up, and honest about every call's fate.
 *
 * The only file that talks to hiredis's connections. A link connects at once, authenticates, selects the database,
 * and is then up; when it breaks it tries again after 20 ms, doubling up to a second, with jitter. With a sentinel
 * URL it asks the Sentinels each time where to connect to, and checks that it has got a master. A host name is looked
 * up anew each time (common/resolve.h), and its addresses are tried in turn.
 *
 * Promises: each call's callback fires exactly once, never inside the call, and never after redis_link_destroy. A
 * reply of NULL means the connection broke, or was not up: what was sent may have taken effect, or may yet. Calls are
 * answered in the order they were made. A Redis that does not answer a call in reply_timeout_ms counts as broken.
 */
#ifndef HEYA_COMMON_REDIS_LINK_H
#define HEYA_COMMON_REDIS_LINK_H

#include "common/log.h"
#include "common/redis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct redisReply; /* read with common/redis_reply.h */
struct redis_link;

struct redis_link_options {
  struct redis_url url;
  const char *name; /* of the link, for the log; a literal */
  uint64_t connect_timeout_ms;
  uint64_t reply_timeout_ms;
  /* Up: authenticated, calls are possible. Down: before the callbacks of the calls that are lost; only after an up.
   * Both come from the loop or from inside a call's callback, never inside a function of this header. */
  void (*on_up)(void *arg);
  void (*on_down)(void *arg);
  void *arg;
};

/* The reply is valid during the callback. */
typedef void redis_link_cb(void *arg, const struct redisReply *reply);

struct redis_link *redis_link_create(struct ev_loop *loop, const struct redis_link_options *options, struct log *log);

/* Not from inside one of its callbacks. */
void redis_link_destroy(struct redis_link *link);

bool redis_link_is_up(const struct redis_link *link);

/* The socket of a link that is up, -1 otherwise: for who cannot make calls any more. Nothing may be written to it
 * while there are calls. */
int redis_link_fd(const struct redis_link *link);

/* The arguments are copied. */
void redis_link_call(struct redis_link *link, size_t argc, const char **argv, const size_t *argvlen,
                     redis_link_cb *cb, void *arg);

/* For a command that Redis may answer as late as block_ms from now: the reply timeout begins only then. */
void redis_link_call_blocking(struct redis_link *link, uint64_t block_ms, size_t argc, const char **argv,
                              const size_t *argvlen, redis_link_cb *cb, void *arg);

/* Answers NULL in the next turn of the loop, as a call would on a link that is down. */
void redis_link_refuse(struct redis_link *link, redis_link_cb *cb, void *arg);

/* In the next turn of the loop: writes out what it can, closes the connection without reading on, and connects anew.
 */
void redis_link_drop(struct redis_link *link, const char *reason);

#endif
