/* See proto/facts.h. */
#include "proto/facts.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[FACT_COUNT] = {
    [FACT_MEMBERS] = "members",
    [FACT_MAX_MEMBERS] = "max_members",
    [FACT_FREE] = "free",
    [FACT_SPECTATORS] = "spectators",
    [FACT_LOCKED] = "locked",
    [FACT_PASSWORD] = "password",
    [FACT_CREATED_MS] = "created_ms",
    [FACT_STATUS] = "status",
    [FACT_HOST] = "host",
    [FACT_NAME] = "name",
    [FACT_TITLE] = "title",
};

static void set_number(struct facts *facts, enum fact fact, uint64_t number) {
  int len = snprintf(facts->numbers[fact], FACT_NUMBER_BYTES, "%" PRIu64, number);
  facts->values[fact] = bytes_of(facts->numbers[fact], (size_t)len);
}

void facts_set_numbers(struct facts *facts, const struct fact_numbers *numbers) {
  uint64_t taken = (uint64_t)numbers->members + numbers->kept;
  set_number(facts, FACT_MEMBERS, numbers->members);
  set_number(facts, FACT_MAX_MEMBERS, numbers->max_members);
  set_number(facts, FACT_FREE, numbers->max_members > taken ? numbers->max_members - taken : 0);
  set_number(facts, FACT_SPECTATORS, numbers->spectators);
  set_number(facts, FACT_LOCKED, numbers->locked);
  set_number(facts, FACT_PASSWORD, numbers->password);
  set_number(facts, FACT_CREATED_MS, numbers->created_ms);
}

bool fact_name_parse(struct bytes text, struct fact_name *out) {
  *out = (struct fact_name){.fact = FACT_PROPERTY};
  if (!property_name_is_valid(text.data, text.len)) return false;
  memcpy(out->property, text.data, text.len);
  for (int fact = 0; fact < FACT_COUNT; fact++) {
    if (bytes_equal_str(text, names[fact])) out->fact = (enum fact)fact;
  }
  return true;
}

const char *fact_name_text(const struct fact_name *name) {
  return name->property;
}

struct bytes facts_value(const struct facts *facts, const struct fact_name *name) {
  if (name->fact != FACT_PROPERTY) return facts->values[name->fact];
  for (size_t i = 0; i < facts->n_properties; i++) {
    if (strcmp(facts->properties[i].name, name->property) == 0) return bytes_of_str(facts->properties[i].value);
  }
  return bytes_of(NULL, 0);
}
