/* See worker/admin.h. */
#include "worker/admin.h"
#include "proto/utf8.h"
#include "worker/manage.h"

typedef Heya__V1__Error__Code code;

static code notice(struct room *room, const char *text, struct kind_reply *reply) {
  size_t len = strlen(text);
  if (len == 0 || len > ADMIN_NOTICE_MAX || !utf8_is_text(text, len, UTF8_LINES)) {
    kind_refuse(reply, "a notice is 1 to %d bytes of text", ADMIN_NOTICE_MAX);
    return CODE(INVALID_ARGUMENT);
  }
  room_notice(room, text);
  return CODE(OK);
}

static code act(struct room *room, const Heya__Bus__Admin *admin, struct kind_reply *reply) {
  switch (admin->body_case) {
  case HEYA__BUS__ADMIN__BODY_COMPLETE: room_complete(room, HEYA__V1__CLOSE_REASON__COMPLETED); return CODE(OK);
  case HEYA__BUS__ADMIN__BODY_KICK: return manage_kick(room, admin->kick);
  case HEYA__BUS__ADMIN__BODY_BAN: return manage_ban(room, admin->ban, reply);
  case HEYA__BUS__ADMIN__BODY_NOTICE: return notice(room, admin->notice, reply);
  default: return CODE(INVALID_ARGUMENT);
  }
}

static code find_and_act(struct request *r, struct kind_reply *reply) {
  if (r->room) return act(r->room, r->entry->admin, reply);
  return repository_tomb(&r->partition->repository, r->id.id) ? CODE(ROOM_CLOSED) : CODE(ROOM_NOT_FOUND);
}

bool admin_apply(struct request *r) {
  struct kind_reply reply = {0};
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Ack ack = HEYA__V1__ACK__INIT;
  code result = find_and_act(r, &reply);
  if (result != CODE(OK)) {
    answer_refuse(&r->asker, result, reply.message, HEYA__BUS__ATTACHMENT__UNCHANGED);
    return true;
  }
  ack.room = r->id.id;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ACK;
  message.ack = &ack;
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__UNCHANGED);
  return true;
}
