/* Who is dead: one who answered by its id, whose connection ended and who refuses a new one. Nobody else. */
#include "common/mem.h"
#include "common/peers.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_S 5.

static struct ev_loop *loop;
static struct peers *peers;
static char dead[256];

static void on_dead(void *arg, int what, const char *id) {
  (void)arg;
  size_t len = strlen(dead);
  snprintf(dead + len, sizeof dead - len, "%d:%s ", what, id);
}

static void setup(void) {
  loop = ev_loop_new(EVFLAG_AUTO);
  peers = peers_create(loop, on_dead, NULL, NULL);
}

static void teardown(void) {
  peers_destroy(peers);
  ev_loop_destroy(loop);
}
TestSuite(peers, .init = setup, .fini = teardown, .timeout = 20);

/* A process that listens, and answers with this. */
struct listening {
  int fd, accepted;
  char address[32];
  const char *answer;
};

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nheya-id: w-1\r\nCache-Control: no-store\r\n\r\nok\n"

static struct listening listening(void) {
  struct listening it = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .accepted = -1, .answer = ANSWER};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  cr_assert_eq(bind(it.fd, (struct sockaddr *)&address, len), 0);
  cr_assert_eq(listen(it.fd, 8), 0);
  cr_assert_eq(getsockname(it.fd, (struct sockaddr *)&address, &len), 0);
  snprintf(it.address, sizeof it.address, "127.0.0.1:%u", ntohs(address.sin_port));
  return it;
}

static void die(struct listening *it) {
  close(it->fd);
  if (it->accepted >= 0) close(it->accepted);
  it->fd = it->accepted = -1;
}

static void on_tick(struct ev_loop *at, struct ev_timer *timer, int events) {
  (void)at;
  (void)timer;
  (void)events;
}

/* Turns the loop until the condition holds; false at the deadline. */
static bool turn_until(bool (*holds)(void *arg), void *arg) {
  struct ev_timer tick;
  ev_timer_init(&tick, on_tick, 0.001, 0.001);
  ev_timer_start(loop, &tick);
  double until = ev_time() + DEADLINE_S;
  bool held;
  while (!(held = holds(arg)) && ev_time() < until) ev_run(loop, EVRUN_ONCE);
  ev_timer_stop(loop, &tick);
  return held;
}

static bool is_heard(void *arg) {
  struct listening *it = arg;
  if (it->accepted < 0) {
    it->accepted = accept(it->fd, NULL, NULL);
    if (it->accepted >= 0) send(it->accepted, it->answer, strlen(it->answer), MSG_NOSIGNAL);
  }
  return it->accepted >= 0;
}

static bool is_accepted(void *arg) {
  return is_heard(arg) && peers_connected(peers) > 0;
}

static bool somebody_is_dead(void *arg) {
  (void)arg;
  return dead[0] != '\0';
}

Test(peers, one_that_dies_is_reported_once) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address, .what = 7};
  peers_update(peers, &name, 1);
  cr_assert(turn_until(is_accepted, &it));
  die(&it);
  cr_assert(turn_until(somebody_is_dead, NULL));
  peers_update(peers, &name, 1);
  for (int i = 0; i < 20; i++) ev_run(loop, EVRUN_NOWAIT);
  cr_assert_str_eq(dead, "7:w-1 ");
}

/* A process that ends closes its sockets one after the other: the connection may end while it still listens, and the
 * next one, accepted by the kernel alone, is reset when the listening socket follows. */
Test(peers, one_that_closes_the_connection_before_it_stops_listening_is_reported) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address};
  peers_update(peers, &name, 1);
  cr_assert(turn_until(is_accepted, &it));
  close(it.accepted);
  it.accepted = -1;
  ev_run(loop, EVRUN_ONCE); /* the end is seen, and a new connection begun */
  die(&it);
  cr_assert(turn_until(somebody_is_dead, NULL));
  cr_assert_str_eq(dead, "0:w-1 ");
}

Test(peers, one_that_only_closes_an_idle_connection_lives) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address};
  peers_update(peers, &name, 1);
  for (int i = 0; i < 3; i++) {
    cr_assert(turn_until(is_accepted, &it));
    close(it.accepted);
    it.accepted = -1;
  }
  cr_assert(turn_until(is_accepted, &it));
  cr_assert_str_eq(dead, "");
  die(&it);
}

Test(peers, one_that_was_never_reached_is_not_judged) {
  struct listening it = listening();
  die(&it);
  struct peer_name names[] = {{.id = "w-1", .address = it.address},
                              {.id = "w-2", .address = "nonsense"},
                              {.id = "w-3", .address = ""},
                              {.id = "w-4", .address = "127.0.0.1:0"}};
  for (int i = 0; i < 5; i++) {
    peers_update(peers, names, 4);
    ev_run(loop, EVRUN_NOWAIT);
  }
  cr_assert_str_eq(dead, "");
  cr_assert_eq(peers_connected(peers), 0);
}

/* Another process at the same address: of another machine's loopback, or no server of ours at all. */
Test(peers, somebody_else_at_the_address_is_not_the_peer) {
  static const char *const answers[] = {
      "HTTP/1.1 200 OK\r\nHeya-Id: w-10\r\n\r\nok\n",
      "HTTP/1.1 200 OK\r\nHeya-Id: w-\r\n\r\nHeya-Id: w-1\r\n",
      "HTTP/1.1 404 Not Found\r\n\r\n",
      "",
      "garbage",
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct listening it = listening();
    struct peer_name name = {.id = "w-1", .address = it.address};
    it.answer = answers[i];
    peers_update(peers, &name, 1);
    cr_assert(turn_until(is_heard, &it));
    for (int turns = 0; turns < 20; turns++) ev_run(loop, EVRUN_NOWAIT);
    cr_assert_eq(peers_connected(peers), 0, "%s", answers[i]);
    die(&it);
    for (int turns = 0; turns < 20; turns++) ev_run(loop, EVRUN_NOWAIT);
    peers_update(peers, &name, 1);
    for (int turns = 0; turns < 20; turns++) ev_run(loop, EVRUN_NOWAIT);
    cr_assert_str_eq(dead, "", "%s", answers[i]);
    peers_update(peers, NULL, 0);
  }
}

/* The peer went, unseen, and another process has its port. */
Test(peers, one_whose_address_is_taken_over_is_not_judged_any_more) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address};
  peers_update(peers, &name, 1);
  cr_assert(turn_until(is_accepted, &it));
  it.answer = "HTTP/1.1 200 OK\r\nHeya-Id: w-2\r\n\r\nok\n";
  close(it.accepted);
  it.accepted = -1;
  cr_assert(turn_until(is_heard, &it));
  for (int turns = 0; turns < 20; turns++) ev_run(loop, EVRUN_NOWAIT);
  cr_assert_eq(peers_connected(peers), 0);
  die(&it);
  peers_update(peers, &name, 1);
  for (int turns = 0; turns < 20; turns++) ev_run(loop, EVRUN_NOWAIT);
  cr_assert_str_eq(dead, "");
}

Test(peers, an_answer_may_come_in_pieces) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address};
  it.answer = "";
  peers_update(peers, &name, 1);
  cr_assert(turn_until(is_heard, &it));
  for (size_t i = 0; i < sizeof ANSWER - 1; i++) {
    cr_assert_eq(send(it.accepted, &ANSWER[i], 1, MSG_NOSIGNAL), 1);
    ev_run(loop, EVRUN_NOWAIT);
  }
  it.answer = ANSWER;
  cr_assert(turn_until(is_accepted, &it));
  die(&it);
  cr_assert(turn_until(somebody_is_dead, NULL));
}

static bool none_connected(void *arg) {
  (void)arg;
  return peers_connected(peers) == 0;
}

Test(peers, one_that_is_not_named_any_more_is_forgotten) {
  struct listening it = listening();
  struct peer_name name = {.id = "w-1", .address = it.address};
  peers_update(peers, &name, 1);
  cr_assert(turn_until(is_accepted, &it));
  peers_update(peers, NULL, 0);
  cr_assert(turn_until(none_connected, NULL));
  die(&it);
  for (int i = 0; i < 20; i++) ev_run(loop, EVRUN_NOWAIT);
  cr_assert_str_eq(dead, "");
}
