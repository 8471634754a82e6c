/* Kinds written in Lua: a file that returns the table of worker/kind.h, as Lua knows it.
 *
 * script_load is called at start (worker/main.c, for --kind FILE.lua); the kind's functions, in script_kind.c, are
 * the same for all scripts and find theirs in room_kind(room)->data. docs/writing-a-kind-in-lua.md is the contract
 * with the script. How the files here divide the work:
 *
 *   script_vm       an interpreter with bounds           script_json, script_proto   payloads as tables, and back
 *   script_sandbox  what is in it                        script_state, script_keys   room.state as bytes, and back
 *   script_string   string functions with bounds         script_api, script_effects  what the script does to its room
 *   script_pattern  the matcher they use                 script_call                 one call, as a whole or not at
 * all
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_H
#define HEYA_WORKER_LUA_SCRIPT_H

#include "common/buf.h"
#include "common/log.h"
#include "proto/payload.h"
#include "worker/kind.h"
#include "worker/lua/script_vm.h"

#define SCRIPT_FILE_MAX (1u << 20) /* bytes */

enum script_function {
  SCRIPT_OPEN,
  SCRIPT_JOIN,
  SCRIPT_LEAVE,
  SCRIPT_COMMAND,
  SCRIPT_PROFILE,
  SCRIPT_MANAGE,
  SCRIPT_TICK,
  SCRIPT_TIMER,
  SCRIPT_OPENED,
  SCRIPT_VACANCY,
  SCRIPT_DESCRIBE,
  SCRIPT_SNAPSHOT,
  SCRIPT_FUNCTIONS /* how many */
};

/* What scripts say, in lines a second, and how often they fail. */
struct script_voice {
  struct log *log;    /* not owned; NULL: nobody wants to know */
  uint64_t *failures; /* counts calls that fail; not owned; NULL: nobody counts */
  struct log_limit failed, said;
};

struct script {
  struct kind kind; /* `data` is this script */
  char name[KIND_MAX + 1];
  struct buf code; /* compiled, with its lines */
  struct script_limits limits;
  bool has[SCRIPT_FUNCTIONS];
  bool is_proto;                /* its payloads are these messages; else they are JSON */
  struct payload_kind messages; /* a built-in kind's */
  struct script_voice *voice;
};

/* Reads the file, runs it once, and fills `kind`. NULL with a sentence in `error` that names file and line. The log
 * and the number of failures, either of which may be NULL, are used later, and outlive the script. */
struct script *script_load(const char *path, struct script_limits limits, struct log *log, uint64_t *failures,
                           char *error, size_t error_size);
/* After the last room of its kind. NULL is harmless. */
void script_destroy(struct script *script);

/* An interpreter in which the script has been run, for one room: functions, room object and an empty state are in the
 * registry under the keys below. False with file and line in `error`; the vm is then closed. */
bool script_start(const struct script *script, struct script_vm *vm, char error[SCRIPT_ERROR_MAX]);

/* "open", "join", ... Static. */
const char *script_function_name(enum script_function function);

/* Integer keys in the registry of an interpreter: its functions are at SCRIPT_KEY_FUNCTION + enum script_function. */
enum { SCRIPT_KEY_ROOM = 1, SCRIPT_KEY_STATE, SCRIPT_KEY_MEMBER, SCRIPT_KEY_TABLE, SCRIPT_KEY_FUNCTION = 16 };

#endif
