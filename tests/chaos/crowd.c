/* See tests/chaos/crowd.h. */
#include "tests/chaos/crowd.h"

#include "common/mem.h"
#include "proto/pb.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_S  30
#define MESSAGE_MAX 4096

static void send_message(struct visitor *visitor, Heya__V1__ClientMessage *message) {
  uint8_t data[MESSAGE_MAX];
  if (!visitor->ws) return; /* counted as lost */
  ws_send(visitor->ws, bytes_of(data, heya__v1__client_message__pack(message, data)));
}

void visitor_join(struct visitor *visitor, uint32_t request, const char *room, bool create, struct bytes options) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Join body = HEYA__V1__JOIN__INIT;
  body.room = pb_text(room);
  body.create = create;
  body.options = pb_bytes(options);
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &body;
  send_message(visitor, &message);
}

void visitor_leave(struct visitor *visitor, uint32_t request, const char *room) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Leave body = HEYA__V1__LEAVE__INIT;
  body.room = pb_text(room);
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &body;
  send_message(visitor, &message);
}

void visitor_command(struct visitor *visitor, uint32_t request, const char *room, uint32_t number,
                     struct bytes payload) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  body.room = pb_text(room);
  body.number = number;
  body.payload = pb_bytes(payload);
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  send_message(visitor, &message);
}

/* ---- connections ---- */

static void on_open(void *arg) {
  struct visitor *visitor = arg;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Hello hello = HEYA__V1__HELLO__INIT;
  hello.player = visitor->name;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &hello;
  send_message(visitor, &message);
}

static void on_message(void *arg, struct bytes data) {
  struct visitor *visitor = arg;
  Heya__V1__ServerMessage *message = heya__v1__server_message__unpack(NULL, data.len, data.data);
  if (!message) return;
  if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_WELCOME)
    visitor->welcome = true;
  else
    visitor->crowd->heard(visitor, message);
  heya__v1__server_message__free_unpacked(message, NULL);
}

static void on_closed(void *arg, unsigned code) {
  struct visitor *visitor = arg;
  visitor->ws = NULL;
  visitor->crowd->lost++;
  printf("  connection of %s lost: %u\n", visitor->name, code);
}

static bool all_welcome(void *arg) {
  const struct crowd *crowd = arg;
  unsigned welcome = 0;
  for (unsigned i = 0; i < crowd->n; i++) welcome += crowd->visitors[i].welcome;
  return welcome == crowd->n || crowd->lost;
}

bool crowd_enter(struct crowd *crowd, struct stage *stage, unsigned n) {
  static const struct ws_events events = {.open = on_open, .message = on_message, .closed = on_closed};
  unsigned gateways = 0;
  while (gateways < SERVERS_MAX && stage->servers.gateways[gateways].state == SERVER_UP) gateways++;
  crowd->stage = stage;
  crowd->visitors = xcalloc(n, sizeof *crowd->visitors);
  crowd->n = n;
  crowd->lost = 0;
  for (unsigned i = 0; i < n; i++) {
    struct visitor *visitor = &crowd->visitors[i];
    *visitor = (struct visitor){.crowd = crowd, .index = i};
    snprintf(visitor->name, sizeof visitor->name, "p%u", i);
    visitor->ws = ws_connect(stage->loop, stage->servers.gateways[i % gateways].port, &events, visitor);
  }
  return run_until(stage->loop, PATIENCE_S, all_welcome, crowd) && !crowd->lost;
}

void crowd_leave(struct crowd *crowd) {
  for (unsigned i = 0; i < crowd->n; i++) ws_drop(crowd->visitors[i].ws);
  free(crowd->visitors);
  crowd->visitors = NULL;
  crowd->n = 0;
}
