/* Handlers of bus entries. Each answers its sender exactly once, whatever happens, and leaves the room settled. */
#include "worker/apply.h"
#include "common/mem.h"
#include "proto/pb.h"
#include "worker/command.h"
#include "worker/group.h"
#include "worker/kinds/registry.h"
#include "worker/worker_metrics.h"

#define OPTIONS_MAX_BYTES 16384
#define PROFILE_MAX_BYTES 4096
#define ANY_ATTEMPT       UINT32_MAX

/* An entry on its way through a handler. */
struct request {
  struct partition *partition;
  struct effects *effects;
  const Heya__Bus__Entry *entry;
  struct room_id id;
  struct binding from;
  struct asker asker; /* the same, and how it is answered */
  struct room *room;  /* NULL if there is none of this id */
};

typedef Heya__V1__Error__Code code;
#define CODE(name) HEYA__V1__ERROR__CODE__##name

/* ---- answers ---- */

static void answer_joined(struct request *r, struct member *member, Heya__V1__Joined *joined) {
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  joined->room = r->room->id;
  joined->session = member->session;
  joined->incarnation = r->room->incarnation;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_JOINED;
  message.joined = joined;
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__ATTACHED);
}

static void answer_with_snapshot(struct request *r, struct member *member, bool created, bool returned) {
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.created = created;
  joined.returned = returned;
  joined.epoch = r->room->event_epoch;
  joined.seq = r->room->seq;
  joined.snapshot = room_snapshot(r->room, member);
  answer_joined(r, member, &joined);
}

/* ---- joining ---- */

/* He has heard everything up to an event, and what came after it is here. */
static bool can_replay(const struct room *room, const Heya__V1__Resume *resume, size_t *first) {
  *first = room->backlog.n;
  if (resume->seq == room->seq) return resume->epoch == room->event_epoch;
  return backlog_since(&room->backlog, resume->epoch, resume->seq, first);
}

/* His session and room are those of now, and he knows nothing of them that the room has forgotten. Only Redis can
 * make a room forget, by losing its last writes; then a new session tells him that numbers begin again. */
static bool can_go_on(const struct room *room, const struct member *member, const Heya__V1__Resume *resume) {
  if (strcmp(resume->session, member->session) != 0 || strcmp(resume->incarnation, room->incarnation) != 0)
    return false;
  if (resume->answered > member->window.last) return false;
  if (resume->epoch != room->event_epoch) return resume->epoch < room->event_epoch;
  return resume->seq <= room->seq;
}

/* The events that he missed and that are for him, from index `first` to `end`, behind the answer: in the same commit
 * as the switch of the binding, so that they and live events cannot cross. */
static void replay(struct request *r, struct member *member, const Heya__V1__Resume *resume, size_t first,
                   size_t end) {
  Heya__V1__Joined joined = HEYA__V1__JOINED__INIT;
  joined.returned = joined.resumed = true;
  joined.epoch = resume->epoch;
  joined.seq = resume->seq;
  answer_joined(r, member, &joined);
  for (size_t i = first; i < end; i++) {
    const struct backlog_event *event = &r->room->backlog.events[i];
    if (!backlog_is_for(event, member->player)) continue;
    outlet_collect(member->binding.outlet, member->binding.conn);
    effects_broadcast(r->effects, r->room->id, bytes_of(event->message, event->len));
  }
}

static void announce_return(struct room *room, struct member *member) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  event.body_case = HEYA__V1__EVENT__BODY_BACK;
  event.back = member->player;
  group_send(room, (struct audience){.players = &member, .n = 1, .except = true}, &event);
}

/* The member comes by another connection, or again by the same. Unless he resumes his session, a new one begins and
 * ends the old one. A join that his client sent by an older connection, and that was held up, changes nothing. */
static void seat_again(struct request *r, struct member *member) {
  struct room *room = r->room;
  const Heya__Bus__Join *join = r->entry->join;
  const Heya__V1__Resume *resume = join->resume;
  bool was_away = member_is_away(member);
  if (member_has_newer_client(member, join->instance, join->connection)) {
    answer_refuse(&r->asker, CODE(STALE), "this client has come by a newer connection",
                  HEYA__BUS__ATTACHMENT__DETACHED);
    return;
  }
  bool same_conn = member->binding.outlet == r->from.outlet && member->binding.conn == r->from.conn;
  if (!was_away && same_conn && member->binding.attempt >= r->from.attempt) return; /* an older join, late */
  bool goes_on = resume && can_go_on(room, member, resume);
  if (!goes_on) command_refuse_waiting(room, member->player, CODE(STALE));
  if (!was_away && !same_conn) {
    answer_detached(&(struct asker){.effects = r->effects, .from = member->binding, .room = room->id},
                    CODE(REPLACED));
  }
  member_bind(member, r->from, r->effects->entry.ms);
  member_note_client(member, join->instance, join->connection);
  room_touch_facts(room);

  size_t first, end = room->backlog.n;
  bool replayable = goes_on && can_replay(room, resume, &first);
  if (!goes_on) {
    session_reset(&member->window);
    room_stamp(r->effects, member->session, sizeof member->session);
  }
  if (was_away) announce_return(room, member);
  if (replayable) {
    replay(r, member, resume, first, end);
    r->partition->metrics->resumed++;
  } else {
    answer_with_snapshot(r, member, false, true);
  }
}

/* The room's own conditions, then the kind's. NULL reply: nothing more to say than the code. */
static code may_join(struct room *room, struct member *newcomer, struct kind_reply *reply) {
  if (room->locked) return CODE(ROOM_LOCKED);
  if (room->n_members >= room->max_members) return CODE(ROOM_FULL);
  return room->kind->join ? room->kind->join(room, newcomer, reply) : CODE(OK);
}

static code open_room(struct request *r, const Heya__Bus__Join *join, struct kind_reply *reply) {
  const struct kind *kind = kind_find(r->partition->kinds, r->id.kind);
  if (!kind) return CODE(UNKNOWN_KIND);
  if (join->max_members > kind->max_members_limit) {
    kind_refuse(reply, "max_members is at most %u", kind->max_members_limit);
    return CODE(INVALID_ARGUMENT);
  }
  struct room *room = room_create(kind, r->effects, &r->id);
  if (join->max_members) room->max_members = join->max_members;
  room->created_ms = room->frames.base_ms = r->effects->entry.ms;
  room->event_epoch = r->effects->epoch;
  room_stamp(r->effects, room->incarnation, sizeof room->incarnation);
  buf_append(&room->options, join->options.data, join->options.len);
  code result = kind->open(room, buf_bytes(&room->options), reply);
  repository_add(&r->partition->repository, room);
  if (result == CODE(OK)) {
    r->room = room;
  } else {
    partition_forget(r->partition, room);
  }
  return result;
}

static code find_or_open(struct request *r, const Heya__Bus__Join *join, bool *created, struct kind_reply *reply) {
  *created = false;
  if (r->room) return CODE(OK);
  const struct tomb *tomb = repository_tomb(&r->partition->repository, r->id.id);
  if (tomb && tomb->sealed) {
    kind_refuse(reply, "a worker of another version made this room, and this one cannot run it");
    return CODE(INTERNAL);
  }
  if (tomb) return CODE(ROOM_CLOSED);
  if (join->mode == HEYA__BUS__MODE__JOIN) return CODE(ROOM_NOT_FOUND);
  *created = true;
  return open_room(r, join, reply);
}

static void take_first_seat(struct request *r, const Heya__Bus__Join *join) {
  struct kind_reply reply = {0};
  bool created;
  code result = find_or_open(r, join, &created, &reply);
  if (result != CODE(OK)) {
    answer_refuse(&r->asker, result, reply.message, HEYA__BUS__ATTACHMENT__DETACHED);
    return;
  }
  struct room *room = r->room;
  struct member *member = room_member(room, r->entry->player);
  if (member) {
    seat_again(r, member);
    return;
  }
  member = member_create(r->entry->player, join->name, bytes_of(join->profile.data, join->profile.len));
  result = may_join(room, member, &reply);
  if (result == CODE(OK)) {
    member_bind(member, r->from, r->effects->entry.ms);
    member_note_client(member, join->instance, join->connection);
    room_stamp(r->effects, member->session, sizeof member->session);
    room_seat(room, member);
    answer_with_snapshot(r, member, created, false);
    if (created) r->partition->metrics->rooms_opened++;
    return;
  }
  member_destroy(member);
  answer_refuse(&r->asker, result, reply.message, HEYA__BUS__ATTACHMENT__DETACHED);
  if (!created) return;
  r->room = NULL; /* nobody is in it and nobody has heard of it */
  partition_forget(r->partition, room);
}

static bool apply_join(struct request *r) {
  const Heya__Bus__Join *join = r->entry->join;
  if (!display_name_is_valid(join->name, strlen(join->name))) return false;
  if (!instance_is_valid(join->instance, strlen(join->instance))) return false;
  if (r->id.derived && join->mode == HEYA__BUS__MODE__JOIN_OR_CREATE) return false;
  if (join->options.len > OPTIONS_MAX_BYTES || join->profile.len > PROFILE_MAX_BYTES) {
    answer_refuse(&r->asker, CODE(INVALID_ARGUMENT), "options or profile too long", HEYA__BUS__ATTACHMENT__DETACHED);
  } else {
    take_first_seat(r, join);
  }
  return true;
}

/* ---- leaving ---- */

static bool apply_leave(struct request *r) {
  struct member *member = r->room ? room_member(r->room, r->entry->player) : NULL;
  if (!member || !member_is_bound_to(member, r->from)) {
    answer_refuse(&r->asker, CODE(NOT_IN_ROOM), NULL, HEYA__BUS__ATTACHMENT__DETACHED);
    return true;
  }
  Heya__V1__ServerMessage message = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Left left = HEYA__V1__LEFT__INIT;
  left.room = r->room->id;
  message.body_case = HEYA__V1__SERVER_MESSAGE__BODY_LEFT;
  message.left = &left;
  room_unseat(r->room, member, HEYA__V1__LEAVE_REASON__ASKED);
  answer_send(&r->asker, &message, HEYA__BUS__ATTACHMENT__DETACHED);
  return true;
}

/* A late word of an older connection, or of an older join of this one, changes nothing: the binding differs. */
static bool apply_disconnected(struct request *r) {
  if (!r->room) return true;
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

static bool apply_command(struct request *r) {
  const Heya__Bus__Command *command = r->entry->command;
  struct member *member = r->room ? room_member(r->room, r->entry->player) : NULL;
  if (!member || !member_is_bound_to(member, r->from)) {
    Heya__V1__Error error = HEYA__V1__ERROR__INIT;
    error.code = member ? CODE(STALE) : r->room ? CODE(NOT_IN_ROOM) : CODE(ROOM_CLOSED);
    error.number = command->number;
    answer_error(&r->asker, &error, HEYA__BUS__ATTACHMENT__DETACHED);
    if (!member) answer_detached(&r->asker, CODE(ROOM_LOST)); /* or it would have been told before */
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
  error.code = CODE(ROOM_FAILED);
  if (r->entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND) error.number = r->entry->command->number;
  answer_error(&r->asker, &error, HEYA__BUS__ATTACHMENT__DETACHED);
}

/* ---- dispatch ---- */

static const struct {
  bool (*apply)(struct request *);
  bool for_player; /* names one */
} handlers[] = {
    [HEYA__BUS__ENTRY__BODY_JOIN] = {apply_join, true},
    [HEYA__BUS__ENTRY__BODY_LEAVE] = {apply_leave, true},
    [HEYA__BUS__ENTRY__BODY_COMMAND] = {apply_command, true},
    [HEYA__BUS__ENTRY__BODY_DISCONNECTED] = {apply_disconnected, false},
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
