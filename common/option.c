/* Reads options from their sources into the structs that the tables describe.
 *
 * The sources are applied from the weakest to the strongest, each overwriting the last, so every value is checked.
 * What a value may look like is option_value.c, what is printed is option_print.c.
 */
#include "common/option.h"

#include "common/mem.h"
#include "common/option_value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#define ENV_PREFIX      "HEYA_"
#define CONFIG_ENV      "HEYA_CONFIG"
#define ENV_NAME_BYTES  128
#define FILE_MAX_BYTES  (1 << 20)
#define UNKNOWN_ENV_MAX 64 /* names reported; more are not */

/* What every program understands besides its tables. */
static const char *const special_flags[] = {
    [OPTION_HELP] = "help", [OPTION_VERSION] = "version", [OPTION_PRINT] = "print-config"};

enum option_source { SOURCE_FALLBACK = 1, SOURCE_FILE, SOURCE_ENV, SOURCE_FLAG };

struct parse {
  const struct option_set *set;
  void *config;
  struct option_report *report;
  enum option_source source;
  const char *path; /* of the config file; NULL without one */
  uint8_t *seen;    /* per row, counted through all tables: the strongest source that set it */
  unsigned *lines;  /* likewise: the line of the config file that names it; 0 before */
};

struct found_row {
  const struct option_row *row;
  size_t base;
  size_t index; /* through all tables; where `seen` has it */
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct parse *parse, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(parse->report->error, sizeof parse->report->error, format, args);
  va_end(args);
  return false;
}

/* ---- rows ---- */

static bool find_row(const struct option_set *set, const char *name, size_t len, struct found_row *found) {
  size_t index = 0;
  for (size_t t = 0; t < set->count; t++)
    for (size_t r = 0; r < set->tables[t].count; r++, index++) {
      const struct option_row *row = &set->tables[t].rows[r];
      if (strlen(row->name) != len || memcmp(row->name, name, len) != 0) continue;
      *found = (struct found_row){.row = row, .base = set->tables[t].base, .index = index};
      return true;
    }
  return false;
}

/* `where` names the value for the user: "--port", "HEYA_PORT", "heya.conf:3: port". */
static bool store(struct parse *parse, const struct found_row *found, const char *text, const char *where) {
  char reason[OPTION_REASON_BYTES];
  void *field = (char *)parse->config + found->base + found->row->offset;
  if (option_type_is_list(found->row->type) && parse->seen[found->index] < parse->source) option_list_clear(field);
  parse->seen[found->index] = (uint8_t)parse->source;
  if (option_value_parse(found->row, text, field, reason)) return true;
  return refuse(parse, "%s: %s", where, reason);
}

/* ---- the sources ---- */

static bool apply_fallbacks(struct parse *parse) {
  parse->source = SOURCE_FALLBACK;
  for (size_t t = 0; t < parse->set->count; t++)
    for (size_t r = 0; r < parse->set->tables[t].count; r++) {
      struct found_row found;
      const struct option_row *row = &parse->set->tables[t].rows[r];
      bool known = find_row(parse->set, row->name, strlen(row->name), &found);
      assert(known && found.row == row); /* otherwise two rows share a name */
      if (known && row->fallback && !store(parse, &found, row->fallback, row->name)) return false;
    }
  return true;
}

static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t len = strlen(text);
  while (len && isspace((unsigned char)text[len - 1])) text[--len] = '\0';
  return text;
}

static bool apply_line(struct parse *parse, char *line, unsigned number) {
  struct found_row found;
  char where[256];
  char *name = trim(line), *value = strchr(name, '=');
  if (*name == '\0' || *name == '#') return true;
  if (!value) return refuse(parse, "%s:%u: \"%.64s\" is not NAME = VALUE", parse->path, number, name);
  *value++ = '\0';
  name = trim(name);
  if (!find_row(parse->set, name, strlen(name), &found))
    return refuse(parse, "%s:%u: unknown option \"%.64s\"", parse->path, number, name);
  unsigned *first = &parse->lines[found.index];
  if (*first && !option_type_is_list(found.row->type))
    return refuse(parse, "%s:%u: %s: given in line %u already", parse->path, number, name, *first);
  *first = number;
  snprintf(where, sizeof where, "%s:%u: %s", parse->path, number, name);
  return store(parse, &found, trim(value), where);
}

/* Reads at most one byte more than the limit, so that too large a file shows. */
static bool read_file(struct parse *parse, struct buf *out) {
  int fd = open(parse->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return refuse(parse, "%s: %s", parse->path, strerror(errno));
  ssize_t got = 1;
  while (got > 0 && out->len <= FILE_MAX_BYTES) {
    got = read(fd, buf_reserve(out, 4096), 4096);
    if (got > 0) out->len += (size_t)got;
  }
  int why = got < 0 ? errno : 0;
  close(fd);
  if (why) return refuse(parse, "%s: %s", parse->path, strerror(why));
  if (out->len > FILE_MAX_BYTES) return refuse(parse, "%s: larger than %d bytes", parse->path, FILE_MAX_BYTES);
  if (memchr(buf_str(out), '\0', out->len)) return refuse(parse, "%s: not a text file", parse->path);
  return true;
}

static bool apply_file(struct parse *parse) {
  if (!parse->path) return true;
  parse->source = SOURCE_FILE;
  struct buf text = {0};
  bool ok = read_file(parse, &text);
  buf_append_char(&text, '\0');
  char *rest = (char *)text.data, *line;
  for (unsigned number = 1; ok && (line = strsep(&rest, "\n")); number++) ok = apply_line(parse, line, number);
  buf_close(&text);
  return ok;
}

/* Finds the row that a variable "NAME=value" belongs to, and its value. */
static bool find_env(const struct option_set *set, const char *variable, struct found_row *found) {
  char name[ENV_NAME_BYTES];
  size_t len = strcspn(variable, "=");
  for (size_t t = 0; t < set->count; t++)
    for (size_t r = 0; r < set->tables[t].count; r++) {
      const struct option_row *row = &set->tables[t].rows[r];
      option_env_name(row, name, sizeof name);
      if (strlen(name) == len && memcmp(name, variable, len) == 0)
        return find_row(set, row->name, strlen(row->name), found);
    }
  return false;
}

static bool apply_env(struct parse *parse, char *const *envp) {
  parse->source = SOURCE_ENV;
  for (; envp && *envp; envp++) {
    struct found_row found;
    char name[ENV_NAME_BYTES];
    size_t len = strcspn(*envp, "=");
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), *envp);
    if (find_env(parse->set, *envp, &found)) {
      if ((*envp)[len] == '=' && !store(parse, &found, *envp + len + 1, name)) return false;
    } else if (strncmp(name, ENV_PREFIX, strlen(ENV_PREFIX)) == 0 && strcmp(name, CONFIG_ENV) != 0 &&
               parse->report->unknown_env.count < UNKNOWN_ENV_MAX) {
      option_list_add(&parse->report->unknown_env, name, strlen(name));
    }
  }
  return true;
}

/* The file is known before the environment is applied, for it is the weaker source. */
static const char *find_config_env(char *const *envp) {
  size_t len = strlen(CONFIG_ENV);
  for (; envp && *envp; envp++)
    if (strncmp(*envp, CONFIG_ENV, len) == 0 && (*envp)[len] == '=') return *envp + len + 1;
  return NULL;
}

/* One flag with its value. Exactly one of `found.row`, `special` and `is_config` says what it is. */
struct flag {
  struct found_row found;
  enum option_result special;
  bool is_config;
  const char *value;
};

static bool is_negated_bool(const struct option_set *set, const char *name, size_t len, struct found_row *found) {
  return len > 3 && strncmp(name, "no-", 3) == 0 && find_row(set, name + 3, len - 3, found) &&
         found->row->type == OPTION_BOOL;
}

/* Reads the flag at argv[*at] and moves *at past it and its value. */
static bool read_flag(struct parse *parse, int argc, char *const *argv, int *at, struct flag *flag) {
  const char *text = argv[(*at)++];
  *flag = (struct flag){.special = OPTION_OK};
  if (strcmp(text, "-h") == 0) text = "--help";
  if (strncmp(text, "--", 2) != 0 || text[2] == '\0')
    return refuse(parse, "\"%.64s\" is not an option; options begin with --", text);
  const char *name = text + 2;
  size_t len = strcspn(name, "=");
  const char *value = name[len] == '=' ? name + len + 1 : NULL;
  for (enum option_result special = OPTION_HELP; special <= OPTION_PRINT; special++)
    if (strcmp(name, special_flags[special]) == 0) {
      flag->special = special;
      return true;
    }
  flag->is_config = len == strlen("config") && memcmp(name, "config", len) == 0;
  if (!flag->is_config && !find_row(parse->set, name, len, &flag->found)) {
    if (!is_negated_bool(parse->set, name, len, &flag->found))
      return refuse(parse, "--%.*s: unknown option", len < 64 ? (int)len : 64, name);
    if (value) return refuse(parse, "--%.*s: takes no value", (int)len, name);
    value = "false";
  }
  if (!value && !flag->is_config && flag->found.row->type == OPTION_BOOL) value = "true";
  if (!value && *at < argc) value = argv[(*at)++];
  flag->value = value;
  return value || refuse(parse, "--%.*s: needs a value", (int)len, name);
}

/* Looks through the flags for what decides before any value is stored: --help and its like, --config, mistakes. */
static enum option_result scan_flags(struct parse *parse, int argc, char *const *argv) {
  struct flag flag;
  for (int at = 1; at < argc;) {
    if (!read_flag(parse, argc, argv, &at, &flag)) return OPTION_REFUSED;
    if (flag.special != OPTION_OK) return flag.special;
    if (flag.is_config) parse->path = flag.value;
  }
  return OPTION_OK;
}

static bool apply_flags(struct parse *parse, int argc, char *const *argv) {
  parse->source = SOURCE_FLAG;
  struct flag flag;
  for (int at = 1; at < argc;) {
    char where[ENV_NAME_BYTES];
    if (!read_flag(parse, argc, argv, &at, &flag)) return false;
    if (flag.is_config) continue;
    snprintf(where, sizeof where, "--%s", flag.found.row->name);
    if (!store(parse, &flag.found, flag.value, where)) return false;
  }
  return true;
}

/* ---- the public calls ---- */

static size_t count_rows(const struct option_set *set) {
  size_t count = 0;
  for (size_t t = 0; t < set->count; t++) count += set->tables[t].count;
  return count;
}

enum option_result option_parse(const struct option_set *set, void *config, int argc, char *const *argv,
                                char *const *envp, struct option_report *report) {
  *report = (struct option_report){0};
  struct parse parse = {.set = set, .config = config, .report = report};
  enum option_result result = scan_flags(&parse, argc, argv);
  if (result != OPTION_OK) return result;
  if (!parse.path) parse.path = find_config_env(envp);
  parse.seen = xcalloc(count_rows(set), sizeof *parse.seen);
  parse.lines = xcalloc(count_rows(set), sizeof *parse.lines);
  bool ok =
      apply_fallbacks(&parse) && apply_file(&parse) && apply_env(&parse, envp) && apply_flags(&parse, argc, argv);
  free(parse.seen);
  free(parse.lines);
  return ok ? OPTION_OK : OPTION_REFUSED;
}

void option_defaults(const struct option_set *set, void *config) {
  struct option_report report;
  enum option_result result = option_parse(set, config, 0, NULL, NULL, &report);
  assert(result == OPTION_OK); /* otherwise a row's own fallback is bad */
  (void)result;
  option_report_close(&report);
}

void option_close(const struct option_set *set, void *config) {
  for (size_t t = 0; t < set->count; t++)
    for (size_t r = 0; r < set->tables[t].count; r++) {
      const struct option_row *row = &set->tables[t].rows[r];
      void *field = (char *)config + set->tables[t].base + row->offset;
      if (option_type_is_list(row->type)) option_list_clear(field);
      if (row->type != OPTION_STRING) continue;
      free(*(char **)field);
      *(char **)field = NULL;
    }
}

void option_report_close(struct option_report *report) {
  option_list_clear(&report->unknown_env);
}
