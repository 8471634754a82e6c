/* libFuzzer target: the state of a room of a kind in Lua, as it is found in Redis. What is read must be the one
 * encoding of what it became; and reading takes no more memory and time than a room may.
 *
 *   make fuzz T=lua_state
 */
#include "worker/lua/script_sandbox.h"
#include "worker/lua/script_state.h"
#include "worker/lua/script_vm.h"

#include <lauxlib.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
  if (!holds) abort();
}

struct job {
  struct bytes bytes;
  struct buf out;
  bool read;
};

static int prepare(lua_State *L) {
  script_sandbox_push(L);
  return 0;
}

static int read_and_write(lua_State *L) {
  struct job *job = lua_touserdata(L, 1);
  int top = lua_gettop(L);
  job->read = script_state_push(L, job->bytes);
  must(lua_gettop(L) == top + job->read);
  if (job->read) script_state_append(L, -1, &job->out);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct job job = {.bytes = bytes_of(data, size)};
  struct script_vm vm;
  char error[SCRIPT_ERROR_MAX];
  must(script_vm_open(&vm, (struct script_limits){.budget = SCRIPT_BUDGET_DEFAULT, .memory = 4u << 20}));
  must(script_vm_run(&vm, prepare, NULL, error));
  bool done = script_vm_run(&vm, read_and_write, &job, error);
  must(done || vm.stop != SCRIPT_NOT_STOPPED); /* only a bound ends it early */
  if (done && job.read) must(bytes_equal(buf_bytes(&job.out), job.bytes));
  script_vm_close(&vm);
  buf_close(&job.out);
  return 0;
}

/* Of script_call.c, which is not needed here. */
int script_call_random(lua_State *L);
void script_call_say(lua_State *L, struct bytes text);
int script_call_random(lua_State *L) {
  return luaL_error(L, "none here");
}
void script_call_say(lua_State *L, struct bytes text) {
  (void)L;
  (void)text;
}
