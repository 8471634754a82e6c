/* Broadcast load, and in the midst of it a worker is killed with -9: how long its rooms stand still, by when each
 * line was due. Nothing may be lost or doubled by it. */
#include "tests/load/load.h"

#include "common/clock.h"
#include "common/mem.h"
#include "tests/support/servers_ready.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MS     100
#define SHOWN_AFTER 1500 /* ms of the timeline that are printed; all of it is in the JSON */
#define SHOWN_AHEAD 300
#define KILL_AT     0.4 /* of the time that is measured */

struct failover {
  struct load load;
  struct histogram *slots; /* owns echoes by when they were due, from load.measured_us on; owned */
  uint32_t n_slots;
  uint64_t killed_us;
  ev_timer timer;
};

static void on_told(void *arg, uint64_t due_us, uint64_t took_us) {
  struct failover *failover = arg;
  if (due_us < failover->load.measured_us) return;
  uint64_t slot = (due_us - failover->load.measured_us) / (SLOT_MS * 1000);
  if (slot < failover->n_slots) histogram_add(&failover->slots[slot], took_us);
}

static pid_t victim(const struct bench *bench) {
  const struct site *site = &bench->site;
  for (unsigned i = 0; i < site->n_processes; i++)
    if (bench->options->victim && strcmp(site->processes[i].name, bench->options->victim) == 0)
      return site->processes[i].pid;
  return 0;
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events) {
  struct failover *failover = timer->data;
  struct bench *bench = failover->load.crowd.bench;
  (void)loop, (void)events;
  if (bench->site.own)
    servers_kill(&bench->site.servers.workers[0]);
  else if (kill(victim(bench), SIGKILL) != 0)
    return;
  failover->killed_us = clock_monotonic_us();
}

/* In `text` around the kill, in the JSON all of it. */
static void report_timeline(struct failover *failover) {
  struct report *report = &failover->load.crowd.bench->report;
  json_t *timeline = json_array();
  report_say(report, "  due, ms after the kill            n      p50      p99      max");
  for (uint32_t i = 0; i < failover->n_slots; i++) {
    const struct histogram *slot = &failover->slots[i];
    int64_t from_ms = ((int64_t)(failover->load.measured_us - failover->killed_us)) / 1000 + (int64_t)i * SLOT_MS;
    json_array_append_new(timeline,
                          json_pack("{s:I, s:o}", "due_ms", (json_int_t)from_ms, "own_ms", report_times_json(slot)));
    if (from_ms < -SHOWN_AHEAD - SLOT_MS || from_ms > SHOWN_AFTER) continue;
    report_say(report, "  %8" PRId64 " to %5" PRId64 " %16" PRIu64 " %8.2f %8.2f %8.2f", from_ms, from_ms + SLOT_MS,
               slot->n, (double)histogram_at(slot, 0.5) / 1000, (double)histogram_at(slot, 0.99) / 1000,
               (double)slot->max / 1000);
  }
  report_json(report, "timeline", timeline);
}

/* From the kill to the end of the last slot whose worst line took more than twice the worst before the kill. */
static void report_pause(struct failover *failover) {
  struct report *report = &failover->load.crowd.bench->report;
  uint64_t usual_us = 0, worst_us = 0, calm_us = 0;
  for (uint32_t i = 0; i < failover->n_slots; i++) {
    uint64_t end_us = failover->load.measured_us + (i + UINT64_C(1)) * SLOT_MS * 1000;
    uint64_t max_us = failover->slots[i].max;
    if (end_us + max_us < failover->killed_us) {
      if (max_us > usual_us) usual_us = max_us;
      continue;
    }
    if (max_us > worst_us) worst_us = max_us;
    if (max_us > 2 * usual_us) calm_us = end_us - failover->killed_us;
  }
  report_number(report, "worst_before_ms", "slowest line before the kill", (double)usual_us / 1000, "ms");
  report_number(report, "worst_after_ms", "slowest line from then on", (double)worst_us / 1000, "ms");
  report_number(report, "calm_after_ms", "as before again after", (double)calm_us / 1000, "ms");
}

/* For whoever runs on these servers next. */
static void replace(struct bench *bench) {
  struct site *site = &bench->site;
  struct server *worker = &site->servers.workers[0];
  if (!site->own || worker->state != SERVER_DOWN) return;
  servers_start(worker);
  servers_balance(&site->servers, site->redis);
  for (unsigned i = 0; i < site->n_processes; i++)
    if (strcmp(site->processes[i].name, worker->name) == 0) site->processes[i].pid = worker->pid;
}

bool scenario_failover(struct bench *bench) {
  static struct failover failover;
  struct load *load = &failover.load;
  const struct shape *shape = &bench->shape;
  if (!bench->site.own && !victim(bench)) {
    report_wrong(&bench->report, "--victim is none of the --pid");
    return false;
  }
  failover = (struct failover){.n_slots = (uint32_t)(shape->duration_ms / SLOT_MS)};
  failover.slots = xcalloc(failover.n_slots, sizeof *failover.slots);
  bool fine = load_open(load, bench, shape->rooms, shape->members);
  if (fine) {
    report_number(&bench->report, "rate", "rate", shape->rate, "commands/s");
    load->told = on_told;
    load->told_arg = &failover;
    ev_now_update(bench->loop);
    ev_timer_init(&failover.timer, on_time,
                  (double)(bench->shape.warm_up_ms + (uint64_t)((double)shape->duration_ms * KILL_AT)) / 1000, 0.);
    failover.timer.data = &failover;
    ev_timer_start(bench->loop, &failover.timer);
    load_run(load, shape->rate, bench->shape.warm_up_ms, shape->duration_ms);
    ev_timer_stop(bench->loop, &failover.timer);
    load_report(load);
    if (failover.killed_us) {
      report_timeline(&failover);
      report_pause(&failover);
    } else {
      report_wrong(&bench->report, "nobody could be killed");
    }
  }
  load_close(load);
  free(failover.slots);
  replace(bench);
  return fine;
}
