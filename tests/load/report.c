/* See tests/load/report.h. */
#include "tests/load/report.h"

#include "common/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define WHAT_WIDTH 34

static const struct {
  const char *name;
  double fraction;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
#define N_QUANTILES (sizeof quantiles / sizeof *quantiles)

void report_open(struct report *report, const char *scenario, bool text) {
  *report = (struct report){.text = text, .root = json_object()};
  report_json(report, "scenario", json_string(scenario));
  report_json(report, "at_ms", json_integer((json_int_t)clock_wall_ms()));
  report_json(report, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
  report_json(report, "wrong", json_array());
}

void report_close(struct report *report) {
  json_decref(report->root);
  report->root = NULL;
}

void report_print_json(const struct report *report) {
  json_dumpf(report->root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  putchar('\n');
}

void report_json(struct report *report, const char *key, json_t *value) {
  json_object_set_new(report->root, key, value);
}

void report_say(struct report *report, const char *format, ...) {
  va_list args;
  if (!report->text) return;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  putchar('\n');
  report->times = false;
}

static bool is_whole(double value) {
  return fabs(value) < 1e15 && value == floor(value);
}

void report_number(struct report *report, const char *key, const char *what, double value, const char *unit) {
  report_json(report, key, is_whole(value) ? json_integer((json_int_t)value) : json_real(value));
  int decimals = is_whole(value) || fabs(value) >= 1000 ? 0 : fabs(value) >= 100 ? 1 : 2;
  report_say(report, "  %-*s %10.*f %s", WHAT_WIDTH, what, decimals, value, unit);
}

json_t *report_times_json(const struct histogram *times) {
  json_t *object = json_object();
  json_object_set_new(object, "n", json_integer((json_int_t)times->n));
  json_object_set_new(object, "mean", json_real(histogram_mean(times) / 1000));
  for (size_t i = 0; i < N_QUANTILES; i++)
    json_object_set_new(object, quantiles[i].name,
                        json_real((double)histogram_at(times, quantiles[i].fraction) / 1000));
  return object;
}

void report_times(struct report *report, const char *key, const char *what, const struct histogram *times) {
  char name[64];
  snprintf(name, sizeof name, "%s_ms", key);
  report_json(report, name, report_times_json(times));
  if (!report->text) return;
  if (!report->times) {
    printf("  %-*s %10s", WHAT_WIDTH, "ms", "n");
    for (size_t i = 0; i < N_QUANTILES; i++) printf(" %8s", quantiles[i].name);
    putchar('\n');
  }
  printf("  %-*s %10llu", WHAT_WIDTH, what, (unsigned long long)times->n);
  for (size_t i = 0; i < N_QUANTILES; i++)
    printf(" %8.2f", (double)histogram_at(times, quantiles[i].fraction) / 1000);
  putchar('\n');
  report->times = true;
}

void report_wrong(struct report *report, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  report->wrong++;
  json_array_append_new(json_object_get(report->root, "wrong"), json_string(text));
  report_say(report, "  WRONG: %s", text);
}
