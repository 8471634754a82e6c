/* Promises of sort orders, and of the places in them that clients give back. */
#include "proto/order.h"

#include "proto/base64.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct order parsed(const char *text) {
  struct order order;
  char fault[ORDER_FAULT_BYTES];
  cr_assert(order_parse(bytes_of_str(text), &order, fault), "%s: %s", text, fault);
  return order;
}

/* Of room live/<name> with properties a and b (NULL: it has none). */
static struct order_place place(const struct order *order, const char *name, uint64_t created_ms, const char *a,
                                const char *b) {
  struct property properties[2];
  struct facts facts = {.properties = properties};
  struct order_place out;
  struct room_id room;
  if (a) properties[facts.n_properties++] = (struct property){"a", a};
  if (b) properties[facts.n_properties++] = (struct property){"b", b};
  facts_set_numbers(&facts, &(struct fact_numbers){.members = 1, .max_members = 4, .created_ms = created_ms});
  cr_assert(room_id_make("live", name, &room));
  order_place_of(order, &facts, created_ms, &room, &out);
  return out;
}

static void faults(const char *text, const char *expected) {
  struct order order;
  char fault[ORDER_FAULT_BYTES] = "";
  cr_assert_not(order_parse(bytes_of_str(text), &order, fault), "%s", text);
  cr_assert_str_eq(fault, expected, "%s", text);
}

Test(order, takes_up_to_four_names) {
  cr_assert_eq(parsed("").n, 0);
  struct order order = parsed("-level,created_ms,a,-b");
  cr_assert_eq(order.n, 4);
  cr_assert(order.keys[0].down && !order.keys[1].down && !order.keys[2].down && order.keys[3].down);
  cr_assert_eq(order.keys[1].name.fact, FACT_CREATED_MS);
  faults("a,b,a,b,a", "at 8: more than 4 names");
  faults(",", "at 0: expected a name, or - and a name");
  faults("a,", "at 2: expected a name, or - and a name");
  faults("a,-", "at 2: expected a name, or - and a name");
  faults("a, b", "at 2: expected a name, or - and a name");
  faults("a desc", "at 0: expected a name, or - and a name");
  faults("--a", "at 0: expected a name, or - and a name");
}

Test(order, numbers_come_before_text_and_what_is_missing_comes_last_always) {
  static const char *const up[] = {"-3", "2", "10", "10.5", "", "10x", "x", NULL};
  static const char *const down[] = {"x", "10x", "", "10.5", "10", "2", "-3", NULL};
  struct order orders[] = {parsed("a"), parsed("-a")};
  for (int k = 0; k < 2; k++) {
    for (size_t i = 0; i < 8; i++) {
      for (size_t j = 0; j < 8; j++) {
        struct order_place x = place(&orders[k], "r", 1, (k ? down : up)[i], NULL);
        struct order_place y = place(&orders[k], "r", 1, (k ? down : up)[j], NULL);
        int found = order_compare(&orders[k], &x, &y);
        cr_assert_eq((found > 0) - (found < 0), (i > j) - (i < j), "%d: %zu and %zu", k, i, j);
      }
    }
  }
}

Test(order, ties_go_to_the_next_name_then_newest_first_then_by_id) {
  struct order order = parsed("a,-b");
  struct order_place rooms[] = {place(&order, "r5", 1, "1", "9"),  place(&order, "r4", 9, "1.0", "8"),
                                place(&order, "r3", 7, "1", "8"),  place(&order, "r2", 7, "1", "8"),
                                place(&order, "r6", 9, "1", NULL), place(&order, "r1", 9, "2", "9")};
  for (size_t i = 0; i < 6; i++)
    for (size_t j = 0; j < 6; j++)
      cr_assert((order_compare(&order, &rooms[i], &rooms[j]) < 0) == (i < j), "%zu and %zu", i, j);
  cr_assert_eq(order_compare(&order, &rooms[3], &rooms[3]), 0);
}

Test(order, values_that_are_too_long_are_missing) {
  char text[PROPERTY_VALUE_MAX + 2];
  struct order order = parsed("a");
  snprintf(text, sizeof text, "%0*d", PROPERTY_VALUE_MAX + 1, 0);
  cr_assert_eq(place(&order, "r", 1, text, NULL).values[0].len, ORDER_MISSING);
  cr_assert_eq(place(&order, "r", 1, text + 1, NULL).values[0].len, PROPERTY_VALUE_MAX);
}

/* ---- cursors ---- */

Test(order, a_place_comes_back_from_its_cursor) {
  struct order order = parsed("-a,b,none,free");
  char longest[PROPERTY_VALUE_MAX + 1], name[ROOM_NAME_MAX + 1], cursor[ORDER_CURSOR_BYTES];
  snprintf(longest, sizeof longest, "%0*d", PROPERTY_VALUE_MAX, 0);
  snprintf(name, sizeof name, "%0*d", ROOM_NAME_MAX, 0);
  struct order_place places[] = {place(&order, "r", 0, NULL, NULL), place(&order, "r", 1795318076883, "", "部屋"),
                                 place(&order, name, UINT64_MAX, longest, longest)};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    struct order_place again;
    order_cursor_print(&order, &places[i], cursor);
    cr_assert(order_cursor_parse(&order, bytes_of_str(cursor), &again));
    cr_assert_eq(order_compare(&order, &places[i], &again), 0);
    cr_assert_str_eq(again.room.id, places[i].room.id);
  }
}

Test(order, a_cursor_is_good_for_its_own_order_only) {
  struct order order = parsed("-a,b");
  struct order_place there = place(&order, "r", 1, "1", "2"), again;
  char cursor[ORDER_CURSOR_BYTES];
  order_cursor_print(&order, &there, cursor);
  static const char *const others[] = {"a,b", "-a,-b", "-a", "-a,b,c", "-b,a", "-a,c", ""};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    struct order other = parsed(others[i]);
    cr_assert_not(order_cursor_parse(&other, bytes_of_str(cursor), &again), "%s", others[i]);
  }
}

Test(order, cut_and_changed_cursors_are_refused_or_another_place) {
  struct order order = parsed("-a,b");
  struct order_place there = place(&order, "room", 1, "12", NULL), again;
  char cursor[ORDER_CURSOR_BYTES];
  order_cursor_print(&order, &there, cursor);
  size_t len = strlen(cursor);
  for (size_t i = 0; i < len; i++) {
    char *exact = malloc(i + 1);
    memcpy(exact, cursor, i);
    if (order_cursor_parse(&order, bytes_of(exact, i), &again)) cr_assert(strncmp(again.room.id, "live/", 5) == 0);
    free(exact);
    for (int c = 1; c < 256; c++) {
      char changed[ORDER_CURSOR_BYTES];
      memcpy(changed, cursor, len + 1);
      changed[i] = (char)c;
      if (order_cursor_parse(&order, bytes_of(changed, len), &again)) cr_assert(again.room.id_len > 0);
    }
  }
  char huge[ORDER_CURSOR_BYTES + 1];
  memset(huge, 'A', sizeof huge);
  cr_assert_not(order_cursor_parse(&order, bytes_of(huge, sizeof huge), &again));
  cr_assert_not(order_cursor_parse(&order, bytes_of("", 0), &again));
}
