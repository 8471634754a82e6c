/* What a filter (proto/filter.h) and a sort order (proto/order.h) see of a room: text under names.
 *
 * Some names are facts that every room has, listed below; all others are properties, which the room's kind describes.
 * A property called like a fact is not seen. Made by the gateway, one per room looked at. Pure.
 */
#ifndef HEYA_PROTO_FACTS_H
#define HEYA_PROTO_FACTS_H

#include "common/bytes.h"
#include "proto/names.h"

enum fact {
  FACT_MEMBERS,
  FACT_MAX_MEMBERS,
  FACT_FREE, /* max_members without members and kept seats, but not below 0 */
  FACT_SPECTATORS,
  FACT_LOCKED,   /* 1 while nobody new may join, else 0 */
  FACT_PASSWORD, /* 1 when whoever joins must know one, else 0 */
  FACT_CREATED_MS,
  FACT_NUMBERS, /* those above are numbers, those below are text */
  FACT_STATUS = FACT_NUMBERS,
  FACT_HOST,  /* a player id */
  FACT_NAME,  /* the room id without its kind */
  FACT_TITLE, /* a line for people */
  FACT_COUNT,
  FACT_PROPERTY = FACT_COUNT /* none of these */
};

#define FACT_NUMBER_BYTES 21 /* decimal text of 64 bits, with NUL */

struct property {
  const char *name, *value;
};

/* Views, but for the numbers: must not be moved once it is filled. */
struct facts {
  struct bytes values[FACT_COUNT]; /* data NULL: the room has none */
  const struct property *properties;
  size_t n_properties;
  char numbers[FACT_NUMBERS][FACT_NUMBER_BYTES];
};

struct fact_numbers {
  uint32_t members, max_members;
  uint32_t kept; /* seats, for players who are not there yet */
  uint32_t spectators;
  bool locked, password;
  uint64_t created_ms;
};

/* Fills in the facts that are numbers; the rest is left as it is. */
void facts_set_numbers(struct facts *facts, const struct fact_numbers *numbers);

/* The name of a fact or of a property. Holds no pointers. */
struct fact_name {
  enum fact fact;
  char property[PROPERTY_NAME_MAX + 1]; /* if the fact is FACT_PROPERTY */
};

/* False when it is no name: see property_name_is_valid. */
bool fact_name_parse(struct bytes text, struct fact_name *out);
/* The text it was parsed from. */
const char *fact_name_text(const struct fact_name *name);

/* What the room has under this name; data is NULL when it has nothing. */
struct bytes facts_value(const struct facts *facts, const struct fact_name *name);

#endif
