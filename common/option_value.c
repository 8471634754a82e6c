/* Parses the text of one option by its type, and owns the memory of strings and lists.
 *
 * A new type is a value of enum option_type, a parser and a case in option_value_parse, and a hint in option_print.c.
 */
#include "common/option_value.h"

#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <strings.h>

#define LIST_MAX 1024 /* items of one list */

void option_list_clear(struct option_list *list) {
  for (size_t i = 0; i < list->count; i++) free(list->items[i]);
  free(list->items);
  *list = (struct option_list){0};
}

void option_list_add(struct option_list *list, const char *text, size_t len) {
  list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
  list->items[list->count++] = xmemdup(text, len);
}

static bool parse_list(const char *text, const char *separator, struct option_list *list, char *reason) {
  while (*text) {
    size_t len = strcspn(text, separator);
    const char *begin = text, *end = text + len;
    while (begin < end && *begin == ' ') begin++;
    while (end > begin && end[-1] == ' ') end--;
    if (list->count == LIST_MAX) {
      snprintf(reason, OPTION_REASON_BYTES, "more than %d values", LIST_MAX);
      return false;
    }
    if (end > begin) option_list_add(list, begin, (size_t)(end - begin));
    text += len + (text[len] != '\0');
  }
  return true;
}

static bool parse_bool(const char *text, bool *value, char *reason) {
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(text, words[i]) == 0) {
      *value = i % 2;
      return true;
    }
  snprintf(reason, OPTION_REASON_BYTES, "\"%.40s\" is not true or false", text);
  return false;
}

static bool parse_choice(const char *text, const struct option_row *row, int *value, char *reason) {
  int len = snprintf(reason, OPTION_REASON_BYTES, "\"%.40s\" is none of", text);
  for (int i = 0; row->choices[i]; i++) {
    if (strcmp(text, row->choices[i]) == 0) {
      *value = i;
      return true;
    }
    if (len < OPTION_REASON_BYTES)
      len += snprintf(reason + len, (size_t)(OPTION_REASON_BYTES - len), "%s %s", i ? "," : "", row->choices[i]);
  }
  return false;
}

/* Suffixes of the number types. The empty suffix comes last, since it begins every text. */
struct unit {
  enum option_type type;
  const char *suffix;
  uint64_t factor;
};
static const struct unit units[] = {
    {OPTION_BYTES, "k", 1024}, {OPTION_BYTES, "m", 1 << 20}, {OPTION_BYTES, "g", 1 << 30}, {OPTION_BYTES, "", 1},
    {OPTION_MS, "ms", 1},      {OPTION_MS, "s", 1000},       {OPTION_MS, "m", 60000},      {OPTION_MS, "h", 3600000},
    {OPTION_MS, "", 1},        {OPTION_US, "us", 1},         {OPTION_US, "ms", 1000},      {OPTION_US, "s", 1000000},
    {OPTION_US, "", 1},        {OPTION_U64, "", 1}, /* of a time, without a unit: for 0 only */
};
static const char *const number_hints[] = {[OPTION_U64] = "a number",
                                           [OPTION_BYTES] = "a size such as 512, 64k, 1m, 2g",
                                           [OPTION_MS] = "a time such as 250ms, 3s, 5m, 1h",
                                           [OPTION_US] = "a time such as 250us, 1ms, 1s"};

static bool parse_number(const char *text, const struct option_row *row, uint64_t *value, char *reason) {
  uint64_t max = row->max ? row->max : UINT64_MAX;
  char *suffix = NULL;
  errno = 0;
  uint64_t number = isdigit((unsigned char)*text) ? strtoull(text, &suffix, 10) : 0;
  const struct unit *unit = units, *end = units + sizeof units / sizeof units[0];
  while (suffix && unit < end && (unit->type != row->type || strcasecmp(unit->suffix, suffix) != 0)) unit++;
  if (!suffix || unit == end) {
    snprintf(reason, OPTION_REASON_BYTES, "\"%.40s\" is not %s", text, number_hints[row->type]);
    return false;
  }
  bool is_time = row->type == OPTION_MS || row->type == OPTION_US;
  if (is_time && *unit->suffix == '\0' && number > 0) {
    snprintf(reason, OPTION_REASON_BYTES, "%.40s needs a unit: %s", text,
             row->type == OPTION_MS ? "ms, s, m or h" : "us, ms or s");
    return false;
  }
  if (errno || number > UINT64_MAX / unit->factor || number * unit->factor > max ||
      number * unit->factor < row->min) {
    static const char *const whats[] = {[OPTION_BYTES] = " bytes", [OPTION_MS] = " ms", [OPTION_US] = " us"};
    const char *what = row->type == OPTION_U64 ? "" : whats[row->type];
    snprintf(reason, OPTION_REASON_BYTES, "%.40s is not between %" PRIu64 " and %" PRIu64 "%s", text, row->min, max,
             what);
    return false;
  }
  *value = number * unit->factor;
  return true;
}

bool option_value_parse(const struct option_row *row, const char *text, void *field, char *reason) {
  switch (row->type) {
  case OPTION_STRING: {
    char **string = field;
    free(*string);
    *string = xstrdup(text);
    return true;
  }
  case OPTION_BOOL: return parse_bool(text, field, reason);
  case OPTION_U64:
  case OPTION_BYTES:
  case OPTION_MS:
  case OPTION_US: return parse_number(text, row, field, reason);
  case OPTION_CHOICE: return parse_choice(text, row, field, reason);
  case OPTION_LIST: return parse_list(text, ",", field, reason);
  case OPTION_WORDS: return parse_list(text, " ", field, reason);
  }
  return false;
}

void option_env_name(const struct option_row *row, char *out, size_t size) {
  if (row->env) {
    snprintf(out, size, "%s", row->env);
    return;
  }
  snprintf(out, size, "HEYA_%s", row->name);
  for (char *c = out; *c; c++) *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}
