/* See proto/order.h. Cursors are in proto/order_cursor.c. */
#include "proto/order.h"

#include "proto/decimal.h"

#include <stdio.h>

static bool fail(char *fault, size_t at, const char *text) {
  snprintf(fault, ORDER_FAULT_BYTES, "at %zu: %s", at, text);
  return false;
}

static bool parse_key(struct bytes word, struct order_key *out) {
  const char *text = word.data;
  out->down = word.len > 0 && *text == '-';
  return fact_name_parse(bytes_of(text + out->down, word.len - out->down), &out->name);
}

bool order_parse(struct bytes text, struct order *out, char fault[ORDER_FAULT_BYTES]) {
  *out = (struct order){0};
  for (size_t at = 0; text.len > 0 && at <= text.len;) {
    const char *begin = (const char *)text.data + at;
    const char *comma = memchr(begin, ',', text.len - at);
    size_t len = comma ? (size_t)(comma - begin) : text.len - at;
    if (out->n == ORDER_KEYS_MAX) return fail(fault, at, "more than 4 names");
    if (!parse_key(bytes_of(begin, len), &out->keys[out->n++]))
      return fail(fault, at, "expected a name, or - and a name");
    at += len + 1;
  }
  return true;
}

void order_place_of(const struct order *order, const struct facts *facts, uint64_t created_ms,
                    const struct room_id *room, struct order_place *out) {
  *out = (struct order_place){.created_ms = created_ms, .room = *room};
  for (size_t i = 0; i < order->n; i++) {
    struct bytes value = facts_value(facts, &order->keys[i].name);
    out->values[i].len = ORDER_MISSING;
    if (!value.data || value.len > PROPERTY_VALUE_MAX) continue;
    out->values[i].len = (uint8_t)value.len;
    memcpy(out->values[i].text, value.data, value.len);
  }
}

/* Of two values that are there. */
static int compare_values(const struct order_value *a, const struct order_value *b) {
  struct bytes a_text = bytes_of(a->text, a->len), b_text = bytes_of(b->text, b->len);
  struct decimal a_number, b_number;
  bool a_is = decimal_parse(a_text, &a_number), b_is = decimal_parse(b_text, &b_number);
  if (a_is != b_is) return a_is ? -1 : 1;
  return a_is ? decimal_compare(&a_number, &b_number) : bytes_compare(a_text, b_text);
}

static int compare_key(const struct order_key *key, const struct order_value *a, const struct order_value *b) {
  if (a->len == ORDER_MISSING || b->len == ORDER_MISSING)
    return (a->len == ORDER_MISSING) - (b->len == ORDER_MISSING);
  return key->down ? compare_values(b, a) : compare_values(a, b);
}

int order_compare(const struct order *order, const struct order_place *a, const struct order_place *b) {
  for (size_t i = 0; i < order->n; i++) {
    int result = compare_key(&order->keys[i], &a->values[i], &b->values[i]);
    if (result) return result;
  }
  if (a->created_ms != b->created_ms) return a->created_ms > b->created_ms ? -1 : 1;
  return bytes_compare(bytes_of(b->room.id, b->room.id_len), bytes_of(a->room.id, a->room.id_len));
}
