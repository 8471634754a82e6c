/* See worker/rollback.h. */
#include "worker/rollback.h"
#include "worker/answer.h"
#include <inttypes.h>
#include <stdio.h>

/* Unlike a stamp, which may have been given to somebody at the same entry in the life before. */
static void renew_session(struct room *room, struct member *member) {
  const struct effects *effects = room->effects;
  session_reset(&member->window);
  snprintf(member->session, sizeof member->session, "%" PRIu64 "-%" PRIu64 ".r%" PRIu64, effects->entry.ms,
           effects->entry.seq, effects->epoch);
  member->line_changed = true;
}

static void tell(struct room *room, struct member *member) {
  struct asker asker = {.effects = room->effects, .from = member->binding, .room = room->id};
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.room = room->id;
  joined.returned = true;
  joined.reason = HEYA__V1__ERROR__CODE__ROLLED_BACK;
  joined.session = member->session;
  joined.incarnation = room->incarnation;
  joined.epoch = room->event_epoch;
  joined.seq = room->seq;
  joined.snapshot = room_snapshot(room, member);
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = &joined;
  answer_send(&asker, &message, HEYA__BUS__ATTACHMENT__ATTACHED);
  arena_reset(&room->effects->scratch);
}

void rollback_tell(struct room *room) {
  queue_close(&room->queue);
  for (size_t i = 0; i < room->n_members; i++) {
    renew_session(room, room->members[i]);
    if (room->members[i]->binding.outlet) tell(room, room->members[i]);
  }
  room_touch_facts(room);
}
