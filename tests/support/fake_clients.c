/* See tests/support/fake_clients.h. Criterion runs every test in a process of its own, so counts start at zero. */
#include "tests/support/fake_clients.h"

#include "common/mem.h"
#include "proto/pb.h"

#include <criterion/criterion.h>
#include <string.h>

struct frame {
  unsigned refs;
  enum conn_format format;
  size_t len;
  char data[];
};

static size_t frames_alive, frames_made;
static uint64_t last_number;

size_t fake_frames_alive(void) {
  return frames_alive;
}

size_t fake_frames_made(void) {
  return frames_made;
}

static struct fake_client *client_of(struct conn *conn) {
  return (struct fake_client *)(void *)conn;
}

static struct frame *make_frame(enum conn_format format, struct bytes payload) {
  struct frame *frame = xmalloc(sizeof *frame + payload.len + 1);
  *frame = (struct frame){.refs = 1, .format = format, .len = payload.len};
  if (payload.len) memcpy(frame->data, payload.data, payload.len);
  frame->data[payload.len] = '\0';
  frames_alive++;
  frames_made++;
  return frame;
}

static void drop_frame(struct frame *frame) {
  if (--frame->refs) return;
  frames_alive--;
  free(frame);
}

/* Makes room when a client has heard very much. */
static void forget_read(struct fake_client *client) {
  for (size_t i = 0; i < client->n_read; i++) drop_frame(client->heard[i]);
  client->n_heard -= client->n_read;
  memmove(client->heard, client->heard + client->n_read, client->n_heard * sizeof(struct frame *));
  client->n_read = 0;
}

static void send_frame(struct conn *conn, struct frame *frame) {
  struct fake_client *client = client_of(conn);
  cr_assert_not_null(client->session, "sent to a closed connection");
  cr_assert_eq(frame->format, client->format, "a frame of the wrong format");
  cr_assert_eq(client->closes, 0, "sent after close");
  if (client->n_heard == FAKE_HEARD_MAX) forget_read(client);
  cr_assert(client->n_heard < FAKE_HEARD_MAX);
  frame->refs++;
  client->heard[client->n_heard++] = frame;
}

static void close_conn(struct conn *conn, uint16_t code, const char *reason) {
  struct fake_client *client = client_of(conn);
  cr_assert_not_null(reason);
  if (client->closes++ == 0) client->close_code = code;
}

static void set_ready(struct conn *conn) {
  client_of(conn)->ready = true;
}

const struct session_output fake_output = {.frame_create = make_frame,
                                           .frame_unref = drop_frame,
                                           .send = send_frame,
                                           .close = close_conn,
                                           .set_ready = set_ready};

/* ---- connections ---- */

struct fake_client *fake_client_open(struct sessions *sessions, enum conn_format format, const char *room) {
  struct fake_client *client = xcalloc(1, sizeof *client);
  struct conn *conn = (struct conn *)(void *)client;
  client->number = ++last_number;
  client->format = format;
  /* sessions_opened may already send and close */
  client->session = (struct session *)(void *)client;
  client->session = sessions_opened(sessions, conn, client->number,
                                    &(struct conn_open){.format = format, .room = room, .address = "127.0.0.1"});
  return client;
}

void fake_client_close(struct fake_client *client) {
  if (client->session) session_closed(client->session);
  client->session = NULL;
}

void fake_client_free(struct fake_client *client) {
  fake_client_close(client);
  for (size_t i = 0; i < client->n_heard; i++) drop_frame(client->heard[i]);
  if (client->last) heya__v1__server_message__free_unpacked(client->last, NULL);
  free(client);
}

/* ---- saying ---- */

void fake_client_say(struct fake_client *client, const Heya__V1__ClientMessage *message) {
  size_t len = heya__v1__client_message__get_packed_size(message);
  uint8_t *data = xmalloc(len);
  heya__v1__client_message__pack(message, data);
  session_message(client->session, bytes_of(data, len));
  free(data);
}

void fake_client_say_text(struct fake_client *client, const char *text) {
  session_message(client->session, bytes_of_str(text));
}

void fake_client_hello(struct fake_client *client, uint32_t request, const char *player) {
  Heya__V1__Hello body = HEYA__V1__HELLO__INIT;
  body.player = pb_text(player);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_HELLO;
  message.hello = &body;
  fake_client_say(client, &message);
}

void fake_client_join(struct fake_client *client, uint32_t request, const char *room, bool create) {
  Heya__V1__Join body = HEYA__V1__JOIN__INIT;
  body.room = pb_text(room);
  body.create = create;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &body;
  fake_client_say(client, &message);
}

void fake_client_leave(struct fake_client *client, uint32_t request, const char *room) {
  Heya__V1__Leave body = HEYA__V1__LEAVE__INIT;
  body.room = pb_text(room);
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_LEAVE;
  message.leave = &body;
  fake_client_say(client, &message);
}

void fake_client_command(struct fake_client *client, uint32_t request, const char *room, uint32_t number,
                         const char *payload) {
  Heya__V1__Command body = HEYA__V1__COMMAND__INIT;
  body.room = pb_text(room);
  body.number = number;
  body.payload = pb_bytes(bytes_of_str(payload));
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  message.request = request;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &body;
  fake_client_say(client, &message);
}

/* ---- hearing ---- */

bool fake_client_silent(const struct fake_client *client) {
  return client->n_read == client->n_heard;
}

const Heya__V1__ServerMessage *fake_client_hear(struct fake_client *client) {
  cr_assert_eq(client->format, CONN_PROTO);
  if (fake_client_silent(client)) return NULL;
  struct frame *frame = client->heard[client->n_read++];
  if (client->last) heya__v1__server_message__free_unpacked(client->last, NULL);
  client->last = heya__v1__server_message__unpack(NULL, frame->len, (const uint8_t *)frame->data);
  cr_assert_not_null(client->last, "a frame is not a ServerMessage");
  return client->last;
}

const char *fake_client_hear_text(struct fake_client *client) {
  cr_assert_eq(client->format, CONN_JSON);
  return fake_client_silent(client) ? NULL : client->heard[client->n_read++]->data;
}

const Heya__V1__Error *fake_client_hears_error(struct fake_client *client, uint32_t request,
                                               Heya__V1__Error__Code code) {
  const Heya__V1__ServerMessage *message = fake_client_hear(client);
  cr_assert_not_null(message, "no answer");
  cr_assert_eq(message->body_case, HEYA__V1__SERVER_MESSAGE__BODY_ERROR, "the answer is no error but %d",
               (int)message->body_case);
  cr_assert_eq(message->error->code, code, "code %d, not %d", (int)message->error->code, (int)code);
  cr_assert_eq(message->request, request);
  cr_assert(*message->error->message, "an error without text");
  return message->error;
}
