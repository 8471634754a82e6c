/* What the tests of kinds in Lua share: scripts from texts, rooms of them, and commands in JSON. The harness is
 * their room, so that each step is also a failover. */
#ifndef HEYA_TESTS_KINDS_LUA_TABLE_H
#define HEYA_TESTS_KINDS_LUA_TABLE_H

#include "tests/kind_harness.h"
#include "tests/kinds/messages.h"
#include "worker/lua/script.h"

/* The kind of a file below the repository's root; loaded once. */
const struct kind *lua_file(const char *path);

/* The kind of a script that is `text`, called test.lua in what it reports, within these bounds; its log is
 * lua_log. It stays until the test ends. */
const struct kind *lua_text(const char *text, struct script_limits limits);
#define LUA_LIMITS ((struct script_limits){.budget = SCRIPT_BUDGET_DEFAULT, .memory = SCRIPT_MEMORY_DEFAULT})
/* Why it cannot be loaded; fails the test if it can. Valid until the next. */
const char *lua_refusal(const char *text);

/* The same around functions: "return {name='test', <functions>, snapshot = ...}"; a snapshot shows room.state. */
const struct kind *lua_kind_of(const char *functions);
/* A room of lua_kind_of with the members p1, Ann, and p2, Bob. */
struct room *lua_room(const char *functions);

/* A command of a member as JSON. */
kind_code lua_give(struct room *room, const char *player, const char *json);
/* The payload of the event sent last, as text; valid until the next. "" if there was none. */
const char *lua_event(struct room *room);
/* What p1 is shown. */
const char *lua_state(struct room *room);
/* All that scripts have logged so far. Valid until the next. */
const char *lua_log(void);
/* How many calls have failed. */
uint64_t lua_failures(void);

#endif
