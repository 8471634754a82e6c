/* Names become addresses, and the loop goes on meanwhile; who cancels hears nothing. Also of links to Redis, which
 * have names looked up. */
#include "common/redis_link.h"
#include "common/resolve.h"
#include "tests/unit/fake_resolver.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_S 10.

static struct ev_loop *loop;

struct heard {
  unsigned times;
  struct resolved found;
  char error[128];
};

static void setup(void) {
  loop = ev_loop_new(EVFLAG_AUTO);
  fake_resolver_says("127.0.0.1");
}

static void teardown(void) {
  fake_resolver_hold(false);
  ev_loop_destroy(loop);
}
TestSuite(resolve, .init = setup, .fini = teardown, .timeout = 30);

static void on_resolved(void *arg, const struct resolved *found, const char *error) {
  struct heard *heard = arg;
  heard->times++;
  if (found) heard->found = *found;
  snprintf(heard->error, sizeof heard->error, "%s", error ? error : "");
}

static void on_tick(struct ev_loop *at, struct ev_timer *timer, int events) {
  (void)at, (void)timer, (void)events;
}

/* False at the deadline; counts the turns of the loop. */
static unsigned turns;
static bool turn_until(bool (*holds)(const void *arg), const void *arg) {
  struct ev_timer tick;
  ev_timer_init(&tick, on_tick, 0.001, 0.001);
  ev_timer_start(loop, &tick);
  double until = ev_time() + DEADLINE_S;
  bool held;
  for (turns = 0; !(held = holds(arg)) && ev_time() < until; turns++) ev_run(loop, EVRUN_ONCE);
  ev_timer_stop(loop, &tick);
  return held;
}

static bool is_heard(const void *arg) {
  return ((const struct heard *)arg)->times > 0;
}

static bool has_begun(const void *arg) {
  return fake_resolver_begun() >= *(const unsigned *)arg;
}

static bool has_returned(const void *arg) {
  return fake_resolver_returned() >= *(const unsigned *)arg;
}

static bool has_turned(const void *arg) {
  return turns >= *(const unsigned *)arg;
}

Test(resolve, a_name_comes_back_as_its_addresses_in_order) {
  struct heard heard = {0};
  fake_resolver_says("127.0.0.3 127.0.0.2");
  cr_assert_not_null(resolve_start(loop, "redis.fake", on_resolved, &heard));
  cr_assert_eq(heard.times, 0);
  cr_assert(turn_until(is_heard, &heard));
  cr_assert_eq(heard.found.n, 2);
  cr_assert_str_eq(heard.found.addresses[0], "127.0.0.3");
  cr_assert_str_eq(heard.found.addresses[1], "127.0.0.2");
}

Test(resolve, more_addresses_than_there_is_room_for_are_left_out) {
  struct heard heard = {0};
  fake_resolver_says("1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8 1.0.0.9 1.0.0.10");
  resolve_start(loop, "redis.fake", on_resolved, &heard);
  cr_assert(turn_until(is_heard, &heard));
  cr_assert_eq(heard.found.n, RESOLVE_MAX);
}

Test(resolve, the_systems_own_names_are_found) {
  struct heard heard = {0};
  resolve_start(loop, "localhost", on_resolved, &heard);
  cr_assert(turn_until(is_heard, &heard));
  cr_assert_gt(heard.found.n, 0, "%s", heard.error);
}

Test(resolve, a_name_that_is_none_is_told) {
  struct heard heard = {0};
  fake_resolver_says("");
  resolve_start(loop, "nobody.fake", on_resolved, &heard);
  cr_assert(turn_until(is_heard, &heard));
  cr_assert_eq(heard.found.n, 0);
  cr_assert_str_neq(heard.error, "");
}

Test(resolve, the_loop_turns_while_a_name_is_looked_up) {
  struct heard heard = {0};
  fake_resolver_hold(true);
  resolve_start(loop, "redis.fake", on_resolved, &heard);
  cr_assert(turn_until(has_begun, &(unsigned){1}));
  cr_assert(turn_until(has_turned, &(unsigned){20}));
  cr_assert_eq(heard.times, 0);
  fake_resolver_hold(false);
  cr_assert(turn_until(is_heard, &heard));
}

Test(resolve, who_cancels_hears_nothing_before_or_after_the_answer) {
  struct heard heard = {0};
  fake_resolver_hold(true);
  resolve_cancel(resolve_start(loop, "redis.fake", on_resolved, &heard));
  fake_resolver_hold(false);
  cr_assert(turn_until(has_returned, &(unsigned){1}));
  struct resolve *resolve = resolve_start(loop, "redis.fake", on_resolved, &heard);
  while (fake_resolver_returned() < 2) usleep(1000); /* the loop does not turn: the answer waits in it */
  resolve_cancel(resolve);
  resolve_cancel(NULL);
  cr_assert(turn_until(has_turned, &(unsigned){20}));
  cr_assert_eq(heard.times, 0);
}

Test(resolve, numbers_are_told_from_names) {
  cr_assert(resolve_is_numeric("127.0.0.1"));
  cr_assert(resolve_is_numeric("::1"));
  cr_assert(resolve_is_numeric("fe80::1%eth0"));
  cr_assert_not(resolve_is_numeric("localhost"));
  cr_assert_not(resolve_is_numeric("10.example"));
}

/* ---- links ---- */

static uint16_t port;
static unsigned ups;

static void on_up(void *arg) {
  (void)arg;
  ups++;
}

static bool is_up(const void *arg) {
  (void)arg;
  return ups > 0;
}

/* On 127.0.0.1 alone. A link without anything to say first is up when it is connected. */
static int listening(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
  cr_assert_eq(listen(fd, 8), 0);
  cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  port = ntohs(address.sin_port);
  return fd;
}

static struct redis_link *link_to(const char *host) {
  struct redis_link_options options = {
      .name = "test", .connect_timeout_ms = 20, .reply_timeout_ms = 1000, .on_up = on_up};
  snprintf(options.url.at.host, sizeof options.url.at.host, "%s", host);
  options.url.at.port = port;
  return redis_link_create(loop, &options, NULL);
}

Test(resolve, a_link_tries_the_addresses_of_a_name_in_turn) {
  int fd = listening();
  fake_resolver_says("127.0.0.3 127.0.0.2 127.0.0.1");
  struct redis_link *link = link_to("redis.fake");
  cr_assert(turn_until(is_up, NULL));
  cr_assert_eq(fake_resolver_begun(), 1);
  redis_link_destroy(link);
  close(fd);
}

Test(resolve, a_link_asks_again_for_a_name_that_was_not_found) {
  int fd = listening();
  fake_resolver_says("");
  struct redis_link *link = link_to("redis.fake");
  cr_assert(turn_until(has_returned, &(unsigned){3}));
  fake_resolver_says("127.0.0.1");
  cr_assert(turn_until(is_up, NULL));
  redis_link_destroy(link);
  close(fd);
}

static bool is_connected_to(const void *arg) {
  int fd = accept(*(const int *)arg, NULL, NULL);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

Test(resolve, a_sentinel_whose_name_takes_long_does_not_keep_a_link_from_the_next_one) {
  int fd = listening();
  struct redis_link_options options = {.name = "test", .connect_timeout_ms = 20, .reply_timeout_ms = 1000};
  options.url = (struct redis_url){.master = "m",
                                   .n_sentinels = 3,
                                   .sentinels = {{.host = "slow.fake", .port = port},
                                                 {.host = "other.fake", .port = port},
                                                 {.host = "127.0.0.1", .port = port}}};
  fake_resolver_hold(true);
  struct redis_link *link = redis_link_create(loop, &options, NULL);
  cr_assert(turn_until(is_connected_to, &fd));
  cr_assert_eq(fake_resolver_begun(), 1);
  redis_link_destroy(link);
  close(fd);
}

/* However often the link loses its patience. */
Test(resolve, a_slow_look_up_is_one_thread_and_its_answer_is_used) {
  int fd = listening();
  fake_resolver_hold(true);
  struct redis_link *link = link_to("redis.fake");
  cr_assert(turn_until(has_turned, &(unsigned){300}));
  cr_assert_eq(fake_resolver_begun(), 1);
  fake_resolver_hold(false);
  cr_assert(turn_until(is_up, NULL));
  cr_assert_eq(fake_resolver_begun(), 1);
  redis_link_destroy(link);
  close(fd);
}

Test(resolve, a_link_that_is_destroyed_meanwhile_leaves_nothing_behind) {
  fake_resolver_hold(true);
  redis_link_destroy(link_to("redis.fake"));
  struct redis_link *link = link_to("redis.fake");
  cr_assert(turn_until(has_begun, &(unsigned){1}));
  redis_link_destroy(link);
  fake_resolver_hold(false);
  cr_assert(turn_until(has_returned, &(unsigned){1}));
  cr_assert_eq(ups, 0);
}
