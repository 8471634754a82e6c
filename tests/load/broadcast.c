/* Many chat rooms: every line goes to all members of its room. At one rate, at several, or at the highest that keeps
 * a limit. */
#include "tests/load/load.h"

#include <inttypes.h>
#include <stdlib.h>

#define STEP           1.6  /* from rate to rate, until one is too high */
#define PRECISION      1.06 /* then between the two, until they are so close */
#define STEPS_MAX      24
#define FIND_WARM_MS   700
#define FIND_GIVE_UP_S 1 /* behind: such a rate is too high, whatever comes after */

/* Nothing was lost and 99 of 100 deliveries were in time. */
static bool keeps_limit(const struct load *load, const struct load_options *options) {
  return !load->aborted && !load_lost(load) && !crowd_trouble(&load->crowd) && load->all.n &&
         histogram_at(&load->all, 0.99) <= options->limit_ms * 1000;
}

/* Overload may break what a run breaks off: then all come in anew, into other rooms. What can never be right, at any
 * load, is told at once. */
static bool recover(struct load *load, struct bench *bench) {
  const struct trouble *trouble = &load->crowd.trouble;
  if (trouble->disorder || trouble->unreadable || load->delivered > load_expected(load)) {
    crowd_report_trouble(&load->crowd);
    report_wrong(&bench->report, "deliveries doubled, out of order or unreadable");
    return false;
  }
  bool anew = trouble->lost || trouble->unasked || load_lost(load);
  crowd_forgive(&load->crowd);
  if (!anew) return true;
  load_close(load);
  return load_open(load, bench, bench->shape.rooms, bench->shape.members);
}

static bool try_rate(struct load *load, struct bench *bench, double rate, uint64_t warm_up_ms, bool *keeps) {
  load_run(load, rate, warm_up_ms, bench->shape.duration_ms);
  *keeps = keeps_limit(load, bench->options);
  double cpu_s = 0;
  for (unsigned i = 0; i < bench->site.n_processes; i++) cpu_s += load->usage[1].cpu_s[i] - load->usage[0].cpu_s[i];
  double cpu_us = load->window_delivered ? cpu_s * 1e6 / (double)load->window_delivered : 0;
  report_say(&bench->report, "  %7.0f/s  p50 %8.2f  p99 %8.2f ms  late p99 %6.2f ms  %6.1f us/delivery  %s", rate,
             (double)histogram_at(&load->all, 0.5) / 1000, (double)histogram_at(&load->all, 0.99) / 1000,
             (double)histogram_at(&load->late, 0.99) / 1000, cpu_us,
             *keeps          ? "kept"
             : load->aborted ? "given up"
                             : "not kept");
  json_array_append_new(json_object_get(bench->report.root, "steps"),
                        json_pack("{s:f, s:o, s:o, s:o, s:f, s:b, s:b}", "rate", rate, "all_ms",
                                  report_times_json(&load->all), "own_ms", report_times_json(&load->own), "late_ms",
                                  report_times_json(&load->late), "cpu_us_per_delivery", cpu_us, "kept", *keeps,
                                  "given_up", load->aborted));
  return *keeps || recover(load, bench);
}

static bool find(struct load *load, struct bench *bench) {
  double low = 0, high = 0, rate = bench->shape.rate;
  report_json(&bench->report, "steps", json_array());
  for (unsigned i = 0; i < STEPS_MAX && !bench->stopped; i++) {
    bool keeps;
    if (!try_rate(load, bench, rate, FIND_WARM_MS, &keeps)) return false;
    if (keeps)
      low = rate;
    else
      high = rate;
    if (low > 0 && high > 0 && high / low <= PRECISION) break;
    rate = high <= 0 ? low * STEP : low <= 0 ? high / STEP : (low + high) / 2;
    if (rate < 1) break;
  }
  report_number(&bench->report, "highest_rate", "highest rate that keeps the limit", low, "commands/s");
  if (low <= 0) report_wrong(&bench->report, "no rate keeps the limit");
  return true;
}

double broadcast_rate(const struct load_options *options, size_t index) {
  char *end;
  double rate = strtod(options->rates.items[index], &end);
  return *end == '\0' && rate < 1e6 ? rate : 0;
}

/* A rate at which the limit is not kept is measured as the others; those after one that was given up say nothing. */
static bool sweep(struct load *load, struct bench *bench) {
  const struct load_options *options = bench->options;
  bool keeps;
  report_json(&bench->report, "steps", json_array());
  for (size_t i = 0; i < options->rates.count && !bench->stopped; i++) {
    if (!try_rate(load, bench, broadcast_rate(options, i), bench->shape.warm_up_ms, &keeps)) return false;
    if (load->aborted) break;
  }
  return true;
}

bool scenario_broadcast(struct bench *bench) {
  static struct load load;
  const struct shape *shape = &bench->shape;
  load = (struct load){0};
  bool fine = load_open(&load, bench, shape->rooms, shape->members);
  if (fine && bench->options->find) {
    load.give_up_s = FIND_GIVE_UP_S;
    fine = find(&load, bench);
  } else if (fine && bench->options->rates.count) {
    load.give_up_s = FIND_GIVE_UP_S;
    fine = sweep(&load, bench);
  } else if (fine) {
    report_number(&bench->report, "rate", "rate", shape->rate, "commands/s");
    load_run(&load, shape->rate, bench->shape.warm_up_ms, shape->duration_ms);
    load_report(&load);
  }
  load_close(&load);
  return fine;
}
