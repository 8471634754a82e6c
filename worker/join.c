/* Joins: rooms are found or made, seats taken, taken again by another connection, and sessions resumed. */
#include "worker/command.h"
#include "worker/group.h"
#include "worker/kinds/registry.h"
#include "worker/request.h"
#include "worker/spectators.h"
#include "worker/worker_metrics.h"

#define OPTIONS_MAX_BYTES 16384

typedef Heya__V1__Error__Code code;

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

/* Its maker knows the password, and comes back by the same create. */
static bool knows_password(const struct room *room, const Heya__Bus__Join *join) {
  if (*room->config.password == '\0' || join->mode == HEYA__BUS__MODE__CREATE) return true;
  return strcmp(room->config.password, join->password) == 0;
}

/* The room's own conditions, then the kind's. */
static code may_join(struct room *room, struct member *newcomer, const Heya__Bus__Join *join, bool created,
                     struct kind_reply *reply) {
  bool expected = seats_are_kept_for(&room->seats, newcomer->player);
  if (room_bans(room, newcomer->player)) return CODE(BANNED);
  if (!expected && room_is_locked(room)) return CODE(ROOM_LOCKED);
  if (!expected && !created && !knows_password(room, join)) return CODE(WRONG_PASSWORD);
  if (!expected && seats_free(room) == 0) return CODE(ROOM_FULL);
  return room->kind->join ? room->kind->join(room, newcomer, reply) : CODE(OK);
}

static code open_room(struct request *r, const struct room_plan *plan, struct kind_reply *reply) {
  const struct kind *kind = kind_find(r->partition->kinds, r->id.kind);
  if (!kind) return CODE(UNKNOWN_KIND);
  if (plan->max_members > kind->max_members_limit) {
    kind_refuse(reply, "max_members is at most %u", kind->max_members_limit);
    return CODE(INVALID_ARGUMENT);
  }
  struct config config;
  const char *fault = config_take(&config, plan->config, kind->max_spectators);
  if (fault) {
    kind_refuse(reply, "%s", fault);
    return CODE(INVALID_ARGUMENT);
  }
  struct room *room = room_create(kind, r->effects, &r->id);
  room->config = config;
  if (plan->max_members) room->max_members = plan->max_members;
  room->created_ms = room->frames.base_ms = r->effects->entry.ms;
  room->event_epoch = r->effects->epoch;
  room_stamp(r->effects, room->incarnation, sizeof room->incarnation);
  buf_append_bytes(&room->options, plan->options);
  code result = kind->open(room, buf_bytes(&room->options), reply);
  repository_add(&r->partition->repository, room);
  if (result == CODE(OK)) {
    r->room = room;
  } else {
    partition_forget(r->partition, room);
  }
  return result;
}

code join_find_or_open(struct request *r, const struct room_plan *plan, bool *created, struct kind_reply *reply) {
  *created = false;
  if (r->room) return CODE(OK);
  if (repository_tomb(&r->partition->repository, r->id.id)) return CODE(ROOM_CLOSED);
  if (plan->mode == HEYA__BUS__MODE__JOIN) return CODE(ROOM_NOT_FOUND);
  *created = true;
  return open_room(r, plan, reply);
}

bool join_plan_is_sound(const struct room_plan *plan) {
  return plan->options.len <= OPTIONS_MAX_BYTES;
}

static void take_first_seat(struct request *r, const struct room_plan *plan) {
  const Heya__Bus__Join *join = r->entry->join;
  struct kind_reply reply = {0};
  bool created;
  code result = join_find_or_open(r, plan, &created, &reply);
  if (result != CODE(OK)) {
    answer_refuse(&r->asker, result, reply.message, HEYA__BUS__ATTACHMENT__DETACHED);
    return;
  }
  struct room *room = r->room;
  struct member *member = room_member(room, r->entry->player);
  if (join->spectate) {
    spectators_join(r);
    return;
  }
  if (member) {
    seat_again(r, member);
    return;
  }
  if (spectators_outdate(r)) return;
  member = member_create(r->entry->player, join->name, bytes_of(join->profile.data, join->profile.len));
  result = may_join(room, member, join, created, &reply);
  if (result == CODE(OK)) {
    member_bind(member, r->from, r->effects->entry.ms);
    member_note_client(member, join->instance, join->connection);
    room_stamp(r->effects, member->session, sizeof member->session);
    spectators_make_way(r);
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

bool join_apply(struct request *r) {
  const Heya__Bus__Join *join = r->entry->join;
  struct room_plan plan = {.mode = join->spectate ? HEYA__BUS__MODE__JOIN : join->mode,
                           .options = bytes_of(join->options.data, join->options.len),
                           .max_members = join->max_members,
                           .config = join->config};
  if (!display_name_is_valid(join->name, strlen(join->name))) return false;
  if (!instance_is_valid(join->instance, strlen(join->instance))) return false;
  if (r->id.derived && join->mode == HEYA__BUS__MODE__JOIN_OR_CREATE) return false;
  if (!join_plan_is_sound(&plan) || join->profile.len > PROFILE_MAX_BYTES) {
    answer_refuse(&r->asker, CODE(INVALID_ARGUMENT), "options or profile too long", HEYA__BUS__ATTACHMENT__DETACHED);
  } else {
    take_first_seat(r, &plan);
  }
  return true;
}
