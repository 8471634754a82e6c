/* Places as text. The bytes: a hash of the order (4), for each key a length and the value or ORDER_MISSING alone, the
 * time (8), the room id. Numbers are big-endian. */
#include "proto/base64.h"
#include "proto/order.h"

#define CURSOR_RAW_MAX (4 + ORDER_KEYS_MAX * (1 + PROPERTY_VALUE_MAX) + 8 + ROOM_ID_MAX)

/* FNV-1a; tells a cursor of another order, by mistake, not by malice. */
static uint32_t hash_of(const struct order *order) {
  uint32_t hash = 0x811c9dc5u;
  for (size_t i = 0; i < order->n; i++) {
    hash = (hash ^ (order->keys[i].down ? '-' : ',')) * 0x01000193u;
    for (const char *at = fact_name_text(&order->keys[i].name); *at; at++)
      hash = (hash ^ (unsigned char)*at) * 0x01000193u;
  }
  return hash;
}

static size_t put_number(unsigned char *out, uint64_t number, size_t len) {
  for (size_t i = 0; i < len; i++) out[i] = (unsigned char)(number >> (8 * (len - 1 - i)));
  return len;
}

static uint64_t get_number(const unsigned char *from, size_t len) {
  uint64_t number = 0;
  for (size_t i = 0; i < len; i++) number = number << 8 | from[i];
  return number;
}

void order_cursor_print(const struct order *order, const struct order_place *place, char out[ORDER_CURSOR_BYTES]) {
  unsigned char raw[CURSOR_RAW_MAX];
  size_t len = put_number(raw, hash_of(order), 4);
  for (size_t i = 0; i < order->n; i++) {
    const struct order_value *value = &place->values[i];
    raw[len++] = value->len;
    if (value->len == ORDER_MISSING) continue;
    memcpy(raw + len, value->text, value->len);
    len += value->len;
  }
  len += put_number(raw + len, place->created_ms, 8);
  memcpy(raw + len, place->room.id, place->room.id_len);
  len += place->room.id_len;
  base64_encode(raw, len, out);
  out[base64_encoded_len(len)] = '\0';
}

bool order_cursor_parse(const struct order *order, struct bytes text, struct order_place *out) {
  unsigned char raw[CURSOR_RAW_MAX + 4];
  size_t len = 0, at = 4;
  *out = (struct order_place){0};
  if (text.len >= ORDER_CURSOR_BYTES || !base64_decode(text.data, text.len, raw, &len)) return false;
  if (len < 4 || get_number(raw, 4) != hash_of(order)) return false;
  for (size_t i = 0; i < order->n; i++) {
    struct order_value *value = &out->values[i];
    if (at == len) return false;
    value->len = raw[at++];
    if (value->len == ORDER_MISSING) continue;
    if (value->len > PROPERTY_VALUE_MAX || value->len > len - at) return false;
    memcpy(value->text, raw + at, value->len);
    at += value->len;
  }
  if (len - at < 8) return false;
  out->created_ms = get_number(raw + at, 8);
  return room_id_parse((const char *)raw + at + 8, len - at - 8, &out->room);
}
