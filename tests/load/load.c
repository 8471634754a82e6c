/* See tests/load/load.h. Nothing is allocated for a message. */
#include "tests/load/load.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/kinds/chat.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIVE_UP_S 5    /* behind */
#define AHEAD_US  5000 /* from the begin of a run to the first line */
#define DRAIN_S   10
#define SILENCE_S 1.5 /* nothing more is coming */

/* ---- sending ---- */

static void send_line(void *arg, uint64_t due_us) {
  struct load *load = arg;
  uint32_t index = load->order[load->sent++ % load->crowd.n];
  struct frame *frame = &load->frames[index];
  frame_stamp(frame, &(struct frame_stamp){.due_us = due_us, .sender = index, .run = load->run});
  player_send(&load->crowd.players[index], frame, (uint32_t)due_us);
  if (due_us >= load->measured_us) histogram_add(&load->late, clock_monotonic_us() - due_us);
}

/* ---- hearing ---- */

static bool is_measured(const struct load *load, uint64_t due_us) {
  return due_us >= load->measured_us && due_us < load->measured_to_us;
}

static void on_line(struct player *player, struct bytes text) {
  struct load *load = player->crowd->arg;
  struct frame_stamp stamp;
  if (!frame_read_stamp(text, &stamp) || stamp.sender >= load->crowd.n ||
      load->crowd.players[stamp.sender].room != player->room) {
    load->crowd.trouble.unreadable++;
    return;
  }
  if (stamp.run != load->run) return; /* of one that was given up */
  uint64_t now_us = clock_monotonic_us(), took_us = now_us - stamp.due_us;
  bool own = stamp.sender == player->index;
  load->delivered++;
  if (is_measured(load, stamp.due_us)) {
    histogram_add(&load->all, took_us);
    if (own) histogram_add(&load->own, took_us);
  }
  if (own && load->told) load->told(load->told_arg, stamp.due_us, took_us);
  pacer_catch_up(&load->pacer, now_us);
}

static void on_ack(struct player *player, uint32_t request) {
  struct load *load = player->crowd->arg;
  uint32_t took_us = (uint32_t)clock_monotonic_us() - request; /* modulo an hour */
  if (took_us > (uint32_t)clock_monotonic_us() - (uint32_t)load->pacer.schedule.begin_us)
    return; /* of an earlier run */
  load->acked++;
  if (is_measured(load, clock_monotonic_us() - took_us)) histogram_add(&load->acks, took_us);
}

/* ---- a run ---- */

uint64_t load_expected(const struct load *load) {
  return load->sent * load->crowd.members;
}

uint64_t load_lost(const struct load *load) {
  uint64_t expected = load_expected(load);
  uint64_t unheard = expected > load->delivered ? expected - load->delivered : 0;
  return unheard + (load->crowd.dialect->acks && load->sent > load->acked ? load->sent - load->acked : 0);
}

static void read_usage(struct load *load) {
  if (load->usages == 0) load->window_delivered = load->delivered;
  if (load->usages == 1) load->window_delivered = load->delivered - load->window_delivered;
  site_usage_read(&load->crowd.bench->site, &load->usage[load->usages++]);
}

/* After each turn of the loop. */
static bool is_over(void *arg) {
  struct load *load = arg;
  uint64_t now_us = clock_monotonic_us();
  if (load->usages == 0 && now_us >= load->measured_us) read_usage(load);
  if (load->usages == 1 && now_us >= load->measured_to_us) read_usage(load);
  double behind = (double)load_expected(load) - (double)load->delivered;
  double bearable =
      load->pacer.schedule.rate * load->crowd.members * (load->give_up_s > 0 ? load->give_up_s : GIVE_UP_S);
  load->aborted = behind > bearable + 1000 || load->crowd.trouble.lost;
  return load->aborted || (load->usages == 2 && schedule_next_us(&load->pacer.schedule) == SCHEDULE_OVER);
}

struct drain {
  struct load *load;
  uint64_t heard, since_us;
};

static bool is_drained(void *arg) {
  struct drain *drain = arg;
  uint64_t heard = drain->load->delivered + drain->load->acked, now_us = clock_monotonic_us();
  if (!load_lost(drain->load)) return true;
  if (heard != drain->heard) {
    drain->heard = heard;
    drain->since_us = now_us;
  }
  return (double)(now_us - drain->since_us) > SILENCE_S * 1e6;
}

static void say_load(const void *arg, char *text, size_t size) {
  const struct load *load = arg;
  snprintf(text, size,
           "%" PRIu64 " sent  %" PRIu64 " delivered  %" PRIu64 " under way  p50 %.2f  p99 %.2f ms  %" PRIu64 " wrong",
           load->sent, load->delivered, load_expected(load) - load->delivered,
           (double)histogram_at(&load->all, 0.5) / 1000, (double)histogram_at(&load->all, 0.99) / 1000,
           crowd_trouble(&load->crowd));
}

static void clear(struct load *load) {
  load->run++;
  load->sent = load->delivered = load->acked = load->window_delivered = 0;
  load->usages = 0;
  load->aborted = false;
  memset(&load->own, 0, sizeof load->own);
  memset(&load->all, 0, sizeof load->all);
  memset(&load->acks, 0, sizeof load->acks);
  memset(&load->late, 0, sizeof load->late);
}

void load_run(struct load *load, double rate, uint64_t warm_up_ms, uint64_t duration_ms) {
  struct bench *bench = load->crowd.bench;
  clear(load);
  site_rounds_read(&bench->site, &load->rounds[0]);
  uint64_t begin_us = clock_monotonic_us() + AHEAD_US;
  load->measured_us = begin_us + warm_up_ms * 1000;
  load->measured_to_us = load->measured_us + duration_ms * 1000;
  progress_start(&bench->progress, bench->loop, say_load, load);
  pacer_begin(&load->pacer, begin_us, load->measured_to_us, rate);
  bench_until(bench, (double)(warm_up_ms + duration_ms) / 1000 + DRAIN_S, is_over, load);
  pacer_end(&load->pacer);
  while (load->usages < 2) read_usage(load);
  site_rounds_read(&bench->site, &load->rounds[1]);
  struct drain drain = {.load = load, .since_us = clock_monotonic_us()};
  bench_until(bench, DRAIN_S, is_drained, &drain);
  progress_stop(&bench->progress, bench->loop);
}

void load_report(struct load *load) {
  struct report *report = &load->crowd.bench->report;
  report_number(report, "commands", "commands sent", (double)load->sent, "");
  report_number(report, "deliveries", "deliveries", (double)load->delivered, "");
  report_number(report, "expected", "deliveries expected", (double)load_expected(load), "");
  report_number(report, "acks", "acks", (double)load->acked, "");
  report_times(report, "own", "to the sender's own echo", &load->own);
  report_times(report, "all", "to every delivery", &load->all);
  if (load->crowd.dialect->acks) report_times(report, "ack", "to the ack", &load->acks);
  report_times(report, "late", "generator: due to sent", &load->late);
  site_report_cpu(&load->crowd.bench->site, report, &load->usage[0], &load->usage[1], (double)load->window_delivered,
                  "delivery");
  char room[CROWD_ROOM_BYTES];
  crowd_room(&load->crowd, 0, room);
  site_report_rounds(report, &load->rounds[0], &load->rounds[1]);
  site_report_memory(&load->crowd.bench->site, report);
  site_report_image(&load->crowd.bench->site, report, room);
  if (load->aborted) report_wrong(report, "given up: the servers fall behind, or connections were lost");
  if (load->delivered > load_expected(load))
    report_wrong(report, "%" PRIu64 " deliveries too many", load->delivered - load_expected(load));
  if (load_lost(load)) report_wrong(report, "%" PRIu64 " deliveries and acks are missing", load_lost(load));
  crowd_report_trouble(&load->crowd);
}

/* ---- the crowd ---- */

/* Each takes his turn as often as the others, and those of a room not one after the other. */
static void shuffle(uint32_t *order, uint32_t n) {
  unsigned seed = 1;
  for (uint32_t i = 0; i < n; i++) order[i] = i;
  for (uint32_t i = n; i > 1; i--) {
    uint32_t other = (uint32_t)rand_r(&seed) % i, was = order[i - 1];
    order[i - 1] = order[other];
    order[other] = was;
  }
}

/* Options of the kind `chat`. */
static struct bytes room_options(const struct bench *bench) {
  static uint8_t data[8];
  Heya__Kinds__Chat__Options options = HEYA__KINDS__CHAT__OPTIONS__INIT;
  options.no_history = !bench->options->history;
  return bytes_of(data, heya__kinds__chat__options__pack(&options, data));
}

bool load_open(struct load *load, struct bench *bench, uint32_t rooms, uint32_t members) {
  static const struct crowd_events events = {.line = on_line, .ack = on_ack};
  crowd_open(&load->crowd, bench, "chat", rooms, members, &events, load);
  load->crowd.options = room_options(bench);
  uint32_t n = load->crowd.n;
  load->frames = xcalloc(n, sizeof *load->frames);
  load->order = xcalloc(n, sizeof *load->order);
  for (uint32_t i = 0; i < n; i++) {
    char room[CROWD_ROOM_BYTES];
    crowd_room(&load->crowd, load->crowd.players[i].room, room);
    load->crowd.dialect->line(&load->frames[i], room);
  }
  shuffle(load->order, n);
  if (!pacer_open(&load->pacer, bench->loop, send_line, load) || !crowd_enter(&load->crowd)) return false;
  report_say(&bench->report, "  %" PRIu32 " rooms of %" PRIu32 "; all were in after %.2f s", rooms, members,
             (double)load->crowd.entered_us / 1e6);
  report_json(&bench->report, "rooms", json_integer(rooms));
  report_json(&bench->report, "members", json_integer(members));
  report_json(&bench->report, "entered_s", json_real((double)load->crowd.entered_us / 1e6));
  return true;
}

void load_close(struct load *load) {
  pacer_close(&load->pacer);
  crowd_close(&load->crowd);
  free(load->frames);
  free(load->order);
  load->frames = NULL;
  load->order = NULL;
}
