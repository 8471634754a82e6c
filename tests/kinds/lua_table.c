/* See tests/kinds/lua_table.h. */
#include "tests/kinds/lua_table.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One test is one process. */
static struct {
  struct log log;
  int fd; /* of the log; 0: not yet */
  char text[65536];
  struct script *scripts[64];
  size_t n;
  uint64_t failures;
} bench;

static struct log *bench_log(void) {
  if (bench.fd == 0) {
    bench.fd = memfd_create("log", 0);
    log_init(&bench.log, bench.fd, LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "test");
  }
  return &bench.log;
}

static const struct kind *keep(struct script *script, const char *error) {
  cr_assert_not_null(script, "%s", error);
  cr_assert_lt(bench.n, sizeof bench.scripts / sizeof *bench.scripts);
  bench.scripts[bench.n++] = script;
  return &script->kind;
}

const struct kind *lua_file(const char *path) {
  char error[512] = "";
  if (bench.n == 0) keep(script_load(path, LUA_LIMITS, bench_log(), &bench.failures, error, sizeof error), error);
  return &bench.scripts[0]->kind;
}

static struct script *load_text(const char *text, struct script_limits limits, char *error, size_t error_size) {
  char dir[] = "/tmp/heya-lua.XXXXXX", path[64];
  cr_assert_not_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/test.lua", dir);
  FILE *file = fopen(path, "w");
  fputs(text, file);
  fclose(file);
  struct script *script = script_load(path, limits, bench_log(), &bench.failures, error, error_size);
  unlink(path);
  rmdir(dir);
  return script;
}

const struct kind *lua_text(const char *text, struct script_limits limits) {
  char error[512] = "";
  return keep(load_text(text, limits, error, sizeof error), error);
}

const char *lua_refusal(const char *text) {
  static char error[512];
  cr_assert_null(load_text(text, LUA_LIMITS, error, sizeof error), "%s", text);
  const char *behind = strstr(error, "test.lua");
  cr_assert_not_null(behind, "%s", error);
  return behind;
}

const struct kind *lua_kind_of(const char *functions) {
  struct buf text = {0};
  buf_printf(&text, "return { name = 'test', tick_hz = nil, %s,\n snapshot = function(room) return room.state end }",
             functions);
  const struct kind *kind = lua_text(buf_str(&text), LUA_LIMITS);
  buf_close(&text);
  return kind;
}

struct room *lua_room(const char *functions) {
  kind_code code;
  struct room *room = harness_open(lua_kind_of(functions), bytes_of(NULL, 0), 1700000000000u, &code);
  cr_assert_eq(code, HEYA__V1__ERROR__CODE__OK, "%s", room->message);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of_str("{\"level\":7}")), HEYA__V1__ERROR__CODE__OK);
  cr_assert_eq(harness_join(room, "p2", "Bob", bytes_of(NULL, 0)), HEYA__V1__ERROR__CODE__OK);
  return room;
}

kind_code lua_give(struct room *room, const char *player, const char *json) {
  return harness_command(room, player, bytes_of_str(json));
}

static const char *as_text(struct bytes bytes) {
  cr_assert_lt(bytes.len, sizeof bench.text);
  if (bytes.len) memcpy(bench.text, bytes.data, bytes.len);
  bench.text[bytes.len] = '\0';
  return bench.text;
}

const char *lua_event(struct room *room) {
  return room->event_count ? as_text(buf_bytes(&room->events[room->event_count - 1].payload)) : "";
}

const char *lua_state(struct room *room) {
  struct buf bytes = {0};
  harness_snapshot(room, "p1", &bytes);
  const char *text = as_text(buf_bytes(&bytes));
  buf_close(&bytes);
  return text;
}

const char *lua_log(void) {
  ssize_t len = bench.fd ? pread(bench.fd, bench.text, sizeof bench.text - 1, 0) : 0;
  bench.text[len > 0 ? len : 0] = '\0';
  return bench.text;
}

uint64_t lua_failures(void) {
  return bench.failures;
}
