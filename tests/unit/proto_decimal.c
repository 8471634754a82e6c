/* Promises of decimal numbers as text. */
#include "proto/decimal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static bool parses(const char *text) {
  struct decimal out;
  return decimal_parse(bytes_of_str(text), &out);
}

static int compare(const char *a, const char *b) {
  struct decimal x, y;
  cr_assert(decimal_parse(bytes_of_str(a), &x), "%s", a);
  cr_assert(decimal_parse(bytes_of_str(b), &y), "%s", b);
  int order = decimal_compare(&x, &y);
  cr_assert_eq(decimal_compare(&y, &x), -order, "%s and %s", a, b);
  return order;
}

Test(decimal, only_plain_decimals_are_numbers) {
  static const char *const good[] = {
      "0", "-0", "7", "-7", "007", "1.5", "-0.25", "00.500", "123456789012345678901234567890.1"};
  static const char *const bad[] = {"",    "-",   "+1",  ".5",  "5.",  "1.2.3", "1e5", " 1",      "1 ",
                                    "--1", "0x1", "inf", "nan", "1,5", "-.5",   "1-",  "\xd9\xa3"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) cr_assert(parses(good[i]), "%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) cr_assert_not(parses(bad[i]), "%s", bad[i]);
  cr_assert_not(decimal_parse(bytes_of(NULL, 0), &(struct decimal){0}));
}

Test(decimal, numbers_are_in_order_of_their_value) {
  static const char *const ascending[] = {"-9007199254740993",
                                          "-9007199254740992",
                                          "-10",
                                          "-9.5",
                                          "-9.49",
                                          "-0.01",
                                          "0",
                                          "0.009",
                                          "0.01",
                                          "0.1",
                                          "0.11",
                                          "1",
                                          "9",
                                          "9.5",
                                          "10",
                                          "99",
                                          "100",
                                          "9007199254740992",
                                          "9007199254740992.5",
                                          "9007199254740993",
                                          "123456789012345678901234567890"};
  for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
    for (size_t j = i; j < sizeof ascending / sizeof *ascending; j++)
      cr_assert((compare(ascending[i], ascending[j]) < 0) == (i < j), "%s and %s", ascending[i], ascending[j]);
  }
}

Test(decimal, zeros_around_a_number_do_not_change_it) {
  cr_assert_eq(compare("-0", "0.0"), 0);
  cr_assert_eq(compare("007.50", "7.5"), 0);
  cr_assert_eq(compare("-1.0", "-1"), 0);
}

Test(decimal, agrees_with_floating_point_where_that_is_exact) {
  unsigned seed = 1;
  for (int i = 0; i < 100000; i++) {
    char text[2][32];
    double number[2];
    for (int j = 0; j < 2; j++) {
      int value = rand_r(&seed) % 4001 - 2000;
      number[j] = value / 8.0;
      snprintf(text[j], sizeof text[j], "%.*f", 3 + rand_r(&seed) % 3, number[j]);
    }
    cr_assert_eq((compare(text[0], text[1]) > 0) - (compare(text[0], text[1]) < 0),
                 (number[0] > number[1]) - (number[0] < number[1]), "%s and %s", text[0], text[1]);
  }
}
