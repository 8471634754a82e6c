/* Handlers of bus entries. Each answers its sender exactly once, whatever happens, and leaves the room settled.
 * Joining is in worker/join.c. */
#include "worker/apply.h"
#include "common/mem.h"
#include "proto/pb.h"
#include "worker/admin.h"
#include "worker/command.h"
#include "worker/elsewhere.h"
#include "worker/request.h"
#include "worker/spectators.h"
#include "worker/worker_metrics.h"

#define SEALED_RETRY_MS 1000

/* ---- leaving ---- */

static bool apply_leave(struct request *r) {
  struct member *member = r->room ? room_member(r->room, r->entry->player) : NULL;
  struct member *spectator = r->room ? spectators_bound_to(r->room, r->from) : NULL;
  if (!spectator && (!member || !member_is_bound_to(member, r->from))) {
    answer_refuse(&r->asker, CODE(NOT_IN_ROOM), NULL, HEYA__BUS__ATTACHMENT__DETACHED);
    return true;
  }
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Left left = HEYA__V1__LEFT__INIT;
  left.room = r->room->id;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_LEFT;
  message.left = &left;
  if (spectator) {
    spectators_remove(r->room, spectator);
  } else {
    room_unseat(r->room, member, HEYA__V1__LEAVE_REASON__ASKED);
  }
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__DETACHED);
  return true;
}

/* A late word of an older connection, or of an older join of this one, changes nothing: the binding differs. */
static bool apply_disconnected(struct request *r) {
  if (!r->room) return true;
  struct member *spectator = spectators_bound_to(r->room, r->from);
  if (spectator) spectators_remove(r->room, spectator);
  for (size_t i = 0; i < r->room->n_members; i++) {
    struct member *member = r->room->members[i];
    struct binding binding = r->from;
    if (binding.attempt == ANY_ATTEMPT) binding.attempt = member->binding.attempt;
    if (!member_is_bound_to(member, binding)) continue;
    room_set_away(r->room, member);
    break;
  }
  return true;
}

/* ---- commands ---- */

static void refuse_spectator(struct request *r, uint32_t number) {
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  error.code = CODE(SPECTATOR);
  error.number = number;
  answer_error(&r->asker, &error, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

static bool apply_command(struct request *r) {
  const Heya__Bus__Command *command = r->entry->command;
  struct member *member = r->room ? room_member(r->room, r->entry->player) : NULL;
  if (r->room && spectators_bound_to(r->room, r->from)) {
    refuse_spectator(r, command->number);
    return true;
  }
  if (!member || !member_is_bound_to(member, r->from)) {
    Heya__V1__Error error = HEYA__V1__ERROR__INIT;
    error.code = member ? CODE(STALE) : r->room ? CODE(NOT_IN_ROOM) : CODE(ROOM_CLOSED);
    error.number = command->number;
    if (!member) answer_lost(&r->asker); /* before the error, which would detach it */
    answer_error(&r->asker, &error, HEYA__BUS__ATTACHMENT__DETACHED);
    return true;
  }
  command_take(&r->asker, r->room, member, command, r->partition->metrics);
  return true;
}

/* ---- for the whole partition ---- */

/* All of them are unbound before the first is spoken of, so that nothing is addressed to the dead. */
static void leave_dead_gateway(struct partition *partition, struct room *room, const struct outlet *outlet) {
  size_t n = 0;
  effects_enter(&partition->effects, partition->effects.index, room->id);
  spectators_leave_gateway(room, outlet);
  struct member **lost = xcalloc(room->n_members, sizeof(struct member *));
  for (size_t i = 0; i < room->n_members; i++) {
    if (room->members[i]->binding.outlet == outlet) lost[n++] = room->members[i];
  }
  for (size_t i = 0; i < n; i++) member_unbind(lost[i]);
  for (size_t i = 0; i < n; i++) room_set_away(room, lost[i]);
  free(lost);
  partition_settle(partition, room);
  effects_leave(&partition->effects);
}

static bool apply_gateway_gone(struct partition *partition, const char *gateway) {
  if (!process_id_is_valid(gateway, strlen(gateway))) return false;
  struct outlet *outlet = effects_outlet(&partition->effects, gateway);
  struct room *room, *next;
  HASH_ITER(hh, partition->repository.rooms, room, next) {
    if (outlet->bound == 0) break;
    leave_dead_gateway(partition, room, outlet); /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
  }
  outlet->gone_said = false;
  return true;
}

/* ---- rooms whose kind crashed ---- */

/* For a room in which its kind killed an owner, at this entry or one that comes: it is not tried again. */
static void answer_failed(struct request *r, const struct store_blame *blame) {
  const struct effects *effects = r->effects;
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  if (stream_id_compare(effects->entry, blame->entry) == 0 && effects->index == blame->index) {
    log_error(r->partition->log, "crashing_entry_refused", F_S("room", r->id.id), F_S("player", r->entry->player),
              F_U("id_ms", effects->entry.ms), F_U("id_seq", effects->entry.seq), F_U("index", effects->index));
  }
  if (r->entry->body_case == HEYA__BUS__ENTRY__BODY_DISCONNECTED) return;
  if (elsewhere_refuse(r, CODE(ROOM_FAILED))) return;
  error.code = CODE(ROOM_FAILED);
  if (r->entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND) error.number = r->entry->command->number;
  answer_error(&r->asker, &error, HEYA__BUS__ATTACHMENT__DETACHED);
}

/* ---- rooms that this worker cannot run ---- */

/* The room is as it was for a worker that has its kind: whoever asks may ask again, and is still where he was. */
static void answer_sealed(struct request *r) {
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  bool joins = r->entry->body_case == HEYA__BUS__ENTRY__BODY_JOIN;
  if (r->entry->body_case == HEYA__BUS__ENTRY__BODY_DISCONNECTED || elsewhere_refuse(r, CODE(UNKNOWN_KIND))) return;
  error.code = CODE(BUSY);
  error.message =
      pb_text("the worker that has this room now cannot run it, for it lacks the kind, or this version of it");
  error.retry_after_ms = SEALED_RETRY_MS;
  if (r->entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND) error.number = r->entry->command->number;
  answer_error(&r->asker, &error, joins ? HEYA__BUS__ATTACHMENT__DETACHED : HEYA__BUS__ATTACHMENT__UNCHANGED);
}

/* ---- dispatch ---- */

static const struct {
  bool (*apply)(struct request *);
  bool for_player; /* names one */
} handlers[] = {
    [HEYA__BUS__ENTRY__BODY_JOIN] = {join_apply, true},
    [HEYA__BUS__ENTRY__BODY_LEAVE] = {apply_leave, true},
    [HEYA__BUS__ENTRY__BODY_COMMAND] = {apply_command, true},
    [HEYA__BUS__ENTRY__BODY_DISCONNECTED] = {apply_disconnected, false},
    [HEYA__BUS__ENTRY__BODY_OPEN] = {elsewhere_open, false},
    [HEYA__BUS__ENTRY__BODY_RESERVE] = {elsewhere_reserve, false},
    [HEYA__BUS__ENTRY__BODY_OPENED] = {elsewhere_opened, false},
    [HEYA__BUS__ENTRY__BODY_VACANCY] = {elsewhere_vacancy, false},
    [HEYA__BUS__ENTRY__BODY_ADMIN] = {admin_apply, false},
};

static bool apply_to_room(struct partition *partition, const char *sender, const Heya__Bus__Entry *entry) {
  struct request request = {.partition = partition, .effects = &partition->effects, .entry = entry};
  size_t body = (size_t)entry->body_case;
  if (body >= sizeof handlers / sizeof *handlers || !handlers[body].apply) return false;
  if (!room_id_parse(entry->room, strlen(entry->room), &request.id)) return false;
  if (!partition_has(partition, &request.id)) return false;
  if (handlers[body].for_player && !player_is_valid(entry->player, strlen(entry->player))) return false;
  request.from = (struct binding){
      .outlet = effects_outlet(&partition->effects, sender), .conn = entry->conn, .attempt = entry->attempt};
  request.asker = (struct asker){
      .effects = request.effects, .from = request.from, .request = entry->request, .room = request.id.id};
  const struct store_blame *blame = partition_blames(partition, request.id.id);
  if (blame) {
    answer_failed(&request, blame);
    return true;
  }
  const struct tomb *tomb = repository_tomb(&partition->repository, request.id.id);
  if (tomb && tomb->sealed) {
    answer_sealed(&request);
    return true;
  }
  request.room = repository_find(&partition->repository, request.id.id);
  effects_enter(request.effects, request.effects->index, request.id.id);
  bool sound = handlers[body].apply(&request);
  struct room *room = request.room;
  if (room && room->completing && !room_has_ended(room)) room_end(room, room->close_reason);
  if (room) partition_settle(partition, room);
  effects_leave(request.effects);
  return sound;
}

bool apply_entry(struct partition *partition, const char *sender, const Heya__Bus__Entry *entry) {
  switch (entry->body_case) {
  case HEYA__BUS__ENTRY__BODY_TIME: partition_time_came(partition); return true;
  case HEYA__BUS__ENTRY__BODY_GATEWAY_GONE: return apply_gateway_gone(partition, entry->gateway_gone->gateway);
  default: return apply_to_room(partition, sender, entry);
  }
}
