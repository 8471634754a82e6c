/* Prints the registered tables as Prometheus text.
 *
 * Source of the format: "Text-based format" of Prometheus' exposition formats. The buckets suit durations from a
 * loopback round trip to a lost client; all histograms share them.
 */
#include "common/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static const uint64_t bucket_bounds_us[METRIC_BUCKETS] = {100,     250,     500,     1000,    2500,   5000,
                                                          10000,   25000,   50000,   100000,  250000, 500000,
                                                          1000000, 2500000, 5000000, 10000000};

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

static bool is_registered(const struct metrics *metrics, const char *name) {
  for (size_t s = 0; s < metrics->count; s++)
    for (size_t r = 0; r < metrics->sets[s].count; r++)
      if (strcmp(metrics->sets[s].rows[r].name, name) == 0) return true;
  return false;
}

void metrics_add(struct metrics *metrics, const struct metric_row *rows, size_t count, const void *values) {
  assert(metrics->count < METRIC_SETS);
  for (size_t i = 0; i < count; i++) {
    assert(!is_registered(metrics, rows[i].name));
    assert((rows[i].label == NULL) == (rows[i].label_values == NULL));
    assert(rows[i].type != METRIC_HISTOGRAM || !rows[i].label);
  }
  metrics->sets[metrics->count++] = (struct metric_set){.rows = rows, .count = count, .values = values};
}

void metric_observe_us(struct metric_histogram *histogram, uint64_t duration_us) {
  size_t bucket = 0;
  while (bucket < METRIC_BUCKETS && duration_us > bucket_bounds_us[bucket]) bucket++;
  histogram->buckets[bucket]++;
  histogram->sum_us += duration_us;
}

/* Help escapes the backslash and the newline, a label value the quote too. */
static void append_escaped(struct buf *out, const char *text, bool quote) {
  for (; *text; text++) {
    if (*text == '\n')
      buf_append_str(out, "\\n");
    else if (*text == '\\' || (*text == '"' && quote))
      buf_printf(out, "\\%c", *text);
    else
      buf_append_char(out, *text);
  }
}

/* Microseconds as seconds, exactly and without trailing zeros: 2500 is 0.0025. */
static void append_seconds(struct buf *out, uint64_t us) {
  buf_printf(out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
  while (out->data[out->len - 1] == '0') out->len--;
  if (out->data[out->len - 1] == '.') out->len--;
}

static void print_histogram(const char *name, const struct metric_histogram *histogram, struct buf *out) {
  uint64_t below = 0;
  for (size_t i = 0; i < METRIC_BUCKETS; i++) {
    below += histogram->buckets[i];
    buf_printf(out, "%s_bucket{le=\"", name);
    append_seconds(out, bucket_bounds_us[i]);
    buf_printf(out, "\"} %" PRIu64 "\n", below);
  }
  below += histogram->buckets[METRIC_BUCKETS];
  buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, below, name);
  append_seconds(out, histogram->sum_us);
  buf_printf(out, "\n%s_count %" PRIu64 "\n", name, below);
}

static void print_labelled(const struct metric_row *row, const uint64_t *values, struct buf *out) {
  for (size_t i = 0; row->label_values[i]; i++) {
    buf_printf(out, "%s{%s=\"", row->name, row->label);
    append_escaped(out, row->label_values[i], true);
    buf_printf(out, "\"} %" PRIu64 "\n", values[i]);
  }
}

static void print_row(const struct metric_row *row, const void *values, struct buf *out) {
  const void *field = (const char *)values + row->offset;
  buf_printf(out, "# HELP %s ", row->name);
  append_escaped(out, row->help, false);
  buf_printf(out, "\n# TYPE %s %s\n", row->name, type_names[row->type]);
  if (row->type == METRIC_HISTOGRAM)
    print_histogram(row->name, field, out);
  else if (row->label)
    print_labelled(row, field, out);
  else
    buf_printf(out, "%s %" PRIu64 "\n", row->name, *(const uint64_t *)field);
}

void metrics_print(const struct metrics *metrics, struct buf *out) {
  for (size_t s = 0; s < metrics->count; s++)
    for (size_t r = 0; r < metrics->sets[s].count; r++)
      print_row(&metrics->sets[s].rows[r], metrics->sets[s].values, out);
}
