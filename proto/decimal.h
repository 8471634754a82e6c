/* Decimal numbers as text, compared exactly whatever their length: 0.1 is 0.10, and 9007199254740993 is not ...992.
 *
 * What kinds say of their rooms is text; filters and sort orders (proto/filter.h, proto/order.h) take it for a number
 * when it reads as one. There is no binary form in between, so nothing is rounded and no locale matters. Pure.
 */
#ifndef HEYA_PROTO_DECIMAL_H
#define HEYA_PROTO_DECIMAL_H

#include "common/bytes.h"

/* Views into the text it was parsed from. */
struct decimal {
  bool negative;         /* not of zero: -0 is 0 */
  struct bytes whole;    /* digits, without zeros in front */
  struct bytes fraction; /* digits, without zeros behind */
};

/* -?[0-9]+(.[0-9]+)? and nothing else: no plus, no exponent, no spaces. False leaves *out undefined. */
bool decimal_parse(struct bytes text, struct decimal *out);

/* Below 0, 0 or above 0. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

#endif
