/* Counters, gauges and histograms as plain struct fields, described by tables and printed for Prometheus.
 *
 * A module keeps a struct of numbers and, beside it, the rows that describe them:
 *
 *   struct gateway_metrics { uint64_t commands; uint64_t closed[CLOSE_REASONS]; struct metric_histogram commit; };
 *   const struct metric_row gateway_metric_rows[] = {
 *       {.name = "heya_commands_total", .type = METRIC_COUNTER, .offset = offsetof(struct gateway_metrics, commands),
 *        .help = "Commands taken from clients."},
 *       {.name = "heya_closed_total", .type = METRIC_COUNTER, .offset = offsetof(struct gateway_metrics, closed),
 *        .help = "Connections closed.", .label = "reason", .label_values = close_reason_names},
 *       ...};
 *
 * The hot path is `m->commands++`. metrics_add tells a `struct metrics` where such a struct lives; metrics_print
 * reads it. Format: Prometheus text exposition, version 0.0.4.
 */
#ifndef HEYA_COMMON_METRIC_H
#define HEYA_COMMON_METRIC_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>

#define METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRIC_BUCKETS      16 /* finite upper bounds, 100 us to 10 s; one more bucket takes the rest */

enum metric_type {
  METRIC_COUNTER,  /* uint64_t, only grows; the name ends in _total */
  METRIC_GAUGE,    /* uint64_t, goes up and down */
  METRIC_HISTOGRAM /* struct metric_histogram, printed in seconds; the name ends in _seconds; no label */
};

struct metric_histogram {
  uint64_t buckets[METRIC_BUCKETS + 1]; /* not cumulative */
  uint64_t sum_us;
};

struct metric_row {
  const char *name;
  enum metric_type type;
  size_t offset;
  const char *help;
  const char *label;               /* NULL: one value. Otherwise the field is an array, one value per label value */
  const char *const *label_values; /* NULL-terminated, in the order of the array */
};

#define METRIC_SETS 32

/* What one admin server prints. Zero-initialised it is empty and ready; it owns nothing and needs no close. */
struct metrics {
  struct metric_set {
    const struct metric_row *rows;
    size_t count;
    const void *values; /* the struct the offsets point into */
  } sets[METRIC_SETS];
  size_t count;
};

/* `rows` and `values` stay valid as long as `metrics` is printed. A name may be added once, METRIC_SETS sets fit, and
 * a histogram has no label: anything else is a programmer's error and asserts. */
void metrics_add(struct metrics *metrics, const struct metric_row *rows, size_t count, const void *values);

void metrics_print(const struct metrics *metrics, struct buf *out);

/* Counts one duration. A value on a bucket's bound belongs to that bucket. */
void metric_observe_us(struct metric_histogram *histogram, uint64_t duration_us);

#endif
