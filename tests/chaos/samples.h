/* Measured times, and what one says of them: least, median, 99th percentile, most. */
#ifndef HEYA_TESTS_CHAOS_SAMPLES_H
#define HEYA_TESTS_CHAOS_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised it is empty. */
struct samples {
  uint64_t *values_us; /* owned */
  size_t n, cap;
};

void samples_add(struct samples *samples, uint64_t value_us);
void samples_close(struct samples *samples);
/* Sorts; fraction 0 to 1, nearest rank. 0 if there are none. */
uint64_t samples_at(struct samples *samples, double fraction);
/* One line, in milliseconds; with the header above it. */
void samples_print_header(void);
void samples_print(struct samples *samples, const char *what);

#endif
