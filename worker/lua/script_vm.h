/* A Lua interpreter of one room (LuaJIT, its compiler switched off), with bounds that a script cannot step over.
 *
 * Every call of script code goes through script_vm_run. Instructions, allocated bytes and the loops of our own C
 * functions draw on one budget; memory has a cap; processor time has a limit for what neither sees. When one is
 * passed, the run ends with an error that the script cannot catch: `stop` stays set, and the sandbox's pcall
 * (script_sandbox.h) passes the error on while it is. One C function of Lua that takes for ever is not seen: that is
 * worker/watchdog.h's.
 *
 * Why one interpreter for each room: a script's file-level variables cannot be made read-only, so rooms that share
 * them would leak into each other; the cap on memory is then one room's own, and an interpreter in which something
 * has failed can be thrown away. With a small script it costs 40 KB and 80 us.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_VM_H
#define HEYA_WORKER_LUA_SCRIPT_VM_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_BUDGET_DEFAULT 1000000      /* instructions of one call */
#define SCRIPT_MEMORY_DEFAULT (16u << 20)  /* bytes of one room */
#define SCRIPT_MEMORY_MIN     (256u << 10) /* an interpreter with a small script takes 40 KB */
#define SCRIPT_TIME_MS        250          /* processor time of one call; the budget's ends after about 5 ms */
#define SCRIPT_BYTES_PER_STEP 64           /* allocated for the price of an instruction */
#define SCRIPT_ERROR_MAX      256

struct script_limits {
  uint64_t budget;
  size_t memory;
};

enum script_stop { SCRIPT_NOT_STOPPED, SCRIPT_OVER_BUDGET, SCRIPT_OVER_MEMORY, SCRIPT_OVER_TIME };

struct script_vm {
  lua_State *L; /* NULL: closed */
  struct script_limits limits;
  size_t used;  /* bytes */
  int64_t left; /* of the budget, in this run */
  bool running; /* in script_vm_run: outside, nothing is refused */
  enum script_stop stop;
  uintptr_t stack;              /* of C, at the begin of the run */
  uint64_t began_ns, looked_ns; /* processor time at the begin of the run; the clock when it was looked at last */
  char where[80];               /* "file:line: " of the stop, or "" */
  void *context;                /* of whoever runs it: see script_call.h */
};

/* An interpreter with nothing in it. False when it does not fit into the memory. The vm may not move while open. */
bool script_vm_open(struct script_vm *vm, struct script_limits limits);
/* Idempotent. */
void script_vm_close(struct script_vm *vm);

/* Calls body(L) with `arg` as a light userdata, protected, with a full budget. False with "file:line: why" in `error`
 * when it ended by an error. What it leaves on the stack is dropped. Not nested. */
bool script_vm_run(struct script_vm *vm, lua_CFunction body, void *arg, char error[SCRIPT_ERROR_MAX]);

/* ---- for C functions that scripts call ---- */

struct script_vm *script_vm_of(lua_State *L);
/* Draws on the budget. Does not return when it is spent, nor once any bound has been passed: who has caught an error
 * calls it, so that nobody keeps a stop from going on to script_vm_run. An ordinary error when C's stack is deep. */
void script_vm_charge(lua_State *L, uint64_t steps);

#endif
