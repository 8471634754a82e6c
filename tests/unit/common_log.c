/* Promises of the log: one safe, bounded line per event, and never a wait. Lines are read back through a pipe. */
#include "common/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct fixture {
  struct log log;
  int read_fd, write_fd;
  char text[70000];
};

static void open_log(struct fixture *f, enum log_format format) {
  int fds[2];
  cr_assert_eq(pipe(fds), 0);
  cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  f->read_fd = fds[0];
  f->write_fd = fds[1];
  log_init(&f->log, fds[1], LOG_LEVEL_INFO, format, "worker w-abc");
}

static void close_log(struct fixture *f) {
  close(f->read_fd);
  close(f->write_fd);
}

/* What has been written since the last call. */
static const char *written(struct fixture *f) {
  ssize_t len = read(f->read_fd, f->text, sizeof f->text - 1);
  f->text[len > 0 ? len : 0] = '\0';
  return f->text;
}

static size_t count_lines(const char *text) {
  size_t lines = 0;
  for (; *text; text++) lines += *text == '\n';
  return lines;
}

static json_t *parse_line(const char *text) {
  cr_assert_eq(count_lines(text), 1);
  json_error_t error;
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  cr_assert_not_null(json, "%s in %s", error.text, text);
  return json;
}

static const char *string_of(json_t *json, const char *key) {
  const char *value = json_string_value(json_object_get(json, key));
  return value ? value : "(none)";
}

Test(log, text_line_is_logfmt) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_TEXT);
  log_info(&f.log, "claimed", F_U("partition", 3), F_I("delta", -4), F_S("owner", "w-abc"), F_BOOL("first", true),
           F_D("ratio", 0.5));
  const char *line = written(&f);
  cr_assert_eq(strncmp(line, "time=20", 7), 0);
  cr_assert_eq(line[strlen("time=2026-01-31T12:00:00.000")], 'Z');
  cr_assert_str_eq(strstr(line, " level"), " level=info process=\"worker w-abc\" event=claimed partition=3 delta=-4 "
                                           "owner=w-abc first=true ratio=0.5\n");
  close_log(&f);
}

Test(log, json_line_is_one_object) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  log_warn(&f.log, "claimed", F_U("partition", UINT64_C(9007199254740993)), F_S("owner", NULL),
           F_BOOL("first", false), F_D("rate", NAN));
  json_t *json = parse_line(written(&f));
  cr_assert_str_eq(string_of(json, "level"), "warn");
  cr_assert_str_eq(string_of(json, "process"), "worker w-abc");
  cr_assert_str_eq(string_of(json, "event"), "claimed");
  cr_assert_eq(json_integer_value(json_object_get(json, "partition")), 9007199254740993);
  cr_assert_str_eq(string_of(json, "owner"), "");
  cr_assert(json_is_false(json_object_get(json, "first")));
  cr_assert(json_is_null(json_object_get(json, "rate")));
  json_decref(json);
  close_log(&f);
}

Test(log, an_event_needs_no_fields) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  log_error(&f.log, "stopped");
  json_t *json = parse_line(written(&f));
  cr_assert_str_eq(string_of(json, "event"), "stopped");
  json_decref(json);
  close_log(&f);
}

Test(log, levels_below_the_threshold_and_a_null_log_write_nothing) {
  struct fixture f;
  int evaluated = 0;
  open_log(&f, LOG_FORMAT_TEXT);
  log_debug(&f.log, "detail", F_I("n", ++evaluated));
  log_info((struct log *)NULL, "nowhere", F_I("n", ++evaluated));
  cr_assert_str_eq(written(&f), "");
  cr_assert_eq(evaluated, 0);
  close_log(&f);
}

Test(log, hostile_values_cannot_forge_a_line_or_a_field) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_TEXT);
  log_info(&f.log, "joined", F_S("name", "x\nlevel=error event=\"fake\"\\\t\x1b[31m\x7f"));
  cr_assert_str_eq(strstr(written(&f), " name="),
                   " name=\"x\\nlevel=error event=\\\"fake\\\"\\\\\\t\\u001b[31m\\u007f\"\n");
  log_info(&f.log, "joined", F_S("name", "a=b"), F_S("room", ""));
  cr_assert_str_eq(strstr(written(&f), " name="), " name=\"a=b\" room=\"\"\n");
  close_log(&f);
}

Test(log, invalid_utf8_becomes_the_replacement_character) {
  static const struct {
    const char *raw, *logged;
  } cases[] = {
      {"caf\xc3\xa9 \xe2\x98\x83 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x98\x83 \xf0\x9f\x98\x80"},
      {"a\xff", "a\xef\xbf\xbd"},
      {"\x80z", "\xef\xbf\xbdz"},
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xe2\x98", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf8\x88\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
  };
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    log_info(&f.log, "joined", F_S("name", cases[i].raw));
    json_t *json = parse_line(written(&f));
    cr_assert_str_eq(string_of(json, "name"), cases[i].logged);
    json_decref(json);
  }
  close_log(&f);
}

Test(log, marks_that_turn_the_text_direction_are_escaped) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_TEXT);
  log_info(&f.log, "joined", F_S("name", "\xe2\x80\xae\xc2\x85"));
  cr_assert_str_eq(strstr(written(&f), " name="), " name=\"\\u202e\\u0085\"\n");
  close_log(&f);
}

Test(log, every_byte_value_gives_valid_json) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  for (int first = 0; first < 256; first++)
    for (int second = 0; second < 256; second += 5) {
      unsigned char raw[2] = {(unsigned char)first, (unsigned char)second};
      log_info(&f.log, "joined", F_B("name", raw, sizeof raw), F_U("after", 1));
      json_t *json = parse_line(written(&f));
      cr_assert_eq(json_integer_value(json_object_get(json, "after")), 1);
      json_decref(json);
    }
  close_log(&f);
}

Test(log, a_line_is_bounded_and_stays_json) {
  static char huge[20000];
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  for (int fill = 0; fill < 2; fill++) {
    memset(huge, fill ? 'x' : 1, sizeof huge);
    struct bytes value = bytes_of(huge, sizeof huge);
    log_info(&f.log, "big", F_BYTES("a", value), F_BYTES("b", value), F_BYTES("c", value), F_BYTES("d", value),
             F_BYTES("e", value));
    const char *line = written(&f);
    cr_assert_leq(strlen(line), LOG_LINE_BYTES);
    json_t *json = parse_line(line);
    cr_assert(json_is_true(json_object_get(json, "truncated")));
    cr_assert_not_null(json_object_get(json, "c"));
    json_decref(json);
  }
  close_log(&f);
}

Test(log, a_full_pipe_loses_lines_and_says_how_many, .timeout = 10) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_JSON);
  for (int i = 0; i < 3000; i++) log_info(&f.log, "flood");
  uint64_t lost = f.log.lost;
  cr_assert_gt(lost, 0);
  while (*written(&f)) continue;
  log_info(&f.log, "after");
  json_t *json = parse_line(written(&f));
  cr_assert_eq((uint64_t)json_integer_value(json_object_get(json, "lost")), lost);
  cr_assert_eq(f.log.lost, 0);
  json_decref(json);
  close_log(&f);
}

Test(log, a_broken_pipe_is_survived) {
  struct fixture f;
  open_log(&f, LOG_FORMAT_TEXT);
  signal(SIGPIPE, SIG_IGN);
  close(f.read_fd);
  log_info(&f.log, "nobody_reads");
  log_info(&f.log, "nobody_reads");
  cr_assert_eq(f.log.lost, 2);
  close(f.write_fd);
}

Test(log, a_limited_event_is_bounded_and_its_rest_is_counted) {
  struct fixture f;
  struct log_limit limit = {.per_second = 2, .second = UINT64_MAX};
  open_log(&f, LOG_FORMAT_JSON);
  for (int i = 0; i < 10; i++) log_limited(&f.log, &limit, LOG_LEVEL_WARN, "refused", F_S("why", "origin"));
  size_t lines = count_lines(written(&f));
  cr_assert(lines >= 2 && lines <= 4, "%zu lines: two a second, at most one second's end in between", lines);

  uint64_t held = limit.suppressed;
  cr_assert_gt(held, 0);
  limit.second--; /* as if the second had passed */
  log_limited(&f.log, &limit, LOG_LEVEL_WARN, "refused");
  json_t *json = parse_line(written(&f));
  cr_assert_eq((uint64_t)json_integer_value(json_object_get(json, "suppressed")), held);
  cr_assert_eq(limit.suppressed, 0);
  json_decref(json);
  close_log(&f);
}

Test(log, the_count_of_a_finished_burst_can_be_flushed) {
  struct fixture f;
  struct log_limit limit = {.suppressed = 7};
  open_log(&f, LOG_FORMAT_TEXT);
  log_limit_flush(&f.log, &limit, LOG_LEVEL_WARN, "refused");
  cr_assert_str_eq(strstr(written(&f), " event="), " event=refused suppressed=7\n");
  log_limit_flush(&f.log, &limit, LOG_LEVEL_WARN, "refused");
  cr_assert_str_eq(written(&f), "");
  close_log(&f);
}
