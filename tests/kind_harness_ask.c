/* See tests/kind_harness.h: what comes to a kind beside commands. Another profile of a member's, what the host is
 * about to do, and what other rooms say. */
#include "tests/kind_harness_impl.h"

#include <stdio.h>

/* ---- members ---- */

kind_code harness_profile(struct room *room, const char *player, struct bytes profile) {
  harness_doing(room, "another profile of", player);
  struct member *member = harness_member(room, player);
  if (!room->kind->profile) return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->profile(room, member, profile, &reply);
  harness_keep_message(room, &reply);
  if (code == OK) {
    buf_clear(&member->profile);
    buf_append_bytes(&member->profile, profile);
  } else {
    harness_demand_unchanged(room, effects);
  }
  harness_settle(room);
  return code;
}

kind_code harness_manage(struct room *room, const Heya__V1__Manage *manage) {
  harness_doing(room, "what the host does", NULL);
  demand(room, room_host(room), "nobody is there to be its host");
  if (!room->kind->manage) return OK;
  struct kind_reply reply = {.message = ""};
  uint32_t effects = room->effects;
  kind_code code = room->kind->manage(room, room_host(room), manage, &reply);
  harness_keep_message(room, &reply);
  if (code != OK) harness_demand_unchanged(room, effects);
  harness_settle(room);
  return code;
}

/* ---- other rooms ---- */

/* The kind is given an id of its own: what it asks meanwhile may move the list. */
void harness_answer(struct room *room, size_t nth, kind_code code) {
  char id[ROOM_ID_MAX + 1];
  harness_doing(room, "answer to a question", NULL);
  demand(room, nth < room->ask_count, "so many questions were not asked");
  struct harness_ask *ask = &room->asks[nth];
  memcpy(id, ask->id, sizeof id);
  ask->answered = true;
  harness_doing(room, "opened of", id);
  if (room->kind->opened) room->kind->opened(room, ask->token, id, code);
  harness_settle(room);
}

void harness_vacancy(struct room *room, const char *id, uint32_t free_seats, bool ended) {
  char copy[ROOM_ID_MAX + 1];
  snprintf(copy, sizeof copy, "%s", id);
  harness_doing(room, "vacancy of", copy);
  if (room->kind->vacancy) room->kind->vacancy(room, copy, free_seats, ended);
  harness_settle(room);
}
