/* See tests/load/histogram.h. */
#include "tests/load/histogram.h"

#include <stddef.h>

#define SUB   (UINT64_C(1) << HISTOGRAM_SUB_BITS)
#define WORST ((UINT64_C(1) << HISTOGRAM_TOP_BITS) - 1)

/* Below 2 * SUB the index is the value. Above, the upper bits select: they are SUB to 2 * SUB - 1, and each doubling
 * has the next SUB indices. */
static size_t index_of(uint64_t value) {
  if (value < 2 * SUB) return (size_t)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
  return (size_t)(shift * SUB + (value >> shift));
}

/* The largest value of that bucket. */
static uint64_t top_of(size_t index) {
  if (index < 2 * SUB) return index;
  unsigned shift = (unsigned)(index / SUB) - 1;
  return ((index - shift * SUB + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->n++;
  histogram->sum += value;
  if (value > histogram->max) histogram->max = value;
  histogram->counts[index_of(value < WORST ? value : WORST)]++;
}

uint64_t histogram_at(const struct histogram *histogram, double fraction) {
  if (!histogram->n) return 0;
  double rank = fraction * (double)histogram->n;
  uint64_t wanted = (uint64_t)rank, seen = 0;
  if ((double)wanted < rank || !wanted) wanted++;
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->counts[i];
    if (seen >= wanted) return top_of(i) < histogram->max ? top_of(i) : histogram->max;
  }
  return histogram->max;
}

double histogram_mean(const struct histogram *histogram) {
  return histogram->n ? (double)histogram->sum / (double)histogram->n : 0;
}
