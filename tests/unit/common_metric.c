/* Promises of the metric tables. */
#include "common/metric.h"

#include <criterion/criterion.h>
#include <signal.h>

static const char *const reasons[] = {"slow", "quo\"te\\\n", NULL};

struct sample {
  uint64_t commands;
  uint64_t rooms;
  uint64_t closed[2];
  struct metric_histogram commit;
};

static const struct metric_row sample_rows[] = {
    {.name = "heya_commands_total",
     .type = METRIC_COUNTER,
     .offset = offsetof(struct sample, commands),
     .help = "Taken."},
    {.name = "heya_rooms", .type = METRIC_GAUGE, .offset = offsetof(struct sample, rooms), .help = "a\\b\n\"c\""},
    {.name = "heya_closed_total",
     .type = METRIC_COUNTER,
     .offset = offsetof(struct sample, closed),
     .help = "Closed.",
     .label = "reason",
     .label_values = reasons},
};
static const struct metric_row commit_row = {.name = "heya_commit_seconds",
                                             .type = METRIC_HISTOGRAM,
                                             .offset = offsetof(struct sample, commit),
                                             .help = "Commits."};

Test(metric, prints_the_exposition_format) {
  struct metrics metrics = {0};
  struct sample sample = {.rooms = UINT64_MAX, .closed = {5, 6}};
  struct buf out = {0};
  metrics_add(&metrics, sample_rows, 3, &sample);
  sample.commands++;
  metrics_print(&metrics, &out);
  cr_assert_str_eq(buf_str(&out), "# HELP heya_commands_total Taken.\n"
                                  "# TYPE heya_commands_total counter\n"
                                  "heya_commands_total 1\n"
                                  "# HELP heya_rooms a\\\\b\\n\"c\"\n"
                                  "# TYPE heya_rooms gauge\n"
                                  "heya_rooms 18446744073709551615\n"
                                  "# HELP heya_closed_total Closed.\n"
                                  "# TYPE heya_closed_total counter\n"
                                  "heya_closed_total{reason=\"slow\"} 5\n"
                                  "heya_closed_total{reason=\"quo\\\"te\\\\\\n\"} 6\n");
  buf_close(&out);
}

Test(metric, nothing_added_prints_nothing) {
  struct metrics metrics = {0};
  struct buf out = {0};
  metrics_print(&metrics, &out);
  cr_assert_eq(out.len, 0);
}

Test(metric, a_histogram_is_cumulative_and_in_seconds) {
  struct metrics metrics = {0};
  struct sample sample = {0};
  struct buf out = {0};
  metrics_add(&metrics, &commit_row, 1, &sample);
  metric_observe_us(&sample.commit, 0);
  metric_observe_us(&sample.commit, 100); /* on a bound: inside */
  metric_observe_us(&sample.commit, 101);
  metric_observe_us(&sample.commit, 2000000);
  metric_observe_us(&sample.commit, 60000000);
  metrics_print(&metrics, &out);
  const char *text = buf_str(&out);
  static const char *const lines[] = {
      "# TYPE heya_commit_seconds histogram\n",
      "heya_commit_seconds_bucket{le=\"0.0001\"} 2\n",
      "heya_commit_seconds_bucket{le=\"0.00025\"} 3\n",
      "heya_commit_seconds_bucket{le=\"1\"} 3\n",
      "heya_commit_seconds_bucket{le=\"2.5\"} 4\n",
      "heya_commit_seconds_bucket{le=\"10\"} 4\n",
      "heya_commit_seconds_bucket{le=\"+Inf\"} 5\n",
      "heya_commit_seconds_sum 62.000201\n",
      "heya_commit_seconds_count 5\n",
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
    cr_assert_not_null(strstr(text, lines[i]), "%s is missing in\n%s", lines[i], text);
  buf_close(&out);
}

Test(metric, a_name_can_be_added_only_once, .signal = SIGABRT) {
  struct metrics metrics = {0};
  struct sample sample = {0};
  metrics_add(&metrics, sample_rows, 3, &sample);
  metrics_add(&metrics, sample_rows, 1, &sample);
}
