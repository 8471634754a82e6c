/* Runs what proto/filter_parse.c made. */
#include "proto/filter.h"

#include "proto/decimal.h"

static bool holds(enum filter_operator op, int order) {
  switch (op) {
  case FILTER_EQ:
  case FILTER_IN: return order == 0;
  case FILTER_NE: return order != 0;
  case FILTER_LT: return order < 0;
  case FILTER_LE: return order <= 0;
  case FILTER_GT: return order > 0;
  default: return order >= 0;
  }
}

static bool compares(const struct filter *filter, enum filter_operator op, struct bytes found,
                     const struct filter_value *value) {
  struct bytes wanted = bytes_of(filter->text + value->from, value->len);
  struct decimal a, b;
  if (!value->is_number) return holds(op, bytes_compare(found, wanted));
  return decimal_parse(found, &a) && decimal_parse(wanted, &b) && holds(op, decimal_compare(&a, &b));
}

static bool is_true(const struct filter *filter, const struct filter_comparison *comparison,
                    const struct facts *facts) {
  struct bytes found = facts_value(facts, &comparison->name);
  bool result = false;
  for (size_t i = 0; found.data && !result && i < comparison->n; i++)
    result = compares(filter, comparison->op, found, &filter->values[comparison->first + i]);
  return result != comparison->negated;
}

/* A bit for each operand, the newest lowest. At most FILTER_TERMS_MAX are there at a time. */
bool filter_matches(const struct filter *filter, const struct facts *facts) {
  uint64_t stack = 1; /* empty: everything matches */
  for (size_t i = 0; i < filter->n_steps; i++) {
    uint8_t step = filter->steps[i];
    if (step == FILTER_STEP_AND) {
      stack = (stack >> 1) & (stack | ~(uint64_t)1);
    } else if (step == FILTER_STEP_OR) {
      stack = (stack >> 1) | (stack & 1);
    } else {
      stack = stack << 1 | is_true(filter, &filter->comparisons[step], facts);
    }
  }
  return stack & 1;
}
