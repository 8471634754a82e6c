/* Prints what the option tables say: the text of --help and an example config file. */
#include "common/option.h"
#include "common/option_value.h"

#define HELP_COLUMN 34

static const char *const type_hints[] = {
    [OPTION_STRING] = " TEXT", [OPTION_BOOL] = "",          [OPTION_U64] = " NUMBER",
    [OPTION_BYTES] = " SIZE",  [OPTION_MS] = " TIME",       [OPTION_US] = " TIME",
    [OPTION_CHOICE] = " WORD", [OPTION_LIST] = " TEXT,...", [OPTION_WORDS] = " TEXT ..."};

/* A table continues the section of the one before it when both have the same heading. */
static bool opens_section(const struct option_set *set, size_t table) {
  return table == 0 || strcmp(set->tables[table].section, set->tables[table - 1].section) != 0;
}

static void print_usage(struct buf *out, const char *usage, const char *hint, const char *help) {
  size_t begin = out->len;
  buf_printf(out, "  --%s%s", usage, hint);
  if (out->len - begin + 2 > HELP_COLUMN)
    buf_printf(out, "\n%*s", HELP_COLUMN, "");
  else
    buf_printf(out, "%*s", (int)(HELP_COLUMN - (out->len - begin)), "");
  buf_append_str(out, help);
}

static void print_choices(const struct option_row *row, struct buf *out) {
  if (row->type != OPTION_CHOICE) return;
  for (size_t i = 0; row->choices[i]; i++) buf_printf(out, "%s%s", i ? ", " : ": ", row->choices[i]);
}

static bool is_on_by_default(const struct option_row *row) {
  bool on = false;
  char reason[OPTION_REASON_BYTES];
  return row->type == OPTION_BOOL && row->fallback && option_value_parse(row, row->fallback, &on, reason) && on;
}

static void print_row(const struct option_row *row, struct buf *out) {
  print_usage(out, row->name, type_hints[row->type], row->help);
  print_choices(row, out);
  if (is_on_by_default(row))
    buf_printf(out, " (on; --no-%s)", row->name);
  else if (row->type != OPTION_BOOL && row->fallback && *row->fallback)
    buf_printf(out, " (%s)", row->fallback);
  char env[64];
  option_env_name(row, env, sizeof env);
  if (row->env) buf_printf(out, " [%s]", env);
  buf_append_char(out, '\n');
}

/* One of two words, which shows best what becomes of a name; else the first. */
static const struct option_row *example_of(const struct option_set *set) {
  for (size_t t = 0; t < set->count; t++)
    for (size_t r = 0; r < set->tables[t].count; r++)
      if (strchr(set->tables[t].rows[r].name, '-')) return &set->tables[t].rows[r];
  return &set->tables[0].rows[0];
}

void option_print_help(const struct option_set *set, struct buf *out) {
  buf_printf(out, "Usage: %s [OPTION]...\n%s\n", set->program, set->summary);
  for (size_t t = 0; t < set->count; t++) {
    if (opens_section(set, t)) buf_printf(out, "\n%s\n", set->tables[t].section);
    for (size_t r = 0; r < set->tables[t].count; r++) print_row(&set->tables[t].rows[r], out);
  }
  buf_append_str(out, "\nGeneral\n");
  print_usage(out, "config", " FILE", "read options from this file, one NAME = VALUE a line\n");
  print_usage(out, "print-config", "", "print a config file with every option and stop\n");
  print_usage(out, "version", "", "print the version and stop\n");
  print_usage(out, "help", "", "print this and stop; -h does too\n");
  const struct option_row *example = example_of(set);
  char env[64];
  option_env_name(example, env, sizeof env);
  buf_printf(out,
             "\nA value in parentheses is the default. An option is also read from the environment, where --%s is\n"
             "%s, and from the file; a flag is stronger than the environment, and that than the file.\n",
             example->name, env);
}

void option_print_example(const struct option_set *set, struct buf *out) {
  buf_printf(out, "# Options of %s. Each stands here with its default; remove the # to change it.\n", set->program);
  for (size_t t = 0; t < set->count; t++) {
    if (opens_section(set, t)) buf_printf(out, "\n# ---- %s ----\n", set->tables[t].section);
    for (size_t r = 0; r < set->tables[t].count; r++) {
      const struct option_row *row = &set->tables[t].rows[r];
      buf_printf(out, "\n# %s", row->help);
      print_choices(row, out);
      buf_printf(out, "\n#%s = %s\n", row->name,
                 row->fallback              ? row->fallback
                 : row->type == OPTION_BOOL ? "false"
                                            : "");
    }
  }
}
