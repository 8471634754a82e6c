/* Redis as a test sees it: one blocking call, one value. hiredis underneath.
 *
 * Formats are hiredis's (%s, %b with a size, %lld ...). An error reply fails the test, unless the call says
 * otherwise; so does a server that does not answer in time.
 */
#ifndef HEYA_TESTS_SUPPORT_REDIS_CLIENT_H
#define HEYA_TESTS_SUPPORT_REDIS_CLIENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

struct redis_client;

/* NULL when nobody listens at the unix socket. */
struct redis_client *redis_client_connect(const char *socket_path);
void redis_client_close(struct redis_client *client);

/* The raw reply, also an error; freed with freeReplyObject. */
redisReply *redis_reply(struct redis_client *client, const char *format, ...);

/* Status and strings as they are, integers as text; NULL for nil. Freed with free(). */
char *redis_string(struct redis_client *client, const char *format, ...);

/* Integers, and strings that are one; `none` for nil is -1. */
int64_t redis_integer(struct redis_client *client, const char *format, ...);

/* For what is sent for its effect. */
void redis_do(struct redis_client *client, const char *format, ...);

/* A command given in words. */
void redis_do_words(struct redis_client *client, const char **words, size_t n);

/* Redis's clock (TIME), Unix milliseconds: the only clock promises about time are checked with. */
uint64_t redis_now_ms(struct redis_client *client);

#endif
