/* See tests/kind_harness.h: time, timers and frames, in the order in which a worker has them (worker/tick.c). */
#include "tests/kind_harness_impl.h"

#include "common/mem.h"

static struct harness_timer *timer_due(struct room *room) {
  struct harness_timer *first = NULL;
  for (size_t i = 0; i < ROOM_TIMERS_MAX; i++) {
    struct harness_timer *timer = &room->timers[i];
    if (timer->at_ms && timer->at_ms <= room->now_ms && (!first || timer->at_ms < first->at_ms)) first = timer;
  }
  return first;
}

static void pass_time(struct room *room, uint64_t now_ms) {
  if (now_ms > room->now_ms) room->now_ms = now_ms;
  for (struct harness_timer *timer; !room->completed && (timer = timer_due(room));) {
    harness_doing(room, "timer", NULL);
    demand(room, room->kind->timer, "it has set a timer and has no function for it");
    timer->at_ms = 0;
    room->kind->timer(room, timer->id);
    harness_settle(room);
  }
}

static bool stands_still(const struct room *room) {
  return room->frames.hz == 0 || room->member_count == 0 || room->completed;
}

void harness_time(struct room *room, uint64_t now_ms) {
  while (!stands_still(room) && frames_begin_us(&room->frames, room->frames.done + 1) <= now_ms * 1000)
    harness_frame(room);
  pass_time(room, now_ms);
}

/* ---- frames ---- */

static void conclude(struct room *room, const struct queued *item, kind_code code) {
  struct harness_outcome *outcome = &room->outcomes[item->number - 1];
  *outcome = (struct harness_outcome){.done = true, .code = code};
}

void harness_refuse_waiting(struct room *room, const char *player, kind_code why) {
  struct queued item;
  while (queue_take(&room->queue, player, &item)) {
    conclude(room, &item, why);
    free(item.payload);
  }
}

static void run_waiting(struct room *room) {
  struct queued item;
  while (!room->completed && queue_take(&room->queue, NULL, &item)) {
    harness_execute(room, item.player, bytes_of(item.payload, item.len), item.number);
    free(item.payload);
  }
  if (room->completed) harness_refuse_waiting(room, NULL, HEYA__V1__ERROR__CODE__ROOM_CLOSED);
}

static bool tick(struct room *room, const struct kind_tick *frame) {
  char number[32];
  snprintf(number, sizeof number, "%llu", (unsigned long long)frame->frame);
  harness_doing(room, "tick of frame", number);
  bool changed = room->kind->tick(room, frame);
  demand(room, changed || harness_is_as_saved(room), "it says that nothing has changed, and the state has");
  harness_settle(room);
  if (room->completed) harness_refuse_waiting(room, NULL, HEYA__V1__ERROR__CODE__ROOM_CLOSED);
  return changed;
}

bool harness_frame(struct room *room) {
  harness_doing(room, "frame", NULL);
  demand(room, room->frames.hz, "this kind does not tick");
  uint64_t number = room->frames.done + 1;
  bool still = stands_still(room);
  pass_time(room, frames_begin_us(&room->frames, number) / 1000);
  struct kind_tick frame = {
      .frame = number, .skipped = room->skipped, .length_ns = frames_length_ns(&room->frames, number)};
  room->frames.done = number;
  room->skipped = 0;
  if (still) return false;
  run_waiting(room);
  return !room->completed && tick(room, &frame);
}

size_t harness_frames(struct room *room, size_t n) {
  size_t changed = 0;
  while (n--) changed += harness_frame(room);
  return changed;
}

void harness_skip(struct room *room, size_t n) {
  room->frames.done += n;
  room->skipped += n;
}

void harness_resume_frames(struct room *room) {
  room->skipped = 0;
  if (!room->frames.hz) return;
  uint64_t begun = frames_begun(&room->frames, room->now_ms * 1000);
  if (begun > room->frames.done) room->frames.done = begun;
}
