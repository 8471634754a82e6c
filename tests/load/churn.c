/* Coming and going: so many loops side by side, each of which connects, says hello, joins a room or makes it, leaves,
 * and closes, again and again. Rooms are few, so that they are made, met in, emptied and revived all the time;
 * servers that choose rooms by themselves have as many as they like. A closed loop: how many a second there are is
 * what is measured. */
#include "tests/load/crowd.h"
#include "tests/load/histogram.h"

#include "common/clock.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S 10 /* for the last ones */

struct churn {
  struct crowd crowd;
  uint64_t *began_us; /* of each loop's visit; owned */
  uint64_t measured_us, end_us;
  uint64_t visits; /* whole ones, measured */
  uint32_t done;   /* loops that begin no more */
  unsigned seed;
  struct histogram times;
};

static void visit(struct churn *churn, struct player *player) {
  churn->began_us[player->index] = clock_monotonic_us();
  player->room = (uint32_t)rand_r(&churn->seed) % churn->crowd.bench->shape.rooms;
  player_connect(player);
}

static void on_welcome(struct player *player) {
  char room[CROWD_ROOM_BYTES];
  crowd_room(player->crowd, player->room, room);
  player_join(player, room);
}

static void on_joined(struct player *player) {
  char room[CROWD_ROOM_BYTES];
  crowd_room(player->crowd, player->room, room);
  player_leave(player, room);
}

static void on_left(struct player *player) {
  struct churn *churn = player->crowd->arg;
  uint64_t now_us = clock_monotonic_us(), began_us = churn->began_us[player->index];
  player_hang_up(player);
  if (now_us >= churn->measured_us && now_us < churn->end_us) {
    churn->visits++;
    histogram_add(&churn->times, now_us - began_us);
  }
  if (now_us < churn->end_us)
    visit(churn, player);
  else
    churn->done++;
}

static bool is_begun(void *arg) {
  const struct churn *churn = arg;
  return clock_monotonic_us() >= churn->measured_us || crowd_trouble(&churn->crowd);
}

static bool is_ended(void *arg) {
  const struct churn *churn = arg;
  return clock_monotonic_us() >= churn->end_us || crowd_trouble(&churn->crowd);
}

static bool all_done(void *arg) {
  const struct churn *churn = arg;
  return churn->done == churn->crowd.n || crowd_trouble(&churn->crowd);
}

static void say_churn(const void *arg, char *text, size_t size) {
  const struct churn *churn = arg;
  snprintf(text, size, "%" PRIu64 " visits  p50 %.2f  p99 %.2f ms", churn->visits,
           (double)histogram_at(&churn->times, 0.5) / 1000, (double)histogram_at(&churn->times, 0.99) / 1000);
}

bool scenario_churn(struct bench *bench) {
  static const struct crowd_events events = {.welcome = on_welcome, .joined = on_joined, .left = on_left};
  static struct churn churn;
  struct report *report = &bench->report;
  struct site_usage usage[2];
  struct site_rounds rounds[2];
  churn = (struct churn){.seed = 1};
  crowd_open(&churn.crowd, bench, "chat", bench->shape.at_once, 1, &events, &churn);
  churn.began_us = xcalloc(churn.crowd.n, sizeof *churn.began_us);
  churn.crowd.next = churn.crowd.n; /* nobody brings others in */
  churn.crowd.any_room = true;
  churn.measured_us = clock_monotonic_us() + bench->shape.warm_up_ms * 1000;
  churn.end_us = churn.measured_us + bench->shape.duration_ms * 1000;
  progress_start(&bench->progress, bench->loop, say_churn, &churn);
  for (uint32_t i = 0; i < churn.crowd.n; i++) visit(&churn, &churn.crowd.players[i]);
  bench_until(bench, 3600, is_begun, &churn);
  site_rounds_read(&bench->site, &rounds[0]);
  site_usage_read(&bench->site, &usage[0]);
  bench_until(bench, 3600, is_ended, &churn);
  site_usage_read(&bench->site, &usage[1]);
  site_rounds_read(&bench->site, &rounds[1]);
  double seconds = (double)(usage[1].at_us - usage[0].at_us) / 1e6;
  bench_until(bench, PATIENCE_S, all_done, &churn);
  report_number(report, "at_once", "loops", churn.crowd.n, "at once");
  report_number(report, "names", "names of rooms", bench->shape.rooms, "");
  report_number(report, "visits", "visits", (double)churn.visits, "");
  report_number(report, "visits_per_s", "visits a second", (double)churn.visits / seconds, "/s");
  report_times(report, "visit", "connect to left", &churn.times);
  site_report_rounds(report, &rounds[0], &rounds[1]);
  site_report_cpu(&bench->site, report, &usage[0], &usage[1], (double)churn.visits, "visit");
  if (churn.done != churn.crowd.n)
    report_wrong(report, "%" PRIu32 " of %" PRIu32 " loops stand still", churn.crowd.n - churn.done, churn.crowd.n);
  if (!churn.visits) report_wrong(report, "nobody came and went");
  crowd_report_trouble(&churn.crowd);
  crowd_close(&churn.crowd);
  free(churn.began_us);
  return true;
}
