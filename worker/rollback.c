/* See worker/rollback.h. */
#include "worker/rollback.h"
#include "worker/resync.h"
#include <inttypes.h>
#include <stdio.h>

/* Unlike a stamp, which may have been given to somebody at the same entry in the life before. */
static void renew_session(struct room *room, struct member *member) {
  const struct effects *effects = room->effects;
  session_leap(&member->window);
  snprintf(member->session, sizeof member->session, "%" PRIu64 "-%" PRIu64 ".r%" PRIu64, effects->entry.ms,
           effects->entry.seq, effects->epoch);
  member->line_changed = true;
}

void rollback_tell(struct room *room) {
  queue_close(&room->queue);
  for (size_t i = 0; i < room->n_members; i++) renew_session(room, room->members[i]);
  resync_tell(room, HEYA__V1__ERROR__CODE__ROLLED_BACK);
  room_touch_facts(room);
}
