/* Promises of the turn-taking among Sentinels. */
#include "common/redis_sentinel.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

static struct redis_url url;
static struct redis_sentinel sentinel;

static void start(void) {
  char error[128];
  cr_assert(redis_url_parse("sentinel://u:p@a,b:2,c/main/5?sentinel_password=q", &url, error, sizeof error));
  sentinel = (struct redis_sentinel){0};
}
TestSuite(redis_sentinel, .init = start);

/* As it comes over the wire. */
static redisReply *wire(const char *bytes) {
  redisReader *reader = redisReaderCreate();
  void *reply = NULL;
  redisReaderFeed(reader, bytes, strlen(bytes));
  cr_assert(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
  redisReaderFree(reader);
  return reply;
}

/* What is said of the answer; NULL: nothing is wrong with it. */
static const char *wrong_answer(const char *bytes) {
  redisReply *reply = wire(bytes);
  const char *wrong = redis_sentinel_answer(&sentinel, reply);
  freeReplyObject(reply);
  return wrong;
}

static const char *wrong_role(const char *bytes) {
  redisReply *reply = wire(bytes);
  const char *wrong = redis_sentinel_role(reply);
  freeReplyObject(reply);
  return wrong;
}

static const char *answer(const char *host, const char *port) {
  char bytes[512];
  snprintf(bytes, sizeof bytes, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(host), host, strlen(port), port);
  return wrong_answer(bytes);
}

static void asks(const char *host) {
  struct redis_url target;
  cr_assert_not(redis_sentinel_target(&sentinel, &url, &target));
  cr_assert_str_eq(target.at.host, host);
  cr_assert_str_eq(target.login.user, "");
  cr_assert_str_eq(target.login.password, "q");
  cr_assert_eq(target.db, 0);
}

static void leads_to(const char *host, unsigned port) {
  struct redis_url target;
  cr_assert(redis_sentinel_target(&sentinel, &url, &target));
  cr_assert_str_eq(target.at.host, host);
  cr_assert_eq(target.at.port, port);
  cr_assert_str_eq(target.login.user, "u");
  cr_assert_str_eq(target.login.password, "p");
  cr_assert_eq(target.db, 5);
}

Test(redis_sentinel, asks_one_and_goes_where_it_says) {
  asks("a");
  cr_assert_null(answer("10.0.0.1", "7000"));
  leads_to("10.0.0.1", 7000);
}

Test(redis_sentinel, asks_the_next_one_and_pauses_after_the_last) {
  cr_assert(redis_sentinel_failed(&sentinel, &url));
  asks("b");
  cr_assert(redis_sentinel_failed(&sentinel, &url));
  asks("c");
  cr_assert_not(redis_sentinel_failed(&sentinel, &url));
  asks("a");
  cr_assert(redis_sentinel_failed(&sentinel, &url));
}

/* It may be cut off from the others and name a dead master for ever. */
Test(redis_sentinel, leaves_one_that_names_a_master_which_is_none) {
  answer("10.0.0.1", "7000");
  cr_assert(redis_sentinel_failed(&sentinel, &url));
  asks("b");
}

Test(redis_sentinel, asks_again_after_the_master_was_lost) {
  redis_sentinel_failed(&sentinel, &url);
  answer("10.0.0.1", "7000");
  redis_sentinel_up(&sentinel);
  redis_sentinel_lost(&sentinel);
  asks("b");
  cr_assert(redis_sentinel_failed(&sentinel, &url));
  cr_assert(redis_sentinel_failed(&sentinel, &url));
  cr_assert_not(redis_sentinel_failed(&sentinel, &url));
}

Test(redis_sentinel, believes_nothing_but_an_address) {
  cr_assert(strstr(wrong_answer("*-1\r\n"), "no master of that name"));
  cr_assert(wrong_answer(":7\r\n"));
  cr_assert(wrong_answer("*1\r\n$1\r\na\r\n"));
  cr_assert(redis_sentinel_answer(&sentinel, NULL));
  cr_assert(answer("", "7000"));
  cr_assert(answer("10.0.0.1", "0"));
  cr_assert(answer("10.0.0.1", "65536"));
  cr_assert(answer("10.0.0.1", "x"));
  char host[300];
  memset(host, 'h', sizeof host);
  host[299] = '\0';
  cr_assert(answer(host, "7000"));
  asks("a");
}

Test(redis_sentinel, wants_to_hear_from_the_master_that_it_is_one) {
  cr_assert_null(wrong_role("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"));
  cr_assert(wrong_role("*2\r\n$5\r\nslave\r\n$1\r\na\r\n"));
  cr_assert(wrong_role("*0\r\n"));
  cr_assert(redis_sentinel_role(NULL));
}
