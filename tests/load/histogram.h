/* Times counted in buckets: any number of them in 32 KB, each known to better than one per cent.
 *
 * Log-linear, as HDR histograms are: 128 buckets to each power of two, so that a bucket is at most 1/128 of its
 * values wide. Whole numbers below 256 have a bucket of their own. The unit is the caller's; here it is microseconds.
 */
#ifndef HEYA_TESTS_LOAD_HISTOGRAM_H
#define HEYA_TESTS_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_TOP_BITS 37 /* larger values count as the largest: 38 hours in microseconds */
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_TOP_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/* Zero-initialised it is empty. */
struct histogram {
  uint64_t n, sum, max; /* max is exact */
  uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The value below or at which this fraction (0 to 1) of all lies, nearest rank, rounded up within its bucket and
 * never above the maximum. 0 if there are none. */
uint64_t histogram_at(const struct histogram *histogram, double fraction);

/* 0 if there are none. */
double histogram_mean(const struct histogram *histogram);

#endif
