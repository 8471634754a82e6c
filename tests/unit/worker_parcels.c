/* Promises of what waits for another shard: in order, numbered as Redis says, and trimmed only when it has arrived.
 */
#include "worker/parcels.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct parcels parcels;

static void setup(void) {
  parcels_init(&parcels, 3);
}
static void teardown(void) {
  parcels_close(&parcels);
}
TestSuite(parcels, .init = setup, .fini = teardown);

static struct stream_id id(uint64_t ms) {
  return (struct stream_id){.ms = ms};
}

/* In Redis, under this number. */
static void post(uint32_t to, uint64_t number, const char *text) {
  parcels_add(&parcels, to, bytes_of_str(text));
  cr_assert(parcels_posted(&parcels, id(number)));
}

/* All that can be brought to a shard, and then is under way. */
static const char *bring(uint32_t shard) {
  static char all[64];
  size_t len = 0;
  all[0] = '\0';
  for (struct parcel *p = NULL; (p = parcels_next(&parcels, shard, p));) {
    len += (size_t)snprintf(all + len, sizeof all - len, "%.*s ", (int)p->len, (const char *)p->batch);
    p->under_way = true;
  }
  return all;
}

static struct parcel *nth(uint32_t shard, size_t n) {
  struct parcel *parcel = STAILQ_FIRST(&parcels.lanes[shard].list);
  while (n--) parcel = STAILQ_NEXT(parcel, next);
  return parcel;
}

/* What the next commit says of this shard; 0: nothing. */
static uint64_t settled(uint32_t shard) {
  struct commit_settled out[3];
  size_t n = parcels_settle(&parcels, out);
  for (size_t i = 0; i < n; i++) {
    if (out[i].shard == shard) return out[i].number.ms;
  }
  return 0;
}

Test(parcels, go_when_they_are_in_redis_and_each_shard_gets_its_own_in_order) {
  parcels_add(&parcels, 1, bytes_of_str("a"));
  parcels_add(&parcels, 2, bytes_of_str("b"));
  parcels_add(&parcels, 4, bytes_of_str("c"));
  cr_assert_str_eq(bring(1), "");
  cr_assert(parcels_posted(&parcels, id(10)));
  cr_assert_str_eq(bring(1), "a ", "the one behind it is not committed yet");
  cr_assert(parcels_posted(&parcels, id(11)) && parcels_posted(&parcels, id(12)));
  cr_assert_not(parcels_posted(&parcels, id(13)));
  cr_assert_not(parcels_is_fresh(&parcels));
  cr_assert_str_eq(bring(1), "c ");
  cr_assert_str_eq(bring(2), "b ");
  cr_assert_str_eq(bring(2), "", "it is under way");
}

Test(parcels, that_did_not_arrive_go_again_before_younger_ones) {
  post(1, 10, "a");
  post(1, 11, "b");
  cr_assert_str_eq(bring(1), "a b ");
  post(1, 12, "c");
  parcels_missed(nth(1, 0));
  parcels_missed(nth(1, 1));
  cr_assert_str_eq(bring(1), "a b c ");
}

Test(parcels, are_trimmed_once_up_to_what_all_behind_has_arrived) {
  post(1, 10, "a");
  post(4, 11, "b");
  post(1, 12, "c");
  bring(1);
  cr_assert_not(parcels_has_settled(&parcels));
  parcels_arrived(&parcels, nth(1, 1), 1000); /* its partition takes it, and that of the first cannot */
  cr_assert_eq(settled(1), 0);
  parcels_missed(nth(1, 0));
  bring(1);
  parcels_arrived(&parcels, nth(1, 0), 1000);
  cr_assert_eq(settled(1), 10);
  cr_assert_eq(settled(1), 0, "it was said");
  parcels_arrived(&parcels, nth(1, 0), 1000);
  cr_assert_eq(settled(1), 12);
  cr_assert_eq(parcels.n + parcels.bytes, 0);
}

Test(parcels, left_by_another_owner_come_first) {
  parcels_load(&parcels, 1, id(5), bytes_of_str("old"));
  parcels_load(&parcels, 2, id(6), bytes_of_str("other"));
  post(1, 10, "new");
  cr_assert_str_eq(bring(1), "old new ");
  parcels_arrived(&parcels, nth(1, 0), 1000);
  cr_assert_eq(settled(1), 5);
}

Test(parcels, pile_up_to_a_bound_and_say_so) {
  cr_assert_not(parcels_is_clogged(&parcels, 1));
  for (unsigned i = 0; i <= PARCELS_CLOGGED; i++) post(1, 10 + i, "x");
  cr_assert(parcels_is_clogged(&parcels, 1));
  cr_assert_not(parcels_is_clogged(&parcels, 2), "another shard is not away");
  static char large[1 << 20];
  for (unsigned i = 0; i < PARCELS_MAX_BYTES / sizeof large; i++) {
    cr_assert_not(parcels_is_full(&parcels));
    parcels_load(&parcels, 1, id(1000 + i), bytes_of(large, sizeof large));
  }
  cr_assert(parcels_is_full(&parcels));
}

Test(parcels, of_a_single_shard_are_none) {
  struct parcels none;
  parcels_init(&none, 1);
  cr_assert_null(parcels_next(&none, 0, NULL));
  cr_assert_not(parcels_is_clogged(&none, 0));
  parcels_close(&none);
}
