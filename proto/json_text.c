/* See proto/json_text.h. */
#include "proto/json_text.h"
#include "proto/json.h"

#include <stdio.h>

/* Bounds depth and the number of values before jansson builds them, at up to some hundred bytes of memory each. NULL,
 * or what is wrong. */
static const char *find_excess(struct bytes text, size_t depth_max) {
  const char *c = text.data;
  size_t depth = 0, values = 1;
  bool quoted = false;
  for (size_t i = 0; i < text.len; i++) {
    if (quoted) {
      if (c[i] == '\\')
        i++;
      else if (c[i] == '"')
        quoted = false;
      continue;
    }
    switch (c[i]) {
    case '"': quoted = true; break;
    case '{':
    case '[':
      if (++depth > depth_max) return "nested too deep";
      values++;
      break;
    case '}':
    case ']':
      if (depth > 0) depth--;
      break;
    case ',': values++; break;
    default: break;
    }
    if (values > JSON_VALUES_MAX) return "too many values";
  }
  return NULL;
}

/* jansson's own words where they speak of the text, ours where they speak of jansson. */
static const char *syntax_reason(const json_error_t *fault) {
  switch (json_error_code(fault)) {
  case json_error_null_character:
  case json_error_null_byte_in_key: return "the character U+0000 is not allowed";
  case json_error_invalid_utf8: return "not UTF-8";
  case json_error_premature_end_of_input: return "it ends too early";
  case json_error_end_of_input_expected: return "something follows its end";
  case json_error_numeric_overflow: return "a number is too large";
  case json_error_stack_overflow: return "nested too deep";
  case json_error_invalid_syntax: return fault->text;
  default: return "it cannot be read";
  }
}

json_t *json_text_load(struct bytes text, size_t depth, char reason[JSON_TEXT_REASON_MAX]) {
  json_error_t fault;
  const char *excess = find_excess(text, depth);
  if (excess) {
    snprintf(reason, JSON_TEXT_REASON_MAX, "%s", excess);
    return NULL;
  }
  json_t *root = json_loadb(text.len ? text.data : "", text.len, JSON_REJECT_DUPLICATES, &fault);
  if (root) return root;
  if (json_error_code(&fault) == json_error_duplicate_key) {
    snprintf(reason, JSON_TEXT_REASON_MAX, "a name is given twice in one object");
  } else {
    snprintf(reason, JSON_TEXT_REASON_MAX, "not valid JSON at line %d, column %d: %s", fault.line, fault.column,
             syntax_reason(&fault));
  }
  return NULL;
}
