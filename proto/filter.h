/* Filters of room listings: `live_id in (5, 7) and free >= 2 and not host == "bob"`.
 *
 *   filter     = any-of
 *   any-of     = all-of { "or" all-of }
 *   all-of     = one { "and" one }
 *   one        = "not" one | "(" any-of ")" | comparison
 *   comparison = name ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) value | name "in" "(" value { "," value } ")"
 *   value      = text in double or single quotes, where \ stands before a quote or another \ | number
 *   number     = -?[0-9]+(.[0-9]+)?
 *
 * Names are those of proto/facts.h. Compared with a number, what the room has must read as a number and counts as
 * one, exactly; compared with text, it is compared by bytes. A comparison is false, != too, when the room has nothing
 * of that name, or no number to compare with a number.
 *
 * A parsed filter is a program of fixed size: comparisons on a stack of bits. `not` does not show in it, since the
 * parser turns it into negated comparisons (De Morgan's laws). Nothing is allocated. Pure; called by the gateway's
 * listings.
 */
#ifndef HEYA_PROTO_FILTER_H
#define HEYA_PROTO_FILTER_H

#include "proto/facts.h"

#define FILTER_BYTES_MAX   512
#define FILTER_TERMS_MAX   32 /* values compared with, each of `in` counting */
#define FILTER_NESTING_MAX 8  /* of "(" and "not" */
#define FILTER_FAULT_BYTES 112

enum filter_operator { FILTER_EQ, FILTER_NE, FILTER_LT, FILTER_LE, FILTER_GT, FILTER_GE, FILTER_IN };

/* Fields are for filter_parse.c and filter.c. */
struct filter_value {
  uint16_t from, len; /* in `text` */
  bool is_number;
};
struct filter_comparison {
  struct fact_name name;
  enum filter_operator op;
  bool negated;
  uint8_t first, n; /* of its values */
};
#define FILTER_STEP_AND 254
#define FILTER_STEP_OR  255 /* below these: the number of a comparison */
struct filter {
  char text[FILTER_BYTES_MAX]; /* of the values, without quotes */
  struct filter_value values[FILTER_TERMS_MAX];
  struct filter_comparison comparisons[FILTER_TERMS_MAX];
  uint8_t steps[2 * FILTER_TERMS_MAX]; /* in the order they run: operands before AND and OR */
  uint16_t text_len;
  uint8_t n_values, n_comparisons, n_steps; /* n_steps 0: everything matches */
};

/* False when it does not parse; `fault` then says where (bytes, from 0) and why: "at 11: expected a value after ==".
 * `text` is UTF-8 and not kept. *out may be moved, and is undefined after a fault. */
bool filter_parse(struct bytes text, struct filter *out, char fault[FILTER_FAULT_BYTES]);

bool filter_matches(const struct filter *filter, const struct facts *facts);

#endif
