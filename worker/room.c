/* The life of a room: seats, host, empty time, timers, end. What kinds see of it is in worker/room_kind.c. */
#include "worker/room.h"
#include "common/mem.h"
#include "worker/answer.h"
#include "worker/command.h"
#include "worker/group.h"
#include "worker/spectators.h"
#include "worker/tick.h"
#include <inttypes.h>

struct room *room_create(const struct kind *kind, struct effects *effects, const struct room_id *id) {
  struct room *room = xcalloc(1, sizeof *room);
  room->kind = kind;
  room->effects = effects;
  memcpy(room->id, id->id, sizeof room->id);
  room->derived = id->derived;
  room->max_members = kind->max_members;
  room->frames.hz = kind->tick_hz;
  room->state = xcalloc(1, kind->state_size);
  return room;
}

void room_destroy(struct room *room) {
  if (!room) return;
  if (room->kind->close && !room->is_shell) room->kind->close(room);
  HASH_CLEAR(hh, room->by_player);
  room_changes_clear(room);
  for (size_t i = 0; i < room->n_members; i++) member_destroy(room->members[i]);
  spectators_close(room);
  free(room->banned);
  free(room->changes.removed);
  backlog_close(&room->backlog);
  queue_close(&room->queue);
  seats_close(&room->seats);
  free(room->members);
  free(room->results);
  free(room->state);
  buf_close(&room->options);
  free(room);
}

void room_touch(struct room *room) {
  if (room->is_changed) return;
  room->is_changed = true;
  effects_changed(room->effects, room);
}

void room_touch_facts(struct room *room) {
  room->changes.facts = true;
  room_touch(room);
}

bool room_saves_now(const struct room *room) {
  const struct room_changes *changes = &room->changes;
  if (!room->kind->lossy || room->effects->settling) return true;
  if (changes->whole || changes->facts || changes->results || changes->n_removed) return true;
  return changes->deadline != COMMIT_DEADLINE_KEEP || room_time_ms(room) >= room->saved_ms + ROOM_LOSSY_SAVE_MS;
}

void room_changes_clear(struct room *room) {
  struct room_changes *changes = &room->changes;
  backlog_written(&room->backlog);
  for (size_t i = 0; i < room->n_members; i++) room->members[i]->line_changed = false;
  changes->whole = changes->facts = changes->results = false;
  changes->deadline = COMMIT_DEADLINE_KEEP;
  if (changes->described) room->described = changes->described;
  changes->described = 0;
  changes->n_removed = 0;
  room->is_changed = false;
}

void room_stamp(const struct effects *effects, char *out, size_t size) {
  snprintf(out, size, "%" PRIu64 "-%" PRIu64 ".%" PRIu32, effects->entry.ms, effects->entry.seq, effects->index);
}

Heya__V1__Status room_status(const struct room *room) {
  if (room->n_members == 0) return HEYA__V1__STATUS__EMPTY;
  return room_is_locked(room) ? HEYA__V1__STATUS__LOCKED : HEYA__V1__STATUS__OPEN;
}

bool room_is_locked(const struct room *room) {
  return room->locked || room->host_locked;
}

bool room_bans(const struct room *room, const char *player) {
  for (size_t i = 0; i < room->n_banned; i++) {
    if (strcmp(room->banned[i], player) == 0) return true;
  }
  return false;
}

bool room_ban(struct room *room, const char *player) {
  if (room->n_banned == ROOM_BANNED_MAX || room_bans(room, player)) return false;
  room->banned = xrealloc(room->banned, (room->n_banned + 1) * sizeof *room->banned);
  snprintf(room->banned[room->n_banned++], sizeof *room->banned, "%s", player);
  seats_give_up(&room->seats, player);
  return true;
}

void room_unban(struct room *room, const char *player) {
  for (size_t i = 0; i < room->n_banned; i++) {
    if (strcmp(room->banned[i], player) != 0) continue;
    memmove(room->banned[i], room->banned[i + 1], (--room->n_banned - i) * sizeof *room->banned);
    return;
  }
}

/* ---- members ---- */

static void send_player_event(struct room *room, Heya__V1__Event__BodyCase what, struct member *about,
                              struct audience audience) {
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  event.body_case = what;
  event.host = about->player; /* host, away and back share their place in the union */
  group_send(room, audience, &event);
}

static void set_host(struct room *room, struct member *host) {
  room->host = host;
  room_touch_facts(room);
}

void room_seat(struct room *room, struct member *member) {
  bool was_empty = room->n_members == 0;
  struct audience others = {.players = &member, .n = 1, .except = true};
  if (room->n_members == room->cap_members) {
    room->cap_members = room->cap_members ? 2 * room->cap_members : 4;
    room->members = xrealloc(room->members, room->cap_members * sizeof(struct member *));
  }
  room->members[room->n_members++] = member;
  HASH_ADD_STR(room->by_player, player, member);
  member->line_changed = true;
  seats_give_up(&room->seats, member->player);
  if (was_empty) {
    room->expire_at_ms = 0;
    room->changes.whole = true; /* new, or revived: right whether or not its keys have expired meanwhile */
    set_host(room, member);
    tick_resume(room);
  }
  room_touch_facts(room);
  if (was_empty && room->n_spectators == 0) return; /* nobody is there to hear it */
  Heya__V1__Event event = HEYA__V1__EVENT__INIT;
  Heya__V1__Member proto = member_to_proto(member);
  event.body_case = HEYA__V1__EVENT__BODY_JOINED;
  event.joined = &proto;
  group_send(room, others, &event);
  if (was_empty) send_player_event(room, HEYA__V1__EVENT__BODY_HOST, member, others);
}

static void take_seat_away(struct room *room, struct member *member) {
  size_t seat = 0;
  while (room->members[seat] != member) seat++;
  room->n_members--;
  memmove(room->members + seat, room->members + seat + 1, (room->n_members - seat) * sizeof(struct member *));
  HASH_DEL(room->by_player, member);
}

static void note_removed_line(struct room *room, const struct member *member) {
  struct room_changes *changes = &room->changes;
  if (changes->n_removed == changes->cap_removed) {
    changes->cap_removed = changes->cap_removed ? 2 * changes->cap_removed : 4;
    changes->removed = xrealloc(changes->removed, changes->cap_removed * sizeof *changes->removed);
  }
  memcpy(changes->removed[changes->n_removed++], member->player, sizeof member->player);
}

static void become_empty(struct room *room) {
  uint64_t last_seat_ms = seats_last_end_ms(&room->seats);
  room->host = NULL;
  room->locked = room->host_locked = false;
  room->expire_at_ms = room->effects->entry.ms + room->kind->empty_ms;
  if (room->expire_at_ms < last_seat_ms) room->expire_at_ms = last_seat_ms;
}

void room_await(struct room *room) {
  become_empty(room);
  room->changes.whole = true;
  room_touch_facts(room);
}

void room_keep_seat(struct room *room, const char *player, uint64_t until_ms) {
  seats_keep(&room->seats, player, until_ms);
  if (room->n_members == 0 && room->expire_at_ms < until_ms) room->expire_at_ms = until_ms;
  room_touch_facts(room); /* also a lossy room is saved now: whoever asked is told so in this commit */
}

void room_unseat(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  command_refuse_waiting(room, member->player, HEYA__V1__ERROR__CODE__NOT_IN_ROOM);
  take_seat_away(room, member);
  note_removed_line(room, member);
  room_touch_facts(room);
  bool was_host = room->host == member;
  if (was_host) room->host = room->n_members ? room->members[0] : NULL;
  if (was_host && room->host) room->host->line_changed = true;
  if (room->n_members || room->n_spectators) {
    Heya__V1__Event event = HEYA__V1__EVENT__INIT;
    Heya__V1__MemberLeft left = HEYA__V1__MEMBER_LEFT__INIT;
    left.player = member->player;
    left.reason = reason;
    event.body_case = HEYA__V1__EVENT__BODY_MEMBER_LEFT;
    event.member_left = &left;
    group_send(room, (struct audience){0}, &event);
    if (was_host && room->host) send_player_event(room, HEYA__V1__EVENT__BODY_HOST, room->host, (struct audience){0});
  }
  if (room->kind->leave) room->kind->leave(room, member, reason);
  member_destroy(member);
  if (room->n_members == 0) become_empty(room);
}

void room_kick(struct room *room, struct member *member) {
  command_refuse_waiting(room, member->player, HEYA__V1__ERROR__CODE__NOT_IN_ROOM);
  answer_detached(&(struct asker){.effects = room->effects, .from = member->binding, .room = room->id},
                  HEYA__V1__ERROR__CODE__PLAYER_KICKED);
  room_unseat(room, member, HEYA__V1__LEAVE_REASON__KICKED);
}

void room_hand_over(struct room *room, struct member *host) {
  room->host->line_changed = host->line_changed = true;
  set_host(room, host);
  send_player_event(room, HEYA__V1__EVENT__BODY_HOST, host, (struct audience){0});
}

void room_set_away(struct room *room, struct member *member) {
  member_unbind(member);
  member->away_until_ms = room->effects->entry.ms + room->kind->away_ms;
  member->line_changed = true;
  room_touch_facts(room);
  send_player_event(room, HEYA__V1__EVENT__BODY_AWAY, member,
                    (struct audience){.players = &member, .n = 1, .except = true});
}

/* ---- time ---- */

static void take_earlier(uint64_t *due, uint64_t at_ms) {
  if (at_ms && (*due == 0 || at_ms < *due)) *due = at_ms;
}

uint64_t room_next_due_ms(const struct room *room) {
  uint64_t due = 0;
  take_earlier(&due, room->expire_at_ms);
  take_earlier(&due, seats_first_end_ms(&room->seats));
  for (size_t i = 0; i < room->n_members; i++) take_earlier(&due, room->members[i]->away_until_ms);
  for (size_t i = 0; i < room->n_timers; i++) take_earlier(&due, room->timers[i].at_ms);
  return due;
}

static struct room_timer *earliest_timer(struct room *room) {
  struct room_timer *first = NULL;
  for (size_t i = 0; i < room->n_timers; i++) {
    if (!first || room->timers[i].at_ms < first->at_ms) first = &room->timers[i];
  }
  return first;
}

static struct member *earliest_away(struct room *room) {
  struct member *first = NULL;
  for (size_t i = 0; i < room->n_members; i++) {
    struct member *member = room->members[i];
    if (member->away_until_ms && (!first || member->away_until_ms < first->away_until_ms)) first = member;
  }
  return first;
}

/* One thing that is due, the earliest first; false when nothing is. */
static bool fire_one(struct room *room, uint64_t now_ms) {
  struct room_timer *timer = earliest_timer(room);
  struct member *away = earliest_away(room);
  uint64_t due = room_next_due_ms(room);
  if (due == 0 || due > now_ms) return false;
  if (timer && timer->at_ms == due) {
    uint32_t id = timer->id;
    *timer = room->timers[--room->n_timers];
    room_touch(room);
    room->kind->timer(room, id);
    if (room->completing) room_end(room, room->close_reason);
  } else if (away && away->away_until_ms == due) {
    room_unseat(room, away, HEYA__V1__LEAVE_REASON__TIMED_OUT);
    if (room->completing) room_end(room, room->close_reason);
  } else if (seats_first_end_ms(&room->seats) == due) {
    seats_let_pass(&room->seats, due);
    room_touch_facts(room); /* listings count kept seats */
  } else {
    room_end(room, HEYA__V1__CLOSE_REASON__EXPIRED);
  }
  return true;
}

void room_fire(struct room *room) {
  while (!room_has_ended(room) && fire_one(room, room->effects->entry.ms)) continue;
}

/* ---- the end ---- */

bool room_has_ended(const struct room *room) {
  return room->incarnation[0] == '\0';
}

static void detach_all(struct room *room, struct member **those, size_t n, Heya__V1__Error__Code why) {
  for (size_t i = 0; i < n; i++) {
    answer_detached(&(struct asker){.effects = room->effects, .from = those[i]->binding, .room = room->id}, why);
  }
}

void room_end(struct room *room, Heya__V1__CloseReason reason) {
  Heya__V1__Error__Code why = reason == HEYA__V1__CLOSE_REASON__FAILED ? HEYA__V1__ERROR__CODE__ROOM_FAILED
                                                                       : HEYA__V1__ERROR__CODE__ROOM_CLOSED;
  room->close_reason = reason;
  if (room->n_members || room->n_spectators) {
    Heya__V1__Event event = HEYA__V1__EVENT__INIT;
    Heya__V1__RoomClosed closed = HEYA__V1__ROOM_CLOSED__INIT;
    closed.reason = reason;
    event.body_case = HEYA__V1__EVENT__BODY_CLOSED;
    event.closed = &closed;
    group_send(room, (struct audience){0}, &event);
  }
  command_refuse_waiting(room, NULL, why);
  detach_all(room, room->members, room->n_members, why);
  detach_all(room, room->spectators, room->n_spectators, why);
  effects_ended(room->effects, room->id, room->kind->name,
                room->derived ? room->effects->entry.ms + TOMB_MS + TOMB_MARGIN_MS : 0);
  room->incarnation[0] = '\0';
}
