/* See tests/chaos/samples.h. */
#include "tests/chaos/samples.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *samples, uint64_t value_us) {
  if (samples->n == samples->cap) {
    samples->cap = samples->cap ? samples->cap * 2 : 256;
    samples->values_us = xrealloc(samples->values_us, samples->cap * sizeof *samples->values_us);
  }
  samples->values_us[samples->n++] = value_us;
}

void samples_close(struct samples *samples) {
  free(samples->values_us);
  *samples = (struct samples){0};
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

uint64_t samples_at(struct samples *samples, double fraction) {
  if (!samples->n) return 0;
  qsort(samples->values_us, samples->n, sizeof *samples->values_us, compare);
  size_t at = (size_t)(fraction * (double)samples->n);
  return samples->values_us[at < samples->n ? at : samples->n - 1];
}

void samples_print_header(void) {
  printf("  %-58s %8s %9s %9s %9s %9s\n", "ms", "n", "min", "median", "p99", "max");
}

void samples_print(struct samples *samples, const char *what) {
  static const double fractions[] = {0, 0.5, 0.99, 1};
  printf("  %-58s %8zu", what, samples->n);
  for (size_t i = 0; i < 4; i++) printf(" %9.1f", (double)samples_at(samples, fractions[i]) / 1000.);
  printf("\n");
}
