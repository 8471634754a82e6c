/* See worker/lua/script_vm.h. */
#include "worker/lua/script_vm.h"
#include "proto/utf8.h"

#include <lauxlib.h>
#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GC_PAUSE                                                                                                     \
  140 /* percent of what is alive at which it collects; Lua's own is 200, and the cap counts garbage                 \
       */
#define LOOK_STEPS   256        /* instructions between two looks of the hook, which takes some 5 us */
#define STACK_BYTES  (1u << 20) /* of C, in one run; a thread has 8 MiB */
#define SLOW_LOOK_NS 1000000    /* so much later, the processor time is looked at, which costs a system call */

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct script_vm *script_vm_of(lua_State *L) {
  void *vm;
  lua_getallocf(L, &vm);
  return vm;
}

/* ---- stops ---- */

static bool note_line(struct script_vm *vm, lua_State *L, lua_Debug *frame) {
  if (!lua_getinfo(L, "Sl", frame) || frame->currentline <= 0) return false;
  snprintf(vm->where, sizeof vm->where, "%s:%d: ", frame->short_src, frame->currentline);
  return true;
}

/* The first stop counts; its place is the innermost Lua function's. */
static void stop(struct script_vm *vm, enum script_stop why) {
  lua_Debug frame;
  if (vm->stop) return;
  vm->stop = why;
  for (int level = 0; level < 16 && lua_getstack(vm->L, level, &frame); level++) {
    if (note_line(vm, vm->L, &frame)) return;
  }
}

/* Lua counts its own stack, not C's, which calls of script code from C functions (string.gsub) take from. */
static void check_stack(const struct script_vm *vm, lua_State *L) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  if (vm->running && vm->stack > here && vm->stack - here > STACK_BYTES) luaL_error(L, "stack overflow");
}

void script_vm_charge(lua_State *L, uint64_t steps) {
  struct script_vm *vm = script_vm_of(L);
  int64_t most = INT64_MAX / 2;
  vm->left -= steps > (uint64_t)most ? most : (int64_t)steps;
  if (vm->running && vm->left < 0) stop(vm, SCRIPT_OVER_BUDGET);
  if (vm->stop) {
    lua_pushliteral(L, "stopped");
    lua_error(L);
  }
  check_stack(vm, L);
}

/* Time that the process was not given does not count, but is cheap to see: only then the processor's is asked for. */
static void look_at_time(struct script_vm *vm) {
  uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
  bool slow = now_ns - vm->looked_ns > SLOW_LOOK_NS;
  vm->looked_ns = now_ns;
  if (slow && clock_ns(CLOCK_THREAD_CPUTIME_ID) - vm->began_ns > SCRIPT_TIME_MS * 1000000ull)
    stop(vm, SCRIPT_OVER_TIME);
}

static void look(lua_State *L, lua_Debug *frame) {
  struct script_vm *vm = script_vm_of(L);
  (void)frame;
  look_at_time(vm);
  script_vm_charge(L, LOOK_STEPS);
}

/* ---- memory ---- */

/* NULL, which Lua turns into an error at once, if it would be too much. */
static void *allocate(void *arg, void *old, size_t old_size, size_t size) {
  struct script_vm *vm = arg;
  if (size == 0) {
    free(old);
    vm->used -= old_size;
    return NULL;
  }
  if (size > old_size) {
    if (size > vm->limits.memory || vm->used - old_size > vm->limits.memory - size) {
      if (vm->running) stop(vm, SCRIPT_OVER_MEMORY);
      return NULL;
    }
    vm->left -= (int64_t)(size / SCRIPT_BYTES_PER_STEP);
    if (vm->running && vm->left < 0) {
      stop(vm, SCRIPT_OVER_BUDGET);
      return NULL;
    }
  }
  void *memory = realloc(old, size);
  if (memory) vm->used += size - old_size;
  return memory;
}

/* ---- life ---- */

bool script_vm_open(struct script_vm *vm, struct script_limits limits) {
  *vm = (struct script_vm){.limits = limits};
  vm->L = lua_newstate(allocate, vm);
  if (!vm->L) return false;
  luaJIT_setmode(vm->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* or the hook would not be called */
  lua_sethook(vm->L, look, LUA_MASKCOUNT, LOOK_STEPS);
  lua_gc(vm->L, LUA_GCSETPAUSE, GC_PAUSE);
  return true;
}

void script_vm_close(struct script_vm *vm) {
  if (vm->L) lua_close(vm->L);
  vm->L = NULL;
}

/* ---- running ---- */

static void explain(const struct script_vm *vm, char error[SCRIPT_ERROR_MAX]) {
  lua_State *L = vm->L;
  switch (vm->stop) {
  case SCRIPT_OVER_BUDGET:
    snprintf(error, SCRIPT_ERROR_MAX, "%sit takes too long: over --lua-budget", vm->where);
    return;
  case SCRIPT_OVER_TIME:
    snprintf(error, SCRIPT_ERROR_MAX, "%sit takes too long: over %d ms", vm->where, SCRIPT_TIME_MS);
    return;
  case SCRIPT_OVER_MEMORY:
    snprintf(error, SCRIPT_ERROR_MAX, "%sit takes too much memory: over --lua-memory", vm->where);
    return;
  case SCRIPT_NOT_STOPPED: break;
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    snprintf(error, SCRIPT_ERROR_MAX, "an error that is no text but a %s", luaL_typename(L, -1));
    return;
  }
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  size_t kept = utf8_cut(text, len, SCRIPT_ERROR_MAX - 1);
  memcpy(error, text, kept);
  error[kept] = '\0';
}

/* A call that is refused memory is not to be refused it for the garbage of earlier ones. */
static void clean_up(struct script_vm *vm) {
  if (vm->used > vm->limits.memory / 4 * 3) lua_gc(vm->L, LUA_GCCOLLECT, 0);
}

bool script_vm_run(struct script_vm *vm, lua_CFunction body, void *arg, char error[SCRIPT_ERROR_MAX]) {
  clean_up(vm);
  vm->left = (int64_t)vm->limits.budget;
  vm->stop = SCRIPT_NOT_STOPPED;
  vm->stack = (uintptr_t)__builtin_frame_address(0);
  vm->where[0] = error[0] = '\0';
  vm->began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  vm->looked_ns = clock_ns(CLOCK_MONOTONIC);
  vm->running = true;
  bool done = lua_cpcall(vm->L, body, arg) == 0;
  vm->running = false;
  if (!done) explain(vm, error);
  lua_settop(vm->L, 0);
  return done;
}
