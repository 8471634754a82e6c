/* Whole live rounds, one after the other in each of many groups: the host makes a room, the others join, he starts,
 * everybody submits a result, all are told all results, and all leave. A closed loop: how many rounds a second there
 * are, and what one costs Redis, is what is measured. */
#include "tests/load/crowd.h"
#include "tests/load/histogram.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/client.pb-c.h"
#include "proto/kinds/live.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_S  20 /* for the last rounds; longer than the deadline of one in which a result was lost */
#define SEATS       4  /* of a live room */
#define SCORE       100000
#define ROUND_ROUND 1 /* of Started and of Results */

enum { EVENT_STARTED = 1, EVENT_RESULTS = 3, RESULTS_SCORES = 3, SCORE_SCORE = 3, SCORE_FORFEITED = 5 };

struct group {
  uint32_t round; /* how many it has begun */
  unsigned joined, told, left;
  uint64_t began_us, submitted_us;
};

struct live {
  struct crowd crowd;
  struct group *groups; /* owned */
  uint64_t measured_us, end_us;
  uint64_t rounds, wrong;
  uint32_t done; /* groups that begin no more */
  struct histogram times, results;
};

static void name(const struct player *player, char out[CROWD_ROOM_BYTES]) {
  const struct live *live = player->crowd->arg;
  snprintf(out, CROWD_ROOM_BYTES, "live/b%" PRIx32 "-%" PRIu32 "-%" PRIu32 "-%" PRIu32, player->crowd->tag,
           player->crowd->serial, player->room, live->groups[player->room].round);
}

static struct player *host_of(struct live *live, const struct group *group) {
  return &live->crowd.players[(uint32_t)(group - live->groups) * live->crowd.members];
}

static void join(struct player *player) {
  char room[CROWD_ROOM_BYTES];
  name(player, room);
  player_join(player, room);
}

static void begin(struct live *live, struct group *group) {
  *group = (struct group){.round = group->round + 1, .began_us = clock_monotonic_us()};
  join(host_of(live, group));
}

/* ---- commands ---- */

static void command(struct player *player, const Heya__Kinds__Live__Command *command) {
  uint8_t payload[64];
  char room[CROWD_ROOM_BYTES];
  name(player, room);
  player_command(player, room, 0, bytes_of(payload, heya__kinds__live__command__pack(command, payload)));
}

static void start(struct player *player) {
  Heya__Kinds__Live__Command said = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Start body = HEYA__KINDS__LIVE__START__INIT;
  said.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_START;
  said.start = &body;
  command(player, &said);
}

/* Everybody has a score of his own, so that one which is counted twice, or not, shows in the sum. */
static void submit(struct player *player, uint32_t round) {
  Heya__Kinds__Live__Command said = HEYA__KINDS__LIVE__COMMAND__INIT;
  Heya__Kinds__Live__Submit body = HEYA__KINDS__LIVE__SUBMIT__INIT;
  Heya__Kinds__Live__Judge judge = HEYA__KINDS__LIVE__JUDGE__INIT;
  judge.perfect = 300;
  body.round = round;
  body.score = SCORE << player->index % player->crowd->members;
  body.judge = &judge;
  said.body_case = HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT;
  said.submit = &body;
  command(player, &said);
}

/* ---- what they hear ---- */

static void on_welcome(struct player *player) {
  (void)player; /* rounds begin when all are there */
}

static void on_joined(struct player *player) {
  struct live *live = player->crowd->arg;
  struct group *group = &live->groups[player->room];
  struct player *host = host_of(live, group);
  group->joined++;
  if (player == host)
    for (uint32_t i = 1; i < live->crowd.members; i++) join(host + i);
  if (group->joined == live->crowd.members) start(host);
}

static bool is_right(const struct live *live, struct bytes results) {
  uint64_t n = 0, sum = 0, forfeited = 0;
  struct wire_field score;
  while (wire_find(&results, RESULTS_SCORES, &score)) {
    n++;
    sum += wire_number(score.bytes, SCORE_SCORE);
    forfeited += wire_number(score.bytes, SCORE_FORFEITED);
  }
  uint64_t expected = (UINT64_C(1) << live->crowd.members) - 1;
  return n == live->crowd.members && sum == expected * SCORE && !forfeited;
}

static void on_results(struct live *live, struct group *group, struct bytes results) {
  struct player *host = host_of(live, group);
  char room[CROWD_ROOM_BYTES];
  if (!is_right(live, results)) live->wrong++;
  if (++group->told != live->crowd.members) return;
  uint64_t now_us = clock_monotonic_us();
  if (now_us >= live->measured_us && now_us < live->end_us) {
    live->rounds++;
    histogram_add(&live->times, now_us - group->began_us);
    histogram_add(&live->results, now_us - group->submitted_us);
  }
  name(host, room);
  for (uint32_t i = 0; i < live->crowd.members; i++) player_leave(host + i, room);
}

static void on_event(struct player *player, const struct wire_message *message) {
  struct live *live = player->crowd->arg;
  struct group *group = &live->groups[player->room];
  if (message->event != HEYA__V1__EVENT__BODY_PAYLOAD) return;
  struct bytes started = wire_bytes(message->payload, EVENT_STARTED);
  struct bytes results = wire_bytes(message->payload, EVENT_RESULTS);
  if (started.len) {
    group->submitted_us = clock_monotonic_us(); /* the last one's stays */
    submit(player, (uint32_t)wire_number(started, ROUND_ROUND));
  }
  if (results.len) on_results(live, group, results);
}

static void on_left(struct player *player) {
  struct live *live = player->crowd->arg;
  struct group *group = &live->groups[player->room];
  if (++group->left != live->crowd.members) return;
  if (clock_monotonic_us() < live->end_us)
    begin(live, group);
  else
    live->done++;
}

/* ---- a run ---- */

static bool is_begun(void *arg) {
  const struct live *live = arg;
  return clock_monotonic_us() >= live->measured_us || crowd_trouble(&live->crowd);
}

static bool is_ended(void *arg) {
  const struct live *live = arg;
  return clock_monotonic_us() >= live->end_us || crowd_trouble(&live->crowd);
}

static bool all_done(void *arg) {
  const struct live *live = arg;
  return live->done == live->crowd.bench->shape.at_once || crowd_trouble(&live->crowd);
}

static void say_live(const void *arg, char *text, size_t size) {
  const struct live *live = arg;
  snprintf(text, size, "%" PRIu64 " rounds  p50 %.2f  p99 %.2f ms", live->rounds,
           (double)histogram_at(&live->times, 0.5) / 1000, (double)histogram_at(&live->times, 0.99) / 1000);
}

static void play(struct live *live) {
  struct bench *bench = live->crowd.bench;
  struct report *report = &bench->report;
  uint32_t groups = bench->shape.at_once;
  struct site_usage usage[2];
  struct site_rounds rounds[2];
  struct site_calls calls[2];
  live->measured_us = clock_monotonic_us() + bench->shape.warm_up_ms * 1000;
  live->end_us = live->measured_us + bench->shape.duration_ms * 1000;
  progress_start(&bench->progress, bench->loop, say_live, live);
  for (uint32_t i = 0; i < groups; i++) begin(live, &live->groups[i]);
  bench_until(bench, 3600, is_begun, live);
  site_rounds_read(&bench->site, &rounds[0]);
  bool counted = site_calls_read(&bench->site, &calls[0]);
  site_usage_read(&bench->site, &usage[0]);
  bench_until(bench, 3600, is_ended, live);
  site_usage_read(&bench->site, &usage[1]);
  site_rounds_read(&bench->site, &rounds[1]);
  counted = counted && site_calls_read(&bench->site, &calls[1]);
  double seconds = (double)(usage[1].at_us - usage[0].at_us) / 1e6;
  bench_until(bench, PATIENCE_S, all_done, live);
  report_number(report, "at_once", "groups", groups, "at once");
  report_number(report, "rounds", "rounds", (double)live->rounds, "");
  report_number(report, "rounds_per_s", "rounds a second", (double)live->rounds / seconds, "/s");
  report_times(report, "round", "the room is made to results", &live->times);
  report_times(report, "results", "the last one submits to results", &live->results);
  site_report_rounds(report, &rounds[0], &rounds[1]);
  site_report_cpu(&bench->site, report, &usage[0], &usage[1], (double)live->rounds, "round");
  site_report_memory(&bench->site, report);
  if (counted && live->rounds) {
    report_say(report, "  commands that Redis ran, per round:");
    site_report_calls(report, &calls[0], &calls[1], (double)live->rounds, "round");
  }
  if (live->done != groups)
    report_wrong(report, "%" PRIu32 " of %" PRIu32 " groups stand still", groups - live->done, groups);
  if (live->wrong) report_wrong(report, "%" PRIu64 " wrong results", live->wrong);
  if (!live->rounds) report_wrong(report, "no round came to its end");
}

bool scenario_live(struct bench *bench) {
  static const struct crowd_events events = {
      .welcome = on_welcome, .joined = on_joined, .event = on_event, .left = on_left};
  static struct live live;
  uint8_t data[16];
  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  options.live_id = 1;
  live = (struct live){0};
  uint32_t members = bench->shape.members < SEATS ? bench->shape.members : SEATS;
  crowd_open(&live.crowd, bench, "live", bench->shape.at_once, members, &events, &live);
  live.crowd.options = bytes_of(data, heya__kinds__live__options__pack(&options, data));
  live.groups = xcalloc(bench->shape.at_once, sizeof *live.groups);
  bool fine = crowd_enter(&live.crowd);
  if (fine) {
    play(&live);
    crowd_report_trouble(&live.crowd);
  }
  crowd_close(&live.crowd);
  free(live.groups);
  return fine;
}
