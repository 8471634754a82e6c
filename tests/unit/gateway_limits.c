/* Token buckets, CIDR ranges, and the count per address. */
#include "gateway/addresses.h"
#include "gateway/limits.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND UINT64_C(1000000)

static struct address address(const char *text) {
  struct address parsed;
  cr_assert(address_parse(&parsed, text, strlen(text)), "%s", text);
  return parsed;
}

Test(limits, bucket_gives_its_burst_and_then_its_rate) {
  struct bucket bucket = {0};
  for (int i = 0; i < 120; i++) cr_assert(bucket_take(&bucket, 60, 120, SECOND), "%d", i);
  cr_assert_not(bucket_take(&bucket, 60, 120, SECOND));
  int taken = 0;
  for (uint64_t now = SECOND; now <= 11 * SECOND; now += 1000) taken += bucket_take(&bucket, 60, 120, now);
  cr_assert(taken >= 598 && taken <= 600, "%d in ten seconds", taken);
}

Test(limits, bucket_refusals_do_not_lose_what_has_grown) {
  struct bucket bucket = {0};
  cr_assert(bucket_take(&bucket, 1, 1, SECOND));
  for (uint64_t now = SECOND; now < 2 * SECOND; now += 10) cr_assert_not(bucket_take(&bucket, 1, 1, now));
  cr_assert(bucket_take(&bucket, 1, 1, 2 * SECOND));
}

Test(limits, bucket_says_how_long_to_wait_and_the_wait_suffices) {
  struct bucket bucket = {0};
  cr_assert_eq(bucket_wait_ms(&bucket, 7, 1, SECOND), 0);
  cr_assert(bucket_take(&bucket, 7, 1, SECOND));
  uint32_t wait = bucket_wait_ms(&bucket, 7, 1, SECOND);
  cr_assert_eq(wait, 143);
  cr_assert_not(bucket_take(&bucket, 7, 1, SECOND + (wait - 1) * 1000));
  cr_assert(bucket_take(&bucket, 7, 1, SECOND + wait * 1000));
}

Test(limits, bucket_survives_extreme_numbers) {
  struct bucket bucket = {0};
  cr_assert(bucket_take(&bucket, UINT32_MAX, UINT32_MAX, UINT64_MAX));
  cr_assert(bucket_take(&bucket, UINT32_MAX, UINT32_MAX, 1), "a clock that steps back takes nothing away");
  cr_assert(bucket_take(&bucket, 0, 0, 1), "no rate, no limit");
  struct bucket other = {0};
  cr_assert(bucket_take(&other, 1, 0, 5));
  cr_assert_not(bucket_take(&other, 1, 0, 5));
}

Test(limits, addresses_are_printed_as_they_are_usually_written) {
  static const char *const texts[] = {"127.0.0.1", "::1", "2001:db8::1", "0.0.0.0", "255.255.255.255"};
  char out[ADDRESS_BYTES];
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct address parsed = address(texts[i]);
    address_print(&parsed, out);
    cr_assert_str_eq(out, texts[i]);
  }
  struct address mapped = address("::ffff:10.1.2.3");
  address_print(&mapped, out);
  cr_assert_str_eq(out, "10.1.2.3");
}

Test(limits, addresses_that_are_none_are_refused) {
  static const char *const texts[] = {"", "1.2.3", "1.2.3.4:80", "[::1]", "localhost", "1.2.3.256", "::1%lo", " ::1"};
  struct address parsed;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    cr_assert_not(address_parse(&parsed, texts[i], strlen(texts[i])), "%s", texts[i]);
  cr_assert_not(address_parse(&parsed, "1.2.3.4\0", 8));
}

Test(limits, cidr_contains_what_is_inside_and_nothing_else) {
  static const struct {
    const char *range, *inside, *outside;
  } cases[] = {{"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
               {"192.168.4.0/23", "192.168.5.255", "192.168.6.0"},
               {"127.0.0.1", "127.0.0.1", "127.0.0.2"},
               {"0.0.0.0/0", "8.8.8.8", "::1"},
               {"fd00::/8", "fdff::1", "fc00::1"},
               {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
               {"::1", "::1", "127.0.0.1"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct cidr cidr;
    cr_assert(cidr_parse(&cidr, cases[i].range));
    struct address in = address(cases[i].inside), out = address(cases[i].outside);
    cr_assert(cidr_contains(&cidr, &in), "%s", cases[i].range);
    cr_assert_not(cidr_contains(&cidr, &out), "%s", cases[i].range);
  }
}

Test(limits, cidr_refuses_typing_errors) {
  static const char *const texts[] = {"10.0.0.0/33", "10.0.0.1/8",  "10.0.0.0/",   "10.0.0.0/-1", "10.0.0.0/8x",
                                      "fd00::/129",  "10.0.0.0/08", "10.0.0/8",    "/8",          "",
                                      "10.0.0.0/ 8", "2001::1/16",  "10.0.0.0/8/8"};
  struct cidr cidr;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    cr_assert_not(cidr_parse(&cidr, texts[i]), "%s", texts[i]);
}

Test(limits, addresses_are_counted_each_for_itself) {
  struct addresses addresses = {0};
  struct address a = address("10.0.0.1"), b = address("::1");
  cr_assert(addresses_add(&addresses, &a, 2));
  cr_assert(addresses_add(&addresses, &a, 2));
  cr_assert_not(addresses_add(&addresses, &a, 2));
  cr_assert(addresses_add(&addresses, &b, 2));
  addresses_remove(&addresses, &a);
  cr_assert(addresses_add(&addresses, &a, 2));
  addresses_remove(&addresses, &b);
  addresses_close(&addresses);
}
