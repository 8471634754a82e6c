/* See worker/resync.h. */
#include "worker/resync.h"

static void tell(struct room *room, struct member *member, bool is_seated, Heya__V1__Error__Code reason) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.room = room->id;
  joined.returned = is_seated;
  joined.reason = reason;
  if (is_seated && reason == HEYA__V1__ERROR__CODE__ROLLED_BACK) joined.first_number = member->window.last + 1;
  joined.session = member->session;
  joined.incarnation = room->incarnation;
  joined.epoch = room->event_epoch;
  joined.seq = room->seq;
  joined.snapshot = room_snapshot(room, is_seated ? member : NULL);
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = &joined;
  effects_answer(room->effects, member->binding, room->id, &message, HEYA__BUS__ATTACHMENT__ATTACHED);
  arena_reset(&room->effects->scratch);
}

void resync_tell(struct room *room, Heya__V1__Error__Code reason) {
  for (size_t i = 0; i < room->n_members; i++) {
    if (room->members[i]->binding.outlet) tell(room, room->members[i], true, reason);
  }
  for (size_t i = 0; i < room->n_spectators; i++) tell(room, room->spectators[i], false, reason);
}
