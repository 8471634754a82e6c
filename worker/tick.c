/* See worker/tick.h. */
#include "worker/tick.h"
#include "worker/command.h"

uint64_t tick_next_us(const struct room *room) {
  const struct frames *frames = &room->frames;
  return frames->hz && room->n_members ? frames_begin_us(frames, frames->done + 1) : 0;
}

/* Frames follow a smoothed clock, which may have been ahead of the stream's: none runs twice. */
void tick_resume(struct room *room) {
  struct frames *frames = &room->frames;
  uint64_t begun = frames->hz ? frames_begun(frames, room->effects->entry.ms * 1000) : 0;
  if (begun > frames->done) frames->done = begun;
}

/* It does not go back when a frame is run a little early or late, compared with Redis's clock. */
static void move_clock(struct room *room, uint64_t begin_us) {
  uint64_t begin_ms = begin_us / 1000;
  if (room->clock_ms < begin_ms) room->clock_ms = begin_ms;
}

struct tick_report tick_run(struct room *room, uint64_t now_us, struct worker_metrics *metrics) {
  struct tick_report report = {.ran = false};
  struct frames *frames = &room->frames;
  uint64_t frame = frames_next(frames, now_us, &report.skipped);
  if (frame == 0 || room->n_members == 0) return report;
  uint64_t begin_us = frames_begin_us(frames, frame);
  struct kind_tick tick = {.frame = frame, .skipped = report.skipped, .length_ns = frames_length_ns(frames, frame)};
  report.ran = true;
  report.late_us = now_us - begin_us;
  frames->done = frame;
  move_clock(room, begin_us);
  command_run_waiting(room, metrics);
  if (!room->completing && room->kind->tick(room, &tick)) room_touch(room);
  if (room->completing) room_end(room, room->close_reason);
  if (room->unsaved && room_time_ms(room) >= room->saved_ms + ROOM_LOSSY_SAVE_MS) room_touch(room);
  return report;
}
