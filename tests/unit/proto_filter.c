/* Promises of filters: what parses, where it does not, what matches. */
#include "proto/filter.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct property properties[] = {
    {"live_id", "7"}, {"phase", "waiting"},        {"level", "12.5"},     {"motto", "it's \"so\" \\ 部屋"},
    {"empty", ""},    {"big", "9007199254740993"}, {"members", "hidden"}, {"word", "abc"},
};

/* Of a room with 3 of 6 members, and two seats kept for others. */
static bool matches(const char *text) {
  struct facts facts = {.properties = properties, .n_properties = sizeof properties / sizeof *properties};
  struct filter filter;
  char fault[FILTER_FAULT_BYTES];
  facts_set_numbers(
      &facts,
      &(struct fact_numbers){
          .members = 3, .max_members = 6, .kept = 2, .spectators = 9, .password = true, .created_ms = 1795318076883});
  facts.values[FACT_STATUS] = bytes_of_str("open");
  facts.values[FACT_NAME] = bytes_of_str("one");
  facts.values[FACT_TITLE] = bytes_of_str("late show");
  cr_assert(filter_parse(bytes_of_str(text), &filter, fault), "%s: %s", text, fault);
  return filter_matches(&filter, &facts);
}

static void faults(const char *text, const char *expected) {
  struct filter filter;
  char fault[FILTER_FAULT_BYTES] = "";
  cr_assert_not(filter_parse(bytes_of_str(text), &filter, fault), "%s", text);
  cr_assert_str_eq(fault, expected, "%s: %s", text, fault);
}

/* ---- matching ---- */

Test(filter, text_is_compared_by_bytes) {
  cr_assert(matches("phase == \"waiting\"") && matches("phase=='waiting'"));
  cr_assert_not(matches("phase == \"Waiting\""));
  cr_assert(matches("phase != \"playing\"") && !matches("phase != 'waiting'"));
  cr_assert(matches("phase < 'x' and phase > 'w' and phase >= 'waiting' and phase <= 'waiting'"));
  cr_assert(matches("word < 'abcd' and word > 'ab'"));
  cr_assert(matches("motto == 'it\\'s \"so\" \\\\ 部屋'"));
  cr_assert(matches("motto == \"it's \\\"so\\\" \\\\ 部屋\""));
  cr_assert(matches("empty == ''") && !matches("empty == 'x'"));
}

Test(filter, numbers_are_compared_as_numbers) {
  cr_assert(matches("live_id == 7") && matches("live_id == 7.0") && matches("live_id == 007"));
  cr_assert(matches("live_id == '7'") && !matches("live_id == '7.0'"));
  cr_assert(matches("live_id < 10") && !matches("live_id < '10'"));
  cr_assert(matches("level > 12.49 and level < 12.51 and level != 12"));
  cr_assert(matches("live_id > -1") && !matches("live_id < -10"));
  cr_assert(matches("big == 9007199254740993") && !matches("big == 9007199254740992"));
}

Test(filter, facts_are_there_for_every_room_and_hide_properties) {
  cr_assert(matches("members == 3 and max_members == 6 and free == 1 and created_ms >= 1795318076883"));
  cr_assert(matches("spectators == 9 and locked == 0 and password == 1 and password != 0"));
  cr_assert(matches("status == 'open' and name == 'one' and title == 'late show'"));
  cr_assert_not(matches("name == 'two'"));
}

Test(filter, what_is_missing_or_no_number_compares_false) {
  cr_assert_not(matches("none == ''"));
  cr_assert_not(matches("none != 'x'"));
  cr_assert_not(matches("none in ('x', 1)"));
  cr_assert_not(matches("host == 'ann'"));
  cr_assert(matches("not none == 'x' and not (none != 'x' or host < 'z')"));
  cr_assert_not(matches("phase == 1"));
  cr_assert_not(matches("phase != 1"));
  cr_assert_not(matches("empty < 1"));
}

Test(filter, in_is_any_of_its_values) {
  cr_assert(matches("phase in (\"playing\", \"waiting\")") && matches("live_id in(1,7)") &&
            matches("live_id in ('7', 8)"));
  cr_assert_not(matches("live_id in ('7.0', 8)"));
  cr_assert(matches("not live_id in (1, 2)"));
}

Test(filter, not_binds_closer_than_and_and_that_closer_than_or) {
  cr_assert(matches("live_id == 7 or live_id == 8 and phase == 'x'"));
  cr_assert_not(matches("(live_id == 7 or live_id == 8) and phase == 'x'"));
  cr_assert(matches("not phase == 'x' and live_id == 7"));
  cr_assert_not(matches("not (not phase == 'x' and live_id == 7)"));
  cr_assert(matches("not not not phase == 'x'"));
  cr_assert(matches("not (phase == 'waiting' and (live_id == 8 or not level > 1))"));
}

Test(filter, an_empty_program_matches_everything) {
  struct filter filter = {0};
  cr_assert(filter_matches(&filter, &(struct facts){0}));
}

/* ---- faults ---- */

Test(filter, a_fault_says_where_and_why) {
  faults("", "at 0: expected a name, not or (");
  faults("  ", "at 2: expected a name, not or (");
  faults("live_id ==", "at 10: expected a value after ==");
  faults("max_members ==  and free > 1", "at 16: expected a value after ==");
  faults("live_id", "at 7: expected ==, !=, <, <=, >, >= or in after live_id");
  faults("live_id = 7", "at 8: expected ==, !=, <, <=, >, >= or in after live_id");
  faults("live_id == phase", "at 11: expected a value after ==");
  faults("live_id == 7 phase == 'x'", "at 13: expected and, or, or the end");
  faults("live_id == 7)", "at 12: expected and, or, or the end");
  faults("a == 1 and", "at 10: expected a name, not or (");
  faults("and == 1", "at 0: expected a name, not or (");
  faults("a == 1 or or b == 1", "at 10: expected a name, not or (");
  faults("(a == 1 or b == 2", "at 17: expected and, or, or ) for the ( at 0");
  faults("a in 1", "at 5: expected ( after in");
  faults("a in ()", "at 6: expected a value after (");
  faults("a in (1,)", "at 8: expected a value after ,");
  faults("a in (1 2)", "at 8: expected , or ) after a value");
  faults("a == 'x", "at 5: the text that begins here has no end");
  faults("a == 'x\\n'", "at 8: expected a quote or \\ after \\");
  faults("a == 1.", "at 5: not a number");
  faults("a == -", "at 5: not a number");
  faults("a == 1e5", "at 5: not a number");
  faults("a == 1and b == 2", "at 5: not a number");
  faults("Live == 1", "at 0: names are [a-z][a-z0-9_]{0,31}");
  faults("_a == 1", "at 0: names are [a-z][a-z0-9_]{0,31}");
  faults("a23456789012345678901234567890123 == 1", "at 0: names are [a-z][a-z0-9_]{0,31}");
  faults("free == '1'", "at 8: free is a number, and this is text");
  faults("locked == 0 and password == 'x'", "at 28: password is a number, and this is text");
  faults("spectators in (1, '2')", "at 18: spectators is a number, and this is text");
  faults("password == true", "at 12: expected a value after ==");
  faults("title 'late'", "at 6: expected ==, !=, <, <=, >, >= or in after title");
  faults("\xe9\x83\xa8 == 1", "at 0: expected a name, not or (");
}

Test(filter, limits_hold_to_the_last) {
  char text[FILTER_BYTES_MAX + 8], fault[FILTER_FAULT_BYTES];
  struct filter filter;
  size_t len = (size_t)snprintf(text, sizeof text, "a == '%0*d'", FILTER_BYTES_MAX - 7, 0);
  cr_assert_eq(len, FILTER_BYTES_MAX);
  cr_assert(filter_parse(bytes_of_str(text), &filter, fault), "%s", fault);
  snprintf(text, sizeof text, "a == '%0*d'", FILTER_BYTES_MAX - 6, 0);
  faults(text, "at 512: longer than 512 bytes");

  for (int deep = FILTER_NESTING_MAX; deep <= FILTER_NESTING_MAX + 1; deep++) {
    snprintf(text, sizeof text, "%.*sa == 1%.*s", deep, "((((((((((", deep, "))))))))))");
    if (deep > FILTER_NESTING_MAX) faults(text, "at 8: nested deeper than 8");
    cr_assert_eq(filter_parse(bytes_of_str(text), &filter, fault), deep <= FILTER_NESTING_MAX);
    snprintf(text, sizeof text, "%.*sa == 1", deep * 4, "not not not not not not not not not not ");
    cr_assert_eq(filter_parse(bytes_of_str(text), &filter, fault), deep <= FILTER_NESTING_MAX);
  }

  text[0] = '\0';
  for (int i = 0; i < FILTER_TERMS_MAX; i++) strcat(text, i ? " or a==1" : "a==1");
  cr_assert(filter_parse(bytes_of_str(text), &filter, fault), "%s", fault);
  cr_assert_eq(filter.n_steps, 2 * FILTER_TERMS_MAX - 1);
  len = strlen(text);
  strcat(text, " or a==1");
  snprintf(fault, sizeof fault, "at %zu: more than 32 values to compare with", len + 7);
  faults(text, fault);
  snprintf(text, sizeof text, "a in (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1) or b == 1");
  faults(text, "at 79: more than 32 values to compare with");
}

/* A prefix parses, or its fault is within it; and what is not there is never read. */
Test(filter, every_prefix_parses_or_says_where_not) {
  static const char whole[] =
      "not (live_id in (5, -7.25) and phase != \"wai\\\"ting\") or free >= 2 and not name == '部屋'";
  for (size_t len = 0; len <= strlen(whole); len++) {
    struct filter filter;
    char fault[FILTER_FAULT_BYTES] = "", *exact = malloc(len ? len : 1);
    unsigned at = 0;
    memcpy(exact, whole, len);
    if (!filter_parse(bytes_of(exact, len), &filter, fault)) {
      cr_assert_eq(sscanf(fault, "at %u: ", &at), 1, "%s", fault);
      cr_assert_leq(at, len, "%s", fault);
    }
    free(exact);
  }
  cr_assert(matches(whole));
}

/* ---- against a reference: a tree that is printed and parsed, and evaluated as it is ---- */

#define TEXT_MAX 2048

struct generator {
  uint32_t seed;
  char text[TEXT_MAX];
  size_t len;
  int terms;
};

static uint32_t pick(struct generator *g, uint32_t n) {
  g->seed ^= g->seed << 13, g->seed ^= g->seed >> 17, g->seed ^= g->seed << 5;
  return g->seed % n;
}

static void print(struct generator *g, const char *text) {
  size_t len = strlen(text);
  if (g->len + len < TEXT_MAX) memcpy(g->text + g->len, text, len + 1); /* the rest is over the limit anyway */
  g->len += len;
}

static void print_space(struct generator *g) {
  static const char *const spaces[] = {" ", "  ", "\t", " \n"};
  print(g, spaces[pick(g, 4)]);
}

/* The room's values; NULL where it has none. Numbers are small, so double is exact. */
static const char *const names[] = {"live_id", "level", "phase", "none", "members", "free"};
static const char *const values[] = {"7", "12.5", "waiting", NULL, "3", "1"};
static const char *const texts[] = {"7", "12.5", "waiting", "", "3", "z"};
static const char *const numbers[] = {"7", "12.50", "-1", "3", "1", "0"};

static bool reference(int op, const char *found, bool is_number, const char *wanted) {
  if (!found) return false;
  char *rest = NULL;
  double number = strtod(found, &rest), than = strtod(wanted, NULL);
  if (is_number && (rest == found || *rest)) return false;
  int order = is_number ? (number > than) - (number < than) : strcmp(found, wanted);
  bool results[] = {order == 0, order != 0, order<0, order <= 0, order> 0, order >= 0};
  return results[op];
}

static bool generate_value(struct generator *g, uint32_t name, int op) {
  bool is_number = name >= 4 || pick(g, 2);
  uint32_t i = pick(g, 6);
  const char *quote = pick(g, 2) ? "'" : "\"";
  g->terms++;
  if (!is_number) print(g, quote);
  print(g, is_number ? numbers[i] : texts[i]);
  if (!is_number) print(g, quote);
  return reference(op, values[name], is_number, is_number ? numbers[i] : texts[i]);
}

static bool generate_comparison(struct generator *g) {
  static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
  uint32_t name = pick(g, 6), op = pick(g, 7);
  print(g, names[name]);
  if (pick(g, 2) || op == 6) print_space(g);
  if (op < 6) {
    print(g, signs[op]);
    if (pick(g, 2)) print_space(g);
    return generate_value(g, name, (int)op);
  }
  print(g, pick(g, 2) ? "in (" : "in(");
  bool result = generate_value(g, name, 0);
  while (pick(g, 3)) {
    print(g, pick(g, 2) ? "," : ", ");
    result = generate_value(g, name, 0) || result;
  }
  print(g, ")");
  return result;
}

static bool generate_any(struct generator *g, int deep);

static bool generate_one(struct generator *g, int deep) {
  if (deep == 0 || pick(g, 3) == 0) return generate_comparison(g);
  if (pick(g, 2)) {
    print(g, "not ");
    return !generate_one(g, deep - 1);
  }
  print(g, "(");
  bool result = generate_any(g, deep - 1);
  print(g, ")");
  return result;
}

static bool generate_all(struct generator *g, int deep) {
  bool result = generate_one(g, deep);
  while (pick(g, 3) == 0) {
    print_space(g);
    print(g, "and ");
    result = generate_one(g, deep) && result;
  }
  return result;
}

static bool generate_any(struct generator *g, int deep) {
  bool result = generate_all(g, deep);
  while (pick(g, 3) == 0) {
    print_space(g);
    print(g, "or ");
    result = generate_all(g, deep) || result;
  }
  return result;
}

Test(filter, random_expressions_mean_what_a_tree_of_them_means) {
  unsigned n[2] = {0};
  for (uint32_t seed = 1; seed <= 50000; seed++) {
    struct generator g = {.seed = seed * 2654435761u};
    bool expected = generate_any(&g, (int)(seed % (FILTER_NESTING_MAX + 1)));
    if (g.len >= TEXT_MAX) continue;
    if (g.len > FILTER_BYTES_MAX || g.terms > FILTER_TERMS_MAX) {
      char fault[FILTER_FAULT_BYTES];
      cr_assert_not(filter_parse(bytes_of(g.text, g.len), &(struct filter){0}, fault));
      continue;
    }
    cr_assert_eq(matches(g.text), expected, "seed %u: %s", seed, g.text);
    n[expected]++;
  }
  cr_assert(n[0] > 5000 && n[1] > 5000, "%u are false and %u are true", n[0], n[1]);
}
