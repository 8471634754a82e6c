/* The WebSocket client of the load generator against a server that says what a test wants, in the same loop. */
#include "tests/support/servers.h"
#include "tests/support/ws.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

struct talk {
  struct ev_loop *loop;
  int listener, peer; /* peer: the server's end, -1 before the client has come */
  struct sockaddr_in address;
  struct ws *ws;
  unsigned opened, closed, status;
  struct buf said, body, at_server;
};

static void on_open(void *arg) {
  ((struct talk *)arg)->opened++;
}

static void on_message(void *arg, struct bytes message) {
  struct talk *talk = arg;
  buf_append_bytes(&talk->said, message);
  buf_append_char(&talk->said, '|');
}

static void on_answer(void *arg, unsigned status, struct bytes body) {
  struct talk *talk = arg;
  talk->status = status;
  buf_append_bytes(&talk->body, body);
  ws_upgrade(talk->ws, "/seat", NULL);
}

static void on_closed(void *arg, unsigned code) {
  struct talk *talk = arg;
  talk->closed = code;
  talk->ws = NULL;
}

static void talk_open(struct talk *talk, const struct ws_events *events) {
  socklen_t len = sizeof talk->address;
  *talk = (struct talk){.loop = ev_loop_new(0), .peer = -1};
  talk->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  talk->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(bind(talk->listener, (struct sockaddr *)&talk->address, sizeof talk->address), 0);
  cr_assert_eq(listen(talk->listener, 1), 0);
  getsockname(talk->listener, (struct sockaddr *)&talk->address, &len);
  talk->ws = ws_dial(talk->loop, &talk->address, events, talk);
  talk->peer = accept4(talk->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  cr_assert_geq(talk->peer, 0);
}

static void talk_close(struct talk *talk) {
  ws_drop(talk->ws);
  close(talk->peer);
  close(talk->listener);
  buf_close(&talk->said);
  buf_close(&talk->body);
  buf_close(&talk->at_server);
  ev_loop_destroy(talk->loop);
}

static bool server_heard(void *arg) {
  struct talk *talk = arg;
  ssize_t n = recv(talk->peer, buf_reserve(&talk->at_server, 4096), 4096, 0);
  if (n > 0) talk->at_server.len += (size_t)n;
  return n > 0;
}

/* What the client says next begins so. */
static void hears(struct talk *talk, const char *begin, size_t len) {
  buf_clear(&talk->at_server);
  cr_assert(run_until(talk->loop, 5, server_heard, talk));
  cr_assert_geq(talk->at_server.len, len);
  cr_assert_eq(memcmp(talk->at_server.data, begin, len), 0, "heard: %s", buf_str(&talk->at_server));
}

static bool has_heard(void *arg) {
  const struct talk *talk = arg;
  return talk->said.len || talk->status || talk->closed;
}

static bool is_open(void *arg) {
  return ((struct talk *)arg)->opened || ((struct talk *)arg)->closed;
}

static void says(struct talk *talk, const char *text, size_t len) {
  cr_assert_eq(send(talk->peer, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

#define HEARS(talk, text) hears(talk, text, sizeof(text) - 1)
#define SAYS(talk, text)  says(talk, text, sizeof(text) - 1)

static const struct ws_events events = {
    .open = on_open, .message = on_message, .answer = on_answer, .closed = on_closed};

Test(ws_client, asks_first_then_upgrades_and_takes_text_and_binary_messages) {
  struct talk talk;
  talk_open(&talk, &events);
  ws_post(talk.ws, "/reserve", bytes_of_str("{}"));
  HEARS(&talk, "POST /reserve HTTP/1.1\r\n");
  cr_assert(memmem(talk.at_server.data, talk.at_server.len, "Content-Length: 2\r\n\r\n{}", 23));
  SAYS(&talk, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nseat");
  cr_assert(run_until(talk.loop, 5, has_heard, &talk));
  cr_assert_eq(talk.status, 200);
  cr_assert_str_eq(buf_str(&talk.body), "seat");
  HEARS(&talk, "GET /seat HTTP/1.1\r\n");
  cr_assert_eq(talk.opened, 0);
  SAYS(&talk, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x03one\x82\x03two");
  cr_assert(run_until(talk.loop, 5, is_open, &talk));
  cr_assert_eq(talk.opened, 1);
  cr_assert_str_eq(buf_str(&talk.said), "one|two|");
  talk_close(&talk);
}

Test(ws_client, answers_pings_and_says_text_as_text) {
  struct talk talk;
  talk_open(&talk, &events);
  ws_upgrade(talk.ws, "/", "some.protocol");
  HEARS(&talk, "GET / HTTP/1.1\r\n");
  cr_assert(memmem(talk.at_server.data, talk.at_server.len, "Sec-WebSocket-Protocol: some.protocol\r\n", 39));
  SAYS(&talk, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x02up");
  HEARS(&talk, "\x8a\x82\0\0\0\0up");
  ws_send_text(talk.ws, bytes_of_str("hi"));
  HEARS(&talk, "\x81\x82\0\0\0\0hi");
  talk_close(&talk);
}

Test(ws_client, an_upgrade_that_is_refused_ends_it) {
  static const struct ws_events deaf = {.open = on_open, .message = on_message, .closed = on_closed};
  struct talk talk;
  talk_open(&talk, &deaf);
  ws_upgrade(talk.ws, "/", NULL);
  HEARS(&talk, "GET / HTTP/1.1\r\n");
  SAYS(&talk, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  cr_assert(run_until(talk.loop, 5, is_open, &talk));
  cr_assert_eq(talk.closed, 1006);
  cr_assert_eq(talk.opened, 0);
  talk_close(&talk);
}
