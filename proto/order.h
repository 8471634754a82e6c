/* Sort orders of room listings, `-level,created_ms`, and the places in them where pages end.
 *
 * Up to four names of proto/facts.h with commas between them, "-" before one that goes down. Values that read as
 * numbers come before text, and both the other way round with "-"; rooms without a value come last, always. Rooms
 * equal so far are ordered as an unsorted listing is: newest first, those of one millisecond by id, downwards. So the
 * order is total, and a page can begin behind any place whether or not the room that was there still is. Pure; called
 * by the gateway's listings.
 */
#ifndef HEYA_PROTO_ORDER_H
#define HEYA_PROTO_ORDER_H

#include "proto/facts.h"

#define ORDER_KEYS_MAX    4
#define ORDER_FAULT_BYTES 64

struct order_key {
  struct fact_name name;
  bool down;
};
struct order {
  struct order_key keys[ORDER_KEYS_MAX];
  size_t n; /* 0: newest first */
};

/* Empty text is the order without keys. False when it does not parse; `fault` then says where (bytes, from 0) and
 * why.
 */
bool order_parse(struct bytes text, struct order *out, char fault[ORDER_FAULT_BYTES]);

/* ---- places ---- */

#define ORDER_MISSING 255

/* Holds no pointers. */
struct order_value {
  uint8_t len; /* ORDER_MISSING: none */
  char text[PROPERTY_VALUE_MAX];
};
struct order_place {
  struct order_value values[ORDER_KEYS_MAX]; /* of the order's keys */
  uint64_t created_ms;
  struct room_id room;
};

/* Where a room belongs. Values over PROPERTY_VALUE_MAX count as missing. */
void order_place_of(const struct order *order, const struct facts *facts, uint64_t created_ms,
                    const struct room_id *room, struct order_place *out);

/* Below 0 when `a` comes first. 0 only for the same room with the same values. */
int order_compare(const struct order *order, const struct order_place *a, const struct order_place *b);

/* ---- places as text, which clients give back ---- */

/* The order's hash, values with lengths, time, room id; in base64. With NUL. */
#define ORDER_CURSOR_BYTES (((4 + ORDER_KEYS_MAX * (1 + PROPERTY_VALUE_MAX) + 8 + ROOM_ID_MAX + 2) / 3 * 4) + 1)

void order_cursor_print(const struct order *order, const struct order_place *place, char out[ORDER_CURSOR_BYTES]);

/* False when it is not a cursor of this order. Only its form can be checked: whoever made it up gets a page from a
 * place of his choice. */
bool order_cursor_parse(const struct order *order, struct bytes text, struct order_place *out);

#endif
