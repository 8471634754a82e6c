/* See worker/lua/script.h. */
#include "worker/lua/script.h"
#include "common/mem.h"
#include "proto/names.h"
#include "worker/lua/script_api.h"
#include "worker/lua/script_kind.h"
#include "worker/lua/script_payload.h"
#include "worker/lua/script_sandbox.h"

#include <errno.h>
#include <math.h>

static const char *const function_names[SCRIPT_FUNCTIONS] = {
    [SCRIPT_OPEN] = "open",       [SCRIPT_JOIN] = "join",         [SCRIPT_LEAVE] = "leave",
    [SCRIPT_COMMAND] = "command", [SCRIPT_PROFILE] = "profile",   [SCRIPT_MANAGE] = "manage",
    [SCRIPT_TICK] = "tick",       [SCRIPT_TIMER] = "timer",       [SCRIPT_OPENED] = "opened",
    [SCRIPT_VACANCY] = "vacancy", [SCRIPT_DESCRIBE] = "describe", [SCRIPT_SNAPSHOT] = "snapshot"};

const char *script_function_name(enum script_function function) {
  return function_names[function];
}

/* ---- an interpreter with the script in it ---- */

struct piece {
  struct bytes left;
};

struct start {
  const struct script *script;
};

static const char *read_piece(lua_State *L, void *arg, size_t *size) {
  struct piece *piece = arg;
  (void)L;
  *size = piece->left.len;
  piece->left.len = 0;
  return *size ? piece->left.data : NULL;
}

/* Of what the script returned, at the top, into the registry. */
static void keep_functions(lua_State *L) {
  for (int i = 0; i < SCRIPT_FUNCTIONS; i++) {
    lua_getfield(L, -1, function_names[i]);
    if (!lua_isnil(L, -1) && !lua_isfunction(L, -1))
      luaL_error(L, "'%s' must be a function, and is a %s", function_names[i], luaL_typename(L, -1));
    lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_FUNCTION + i);
  }
}

static int run_script(lua_State *L) {
  const struct script *script = ((const struct start *)lua_touserdata(L, 1))->script;
  struct piece piece = {.left = buf_bytes(&script->code)};
  lua_settop(L, 0);
  script_sandbox_push(L);
  if (lua_load(L, read_piece, &piece, script->name)) lua_error(L);
  lua_call(L, 0, 1);
  if (!lua_istable(L, -1)) return luaL_error(L, "it returns no table but %s", luaL_typename(L, -1));
  keep_functions(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_TABLE);
  script_sandbox_lock(L, 1);
  script_api_open(L);
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_STATE);
  return 0;
}

bool script_start(const struct script *script, struct script_vm *vm, char error[SCRIPT_ERROR_MAX]) {
  struct start start = {.script = script};
  if (!script_vm_open(vm, script->limits)) {
    snprintf(error, SCRIPT_ERROR_MAX, "there is no memory for an interpreter");
    return false;
  }
  if (script_vm_run(vm, run_script, &start, error)) return true;
  script_vm_close(vm);
  return false;
}

/* ---- reading the table ---- */

/* A whole number from `least` to `most`. */
static uint32_t number_field(lua_State *L, const char *name, uint32_t least, uint32_t most, uint32_t fallback) {
  lua_getfield(L, -1, name);
  double number = lua_isnil(L, -1) ? fallback : lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
  lua_pop(L, 1);
  if (!(number >= least && number <= most) || number != floor(number))
    luaL_error(L, "'%s' must be a whole number from %f to %f", name, (double)least, (double)most);
  return (uint32_t)number;
}

static const char *text_field(lua_State *L, const char *name) {
  lua_getfield(L, -1, name);
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "'%s' must be a text, and is a %s", name, luaL_typename(L, -1));
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1); /* it stays in the table */
  return text;
}

static bool is_known(const char *name) {
  static const char *const fields[] = {"name",           "max_members", "max_members_limit",
                                       "max_spectators", "empty_ms",    "away_ms",
                                       "tick_hz",        "lossy",       "messages"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (strcmp(fields[i], name) == 0) return true;
  for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++)
    if (strcmp(function_names[i], name) == 0) return true;
  return false;
}

static void check_names(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "a number";
    if (!is_known(name)) luaL_error(L, "'%s' is nothing that a kind has", name);
    lua_pop(L, 1);
  }
}

static void take_functions(lua_State *L, struct script *script) {
  for (int i = 0; i < SCRIPT_FUNCTIONS; i++) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_FUNCTION + i);
    script->has[i] = lua_isfunction(L, -1);
    lua_pop(L, 1);
  }
  if (!script->has[SCRIPT_COMMAND]) luaL_error(L, "the function 'command' is missing");
  if (!script->has[SCRIPT_SNAPSHOT]) luaL_error(L, "the function 'snapshot' is missing");
  if (script->kind.tick_hz && !script->has[SCRIPT_TICK]) luaL_error(L, "the function 'tick' is missing");
  if (script->has[SCRIPT_TICK] && !script->kind.tick_hz) luaL_error(L, "'tick' needs a 'tick_hz'");
}

static int read_table(lua_State *L) {
  struct script *script = lua_touserdata(L, 1);
  struct kind *kind = &script->kind;
  lua_rawgeti(L, LUA_REGISTRYINDEX, SCRIPT_KEY_TABLE);
  check_names(L);
  const char *name = text_field(L, "name"), *package = text_field(L, "messages");
  if (!name || !kind_is_valid(name, strlen(name))) return luaL_error(L, "'name' must be one: [a-z][a-z0-9_]{0,15}");
  snprintf(script->name, sizeof script->name, "%s", name);
  script->is_proto = package != NULL;
  if (package && !payload_kind_of_package(package, &script->messages))
    return luaL_error(L, "'messages': there are none called '%s'", package);
  kind->max_members = number_field(L, "max_members", 1, UINT32_MAX, 16);
  kind->max_members_limit = number_field(L, "max_members_limit", kind->max_members, UINT32_MAX, kind->max_members);
  kind->max_spectators = number_field(L, "max_spectators", 0, UINT32_MAX, 0);
  kind->empty_ms = number_field(L, "empty_ms", 0, UINT32_MAX, 10000);
  kind->away_ms = number_field(L, "away_ms", 0, UINT32_MAX, 30000);
  kind->tick_hz = number_field(L, "tick_hz", 0, KIND_TICK_HZ_MAX, 0);
  lua_getfield(L, -1, "lossy");
  kind->lossy = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (kind->lossy && !kind->tick_hz) return luaL_error(L, "'lossy' needs a 'tick_hz'");
  take_functions(L, script);
  return 0;
}

/* ---- loading ---- */

struct source {
  struct script *script;
  struct buf text;
  const char *path;
};

static bool read_file(const char *path, struct buf *out, char *error, size_t error_size) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    snprintf(error, error_size, "%s: %s", path, strerror(errno));
    return false;
  }
  unsigned char *to = buf_reserve(out, SCRIPT_FILE_MAX + 1);
  out->len = fread(to, 1, SCRIPT_FILE_MAX + 1, file);
  bool fine = !ferror(file) && out->len <= SCRIPT_FILE_MAX;
  fclose(file);
  if (!fine) snprintf(error, error_size, "%s: cannot be read, or has more than 1 MiB", path);
  return fine;
}

static int write_code(lua_State *L, const void *data, size_t size, void *arg) {
  (void)L;
  buf_append(arg, data, size);
  return 0;
}

static int compile(lua_State *L) {
  struct source *source = lua_touserdata(L, 1);
  const struct buf *text = &source->text;
  const char *chunk = lua_pushfstring(L, "@%s", source->path);
  if (text->len && text->data[0] == '\x1b')
    return luaL_error(L, "%s: it is compiled code, not a script", source->path);
  if (luaL_loadbuffer(L, (const char *)text->data, text->len, chunk)) return lua_error(L);
  lua_dump(L, write_code, &source->script->code);
  return 0;
}

static bool compile_into(struct script *script, const char *path, char why[SCRIPT_ERROR_MAX]) {
  struct source source = {.script = script, .path = path};
  struct script_vm vm;
  bool done = read_file(path, &source.text, why, SCRIPT_ERROR_MAX);
  if (done) {
    done = script_vm_open(&vm, script->limits) && script_vm_run(&vm, compile, &source, why);
    script_vm_close(&vm);
  }
  buf_close(&source.text);
  return done;
}

/* Runs it once, as each room will, and reads what it returns. */
static bool try_out(struct script *script, char why[SCRIPT_ERROR_MAX]) {
  struct script_vm vm;
  if (!script_start(script, &vm, why)) return false;
  bool done = script_vm_run(&vm, read_table, script, why);
  script_vm_close(&vm);
  return done;
}

struct script *script_load(const char *path, struct script_limits limits, struct log *log, uint64_t *failures,
                           char *error, size_t error_size) {
  struct script *script = xcalloc(1, sizeof *script);
  char why[SCRIPT_ERROR_MAX] = "";
  script->limits = limits;
  script->voice = xcalloc(1, sizeof *script->voice);
  script->voice->log = log;
  script->voice->failures = failures;
  script_kind_init(script);
  if (compile_into(script, path, why) && try_out(script, why)) {
    script_kind_fill(script);
    return script;
  }
  bool has_path = strncmp(why, path, strlen(path)) == 0;
  snprintf(error, error_size, "%s%s%s", has_path ? "" : path, has_path ? "" : ": ", why);
  script_destroy(script);
  return NULL;
}

void script_destroy(struct script *script) {
  if (!script) return;
  buf_close(&script->code);
  free(script->voice);
  free(script);
}
