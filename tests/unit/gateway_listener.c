/* A whole listener on a loopback port, in this process: an event loop, raw clients, and an echo as the logic half.
 *
 * Messages are commands to the echo: "close" closes, "ready" says hello, "flood" sends until the connection closes,
 * and anything else comes back.
 */
#include "common/buf.h"
#include "common/clock.h"
#include "gateway/files.h"
#include "gateway/gateway_metrics.h"
#include "gateway/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_US UINT64_C(20000000)

/* ---- the server ---- */

struct rig {
  struct ev_loop *loop;
  ev_prepare prepare;
  ev_timer tick; /* so that a turn of the loop ends soon */
  struct gateway_metrics metrics;
  struct listener *listener;
  int opened, closed, messages;
  struct conn *last; /* opened */
  uint64_t last_number;
  char room[100], address[100];
  bool close_at_open;
};

static void on_open(void *arg, struct conn *conn, const struct conn_open *open) {
  struct rig *rig = arg;
  rig->opened++;
  rig->last = conn;
  rig->last_number = conn_number(conn);
  snprintf(rig->room, sizeof rig->room, "%s", open->room ? open->room : "");
  snprintf(rig->address, sizeof rig->address, "%s", open->address);
  conn_set_data(conn, rig);
  if (rig->close_at_open) conn_close(conn, 4005, "not you");
}

static void on_message(void *arg, struct conn *conn, struct bytes message) {
  struct rig *rig = arg;
  cr_assert_eq(conn_data(conn), rig);
  rig->messages++;
  struct frame *frame = frame_create(conn_format(conn), message);
  if (bytes_equal_str(message, "close")) conn_close(conn, 4000, "asked");
  if (bytes_equal_str(message, "ready")) conn_set_ready(conn);
  if (bytes_equal_str(message, "flood"))
    for (int i = 0; i < 100000 && conn_find(rig->listener, conn_number(conn)); i++) conn_send(conn, frame);
  conn_send(conn, frame);
  frame_unref(frame);
}

static void on_closed(void *arg, struct conn *conn) {
  struct rig *rig = arg;
  cr_assert_eq(conn_data(conn), rig);
  cr_assert_null(conn_find(rig->listener, conn_number(conn)));
  rig->closed++;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events) {
  struct rig *rig = prepare->data;
  (void)loop, (void)events;
  listener_flush(rig->listener);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events) {
  (void)loop, (void)timer, (void)events;
}

static struct listener_config quick_config(void) {
  return (struct listener_config)LISTENER_CONFIG_DEFAULTS;
}

static void rig_start(struct rig *rig, const struct listener_config *config) {
  char error[200] = "";
  *rig = (struct rig){.loop = ev_loop_new(EVFLAG_AUTO)};
  struct conn_handler handler = {.open = on_open, .message = on_message, .closed = on_closed, .arg = rig};
  rig->listener = listener_create(rig->loop, config, &handler, &rig->metrics, NULL, error, sizeof error);
  cr_assert_not_null(rig->listener, "%s", error);
  ev_prepare_init(&rig->prepare, on_prepare);
  rig->prepare.data = rig;
  ev_prepare_start(rig->loop, &rig->prepare);
  ev_timer_init(&rig->tick, on_tick, 0.002, 0.002);
  ev_timer_start(rig->loop, &rig->tick);
}

static void rig_stop(struct rig *rig) {
  listener_destroy(rig->listener);
  cr_assert_eq(rig->opened, rig->closed, "every open is followed by one closed");
  cr_assert_eq(rig->metrics.websockets, 0);
  cr_assert_eq(rig->metrics.connections, 0);
  cr_assert_eq(rig->metrics.output_bytes, 0);
  cr_assert_eq(rig->metrics.ws_contexts, 0);
  ev_prepare_stop(rig->loop, &rig->prepare);
  ev_timer_stop(rig->loop, &rig->tick);
  ev_loop_destroy(rig->loop);
}

/* ---- clients ---- */

struct client {
  struct rig *rig;
  int fd;
  struct buf in;
  bool ended; /* the server has ended its side, or reset */
  bool reset; /* it has reset */
};

static struct client client_connect(struct rig *rig, int receive_bytes) {
  struct client client = {.rig = rig, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons(listener_port(rig->listener)),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  if (receive_bytes) setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  cr_assert_eq(connect(client.fd, (struct sockaddr *)&to, sizeof to), 0, "%s", strerror(errno));
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return client;
}

static void client_end(struct client *client) {
  close(client->fd);
  buf_close(&client->in);
}

static void client_put(struct client *client, struct bytes data) {
  cr_assert_eq(send(client->fd, data.data, data.len, MSG_NOSIGNAL), (ssize_t)data.len);
}

static void client_say(struct client *client, const char *text) {
  client_put(client, bytes_of_str(text));
}

static void client_take(struct client *client) {
  ssize_t got = recv(client->fd, buf_reserve(&client->in, 65536), 65536, MSG_DONTWAIT);
  if (got > 0) client->in.len += (size_t)got;
  if (got < 0 && errno != EAGAIN) client->reset = true;
  if (got == 0 || client->reset) client->ended = true;
}

/* Turns the loop until `condition`, evaluated anew each time, holds; fails the test after the deadline. */
#define TURN_UNTIL(rig, condition)                                                                                   \
  do {                                                                                                               \
    uint64_t deadline_us = clock_monotonic_us() + PATIENCE_US;                                                       \
    while (!(condition)) {                                                                                           \
      cr_assert(clock_monotonic_us() < deadline_us, "never: %s", #condition);                                        \
      ev_run((rig)->loop, EVRUN_ONCE);                                                                               \
    }                                                                                                                \
  } while (0)

#define TAKE_UNTIL(client, condition) TURN_UNTIL((client)->rig, (client_take(client), (condition)))

static bool has(struct client *client, const char *text) {
  return strstr(buf_str(&client->in), text) != NULL;
}

#define REQUEST_HEAD                                                                                                 \
  "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                            \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE      "GET /v1 HTTP/1.1\r\n" REQUEST_HEAD "Sec-WebSocket-Protocol: heya.v1.proto\r\n\r\n"
#define UPGRADE_JSON "GET /v1/chat/tea HTTP/1.1\r\n" REQUEST_HEAD "Sec-WebSocket-Protocol: heya.v1.json\r\n\r\n"

/* Cuts the response's head off. */
static void take_switching(struct client *client) {
  TAKE_UNTIL(client, has(client, "\r\n\r\n"));
  cr_assert(has(client, "HTTP/1.1 101 "), "%s", buf_str(&client->in));
  buf_consume(&client->in, (size_t)(strstr(buf_str(&client->in), "\r\n\r\n") + 4 - buf_str(&client->in)));
}

static struct client client_open(struct rig *rig) {
  struct client client = client_connect(rig, 0);
  client_say(&client, UPGRADE);
  take_switching(&client);
  return client;
}

/* A frame with a masking key of zeros, so that the payload stands as it is. */
static void add_frame(struct buf *out, unsigned first, struct bytes payload) {
  buf_append_char(out, (char)first);
  if (payload.len < 126) {
    buf_append_char(out, (char)(0x80 | payload.len));
  } else {
    buf_append_char(out, (char)0xfe);
    buf_append_char(out, (char)(payload.len >> 8));
    buf_append_char(out, (char)payload.len);
  }
  buf_append(out, "\0\0\0\0", 4);
  buf_append_bytes(out, payload);
}

static void send_frame(struct client *client, unsigned first, const char *payload) {
  struct buf out = {0};
  add_frame(&out, first, bytes_of_str(payload));
  client_put(client, buf_bytes(&out));
  buf_close(&out);
}

/* The first whole frame of `in`: its length on the wire, 0 when there is none yet. */
static size_t peek_frame(const struct client *client, unsigned *opcode, struct bytes *payload) {
  const unsigned char *at = client->in.data;
  if (client->in.len < 2) return 0;
  size_t len = at[1], header = 2;
  if (len == 126 && client->in.len >= 4) {
    len = (size_t)at[2] << 8 | at[3];
    header = 4;
  }
  if (client->in.len < header + len) return 0;
  *opcode = at[0] & 0xfU;
  *payload = bytes_of(at + header, len);
  return header + len;
}

static void expect_frame(struct client *client, unsigned opcode, const char *payload) {
  unsigned got_opcode;
  struct bytes got;
  TAKE_UNTIL(client, peek_frame(client, &got_opcode, &got) || client->ended);
  size_t len = peek_frame(client, &got_opcode, &got);
  cr_assert(len > 0, "ended instead of %s", payload);
  cr_assert_eq(got_opcode, opcode);
  cr_assert(bytes_equal_str(got, payload), "%.*s, not %s", (int)got.len, (const char *)got.data, payload);
  buf_consume(&client->in, len);
}

/* Skips frames up to the Close, returns its code; then the server ends its side. */
static unsigned wait_close(struct client *client) {
  unsigned opcode;
  struct bytes payload;
  for (;;) {
    TAKE_UNTIL(client, peek_frame(client, &opcode, &payload) || client->ended);
    size_t len = peek_frame(client, &opcode, &payload);
    if (len == 0) return 1006;
    unsigned code = 1005;
    if (payload.len >= 2)
      code = (unsigned)((const unsigned char *)payload.data)[0] << 8 | ((const unsigned char *)payload.data)[1];
    buf_consume(&client->in, len);
    if (opcode != 8) continue;
    TAKE_UNTIL(client, client->ended);
    cr_assert_eq(client->in.len, 0, "nothing comes after a Close");
    return code;
  }
}

static void expect_response(struct client *client, const char *status_line, const char *also) {
  TAKE_UNTIL(client, has(client, "\r\n\r\n"));
  cr_assert_eq(strncmp(buf_str(&client->in), status_line, strlen(status_line)), 0, "%s", buf_str(&client->in));
  cr_assert(has(client, also), "no %s in %s", also, buf_str(&client->in));
}

/* ---- messages ---- */

Test(listener, messages_are_echoed_in_both_formats) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client proto = client_open(&rig);
  cr_assert_str_eq(rig.room, "");
  cr_assert_str_eq(rig.address, "127.0.0.1");
  send_frame(&proto, 0x82, "hello");
  expect_frame(&proto, 2, "hello");
  struct client json = client_connect(&rig, 0);
  struct buf at_once = {0}; /* the first message in the same segment as the request */
  buf_append_str(&at_once, UPGRADE_JSON);
  add_frame(&at_once, 0x81, bytes_of_str("{}"));
  client_put(&json, buf_bytes(&at_once));
  take_switching(&json);
  expect_frame(&json, 1, "{}");
  cr_assert_str_eq(rig.room, "chat/tea");
  send_frame(&json, 0x89, "you?");
  expect_frame(&json, 10, "you?");
  cr_assert_eq(rig.metrics.websockets, 2);
  cr_assert_eq(rig.metrics.ws_contexts, 0, "idle connections own no parser");
  buf_close(&at_once);
  client_end(&proto);
  client_end(&json);
  TURN_UNTIL(&rig, rig.closed == 2 && listener_count(rig.listener) == 0);
  cr_assert_eq(rig.metrics.closed[CLOSED_LOST], 2);
  rig_stop(&rig);
}

Test(listener, bytes_may_come_one_at_a_time) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_connect(&rig, 0);
  struct buf out = {0};
  buf_append_str(&out, UPGRADE);
  add_frame(&out, 0x02, bytes_of_str("frag"));
  add_frame(&out, 0x89, bytes_of_str("p"));
  add_frame(&out, 0x80, bytes_of_str("ment"));
  for (size_t i = 0; i < out.len; i++) {
    client_put(&client, bytes_of(out.data + i, 1));
    TURN_UNTIL(&rig, rig.metrics.bytes_in == i + 1);
  }
  take_switching(&client);
  expect_frame(&client, 10, "p");
  expect_frame(&client, 2, "fragment");
  cr_assert_eq(rig.metrics.ws_contexts, 0);
  send_frame(&client, 0x02, "incomplete");
  TURN_UNTIL(&rig, rig.metrics.ws_contexts == 1);
  buf_close(&out);
  client_end(&client);
  rig_stop(&rig);
}

static void send_late(struct ev_loop *loop, ev_prepare *prepare, int events) {
  struct rig *rig = prepare->data;
  (void)events;
  struct frame *frame = frame_create(CONN_PROTO, bytes_of_str("late"));
  conn_send(rig->last, frame);
  frame_unref(frame);
  ev_prepare_stop(loop, prepare);
}

Test(listener, what_is_sent_after_the_flush_does_not_wait) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  ev_timer_stop(rig.loop, &rig.tick);
  ev_prepare late;
  ev_prepare_init(&late, send_late);
  late.data = &rig;
  ev_set_priority(&late, ev_priority(&rig.prepare) - 1);
  uint64_t quickest_us = UINT64_MAX;
  for (int i = 0; i < 10; i++) {
    uint64_t before_us = clock_monotonic_us();
    ev_prepare_start(rig.loop, &late);
    ev_run(rig.loop, EVRUN_ONCE); /* would otherwise wait for the sweep, a quarter of a second */
    do {
      ev_run(rig.loop, EVRUN_NOWAIT);
      client_take(&client);
    } while (!has(&client, "late"));
    uint64_t took_us = clock_monotonic_us() - before_us;
    if (took_us < quickest_us) quickest_us = took_us;
    buf_clear(&client.in);
  }
  cr_assert_lt(quickest_us, 100000);
  ev_timer_start(rig.loop, &rig.tick);
  client_end(&client);
  rig_stop(&rig);
}

/* ---- closing ---- */

Test(listener, a_close_of_the_peer_is_answered_with_its_code) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  send_frame(&client, 0x82, "x");
  send_frame(&client, 0x88, "\x0f\xa1");
  send_frame(&client, 0x82, "not heard any more");
  expect_frame(&client, 2, "x");
  cr_assert_eq(wait_close(&client), 4001);
  TURN_UNTIL(&rig, rig.closed == 1);
  cr_assert_eq(rig.messages, 1);
  client_end(&client);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  cr_assert_eq(rig.metrics.closed[CLOSED_BY_PEER], 1);
  rig_stop(&rig);
}

Test(listener, conn_close_sends_what_is_queued_and_hears_no_more) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  struct buf out = {0};
  add_frame(&out, 0x82, bytes_of_str("one"));
  add_frame(&out, 0x82, bytes_of_str("close"));
  add_frame(&out, 0x82, bytes_of_str("two"));
  client_put(&client, buf_bytes(&out));
  expect_frame(&client, 2, "one");
  cr_assert_eq(wait_close(&client), 4000);
  cr_assert_eq(rig.messages, 2);
  cr_assert_eq(rig.closed, 1, "told at once, not when the peer has gone");
  cr_assert_null(conn_find(rig.listener, rig.last_number));
  buf_close(&out);
  client_end(&client);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  rig_stop(&rig);
}

Test(listener, what_a_peer_still_sends_does_not_destroy_the_farewell) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  send_frame(&client, 0x82, "close");
  TURN_UNTIL(&rig, rig.closed == 1);
  for (int i = 0; i < 3; i++) {
    uint64_t before = rig.metrics.bytes_in;
    send_frame(&client, 0x82, "on its way already");
    TURN_UNTIL(&rig, rig.metrics.bytes_in > before);
  }
  cr_assert_eq(wait_close(&client), 4000);
  cr_assert_not(client.reset);
  cr_assert_eq(rig.messages, 1);
  client_end(&client);
  rig_stop(&rig);
}

Test(listener, the_stream_ends_only_behind_the_farewell_of_the_peer) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.linger_ms = 60000;
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  send_frame(&client, 0x82, "close");
  expect_frame(&client, 8,
               "\x0f\xa0"
               "asked");
  uint64_t before = rig.metrics.bytes_in;
  send_frame(&client, 0x82, "on its way already");
  TURN_UNTIL(&rig, rig.metrics.bytes_in > before);
  for (int i = 0; i < 10; i++) ev_run(rig.loop, EVRUN_NOWAIT);
  client_take(&client);
  cr_assert_not(client.ended, "a proxy would close both directions");
  send_frame(&client, 0x88, "\x0f\xa0");
  TAKE_UNTIL(&client, client.ended);
  cr_assert_not(client.reset);
  cr_assert_eq(rig.messages, 1);
  client_end(&client);
  rig_stop(&rig);
}

Test(listener, open_may_close) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  rig.close_at_open = true;
  struct client client = client_connect(&rig, 0);
  client_say(&client, UPGRADE "\x82\x81\0\0\0");
  take_switching(&client);
  cr_assert_eq(wait_close(&client), 4005);
  cr_assert_eq(rig.messages, 0);
  client_end(&client);
  rig_stop(&rig);
}

Test(listener, a_peer_that_does_not_leave_is_left_after_the_linger_time) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.linger_ms = 40;
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  send_frame(&client, 0x82, "close");
  TURN_UNTIL(&rig, rig.closed == 1);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  client_end(&client);
  rig_stop(&rig);
}

Test(listener, a_slow_consumer_is_closed_with_4041) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.max_output_bytes = 200000;
  rig_start(&rig, &config);
  struct client client = client_connect(&rig, 4096), other = client_open(&rig);
  client_say(&client, UPGRADE);
  TURN_UNTIL(&rig, rig.opened == 2);
  struct buf out = {0};
  static char payload[60000];
  add_frame(&out, 0x82, bytes_of(payload, sizeof payload));
  for (int i = 0; i < 200 && rig.closed == 0; i++) {
    client_put(&client, buf_bytes(&out));
    int expected = i + 1;
    TURN_UNTIL(&rig, rig.messages == expected || rig.closed == 1);
  }
  cr_assert_eq(rig.closed, 1);
  cr_assert_eq(rig.metrics.closed[CLOSED_SLOW_CONSUMER], 1);
  cr_assert(rig.metrics.output_bytes < 61000, "what it will not read is dropped at once");
  send_frame(&other, 0x82, "hi");
  expect_frame(&other, 2, "hi");
  take_switching(&client);
  cr_assert_eq(wait_close(&client), 4041);
  buf_close(&out);
  client_end(&client);
  client_end(&other);
  rig_stop(&rig);
}

Test(listener, a_flood_in_one_callback_is_stopped_by_the_limit) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.max_output_bytes = 10000;
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  send_frame(&client, 0x82, "flood");
  cr_assert_eq(wait_close(&client), 4041);
  client_end(&client);
  rig_stop(&rig);
}

Test(listener, bad_frames_close_their_connection_and_no_other) {
  static const struct {
    const char *bytes;
    size_t len;
    unsigned code;
  } cases[] = {{"\x82\x01x", 3, 1002},
               {"\xf2\x81----x", 7, 1002},
               {"\x82\xfe\0\x01----x", 9, 1002},
               {"\x81\x81----x", 7, 1003},
               {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007},
               {"\x82\xff\0\0\0\0\0\x01\0\x01----x", 15, 1009}};
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client other = client_open(&rig);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct client client = client_open(&rig);
    client_put(&client, bytes_of(cases[i].bytes, cases[i].len));
    cr_assert_eq(wait_close(&client), cases[i].code, "case %zu", i);
    client_end(&client);
  }
  send_frame(&other, 0x82, "still here");
  expect_frame(&other, 2, "still here");
  client_end(&other);
  rig_stop(&rig);
}

Test(listener, a_flood_of_pings_is_closed_with_4012) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.max_frames_per_s = 1;
  config.frame_burst = 10;
  rig_start(&rig, &config);
  struct client client = client_open(&rig);
  struct buf out = {0};
  for (int i = 0; i < 100; i++) add_frame(&out, 0x89, bytes_of_str("x"));
  client_put(&client, buf_bytes(&out));
  cr_assert_eq(wait_close(&client), 4012);
  cr_assert_eq(rig.metrics.pings_in, 10);
  buf_close(&out);
  client_end(&client);
  rig_stop(&rig);
}

/* ---- limits on connections ---- */

Test(listener, one_connection_too_many_is_told_503_until_there_is_room) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.max_connections = 2;
  rig_start(&rig, &config);
  struct client a = client_open(&rig), b = client_open(&rig), c = client_connect(&rig, 0);
  client_say(&c, UPGRADE);
  expect_response(&c, "HTTP/1.1 503 ", "Retry-After: 5\r\n");
  TAKE_UNTIL(&c, c.ended);
  client_end(&c);
  client_end(&a);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 1);
  struct client d = client_open(&rig);
  cr_assert_eq(rig.metrics.refused[REFUSED_FULL], 1);
  client_end(&b);
  client_end(&d);
  rig_stop(&rig);
}

Test(listener, one_address_has_only_so_many) {
  struct rig rig;
  struct listener_config config = quick_config();
  struct cidr trusted;
  cr_assert(cidr_parse(&trusted, "127.0.0.1"));
  config.max_connections_per_address = 1;
  config.trusted = &trusted;
  config.trusted_count = 1;
  rig_start(&rig, &config);
  struct client a = client_open(&rig), b = client_connect(&rig, 0), c = client_connect(&rig, 0);
  client_say(&b, UPGRADE);
  expect_response(&b, "HTTP/1.1 429 ", "Retry-After: 5\r\n");
  client_say(&c, "GET /v1 HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\n" REQUEST_HEAD
                 "Sec-WebSocket-Protocol: heya.v1.json\r\n\r\n");
  take_switching(&c);
  cr_assert_str_eq(rig.address, "192.0.2.7");
  client_end(&a);
  TURN_UNTIL(&rig, rig.closed == 1);
  struct client d = client_open(&rig);
  client_end(&b);
  client_end(&c);
  client_end(&d);
  rig_stop(&rig);
}

static void count_one(void *arg, struct conn *conn) {
  ++*(int *)arg;
  conn_close(conn, 4042, "shutting down");
}

Test(listener, draining_refuses_new_ones_and_keeps_the_others) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  char address[40];
  snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)listener_port(rig.listener));
  cr_assert_str_eq(listener_address(rig.listener), address);
  struct client a = client_open(&rig), b = client_connect(&rig, 0);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 2);
  listener_stop_accepting(rig.listener);
  listener_stop_accepting(rig.listener);
  client_say(&b, UPGRADE);
  expect_response(&b, "HTTP/1.1 503 ", "shutting down");
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons(listener_port(rig.listener)),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_neq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  close(fd);
  send_frame(&a, 0x82, "still");
  expect_frame(&a, 2, "still");
  int open = 0;
  listener_each(rig.listener, count_one, &open);
  cr_assert_eq(open, 1);
  listener_each(rig.listener, count_one, &open);
  cr_assert_eq(open, 1, "a closing connection is not live");
  cr_assert_eq(wait_close(&a), 4042);
  client_end(&a);
  client_end(&b);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  rig_stop(&rig);
}

Test(listener, a_port_in_use_is_said_clearly) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  char error[200] = "";
  struct conn_handler handler = {0};
  config.port = listener_port(rig.listener);
  cr_assert_null(listener_create(rig.loop, &config, &handler, &rig.metrics, NULL, error, sizeof error));
  cr_assert_not_null(strstr(error, "Address already in use"), "%s", error);
  config.host = "not an address";
  cr_assert_null(listener_create(rig.loop, &config, &handler, &rig.metrics, NULL, error, sizeof error));
  rig_stop(&rig);
}

Test(listener, running_out_of_descriptors_only_pauses) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client client = client_connect(&rig, 0);
  struct rlimit before, none;
  getrlimit(RLIMIT_NOFILE, &before);
  none = (struct rlimit){.rlim_cur = (rlim_t)client.fd + 1, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  TURN_UNTIL(&rig, rig.metrics.accept_pauses > 0);
  setrlimit(RLIMIT_NOFILE, &before);
  client_say(&client, UPGRADE);
  take_switching(&client);
  client_end(&client);
  rig_stop(&rig);
}

/* ---- time ---- */

Test(listener, half_a_request_gets_408_and_silence_nothing) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.handshake_timeout_ms = 60;
  rig_start(&rig, &config);
  struct client half = client_connect(&rig, 0), silent = client_connect(&rig, 0);
  client_say(&half, "GET / HTTP/1.1\r\nHo");
  expect_response(&half, "HTTP/1.1 408 ", "Connection: close\r\n");
  TAKE_UNTIL(&silent, silent.ended);
  cr_assert_eq(silent.in.len, 0);
  client_end(&half);
  client_end(&silent);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  rig_stop(&rig);
}

Test(listener, without_a_hello_it_is_closed_and_with_one_it_is_not) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.hello_timeout_ms = 100;
  rig_start(&rig, &config);
  struct client polite = client_open(&rig), silent = client_open(&rig);
  send_frame(&polite, 0x82, "ready");
  expect_frame(&polite, 2, "ready");
  cr_assert_eq(wait_close(&silent), 4043);
  send_frame(&polite, 0x82, "x");
  expect_frame(&polite, 2, "x");
  client_end(&polite);
  client_end(&silent);
  rig_stop(&rig);
}

Test(listener, silence_is_pinged_and_then_closed) {
  struct rig rig;
  struct listener_config config = quick_config();
  config.ping_interval_ms = 50;
  config.idle_timeout_ms = 150;
  config.linger_ms = 40; /* the dead one does not answer the Close */
  rig_start(&rig, &config);
  struct client alive = client_open(&rig), dead = client_open(&rig);
  send_frame(&alive, 0x82, "ready");
  send_frame(&dead, 0x82, "ready");
  expect_frame(&alive, 2, "ready");
  for (int pongs = 0; rig.closed == 0; pongs++) {
    unsigned opcode;
    struct bytes payload;
    TAKE_UNTIL(&alive, peek_frame(&alive, &opcode, &payload) || rig.closed);
    if (rig.closed) break;
    cr_assert(pongs < 100);
    expect_frame(&alive, 9, "");
    send_frame(&alive, 0x8a, "");
  }
  cr_assert_eq(wait_close(&dead), 4043);
  cr_assert_eq(rig.metrics.closed[CLOSED_IDLE], 1);
  send_frame(&alive, 0x82, "x");
  client_end(&alive);
  client_end(&dead);
  rig_stop(&rig);
}

/* ---- files ---- */

static struct files *load_files(char directory[64]) {
  char path[100], error[200];
  snprintf(directory, 64, "/tmp/heya-www-XXXXXX");
  cr_assert_not_null(mkdtemp(directory));
  snprintf(path, sizeof path, "%s/index.html", directory);
  FILE *file = fopen(path, "w");
  fputs("<p>home</p>", file);
  fclose(file);
  snprintf(path, sizeof path, "%s/big.bin", directory);
  file = fopen(path, "w");
  for (int i = 0; i < 4000000; i++) fputc('b', file);
  fclose(file);
  struct files *files = files_load(directory, 10000000, error, sizeof error);
  cr_assert_not_null(files, "%s", error);
  unlink(path);
  snprintf(path, sizeof path, "%s/index.html", directory);
  unlink(path);
  rmdir(directory);
  return files;
}

Test(listener, several_files_over_one_connection) {
  struct rig rig;
  char directory[64];
  struct files *files = load_files(directory);
  struct listener_config config = quick_config();
  config.www = files;
  rig_start(&rig, &config);
  struct client client = client_connect(&rig, 0);
  for (int i = 0; i < 3; i++) {
    client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    TAKE_UNTIL(&client, has(&client, "<p>home</p>"));
    cr_assert(has(&client, "HTTP/1.1 200 OK\r\n") && has(&client, "Connection: keep-alive\r\n"));
    buf_clear(&client.in);
  }
  client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n");
  expect_response(&client, "HTTP/1.1 304 ", "ETag: \"");
  buf_clear(&client.in);
  client_say(&client, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
  TAKE_UNTIL(&client, client.in.len > 4000000 && client.in.data[client.in.len - 1] == 'b');
  buf_clear(&client.in);
  client_say(&client, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
  expect_response(&client, "HTTP/1.1 404 ", "Connection: close\r\n");
  TAKE_UNTIL(&client, client.ended);
  client_end(&client);
  rig_stop(&rig);
  files_destroy(files);
}

Test(listener, a_half_closed_or_pipelining_client_gets_its_answer) {
  struct rig rig;
  char directory[64];
  struct files *files = load_files(directory);
  struct listener_config config = quick_config();
  config.www = files;
  rig_start(&rig, &config);
  struct client half = client_connect(&rig, 0), pipe = client_connect(&rig, 0);
  client_say(&half, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
  shutdown(half.fd, SHUT_WR);
  TAKE_UNTIL(&half, half.ended);
  cr_assert_gt(half.in.len, 4000000);
  client_say(&pipe, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  TAKE_UNTIL(&pipe, pipe.ended);
  cr_assert(has(&pipe, "Connection: close\r\n") && has(&pipe, "<p>home</p>"));
  client_end(&half);
  client_end(&pipe);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  rig_stop(&rig);
  files_destroy(files);
}

/* ---- memory ---- */

#define MANY 400

Test(listener, an_idle_connection_is_small) {
  struct rig rig;
  struct listener_config config = quick_config();
  rig_start(&rig, &config);
  struct client *clients = calloc(MANY, sizeof *clients);
  struct client first = client_open(&rig);
  size_t before = mallinfo2().uordblks;
  for (int i = 0; i < MANY; i++) {
    clients[i] = client_open(&rig);
    send_frame(&clients[i], 0x82, "ready");
    expect_frame(&clients[i], 2, "ready");
    buf_close(&clients[i].in);
  }
  size_t each = (mallinfo2().uordblks - before) / MANY;
  cr_assert_eq(rig.metrics.websockets, MANY + 1);
  cr_assert_eq(rig.metrics.ws_contexts, 0);
  cr_assert_lt(each, 700, "%zu bytes per idle connection", each);
  if (getenv("HEYA_SHOW")) fprintf(stderr, "%zu bytes per idle connection\n", each);
  for (int i = 0; i < MANY; i++) client_end(&clients[i]);
  free(clients);
  client_end(&first);
  TURN_UNTIL(&rig, listener_count(rig.listener) == 0);
  rig_stop(&rig);
}
