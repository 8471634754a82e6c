/* The gateway's paths: commands of clients become one append, and an entry of its stream is handed out. */
#include "tests/cost/cost.h"

#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/ws.h"
#include "proto/bus.pb-c.h"
#include "proto/pb.h"
#include "tests/support/fake_store.h"

#include <stdio.h>

#define PARTITIONS 16
#define CLIENTS    4
#define COMMANDS   5 /* in one append */
#define ROOM       "chat/kitchen"
#define PAYLOAD                                                                                                      \
  bytes_of("\x0a\x22\x0a\x20"                                                                                        \
           "0123456789abcdef0123456789abcdef",                                                                       \
           36)

struct stage {
  struct fake_store *store;
  struct store_ops ops; /* the store's, but for append */
  struct auth auth;
  struct payload_registry registry;
  struct gateway_metrics metrics;
  struct gateway *gateway;
  struct session *sessions[CLIENTS];
  size_t sent; /* frames */
};
static struct stage stage;

/* ---- the outside ---- */

static store_append_cb *appended;
static void *appended_arg;
static size_t n_appended;

static void take_append(struct store *store, const char *gateway, uint64_t generation,
                        const struct store_append *appends, size_t n, store_append_cb *cb, void *arg) {
  (void)store, (void)gateway, (void)generation, (void)appends;
  appended = cb;
  appended_arg = arg;
  n_appended = n;
}

static void answer_append(void) {
  static const enum store_append_verdict verdicts[PARTITIONS] = {STORE_APPENDED};
  store_append_cb *cb = appended;
  appended = NULL;
  COST_CHECK(cb);
  cb(appended_arg, STORE_OK, verdicts, n_appended);
}

static void send_nothing(struct conn *conn, struct frame *frame) {
  (void)conn, (void)frame;
  stage.sent++;
}

static void close_nothing(struct conn *conn, uint16_t code, const char *reason) {
  (void)conn, (void)code, (void)reason;
}

static void set_nothing(struct conn *conn) {
  (void)conn;
}

static const struct session_output output = {.frame_create = frame_create,
                                             .frame_unref = frame_unref,
                                             .send = send_nothing,
                                             .close = close_nothing,
                                             .set_ready = set_nothing};

/* ---- clients ---- */

static size_t pack(const Heya__V1__ClientMessage *message, uint8_t *out, size_t size) {
  COST_CHECK(heya__v1__client_message__get_packed_size(message) <= size);
  return heya__v1__client_message__pack(message, out);
}

static void say_hello(size_t who) {
  uint8_t data[128];
  char player[8];
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  snprintf(player, sizeof player, "p%zu", who);
  hello.player = player;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  session_message(stage.sessions[who], bytes_of(data, pack(&message, data, sizeof data)));
}

static void say_join(size_t who) {
  uint8_t data[128];
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  join.room = pb_text(ROOM);
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  session_message(stage.sessions[who], bytes_of(data, pack(&message, data, sizeof data)));
}

static size_t pack_command(uint8_t *out, size_t size) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command command = HEYA__V1__COMMAND__INIT;
  command.room = pb_text(ROOM);
  command.number = 1;
  command.payload = pb_bytes(PAYLOAD);
  message.request = 7;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &command;
  return pack(&message, out, size);
}

/* ---- deliveries ---- */

/* An event for all, as a worker encodes it. */
static void pack_deliveries(struct buf *out, Heya__Bus__Attachment attachment, const uint64_t *conns, size_t n) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  Heya__Bus__Deliveries deliveries = HEYA__BUS__DELIVERIES__INIT;
  Heya__Bus__Delivery delivery = HEYA__BUS__DELIVERY__INIT, *list[] = {&delivery};
  uint8_t data[256];
  uint64_t copy[CLIENTS];
  memcpy(copy, conns, n * sizeof *conns);
  event.room = pb_text(ROOM);
  event.epoch = 3;
  event.seq = 1000;
  event.body_case = HEYA__V1__EVENT__BODY_PAYLOAD;
  event.payload = pb_bytes(PAYLOAD);
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_EVENT;
  message.event = &event;
  delivery.n_conns = n;
  delivery.conns = copy;
  delivery.message = pb_bytes(bytes_of(data, heya__v1__server_message__pack(&message, data)));
  delivery.room = pb_text(ROOM);
  delivery.attachment = attachment;
  delivery.attempt = 1;
  deliveries.n_deliveries = 1;
  deliveries.deliveries = list;
  size_t size = heya__bus__deliveries__get_packed_size(&deliveries);
  heya__bus__deliveries__pack(&deliveries, buf_reserve(out, size));
  out->len += size;
}

static uint64_t entries;

static void hand_out(struct bytes deliveries) {
  struct store_delivery entry = {.id = {1, ++entries}, .deliveries = deliveries};
  fake_store_read(stage.store, STORE_OK, &entry, 1);
  gateway_turn(stage.gateway);
}

/* ---- the stage ---- */

static void open_gateway(void) {
  const uint64_t numbers[PARTITIONS] = {0};
  const struct gateway_config config = {.id = "g-1",
                                        .partitions = PARTITIONS,
                                        .ttl_ms = 1000000,
                                        .drain_timeout_ms = 5000,
                                        .partition_entries = 8192,
                                        .partition_bytes = 4 << 20,
                                        .sessions = {.max_message_bytes = 65536, .max_rooms = 16},
                                        .auth = &stage.auth,
                                        .registry = &stage.registry,
                                        .output = &output};
  stage.gateway = gateway_create((struct store *[]){&stage.store->store}, &config, &stage.metrics, NULL);
  gateway_turn(stage.gateway);
  fake_store_init(stage.store, STORE_OK, NULL, "c1");
  gateway_turn(stage.gateway);
  fake_store_open(stage.store, STORE_OK, 1, numbers, PARTITIONS);
  gateway_turn(stage.gateway);
}

/* Four clients are in the room. */
static void open_stage(void) {
  char error[128];
  stage = (struct stage){.store = fake_store_create()};
  stage.ops = *stage.store->store.ops;
  stage.ops.append = take_append;
  stage.store->store.ops = &stage.ops;
  COST_CHECK(auth_open(&stage.auth, AUTH_DEV, JWT_HS256, NULL, 0, error, sizeof error));
  payload_registry_init(&stage.registry);
  open_gateway();
  for (size_t who = 0; who < CLIENTS; who++) {
    struct buf attached = {0};
    uint64_t number = who + 1;
    stage.sessions[who] = sessions_opened(gateway_sessions(stage.gateway), NULL, number,
                                          &(struct conn_open){.format = CONN_PROTO, .address = "127.0.0.1"});
    say_hello(who);
    say_join(who);
    gateway_turn(stage.gateway);
    answer_append();
    pack_deliveries(&attached, HEYA__BUS__ATTACHMENT__ATTACHED, &number, 1);
    hand_out(buf_bytes(&attached));
    buf_close(&attached);
  }
  COST_CHECK(stage.metrics.attached == CLIENTS);
}

static void close_stage(void) {
  for (size_t who = 0; who < CLIENTS; who++) session_closed(stage.sessions[who]);
  fake_store_destroy(stage.store);
  gateway_destroy(stage.gateway);
  auth_close(&stage.auth);
}

/* ---- the paths ---- */

static void forward(size_t n) {
  uint8_t data[128];
  size_t len = pack_command(data, sizeof data);
  open_stage();
  uint64_t before = stage.metrics.commands;
  for (size_t i = 0; i < n; i++) {
    for (size_t c = 0; c < COMMANDS; c++) session_message(stage.sessions[c % CLIENTS], bytes_of(data, len));
    gateway_turn(stage.gateway);
    answer_append();
  }
  COST_CHECK(stage.metrics.commands == before + n * COMMANDS);
  close_stage();
}

static void fan_out(size_t n) {
  const uint64_t conns[CLIENTS] = {1, 2, 3, 4};
  struct buf event = {0};
  open_stage();
  pack_deliveries(&event, HEYA__BUS__ATTACHMENT__UNCHANGED, conns, CLIENTS);
  size_t before = stage.sent;
  for (size_t i = 0; i < n; i++) hand_out(buf_bytes(&event));
  COST_CHECK(stage.sent == before + n * CLIENTS);
  buf_close(&event);
  close_stage();
}

static size_t messages;

static bool on_frame(void *arg) {
  (void)arg;
  return true;
}

static bool on_message(void *arg, struct bytes message) {
  (void)arg, (void)message;
  messages++;
  return true;
}

static bool on_control(void *arg, struct bytes payload) {
  (void)arg, (void)payload;
  return true;
}

static bool on_close(void *arg, uint16_t code) {
  (void)arg, (void)code;
  return true;
}

static void receive(size_t n) {
  static const struct ws_events events = {
      .frame = on_frame, .message = on_message, .ping = on_control, .pong = on_control, .close = on_close};
  uint8_t frame[134] = {0x82, 0, 0x12, 0x34, 0x56, 0x78};
  size_t len = pack_command(frame + 6, 125);
  struct ws_pool *pool = ws_pool_create(65536, 4);
  struct ws ws = {0};
  frame[1] = (uint8_t)(0x80 | len);
  for (size_t i = 0; i < n; i++)
    COST_CHECK(ws_feed(pool, &ws, CONN_PROTO, bytes_of(frame, len + 6), &events, NULL) == WS_OK);
  COST_CHECK(messages == n);
  ws_close(pool, &ws);
  ws_pool_destroy(pool);
}

const struct cost_path cost_gateway_paths[] = {
    {"receive", "a command as a WebSocket frame is read", receive},
    {"forward", "five commands of four clients become one append", forward},
    {"fan-out", "an event for four clients is handed out, up to their sockets", fan_out},
    {NULL, NULL, NULL},
};
