/* Promises of the option tables: the four sources, their precedence, every refusal, and what is printed. */
#include "common/option.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum color { COLOR_RED, COLOR_BLUE };
static const char *const color_names[] = {"red", "blue", NULL};

struct limits {
  uint64_t frame_bytes;
  uint64_t idle_ms;
  bool strict;
  bool trace;
};

struct config {
  char *name;
  char *token;
  uint64_t port;
  enum color color;
  struct option_list origins;
  struct limits limits;
};

static const struct option_row main_rows[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .offset = offsetof(struct config, name),
     .fallback = "heya",
     .help = "its name"},
    {.name = "token",
     .type = OPTION_STRING,
     .offset = offsetof(struct config, token),
     .env = "SECRET",
     .help = "a key"},
    {.name = "port",
     .type = OPTION_U64,
     .offset = offsetof(struct config, port),
     .fallback = "8080",
     .min = 1,
     .max = 65535,
     .help = "where to listen"},
    {.name = "color",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct config, color),
     .fallback = "blue",
     .choices = color_names,
     .help = "of the door"},
    {.name = "origin",
     .type = OPTION_LIST,
     .offset = offsetof(struct config, origins),
     .fallback = "http://a",
     .help = "allowed pages"},
};
static const struct option_row limits_rows[] = {
    {.name = "max-frame",
     .type = OPTION_BYTES,
     .offset = offsetof(struct limits, frame_bytes),
     .fallback = "64k",
     .min = 128,
     .max = 1 << 20,
     .help = "largest frame"},
    {.name = "idle",
     .type = OPTION_MS,
     .offset = offsetof(struct limits, idle_ms),
     .fallback = "30s",
     .help = "silence"},
    {.name = "strict",
     .type = OPTION_BOOL,
     .offset = offsetof(struct limits, strict),
     .fallback = "yes",
     .help = "be it"},
    {.name = "trace", .type = OPTION_BOOL, .offset = offsetof(struct limits, trace), .help = "say more"},
};
static const struct option_table tables[] = {
    {.section = "Main", .rows = main_rows, .count = 5},
    {.section = "Limits", .rows = limits_rows, .count = 4, .base = offsetof(struct config, limits)},
};
static const struct option_set set = {
    .program = "heya-test", .version = "1", .summary = "Tests options.", .tables = tables, .count = 2};

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ARGS(...)  WORDS("heya-test", __VA_ARGS__)

struct parsed {
  struct config config;
  struct option_report report;
  enum option_result result;
};

/* Copies the pointers, since main's argv and environ point at char that is not const. */
static int copy_words(const char *const *words, char *copy[16]) {
  int count = 0;
  while (words && words[count]) count++;
  cr_assert_lt(count, 16);
  if (count) memcpy(copy, words, (size_t)count * sizeof *words);
  copy[count] = NULL;
  return count;
}

static struct parsed parse(const char *const *args, const char *const *variables) {
  struct parsed p = {0};
  char *argv[16], *envp[16];
  int argc = copy_words(args, argv);
  copy_words(variables, envp);
  p.result = option_parse(&set, &p.config, argc, argv, envp, &p.report);
  return p;
}

static void parsed_close(struct parsed *p) {
  option_close(&set, &p->config);
  option_close(&set, &p->config);
  option_report_close(&p->report);
}

static void expect_error(const char *const *argv, const char *const *envp, const char *error) {
  struct parsed p = parse(argv, envp);
  cr_assert_eq(p.result, OPTION_REFUSED, "accepted, but wanted: %s", error);
  cr_assert_str_eq(p.report.error, error);
  parsed_close(&p);
}

/* A config file with this text; the caller unlinks the path, which is stored in `path`. */
static void write_file(char path[64], const char *text, size_t len) {
  snprintf(path, 64, "/tmp/heya-option-XXXXXX");
  int fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  cr_assert_eq(write(fd, text, len), (ssize_t)len);
  close(fd);
}

Test(option, fallbacks_fill_what_is_not_given) {
  struct parsed p = parse(NULL, NULL);
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_str_eq(p.config.name, "heya");
  cr_assert_null(p.config.token);
  cr_assert_eq(p.config.port, 8080);
  cr_assert_eq(p.config.color, COLOR_BLUE);
  cr_assert_eq(p.config.origins.count, 1);
  cr_assert_eq(p.config.limits.frame_bytes, 65536);
  cr_assert_eq(p.config.limits.idle_ms, 30000);
  cr_assert(p.config.limits.strict);
  cr_assert_not(p.config.limits.trace);
  parsed_close(&p);

  struct config config = {0};
  option_defaults(&set, &config);
  cr_assert_eq(config.port, 8080);
  option_close(&set, &config);
}

Test(option, flags_take_their_value_from_either_side_of_the_equals_sign) {
  struct parsed p =
      parse(ARGS("--name", "--odd", "--port=9", "--no-strict", "--trace", "--color", "red", "--token="), NULL);
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_str_eq(p.config.name, "--odd");
  cr_assert_str_eq(p.config.token, "");
  cr_assert_eq(p.config.port, 9);
  cr_assert_eq(p.config.color, COLOR_RED);
  cr_assert_not(p.config.limits.strict);
  cr_assert(p.config.limits.trace);
  parsed_close(&p);
}

Test(option, sizes_and_times_take_units) {
  static const struct {
    const char *size, *time;
    uint64_t bytes, ms;
  } cases[] = {{"128", "0", 128, 0},       {"1k", "250ms", 1024, 250},  {"1M", "3s", 1 << 20, 3000},
               {"200", "5m", 200, 300000}, {"300", "2h", 300, 7200000}, {"301", "17MS", 301, 17}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct parsed p = parse(ARGS("--max-frame", cases[i].size, "--idle", cases[i].time), NULL);
    cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
    cr_assert_eq(p.config.limits.frame_bytes, cases[i].bytes);
    cr_assert_eq(p.config.limits.idle_ms, cases[i].ms);
    parsed_close(&p);
  }
}

Test(option, a_list_is_collected_and_replaces_a_weaker_source) {
  struct parsed p = parse(ARGS("--origin", "http://b, http://c", "--origin=http://d"), WORDS("HEYA_ORIGIN=http://x"));
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_eq(p.config.origins.count, 3);
  cr_assert_str_eq(p.config.origins.items[0], "http://b");
  cr_assert_str_eq(p.config.origins.items[1], "http://c");
  cr_assert_str_eq(p.config.origins.items[2], "http://d");
  parsed_close(&p);
  p = parse(NULL, WORDS("HEYA_ORIGIN="));
  cr_assert_eq(p.config.origins.count, 0);
  parsed_close(&p);
}

Test(option, the_strongest_source_wins) {
  static const char text[] = "# a comment\n\n  name = from file \r\nport=1000\ncolor = red\ntrace = on\nidle = 1s";
  char path[64];
  write_file(path, text, sizeof text - 1);
  struct parsed p =
      parse(ARGS("--port", "3000", "--config", path), WORDS("HEYA_PORT=2000", "HEYA_COLOR=blue", "X=1"));
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_str_eq(p.config.name, "from file");
  cr_assert_eq(p.config.port, 3000);
  cr_assert_eq(p.config.color, COLOR_BLUE);
  cr_assert(p.config.limits.trace);
  cr_assert_eq(p.config.limits.idle_ms, 1000);
  parsed_close(&p);

  char variable[96];
  snprintf(variable, sizeof variable, "HEYA_CONFIG=%s", path);
  p = parse(NULL, WORDS(variable, "SECRET=s3"));
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_eq(p.config.port, 1000);
  cr_assert_str_eq(p.config.token, "s3");
  cr_assert_eq(p.report.unknown_env.count, 0);
  parsed_close(&p);
  unlink(path);
}

Test(option, a_bad_flag_is_refused_with_its_name_and_the_reason) {
  expect_error(ARGS("port"), NULL, "\"port\" is not an option; options begin with --");
  expect_error(ARGS("-p"), NULL, "\"-p\" is not an option; options begin with --");
  expect_error(ARGS("--prot=1"), NULL, "--prot: unknown option");
  expect_error(ARGS("--port"), NULL, "--port: needs a value");
  expect_error(ARGS("--config"), NULL, "--config: needs a value");
  expect_error(ARGS("--no-port"), NULL, "--no-port: unknown option");
  expect_error(ARGS("--no-strict=no"), NULL, "--no-strict: takes no value");
  expect_error(ARGS("--port=0"), NULL, "--port: 0 is not between 1 and 65535");
  expect_error(ARGS("--port=65536"), NULL, "--port: 65536 is not between 1 and 65535");
  expect_error(ARGS("--port=-1"), NULL, "--port: \"-1\" is not a number");
  expect_error(ARGS("--port= 1"), NULL, "--port: \" 1\" is not a number");
  expect_error(ARGS("--port=1k"), NULL, "--port: \"1k\" is not a number");
  expect_error(ARGS("--port="), NULL, "--port: \"\" is not a number");
  expect_error(ARGS("--color=green"), NULL, "--color: \"green\" is none of red, blue");
  expect_error(ARGS("--strict=maybe"), NULL, "--strict: \"maybe\" is not true or false");
  expect_error(ARGS("--idle=5x"), NULL, "--idle: \"5x\" is not a time such as 250ms, 3s, 5m, 1h");
  expect_error(ARGS("--idle=17"), NULL, "--idle: 17 needs a unit: ms, s, m or h");
  expect_error(ARGS("--max-frame=1t"), NULL, "--max-frame: \"1t\" is not a size such as 512, 64k, 1m, 2g");
  expect_error(ARGS("--max-frame=2m"), NULL, "--max-frame: 2m is not between 128 and 1048576 bytes");
}

Test(option, a_number_that_overflows_is_refused) {
  static const char *const bad[] = {"--max-frame=18446744073709551616", "--max-frame=18014398509481985k",
                                    "--idle=18446744073709551615s", "--idle=99999999999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct parsed p = parse(ARGS(bad[i]), NULL);
    cr_assert_eq(p.result, OPTION_REFUSED, "%s", bad[i]);
    parsed_close(&p);
  }
}

Test(option, a_bad_environment_is_refused_even_when_a_flag_overrides_it) {
  expect_error(ARGS("--port=1"), WORDS("HEYA_PORT=x"), "HEYA_PORT: \"x\" is not a number");
}

Test(option, unknown_variables_of_ours_are_listed_and_others_ignored) {
  struct parsed p = parse(NULL, WORDS("HEYA_PROT=1", "PATH=/bin", "HEYA_NAME=n", "HEYA_CONFIG", "HEYA_", "broken"));
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_eq(p.report.unknown_env.count, 2);
  cr_assert_str_eq(p.report.unknown_env.items[0], "HEYA_PROT");
  cr_assert_str_eq(p.report.unknown_env.items[1], "HEYA_");
  cr_assert_str_eq(p.config.name, "n");
  parsed_close(&p);
}

Test(option, a_bad_file_is_refused_with_its_line) {
  static const struct {
    const char *text;
    size_t len;
    const char *error; /* after the path */
  } cases[] = {
      {"\n\nport = x\n", 10, ":3: port: \"x\" is not a number"},
      {"prot = 1", 8, ":1: unknown option \"prot\""},
      {"# c\nstrict", 10, ":2: \"strict\" is not NAME = VALUE"},
      {"= 1", 3, ":1: unknown option \"\""},
      {"name = a\0b", 10, ": not a text file"},
      {"port = 1\n\n port=1\n", 18, ":3: port: given in line 1 already"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[64], error[256];
    write_file(path, cases[i].text, cases[i].len);
    snprintf(error, sizeof error, "%s%s", path, cases[i].error);
    expect_error(ARGS("--config", path), NULL, error);
    unlink(path);
  }
  expect_error(ARGS("--config", "/nonexistent/heya.conf"), NULL, "/nonexistent/heya.conf: No such file or directory");
  expect_error(ARGS("--config", "/"), NULL, "/: Is a directory");
}

Test(option, a_list_may_stand_in_a_file_more_than_once) {
  static const char text[] = "origin = http://b\norigin = http://c\n";
  char path[64];
  write_file(path, text, sizeof text - 1);
  struct parsed p = parse(ARGS("--config", path), NULL);
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_eq(p.config.origins.count, 2);
  parsed_close(&p);
  unlink(path);
}

Test(option, a_file_is_bounded) {
  size_t len = (1 << 20) + 1;
  char *text = malloc(len), path[64], error[128];
  memset(text, '\n', len);
  write_file(path, text, len);
  snprintf(error, sizeof error, "%s: larger than 1048576 bytes", path);
  expect_error(ARGS("--config", path), NULL, error);
  unlink(path);
  free(text);
}

Test(option, help_version_and_print_config_win_over_what_follows) {
  static const struct {
    const char *flag;
    enum option_result result;
  } cases[] = {
      {"--help", OPTION_HELP}, {"-h", OPTION_HELP}, {"--version", OPTION_VERSION}, {"--print-config", OPTION_PRINT}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct parsed p = parse(ARGS("--port=7", cases[i].flag, "--nonsense"), WORDS("HEYA_PORT=x"));
    cr_assert_eq(p.result, cases[i].result);
    parsed_close(&p);
  }
}

Test(option, help_shows_every_row_under_its_section_with_its_default) {
  struct buf out = {0};
  option_print_help(&set, &out);
  static const char *const parts[] = {
      "Usage: heya-test [OPTION]...\nTests options.\n\nMain\n",
      "  --port NUMBER                   where to listen (8080)\n",
      "  --token TEXT                    a key [SECRET]\n",
      "  --color WORD                    of the door: red, blue (blue)\n",
      "\nLimits\n  --max-frame SIZE                largest frame (64k)\n",
      "  --strict                        be it (on; --no-strict)\n  --trace                         say more\n",
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    cr_assert_not_null(strstr(buf_str(&out), parts[i]), "%s is missing in\n%s", parts[i], buf_str(&out));
  buf_close(&out);
}

Test(option, the_example_file_is_valid_and_changes_nothing) {
  struct buf out = {0};
  option_print_example(&set, &out);
  cr_assert_not_null(strstr(buf_str(&out), "\n# where to listen\n#port = 8080\n"));
  /* with every option uncommented it says what the fallbacks say */
  for (size_t i = 1; i < out.len; i++)
    if (out.data[i] == '#' && out.data[i - 1] == '\n' && out.data[i + 1] != ' ') out.data[i] = ' ';
  char path[64];
  write_file(path, (const char *)out.data, out.len);
  struct parsed p = parse(ARGS("--config", path), NULL);
  cr_assert_eq(p.result, OPTION_OK, "%s", p.report.error);
  cr_assert_eq(p.config.port, 8080);
  cr_assert_str_eq(p.config.token, "");
  cr_assert(p.config.limits.strict);
  parsed_close(&p);
  unlink(path);
  buf_close(&out);
}
