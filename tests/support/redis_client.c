/* A thin layer over hiredis's blocking calls. */
#include "tests/support/redis_client.h"

#include "common/mem.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdarg.h>

#define CONNECT_MS 1000
#define ANSWER_MS  5000

struct redis_client {
  redisContext *context;
};

static struct timeval timeval_of(uint64_t ms) {
  return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

struct redis_client *redis_client_connect(const char *socket_path) {
  redisContext *context = redisConnectUnixWithTimeout(socket_path, timeval_of(wait_patience_ms(CONNECT_MS)));
  if (!context || context->err) {
    if (context) redisFree(context);
    return NULL;
  }
  redisSetTimeout(context, timeval_of(wait_patience_ms(ANSWER_MS)));
  struct redis_client *client = xmalloc(sizeof *client);
  *client = (struct redis_client){.context = context};
  return client;
}

void redis_client_close(struct redis_client *client) {
  if (!client) return;
  redisFree(client->context);
  free(client);
}

static redisReply *command(struct redis_client *client, const char *format, va_list args) {
  redisReply *reply = redisvCommand(client->context, format, args);
  cr_assert(reply, "redis: %s: %s", format, client->context->errstr);
  return reply;
}

static void check(const redisReply *reply, const char *format) {
  cr_assert(reply->type != REDIS_REPLY_ERROR, "redis: %s: %s", format, reply->str);
}

redisReply *redis_reply(struct redis_client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  redisReply *reply = command(client, format, args);
  va_end(args);
  return reply;
}

char *redis_string(struct redis_client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  redisReply *reply = command(client, format, args);
  va_end(args);
  check(reply, format);
  char *text = NULL;
  if (reply->type == REDIS_REPLY_INTEGER) {
    cr_assert(asprintf(&text, "%lld", reply->integer) >= 0);
  } else if (reply->type != REDIS_REPLY_NIL) {
    cr_assert(reply->type != REDIS_REPLY_ARRAY, "redis: %s: an array", format);
    text = xmemdup(reply->str, reply->len);
  }
  freeReplyObject(reply);
  return text;
}

int64_t redis_integer(struct redis_client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  redisReply *reply = command(client, format, args);
  va_end(args);
  check(reply, format);
  int64_t value = -1;
  if (reply->type == REDIS_REPLY_INTEGER) value = reply->integer;
  if (reply->type == REDIS_REPLY_STRING) value = strtoll(reply->str, NULL, 10);
  freeReplyObject(reply);
  return value;
}

void redis_do(struct redis_client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  redisReply *reply = command(client, format, args);
  va_end(args);
  check(reply, format);
  freeReplyObject(reply);
}

void redis_do_words(struct redis_client *client, const char **words, size_t n) {
  redisReply *reply = redisCommandArgv(client->context, (int)n, words, NULL);
  cr_assert(reply, "redis: %s: %s", words[0], client->context->errstr);
  check(reply, words[0]);
  freeReplyObject(reply);
}

uint64_t redis_now_ms(struct redis_client *client) {
  redisReply *reply = redis_reply(client, "TIME");
  check(reply, "TIME");
  uint64_t now =
      strtoull(reply->element[0]->str, NULL, 10) * 1000 + strtoull(reply->element[1]->str, NULL, 10) / 1000;
  freeReplyObject(reply);
  return now;
}
