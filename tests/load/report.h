/* What a run found, as text for people and as JSON for programs, from the same calls. Text goes to standard output
 * line by line as it is known; JSON is printed at the end, as one line. */
#ifndef HEYA_TESTS_LOAD_REPORT_H
#define HEYA_TESTS_LOAD_REPORT_H

#include "tests/load/histogram.h"

#include <jansson.h>
#include <stdbool.h>

struct report {
  bool text;  /* print it; else all is only for JSON */
  bool times; /* the last line was one of times, so that the next one needs no header */
  unsigned wrong;
  json_t *root; /* owned */
};

void report_open(struct report *report, const char *scenario, bool text);
void report_close(struct report *report);
/* The object on one line. */
void report_print_json(const struct report *report);

/* A line of text only. */
void report_say(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "  what   value unit"; in JSON the key. Values that are whole are shown so. */
void report_number(struct report *report, const char *key, const char *what, double value, const char *unit);

/* Of microseconds: a row of quantiles in milliseconds; in JSON an object. */
void report_times(struct report *report, const char *key, const char *what, const struct histogram *times);

/* Something that must not be. The run has failed. */
void report_wrong(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* JSON only. `value` is taken over. */
void report_json(struct report *report, const char *key, json_t *value);
json_t *report_times_json(const struct histogram *times);

#endif
