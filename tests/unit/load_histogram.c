/* Promises of the histogram that load is measured with. */
#include "tests/load/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define N 20000

static struct histogram histogram;

static void clear(void) {
  memset(&histogram, 0, sizeof histogram);
}

TestSuite(histogram, .init = clear);

Test(histogram, empty_says_zero) {
  cr_assert_eq(histogram_at(&histogram, 0.5), 0);
  cr_assert_eq(histogram_at(&histogram, 1), 0);
  cr_assert_float_eq(histogram_mean(&histogram), 0, 1e-9);
}

Test(histogram, small_values_are_exact) {
  for (uint64_t value = 0; value < 256; value++) histogram_add(&histogram, value);
  for (uint64_t value = 0; value < 256; value++)
    cr_assert_eq(histogram_at(&histogram, (double)(value + 1) / 256.), value);
}

Test(histogram, any_value_is_known_to_one_per_cent) {
  for (unsigned bits = 0; bits < HISTOGRAM_TOP_BITS; bits++) {
    for (uint64_t sixteenth = 0; sixteenth < 16; sixteenth++) {
      uint64_t value = (UINT64_C(1) << bits) + ((sixteenth << bits) >> 4);
      clear();
      histogram_add(&histogram, value);
      histogram_add(&histogram, UINT64_C(1) << 40); /* so that the maximum does not hide the bucket */
      uint64_t said = histogram_at(&histogram, 0.5);
      cr_assert(said >= value && (double)(said - value) <= (double)value / 100., "%llu is told as %llu",
                (unsigned long long)value, (unsigned long long)said);
    }
  }
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

Test(histogram, quantiles_are_those_of_the_sorted_values) {
  static const double fractions[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
  static uint64_t values[N];
  unsigned seed = 1;
  for (size_t i = 0; i < N; i++) {
    values[i] = (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 24); /* all magnitudes */
    histogram_add(&histogram, values[i]);
  }
  qsort(values, N, sizeof *values, compare);
  for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
    size_t rank = (size_t)(fractions[i] * N + 0.5);
    uint64_t exact = values[rank - 1], said = histogram_at(&histogram, fractions[i]);
    cr_assert(said >= exact && (double)(said - exact) <= (double)exact / 100., "%g: %llu is told as %llu",
              fractions[i], (unsigned long long)exact, (unsigned long long)said);
  }
}

Test(histogram, the_maximum_is_exact_however_large) {
  histogram_add(&histogram, 5);
  histogram_add(&histogram, UINT64_MAX / 4);
  cr_assert_eq(histogram.max, UINT64_MAX / 4);
  cr_assert_eq(histogram_at(&histogram, 0.5), 5);
  cr_assert_geq(histogram_at(&histogram, 1), (UINT64_C(1) << HISTOGRAM_TOP_BITS) - 1);
}

Test(histogram, the_mean_is_that_of_the_values) {
  histogram_add(&histogram, 1000);
  histogram_add(&histogram, 3000);
  cr_assert_float_eq(histogram_mean(&histogram), 2000, 1e-9);
}
