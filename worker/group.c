/* One encoding per event; the receivers of a gateway share one delivery. */
#include "worker/group.h"
#include "common/mem.h"
#include "proto/pb.h"

static bool is_among(const struct audience *audience, const struct member *member) {
  for (size_t i = 0; i < audience->n; i++) {
    if (audience->players[i] == member) return true;
  }
  return false;
}

static void collect(struct room *room, const struct audience *audience) {
  bool to_spectators = audience->n == 0 || audience->except;
  for (size_t i = 0; to_spectators && i < room->n_spectators; i++) {
    outlet_collect(room->spectators[i]->binding.outlet, room->spectators[i]->binding.conn);
  }
  for (size_t i = 0; i < room->n_members; i++) {
    struct member *member = room->members[i];
    if (!member->binding.outlet) continue;
    if (audience->n && is_among(audience, member) == audience->except) continue;
    outlet_collect(member->binding.outlet, member->binding.conn);
  }
}

/* Who it is for, as the log says it. */
static char *describe_audience(const struct audience *audience) {
  struct buf to = {0};
  if (audience->n == 0) return NULL;
  buf_append_char(&to, audience->except ? '!' : '=');
  for (size_t i = 0; i < audience->n; i++) {
    buf_append_char(&to, '\n');
    buf_append_str(&to, audience->players[i]->player);
  }
  return buf_take(&to, NULL);
}

void group_send(struct room *room, struct audience audience, Heya__V1__Event *event) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  event->room = room->id;
  event->epoch = room->effects->epoch;
  event->seq = ++room->seq;
  room->event_epoch = event->epoch;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_EVENT;
  message.event = event;
  size_t size = heya__v1__server_message__get_packed_size(&message);
  uint8_t *bytes = xmalloc(size);
  heya__v1__server_message__pack(&message, bytes);

  collect(room, &audience);
  effects_broadcast(room->effects, room->id, bytes_of(bytes, size));
  backlog_add(&room->backlog, event->epoch, event->seq, describe_audience(&audience), bytes, size);
  room->effects->waiting_bytes += size;
  room_touch(room);
}

/* ---- what kinds call ---- */

static void send_payload(struct room *room, struct audience audience, struct bytes payload) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  event.body_case = HEYA__V1__EVENT__BODY_PAYLOAD;
  event.payload = pb_bytes(payload);
  group_send(room, audience, &event);
}

void room_send_all(struct room *room, struct bytes event) {
  send_payload(room, (struct audience){0}, event);
}

void room_send_except(struct room *room, const struct member *member, struct bytes event) {
  struct member *seated = room_member(room, member->player);
  if (!seated) {
    room_send_all(room, event);
    return;
  }
  send_payload(room, (struct audience){.players = &seated, .n = 1, .except = true}, event);
}

void room_send_only(struct room *room, struct member *const *members, size_t n, struct bytes event) {
  if (n == 0) return;
  send_payload(room, (struct audience){.players = members, .n = n}, event);
}

void room_send_one(struct room *room, struct member *member, struct bytes event) {
  room_send_only(room, &member, 1, event);
}
