/* Recursive descent over the grammar of proto/filter.h; depth is bounded by FILTER_NESTING_MAX. Each parse_ function
 * consumes what it is named after, or writes the fault and returns false. */
#include "proto/filter.h"

#include <stdarg.h>
#include <stdio.h>

struct parser {
  const char *text;
  size_t len, at;
  unsigned depth;
  struct filter *out;
  char *fault;
};

static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};

__attribute__((format(printf, 3, 4))) static bool fail(const struct parser *p, size_t at, const char *format, ...) {
  int n = snprintf(p->fault, FILTER_FAULT_BYTES, "at %zu: ", at);
  va_list args;
  va_start(args, format);
  vsnprintf(p->fault + n, FILTER_FAULT_BYTES - (size_t)n, format, args);
  va_end(args);
  return false;
}

/* ---- words and signs ---- */

static char peek(const struct parser *p) {
  return p->at < p->len ? p->text[p->at] : '\0';
}

static void skip_space(struct parser *p) {
  while (p->at < p->len && memchr(" \t\r\n", p->text[p->at], 4)) p->at++;
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* What could be a name or a keyword stands here. Nothing is consumed. */
static struct bytes next_word(const struct parser *p) {
  size_t end = p->at;
  while (end < p->len && is_word(p->text[end])) end++;
  return bytes_of(p->text + p->at, end - p->at);
}

static bool take_word(struct parser *p, const char *word) {
  skip_space(p);
  if (!bytes_equal_str(next_word(p), word)) return false;
  p->at += strlen(word);
  return true;
}

static bool take_sign(struct parser *p, char sign) {
  skip_space(p);
  if (p->at == p->len || p->text[p->at] != sign) return false;
  p->at++;
  return true;
}

/* ---- values ---- */

static bool keep_value(struct parser *p, size_t at, size_t from, bool is_number) {
  struct filter *out = p->out;
  if (out->n_values == FILTER_TERMS_MAX) return fail(p, at, "more than %d values to compare with", FILTER_TERMS_MAX);
  out->values[out->n_values++] =
      (struct filter_value){.from = (uint16_t)from, .len = (uint16_t)(out->text_len - from), .is_number = is_number};
  return true;
}

/* What is kept is never longer than what was read. */
static void keep_char(struct parser *p) {
  p->out->text[p->out->text_len++] = p->text[p->at++];
}

static bool parse_text(struct parser *p) {
  size_t begin = p->at, from = p->out->text_len;
  char quote = p->text[p->at++];
  while (p->at < p->len && p->text[p->at] != quote) {
    if (p->text[p->at] == '\\') {
      p->at++;
      if (peek(p) != '"' && peek(p) != '\'' && peek(p) != '\\')
        return fail(p, p->at, "expected a quote or \\ after \\");
    }
    keep_char(p);
  }
  if (p->at == p->len) return fail(p, begin, "the text that begins here has no end");
  p->at++;
  return keep_value(p, begin, from, false);
}

static bool keep_digits(struct parser *p) {
  size_t begin = p->at;
  while (peek(p) >= '0' && peek(p) <= '9') keep_char(p);
  return p->at > begin;
}

static bool parse_number(struct parser *p) {
  size_t begin = p->at, from = p->out->text_len;
  if (peek(p) == '-') keep_char(p);
  bool good = keep_digits(p);
  if (good && peek(p) == '.') {
    keep_char(p);
    good = keep_digits(p);
  }
  if (!good || is_word(peek(p)) || peek(p) == '.') return fail(p, begin, "not a number");
  return keep_value(p, begin, from, true);
}

/* `behind` is what the value stands behind. */
static bool parse_value(struct parser *p, const struct fact_name *name, const char *behind) {
  skip_space(p);
  char c = peek(p);
  if (c == '"' || c == '\'') {
    if (name->fact < FACT_NUMBERS) return fail(p, p->at, "%s is a number, and this is text", fact_name_text(name));
    return parse_text(p);
  }
  if (c == '-' || (c >= '0' && c <= '9')) return parse_number(p);
  return fail(p, p->at, "expected a value after %s", behind);
}

static bool parse_values(struct parser *p, const struct fact_name *name) {
  if (!take_sign(p, '(')) return fail(p, p->at, "expected ( after in");
  if (!parse_value(p, name, "(")) return false;
  while (take_sign(p, ',')) {
    if (!parse_value(p, name, ",")) return false;
  }
  return take_sign(p, ')') || fail(p, p->at, "expected , or ) after a value");
}

/* ---- comparisons ---- */

static bool parse_operator(struct parser *p, const struct fact_name *name, enum filter_operator *op) {
  static const enum filter_operator longest_first[] = {FILTER_EQ, FILTER_NE, FILTER_LE,
                                                       FILTER_GE, FILTER_LT, FILTER_GT};
  *op = FILTER_IN;
  if (take_word(p, "in")) return true;
  for (size_t i = 0; i < sizeof longest_first / sizeof *longest_first; i++) {
    *op = longest_first[i];
    size_t len = strlen(operators[*op]);
    if (p->len - p->at >= len && memcmp(p->text + p->at, operators[*op], len) == 0) {
      p->at += len;
      return true;
    }
  }
  return fail(p, p->at, "expected ==, !=, <, <=, >, >= or in after %s", fact_name_text(name));
}

static bool is_keyword(struct bytes word) {
  return bytes_equal_str(word, "and") || bytes_equal_str(word, "or") || bytes_equal_str(word, "not") ||
         bytes_equal_str(word, "in");
}

static bool parse_comparison(struct parser *p, bool negated) {
  struct bytes word = next_word(p);
  struct filter_comparison comparison = {.negated = negated, .first = p->out->n_values};
  if (word.len == 0 || is_keyword(word)) return fail(p, p->at, "expected a name, not or (");
  if (!fact_name_parse(word, &comparison.name)) return fail(p, p->at, "names are [a-z][a-z0-9_]{0,31}");
  p->at += word.len;
  if (!parse_operator(p, &comparison.name, &comparison.op)) return false;
  bool good = comparison.op == FILTER_IN ? parse_values(p, &comparison.name)
                                         : parse_value(p, &comparison.name, operators[comparison.op]);
  if (!good) return false;
  comparison.n = (uint8_t)(p->out->n_values - comparison.first);
  p->out->steps[p->out->n_steps++] = p->out->n_comparisons;
  p->out->comparisons[p->out->n_comparisons++] = comparison;
  return true;
}

/* ---- and, or, not ---- */

static bool parse_any_of(struct parser *p, bool negated);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by depth, as are those below */
static bool parse_one(struct parser *p, bool negated) {
  skip_space(p);
  size_t begin = p->at;
  bool is_not = take_word(p, "not");
  if (!is_not && !take_sign(p, '(')) return parse_comparison(p, negated);
  if (p->depth == FILTER_NESTING_MAX) return fail(p, begin, "nested deeper than %d", FILTER_NESTING_MAX);
  p->depth++;
  bool good = is_not ? parse_one(p, !negated) : parse_any_of(p, negated);
  p->depth--;
  if (!good || is_not || take_sign(p, ')')) return good;
  return fail(p, p->at, "expected and, or, or ) for the ( at %zu", begin);
}

static void add_step(struct parser *p, uint8_t step) {
  p->out->steps[p->out->n_steps++] = step;
}

static bool parse_all_of(struct parser *p, bool negated) {
  if (!parse_one(p, negated)) return false;
  while (take_word(p, "and")) {
    if (!parse_one(p, negated)) return false;
    add_step(p, negated ? FILTER_STEP_OR : FILTER_STEP_AND);
  }
  return true;
}

static bool parse_any_of(struct parser *p, bool negated) {
  if (!parse_all_of(p, negated)) return false;
  while (take_word(p, "or")) {
    if (!parse_all_of(p, negated)) return false;
    add_step(p, negated ? FILTER_STEP_AND : FILTER_STEP_OR);
  }
  return true;
}

bool filter_parse(struct bytes text, struct filter *out, char fault[FILTER_FAULT_BYTES]) {
  struct parser p = {.text = text.data ? text.data : "", .len = text.len, .out = out, .fault = fault};
  *out = (struct filter){0};
  if (text.len > FILTER_BYTES_MAX) return fail(&p, FILTER_BYTES_MAX, "longer than %d bytes", FILTER_BYTES_MAX);
  if (!parse_any_of(&p, false)) return false;
  skip_space(&p);
  return p.at == p.len || fail(&p, p.at, "expected and, or, or the end");
}
