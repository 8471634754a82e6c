/* libFuzzer target: a filter, a sort and a cursor, with zero bytes between them. Faults must point into what they are
 * about, what parses must mean the same in parentheses and its opposite behind a `not`, and a cursor that is taken
 * must come back the same.
 *
 *   make fuzz T=filter
 */
#include "common/mem.h"
#include "proto/filter.h"
#include "proto/order.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

/* Up to the next zero byte, in memory of exactly that size. */
static struct bytes take(const uint8_t **data, size_t *size) {
  const uint8_t *zero = *size ? memchr(*data, 0, *size) : NULL;
  size_t len = zero ? (size_t)(zero - *data) : *size;
  char *copy = xmalloc(len);
  if (len) memcpy(copy, *data, len);
  *data += zero ? len + 1 : len;
  *size -= zero ? len + 1 : len;
  return bytes_of(copy, len);
}

static void check_fault(const char *fault, size_t len) {
  unsigned long at = strtoul(fault + 3, NULL, 10);
  must(strncmp(fault, "at ", 3) == 0 && at <= len && strstr(fault, ": "));
  must(utf8_is_text(fault, strlen(fault), UTF8_ONE_LINE));
}

static bool parse_within(struct bytes text, const char *head, const char *tail, struct filter *out) {
  char fault[FILTER_FAULT_BYTES], whole[FILTER_BYTES_MAX + 16];
  if (text.len > FILTER_BYTES_MAX) return false;
  int len = snprintf(whole, sizeof whole, "%s%.*s%s", head, (int)text.len, (const char *)text.data, tail);
  return filter_parse(bytes_of(whole, (size_t)len), out, fault);
}

static void try_filter(struct bytes text, const struct facts *facts) {
  struct filter filter, other;
  char fault[FILTER_FAULT_BYTES];
  if (!filter_parse(text, &filter, fault)) {
    check_fault(fault, text.len);
    return;
  }
  must(filter.n_steps > 0 && filter.n_steps < 2 * FILTER_TERMS_MAX);
  bool result = filter_matches(&filter, facts);
  if (parse_within(text, "(", ")", &other)) must(filter_matches(&other, facts) == result);
  if (parse_within(text, "not (", ")", &other)) must(filter_matches(&other, facts) != result);
}

static void try_cursor(const struct order *order, struct bytes text, const struct order_place *place) {
  struct order_place there, again;
  char printed[ORDER_CURSOR_BYTES];
  if (!order_cursor_parse(order, text, &there)) return;
  must(order_compare(order, &there, place) == -order_compare(order, place, &there));
  order_cursor_print(order, &there, printed);
  must(order_cursor_parse(order, bytes_of_str(printed), &again));
  must(order_compare(order, &there, &again) == 0);
}

static void try_order(struct bytes text, struct bytes cursor, const struct facts *facts) {
  struct order order;
  struct order_place place;
  struct room_id room;
  char fault[ORDER_FAULT_BYTES], printed[ORDER_CURSOR_BYTES];
  if (!order_parse(text, &order, fault)) {
    check_fault(fault, text.len);
    return;
  }
  must(room_id_make("live", "one", &room));
  order_place_of(&order, facts, 1795318076883, &room, &place);
  order_cursor_print(&order, &place, printed);
  try_cursor(&order, bytes_of_str(printed), &place);
  try_cursor(&order, cursor, &place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct property properties[] = {{"live_id", "7"}, {"level", "-12.50"}, {"a", "text"}, {"b", ""}};
  struct facts facts = {.properties = properties, .n_properties = 4};
  facts_set_numbers(&facts, &(struct fact_numbers){.members = 3, .max_members = 4, .created_ms = 1795318076883});
  facts.values[FACT_STATUS] = bytes_of_str("open");
  facts.values[FACT_NAME] = bytes_of_str("one");
  struct bytes filter = take(&data, &size), sort = take(&data, &size), cursor = take(&data, &size);
  try_filter(filter, &facts);
  try_order(sort, cursor, &facts);
  union {
    const void *in;
    void *out;
  } owned[] = {{filter.data}, {sort.data}, {cursor.data}};
  for (size_t i = 0; i < 3; i++) free(owned[i].out);
  return 0;
}
