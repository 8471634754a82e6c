/* See gateway/session.h. What a message means is in gateway/requests.c. */
#include "gateway/session.h"

#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/listing.h"
#include "gateway/requests.h"
#include "gateway/uplink.h"
#include "proto/codec.h"
#include "proto/fault.h"
#include "proto/json.h"
#include "proto/pb.h"

#include <string.h>

/* A delivery finds its session by number. Numbers are dense, so they are spread evenly as they are, and chains of
 * two, not of ten, spare it the memory of others. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 2U
#define HASH_OF(number)          ((unsigned)(number))

#define ARENA_FIRST_BYTES 16384
#define ARENA_IN_BYTES    (8u << 20) /* what one message, at most 64 KiB by default, may grow to */

/* ---- the table ---- */

struct sessions *sessions_create(struct store *store, const struct sessions_config *config, const struct auth *auth,
                                 const struct payload_registry *registry, const struct session_output *output,
                                 struct gateway_metrics *metrics, struct log *log) {
  struct sessions *sessions = xcalloc(1, sizeof *sessions);
  sessions->store = store;
  sessions->config = *config;
  sessions->auth = auth;
  sessions->registry = registry;
  sessions->output = output;
  sessions->metrics = metrics;
  sessions->log = log;
  arena_init(&sessions->in, ARENA_FIRST_BYTES, ARENA_IN_BYTES);
  arena_init(&sessions->out, ARENA_FIRST_BYTES, ARENA_NO_LIMIT);
  return sessions;
}

void sessions_destroy(struct sessions *sessions) {
  if (!sessions) return;
  listing_close(sessions);
  arena_close(&sessions->in);
  arena_close(&sessions->out);
  free(sessions);
}

struct session *sessions_find(struct sessions *sessions, uint64_t number) {
  struct session *session = NULL;
  HASH_FIND_BYHASHVALUE(hh, sessions->by_number, &number, sizeof number, HASH_OF(number), session);
  return session;
}

size_t sessions_count(const struct sessions *sessions) {
  return HASH_COUNT(sessions->by_number);
}

/* ---- sending ---- */

struct frame *sessions_encode(struct sessions *sessions, enum conn_format format,
                              const Heya__V1__ServerMessage *message) {
  struct bytes bytes;
  bool fits = format == CONN_JSON ? json_encode(sessions->registry, &sessions->out, &message->base, &bytes)
                                  : codec_pack(&sessions->out, &message->base, &bytes);
  struct frame *frame = fits ? sessions->output->frame_create(format, bytes) : NULL;
  arena_reset(&sessions->out);
  if (frame) sessions->metrics->frames_encoded++;
  return frame;
}

void session_send(struct session *session, const Heya__V1__ServerMessage *message) {
  if (session->ended) return;
  struct frame *frame = sessions_encode(session->sessions, session->format, message);
  if (!frame) return;
  session->sessions->output->send(session->conn, frame);
  session->sessions->output->frame_unref(frame);
}

void session_refuse(struct session *session, uint32_t request, const struct refusal *refusal) {
  struct gateway_metrics *metrics = session->sessions->metrics;
  if (refusal->code == HEYA__V1__ERROR__CODE__BAD_MESSAGE) metrics->bad_messages++;
  if (refusal->code == HEYA__V1__ERROR__CODE__BUSY) metrics->busy++;
  Heya__V1__Error body = HEYA__V1__ERROR__INIT;
  body.code = refusal->code;
  body.message = pb_text(refusal->text ? refusal->text : fault_text(refusal->code));
  if (refusal->room) body.room = pb_text(refusal->room);
  body.number = refusal->number;
  body.retry_after_ms = refusal->retry_after_ms;
  Heya__V1__ServerMessage answer = HEYA__V1__SERVER_MESSAGE__INIT;
  answer.request = request;
  answer.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ERROR;
  answer.error = &body;
  session_send(session, &answer);
}

void session_end(struct session *session, Heya__V1__Error__Code reason, bool reconnect) {
  if (session->ended) return;
  Heya__V1__Goodbye body = HEYA__V1__GOODBYE__INIT;
  body.reason = reason;
  body.reconnect = reconnect;
  Heya__V1__ServerMessage goodbye = HEYA__V1__SERVER_MESSAGE__INIT;
  goodbye.body_case = HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE;
  goodbye.goodbye = &body;
  session_send(session, &goodbye);
  session->ended = true;
  session->sessions->output->close(session->conn, fault_close_code(reason), fault_name(reason));
}

static void forget_rooms(struct session *session) {
  session->sessions->metrics->attached -= session->attachments.count;
  attachments_close(&session->attachments);
}

void sessions_end_all(struct sessions *sessions, Heya__V1__Error__Code reason, bool forget) {
  for (struct session *session = sessions->by_number; session; session = session->hh.next) { /* none goes here */
    if (forget) forget_rooms(session);
    session_end(session, reason, true);
  }
}

/* ---- from the network ---- */

struct session *sessions_opened(struct sessions *sessions, struct conn *conn, uint64_t number,
                                const struct conn_open *open) {
  struct session *session = xcalloc(1, sizeof *session);
  session->sessions = sessions;
  session->conn = conn;
  session->number = number;
  session->format = open->format;
  if (open->room) session->path_room = xstrdup(open->room);
  HASH_ADD_BYHASHVALUE(hh, sessions->by_number, number, sizeof session->number, HASH_OF(number), session);
  if (sessions->draining) {
    session_end(session, HEYA__V1__ERROR__CODE__SHUTTING_DOWN, true);
  } else if (!*sessions->gateway) {
    session_end(session, HEYA__V1__ERROR__CODE__GATEWAY_LOST, true);
  }
  return session;
}

/* The message in the arena `in`; NULL when it is none, with the reason and what it was about in *error. */
static const Heya__V1__ClientMessage *decode(struct session *session, struct bytes bytes, struct json_error *error) {
  struct sessions *sessions = session->sessions;
  ProtobufCMessage *message = NULL;
  const ProtobufCMessageDescriptor *descriptor = &heya__v1__client_message__descriptor;
  if (session->format == CONN_JSON) {
    json_decode(sessions->registry, &sessions->in, descriptor, bytes, &message, error);
  } else {
    enum codec_result result =
        codec_unpack(&codec_limits_client, descriptor, &sessions->in, bytes.data, bytes.len, &message);
    snprintf(error->text, sizeof error->text, "%s", codec_result_text(result));
    if (!message) codec_peek(descriptor, bytes.data, bytes.len, &error->about);
  }
  return (const Heya__V1__ClientMessage *)message;
}

/* It costs a token like any other, so that the sender of nonsense is soon RATE_LIMITED in what makes sense. */
static void refuse_undecodable(struct session *session, const struct json_error *error) {
  struct sessions *sessions = session->sessions;
  uint64_t now_us = sessions->store->ops->monotonic_us(sessions->store);
  bucket_take(&session->rate, sessions->config.rate_per_s, sessions->config.rate_burst, now_us);
  session_refuse(session, error->about.request,
                 &(struct refusal){.code = HEYA__V1__ERROR__CODE__BAD_MESSAGE,
                                   .text = error->text,
                                   .room = error->about.room,
                                   .number = error->about.number});
}

void session_message(struct session *session, struct bytes bytes) {
  if (session->ended) return;
  struct json_error error;
  const Heya__V1__ClientMessage *message = decode(session, bytes, &error);
  if (message) {
    request_dispatch(session, message);
  } else {
    refuse_undecodable(session, &error);
  }
  arena_reset(&session->sessions->in);
}

void session_closed(struct session *session) {
  struct sessions *sessions = session->sessions;
  for (size_t i = 0; i < session->attachments.count; i++) {
    const struct attachment *attachment = &session->attachments.items[i];
    uplink_push_disconnected(sessions->uplink, attachment->room, session->number, attachment->attempt,
                             session->player);
  }
  forget_rooms(session);
  HASH_DELETE(hh, sessions->by_number, session);
  free(session->path_room);
  free(session);
}

/* ---- for the uplink ---- */

/* A join that was not taken never was; a leave that was not taken leaves one in the room. */
void sessions_busy(struct sessions *sessions, const struct ticket *ticket) {
  struct session *session = sessions_find(sessions, ticket->conn);
  if (ticket->conn >= GUEST_FIRST && sessions->guests.busy) sessions->guests.busy(sessions->guests.arg, ticket->conn);
  if (!session) return;
  if (ticket->what == HEYA__BUS__ENTRY__BODY_JOIN) {
    if (attachments_remove(&session->attachments, ticket->room, ticket->attempt)) sessions->metrics->attached--;
  } else if (ticket->what == HEYA__BUS__ENTRY__BODY_LEAVE) {
    struct attachment *left = attachments_find(&session->attachments, ticket->room, ticket->attempt);
    if (left) left->leaving = false;
  }
  session_refuse(session, ticket->request,
                 &(struct refusal){.code = HEYA__V1__ERROR__CODE__BUSY,
                                   .room = ticket->room,
                                   .number = ticket->number,
                                   .retry_after_ms = UPLINK_RETRY_AFTER_MS});
}
