/* What a kind sees of its room and may do to it: the functions of worker/kind.h, except the group's. */
#include "common/mem.h"
#include "proto/utf8.h"
#include "worker/room.h"

void room_print_text(char *out, size_t size, const char *format, va_list args) {
  vsnprintf(out, size, format, args);
  size_t left = strlen(out), step;
  while ((step = utf8_next(out, left, NULL))) {
    out += step;
    left -= step;
  }
  *out = '\0';
}

void kind_refuse(struct kind_reply *reply, const char *format, ...) {
  va_list args;
  va_start(args, format);
  room_print_text(reply->message, sizeof reply->message, format, args);
  va_end(args);
}

const char *room_id(const struct room *room) {
  return room->id;
}

const struct kind *room_kind(const struct room *room) {
  return room->kind;
}

void *room_state(const struct room *room) {
  return room->state;
}

uint64_t room_time_ms(const struct room *room) {
  uint64_t entry_ms = room->effects->entry.ms;
  return room->clock_ms > entry_ms ? room->clock_ms : entry_ms;
}

void room_set_tick_hz(struct room *room, uint32_t hz) {
  if (room->kind->tick_hz && hz >= 1 && hz <= KIND_TICK_HZ_MAX) room->frames.hz = hz;
}

uint32_t room_tick_hz(const struct room *room) {
  return room->frames.hz;
}

uint64_t room_frame(const struct room *room) {
  return room->frames.done;
}

uint32_t room_max_members(const struct room *room) {
  return room->max_members;
}

struct arena *room_arena(struct room *room) {
  return &room->effects->scratch;
}

struct bytes room_options(const struct room *room) {
  return buf_bytes(&room->options);
}

void room_set_options(struct room *room, struct bytes options) {
  struct buf copy = {0};
  buf_append_bytes(&copy, options);
  buf_close(&room->options);
  room->options = copy;
  room_touch_facts(room);
}

size_t room_member_count(const struct room *room) {
  return room->n_members;
}

struct member *room_member_at(const struct room *room, size_t index) {
  return index < room->n_members ? room->members[index] : NULL;
}

struct member *room_member(const struct room *room, const char *player) {
  struct member *member;
  HASH_FIND_STR(room->by_player, player, member);
  return member;
}

struct member *room_host(const struct room *room) {
  return room->host;
}

void room_timer_set(struct room *room, uint32_t id, uint64_t at_ms) {
  room_timer_cancel(room, id);
  if (room->n_timers == ROOM_TIMERS_MAX) return;
  uint64_t next_ms = room->effects->entry.ms + 1; /* or a timer that sets itself for now would fire for ever */
  room->timers[room->n_timers++] = (struct room_timer){.id = id, .at_ms = at_ms > next_ms ? at_ms : next_ms};
  room_touch(room);
}

void room_timer_cancel(struct room *room, uint32_t id) {
  for (size_t i = 0; i < room->n_timers; i++) {
    if (room->timers[i].id != id) continue;
    room->timers[i] = room->timers[--room->n_timers];
    room_touch(room);
    return;
  }
}

void room_lock(struct room *room, bool locked) {
  if (room->locked == locked) return;
  room->locked = locked;
  room_touch_facts(room);
}

void room_complete(struct room *room, Heya__V1__CloseReason reason) {
  room->completing = true;
  room->close_reason = reason;
}

void room_deadline_show(struct room *room, uint32_t round, uint64_t deadline_ms) {
  room->deadline_ms = deadline_ms;
  room->round = round;
  room->changes.deadline = COMMIT_DEADLINE_SET;
  room_touch(room);
}

void room_deadline_hide(struct room *room) {
  if (room->deadline_ms == 0) return;
  room->deadline_ms = 0;
  room->changes.deadline = COMMIT_DEADLINE_CLEAR;
  room_touch(room);
}

static struct room_result *result_of(struct room *room, const char *player) {
  for (size_t i = 0; i < room->n_results; i++) {
    if (strcmp(room->results[i].player, player) == 0) return &room->results[i];
  }
  room->results = xrealloc(room->results, (room->n_results + 1) * sizeof *room->results);
  struct room_result *result = &room->results[room->n_results++];
  snprintf(result->player, sizeof result->player, "%s", player);
  return result;
}

void room_result_show(struct room *room, const char *player, const char *format, ...) {
  struct room_result *result = result_of(room, player);
  va_list args;
  va_start(args, format);
  room_print_text(result->text, sizeof result->text, format, args);
  va_end(args);
  room->changes.results = true;
  room_touch(room);
}

void room_results_hide(struct room *room) {
  if (room->n_results == 0) return;
  room->n_results = 0;
  room->changes.results = true;
  room_touch(room);
}
