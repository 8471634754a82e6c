/* One call into a script on behalf of a room: arguments in, results out, and what happens to the room in between.
 *
 * A call takes effect as a whole or not at all. While it runs, what it sends and sets is collected
 * (script_effects.h); when it has returned, its state is encoded; only then is anything done. Of a call that fails
 * (an error, a bound, a state or payload that cannot be written) nothing remains: its interpreter is thrown away, and
 * the next one goes on from the state as it was encoded last. A call that refuses leaves the state as it was, too.
 */
#ifndef HEYA_WORKER_LUA_SCRIPT_CALL_H
#define HEYA_WORKER_LUA_SCRIPT_CALL_H

#include "worker/lua/script_effects.h"
#include "worker/lua/script_room.h"

struct script_call {
  const struct script *script;
  struct script_room *self;
  struct room *room;
  enum script_function function;
  struct member *member; /* of join, leave, command, profile, manage; the viewer of a snapshot, or NULL */
  struct bytes payload;  /* of open, join, command and profile */
  uint32_t number;       /* timer id, leave reason, or free seats */
  const struct kind_tick *tick;
  const Heya__V1__Manage *manage;
  const char *other; /* the room of opened and vacancy */
  uint64_t token;
  kind_code answer; /* of opened */
  bool ended;       /* of vacancy */
  /* what came of it */
  kind_code code;
  char message[160];
  struct buf result; /* of command and snapshot, encoded */
  struct buf scratch, image;
  struct buf properties; /* of describe: name, NUL, value, NUL, and so on */
  struct script_effects effects;
  uint64_t random;
  bool changed; /* the state */
};

/* Runs it, and does what it asked for. Returns its code: INTERNAL if it failed, which has been logged. */
kind_code script_call_run(struct script_call *call);
void script_call_close(struct script_call *call);

/* ---- for C functions that scripts call ---- */

/* The call that runs; raises an error if there is none, while the script is loaded. */
struct script_call *script_call_of(lua_State *L);
/* Whether the member of a call is not seated: he is about to join, or has left. */
bool script_call_has_guest(const struct script_call *call);
/* math.random, of the room's own sequence. */
int script_call_random(lua_State *L);
/* A line in the log. */
void script_call_say(lua_State *L, struct bytes text);

#endif
