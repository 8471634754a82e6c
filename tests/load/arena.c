/* Rooms that tick: fighters run to and fro, so that every frame has something to tell. Whether all frames come to all
 * of them, how late they are, and how long a command waits: for the next frame, which is half a period on average,
 * and then for its way. */
#include "tests/load/crowd.h"
#include "tests/load/histogram.h"
#include "tests/load/pacer.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/client.pb-c.h"
#include "proto/kinds/arena.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_HZ  10
#define WIDTH    1000 /* nobody meets a wall for long */
#define AHEAD_US 5000
#define DRAIN_S  5

enum { EVENT_FRAME = 1, FRAME_NUMBER = 1 };

struct fighter {
  struct frame there, back;
  uint64_t frame;   /* number of the last one */
  uint64_t moves;   /* sent */
  int64_t least_us; /* the least offset of a frame from when it was due, see on_frame */
};

struct arena {
  struct crowd crowd;
  struct fighter *fighters; /* owned */
  struct pacer pacer;
  uint32_t hz;
  uint64_t measured_us, end_us;
  uint64_t sent, acked, frames, holes;
  struct histogram late_frames, acks, late;
};

static void send_move(void *arg, uint64_t due_us) {
  struct arena *arena = arg;
  uint32_t index = (uint32_t)(arena->sent++ % arena->crowd.n);
  struct fighter *fighter = &arena->fighters[index];
  player_send(&arena->crowd.players[index], fighter->moves++ % 2 ? &fighter->back : &fighter->there,
              (uint32_t)due_us);
  if (due_us >= arena->measured_us) histogram_add(&arena->late, clock_monotonic_us() - due_us);
}

static bool is_measured(const struct arena *arena, uint64_t at_us) {
  return at_us >= arena->measured_us && at_us < arena->end_us;
}

/* When a room's frames are due by our clock is not known, only that they are a period apart: the earliest one tells
 * how late the others are. The warm-up finds it, roughly; an even earlier one puts it right. */
static void on_frame(struct arena *arena, struct fighter *fighter, uint64_t number) {
  uint64_t now_us = clock_monotonic_us();
  int64_t offset_us = (int64_t)now_us - (int64_t)(number * 1000000 / arena->hz);
  if (!fighter->frame || offset_us < fighter->least_us) fighter->least_us = offset_us;
  if (is_measured(arena, now_us)) {
    arena->frames++;
    arena->holes += fighter->frame && number > fighter->frame + 1 ? number - fighter->frame - 1 : 0;
    histogram_add(&arena->late_frames, (uint64_t)(offset_us - fighter->least_us));
  }
  fighter->frame = number;
  pacer_catch_up(&arena->pacer, now_us);
}

static void on_event(struct player *player, const struct wire_message *message) {
  struct arena *arena = player->crowd->arg;
  if (message->event != HEYA__V1__EVENT__BODY_PAYLOAD) return;
  struct bytes frame = wire_bytes(message->payload, EVENT_FRAME);
  if (frame.len) on_frame(arena, &arena->fighters[player->index], wire_number(frame, FRAME_NUMBER));
}

static void on_ack(struct player *player, uint32_t request) {
  struct arena *arena = player->crowd->arg;
  uint32_t took_us = (uint32_t)clock_monotonic_us() - request;
  arena->acked++;
  if (is_measured(arena, clock_monotonic_us() - took_us)) histogram_add(&arena->acks, took_us);
}

static bool is_begun(void *arg) {
  const struct arena *arena = arg;
  return clock_monotonic_us() >= arena->measured_us || crowd_trouble(&arena->crowd);
}

static bool is_ended(void *arg) {
  const struct arena *arena = arg;
  return clock_monotonic_us() >= arena->end_us || crowd_trouble(&arena->crowd);
}

static bool all_acked(void *arg) {
  const struct arena *arena = arg;
  return arena->acked == arena->sent || arena->crowd.trouble.lost;
}

static void say_arena(const void *arg, char *text, size_t size) {
  const struct arena *arena = arg;
  snprintf(text, size, "%" PRIu64 " frames  %" PRIu64 " missing  late p99 %.2f ms  %" PRIu64 " commands",
           arena->frames, arena->holes, (double)histogram_at(&arena->late_frames, 0.99) / 1000, arena->sent);
}

static void run(struct arena *arena) {
  struct bench *bench = arena->crowd.bench;
  struct report *report = &bench->report;
  const struct shape *shape = &bench->shape;
  struct site_usage usage[2];
  struct site_rounds rounds[2];
  double skipped_before = site_worker_metric(&bench->site, "heya_worker_frames_skipped_total");
  uint64_t begin_us = clock_monotonic_us() + AHEAD_US;
  arena->measured_us = begin_us + bench->shape.warm_up_ms * 1000;
  arena->end_us = arena->measured_us + shape->duration_ms * 1000;
  progress_start(&bench->progress, bench->loop, say_arena, arena);
  pacer_begin(&arena->pacer, begin_us, arena->end_us, shape->rate);
  bench_until(bench, 3600, is_begun, arena);
  site_rounds_read(&bench->site, &rounds[0]);
  site_usage_read(&bench->site, &usage[0]);
  bench_until(bench, 3600, is_ended, arena);
  site_usage_read(&bench->site, &usage[1]);
  site_rounds_read(&bench->site, &rounds[1]);
  pacer_end(&arena->pacer);
  bench_until(bench, DRAIN_S, all_acked, arena);
  double expected = (double)(arena->crowd.n * arena->hz) * (double)shape->duration_ms / 1000;
  report_number(report, "tick_hz", "frames a second of a room", arena->hz, "");
  report_number(report, "frames", "frames heard", (double)arena->frames, "");
  report_number(report, "expected", "frames expected", expected, "");
  report_number(report, "commands", "commands sent", (double)arena->sent, "");
  report_number(report, "acks", "acks", (double)arena->acked, "");
  report_times(report, "frame_late", "frames: later than the earliest", &arena->late_frames);
  report_times(report, "ack", "to the ack, with its frame", &arena->acks);
  report_times(report, "late", "generator: due to sent", &arena->late);
  site_report_cpu(&bench->site, report, &usage[0], &usage[1], (double)arena->frames, "frame");
  char room[CROWD_ROOM_BYTES];
  crowd_room(&arena->crowd, 0, room);
  site_report_rounds(report, &rounds[0], &rounds[1]);
  site_report_memory(&bench->site, report);
  site_report_image(&bench->site, report, room);
  double skipped = site_worker_metric(&bench->site, "heya_worker_frames_skipped_total") - skipped_before;
  if (skipped > 0) report_number(report, "skipped", "frames not run: workers too busy", skipped, "");
  if ((double)arena->holes > (skipped > 0 ? skipped : 0) * arena->crowd.members)
    report_wrong(report, "%" PRIu64 " frames are missing", arena->holes);
  if ((double)arena->frames < expected * 0.95 - arena->crowd.n) report_wrong(report, "rooms tick too slowly");
  if (arena->acked != arena->sent) report_wrong(report, "%" PRIu64 " acks are missing", arena->sent - arena->acked);
  crowd_report_trouble(&arena->crowd);
}

bool scenario_arena(struct bench *bench) {
  static const struct crowd_events events = {.event = on_event, .ack = on_ack};
  static struct arena arena;
  uint8_t data[32];
  Heya__Kinds__Arena__Options options = HEYA__KINDS__ARENA__OPTIONS__INIT;
  arena = (struct arena){.hz = bench->options->tick_hz ? (uint32_t)bench->options->tick_hz : TICK_HZ};
  options.tick_hz = arena.hz;
  options.width = options.height = WIDTH;
  crowd_open(&arena.crowd, bench, "arena", bench->shape.rooms, bench->shape.members, &events, &arena);
  arena.crowd.options = bytes_of(data, heya__kinds__arena__options__pack(&options, data));
  arena.fighters = xcalloc(arena.crowd.n, sizeof *arena.fighters);
  for (uint32_t i = 0; i < arena.crowd.n; i++) {
    char room[CROWD_ROOM_BYTES];
    crowd_room(&arena.crowd, arena.crowd.players[i].room, room);
    frame_move(&arena.fighters[i].there, room, 0.8f, 0.6f);
    frame_move(&arena.fighters[i].back, room, -0.8f, -0.6f);
  }
  bool fine = pacer_open(&arena.pacer, bench->loop, send_move, &arena) && crowd_enter(&arena.crowd);
  if (fine) {
    report_json(&bench->report, "entered_s", json_real((double)arena.crowd.entered_us / 1e6));
    report_say(&bench->report, "  %" PRIu32 " rooms of %" PRIu32 ", %.0f commands/s", bench->shape.rooms,
               bench->shape.members, bench->shape.rate);
    run(&arena);
  }
  pacer_close(&arena.pacer);
  crowd_close(&arena.crowd);
  free(arena.fighters);
  return fine;
}
