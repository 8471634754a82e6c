/* See worker/answer.h. */
#include "worker/answer.h"
#include "proto/fault.h"
#include "proto/pb.h"

void answer_send(const struct asker *asker, Heya__V1__ServerMessage *message, Heya__Bus__Attachment attachment) {
  message->request = asker->request;
  effects_answer(asker->effects, asker->from, asker->room, message, attachment);
}

void answer_error(const struct asker *asker, Heya__V1__Error *error, Heya__Bus__Attachment attachment) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  error->room = pb_text(asker->room);
  if (!*error->message) error->message = pb_text(fault_text(error->code));
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ERROR;
  message.error = error;
  answer_send(asker, &message, attachment);
}

void answer_refuse(const struct asker *asker, Heya__V1__Error__Code why, const char *text,
                   Heya__Bus__Attachment attachment) {
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  error.code = why;
  if (text) error.message = pb_text(text);
  answer_error(asker, &error, attachment);
}

static void tell_detached(const struct asker *asker, Heya__V1__Error__Code reason, Heya__Bus__Attachment attachment) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Detached detached = HEYA__V1__DETACHED__INIT;
  detached.room = pb_text(asker->room);
  detached.reason = reason;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_DETACHED;
  message.detached = &detached;
  effects_answer(asker->effects, asker->from, asker->room, &message, attachment);
}

void answer_detached(const struct asker *asker, Heya__V1__Error__Code reason) {
  tell_detached(asker, reason, HEYA__BUS__ATTACHMENT__DETACHED);
}

void answer_lost(const struct asker *asker) {
  tell_detached(asker, HEYA__V1__ERROR__CODE__ROOM_LOST, HEYA__BUS__ATTACHMENT__LOST);
}
