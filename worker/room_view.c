/* A room as clients see it: snapshots, its facts, and what is told to all of them about it. */
#include "common/mem.h"
#include "proto/pb.h"
#include "worker/group.h"
#include "worker/room.h"
#include "worker/spectators.h"

Heya__V1__Facts *room_facts(struct room *room) {
  struct arena *arena = &room->effects->scratch;
  Heya__V1__Facts *facts = arena_alloc(arena, sizeof *facts);
  if (!facts) mem_exhausted(sizeof *facts);
  heya__v1__facts__init(facts);
  facts->title = room->config.title;
  facts->private_ = room->config.is_private;
  facts->password = room->config.password[0] != '\0';
  facts->locked = room->host_locked;
  facts->max_members = room->max_members;
  facts->max_spectators = spectators_max(room);
  facts->n_properties = room->config.n_properties;
  facts->properties = config_properties(&room->config, arena);
  return facts;
}

Heya__V1__Snapshot *room_snapshot(struct room *room, const struct member *viewer) {
  struct arena *arena = &room->effects->scratch;
  Heya__V1__Snapshot *snapshot = arena_alloc(arena, sizeof *snapshot);
  Heya__V1__Member *members = arena_alloc(arena, (room->n_members + 1) * sizeof *members);
  Heya__V1__Member **pointers = arena_alloc(arena, (room->n_members + 1) * sizeof *pointers);
  struct buf state = {0};
  room->kind->snapshot(room, viewer, &state);
  void *state_copy = arena_copy(arena, buf_bytes(&state));
  if (!snapshot || !members || !pointers || !state_copy) mem_exhausted(state.len);
  heya__v1__snapshot__init(snapshot);
  for (size_t i = 0; i < room->n_members; i++) {
    members[i] = member_to_proto(room->members[i]);
    pointers[i] = &members[i];
  }
  snapshot->status = room_status(room);
  if (room->host) snapshot->host = room->host->player;
  snapshot->max_members = room->max_members;
  snapshot->n_members = room->n_members;
  snapshot->members = pointers;
  snapshot->options = (ProtobufCBinaryData){.len = room->options.len, .data = room->options.data};
  snapshot->state = (ProtobufCBinaryData){.len = state.len, .data = state_copy};
  snapshot->facts = room_facts(room);
  snapshot->spectator = viewer == NULL;
  snapshot->spectators = (uint32_t)room->n_spectators;
  buf_close(&state);
  return snapshot;
}

void room_tell_facts(struct room *room) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  event.body_case = HEYA__V1__EVENT__BODY_FACTS;
  event.facts = room_facts(room);
  group_send(room, (struct audience){0}, &event);
}

void room_notice(struct room *room, const char *text) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  event.body_case = HEYA__V1__EVENT__BODY_NOTICE;
  event.notice = pb_text(text);
  group_send(room, (struct audience){0}, &event);
}
