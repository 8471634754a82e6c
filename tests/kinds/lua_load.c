/* Promises of loading a kind in Lua: whatever is wrong with it is said at start, with file and line. */
#include "tests/kinds/lua_table.h"

#define REST "command = function() end, snapshot = function() return {} end }"

Test(lua_load, takes_a_whole_table) {
  const struct kind *kind =
      lua_text("return { name = 'mine_2', max_members = 5, max_members_limit = 9, max_spectators = 3, empty_ms = "
               "1000, away_ms = 0,\n"
               "tick_hz = 20, lossy = true, tick = function() end, timer = function() end, " REST,
               LUA_LIMITS);
  cr_assert_str_eq(kind->name, "mine_2");
  cr_assert_eq(kind->max_members, 5);
  cr_assert_eq(kind->max_members_limit, 9);
  cr_assert_eq(kind->max_spectators, 3);
  cr_assert_eq(kind->empty_ms, 1000);
  cr_assert_eq(kind->away_ms, 0);
  cr_assert_eq(kind->tick_hz, 20);
  cr_assert(kind->lossy && kind->tick && kind->timer && kind->close);
  cr_assert(!kind->leave && !kind->describe);
}

Test(lua_load, has_defaults) {
  const struct kind *kind = lua_text("return { name = 'mine', " REST, LUA_LIMITS);
  cr_assert_eq(kind->max_members, 16);
  cr_assert_eq(kind->max_members_limit, 16);
  cr_assert_eq(kind->max_spectators, 0);
  cr_assert_eq(kind->empty_ms, 10000);
  cr_assert_eq(kind->away_ms, 30000);
  cr_assert_eq(kind->tick_hz, 0);
  cr_assert(!kind->tick && !kind->timer);
}

Test(lua_load, says_what_is_wrong) {
  static const struct {
    const char *text, *refusal;
  } cases[] = {
      {"return {\n name = 'x'\n command = 5", "test.lua:3: '}' expected (to close '{' at line 1) near 'command'"},
      {"local a\na.b = 1", "test.lua:2: attempt to index local 'a' (a nil value)"},
      {"\n\nwhile true do end", "test.lua:3: it takes too long: over --lua-budget"},
      {"local t = {}\nfor i = 1, 1e9 do t[i] = i end", "test.lua:2: it takes too "},
      {"while true do\npcall(error) end", "it takes too long: over --lua-budget"},
      {"error('so')", "test.lua:1: so"},
      {"error({})", "test.lua: an error that is no text but a table"},
      {"", "test.lua: it returns no table but nil"},
      {"return 5", "test.lua: it returns no table but number"},
      {"\x1bLJ", "it is compiled code, not a script"},
      {"return { name = 'x', snapshot = function() end }", "test.lua: the function 'command' is missing"},
      {"return { name = 'x', command = function() end }", "test.lua: the function 'snapshot' is missing"},
      {"return { " REST, "'name' must be one"},
      {"return { name = 'No', " REST, "'name' must be one"},
      {"return { name = 5, " REST, "'name' must be a text, and is a number"},
      {"return { name = 'x', max_members = 0, " REST, "'max_members' must be a whole number from 1 to"},
      {"return { name = 'x', max_members = 1.5, " REST, "'max_members' must be a whole number"},
      {"return { name = 'x', max_members = '5', " REST, "'max_members' must be a whole number"},
      {"return { name = 'x', max_members = 5, max_members_limit = 4, " REST, "'max_members_limit' must be a whole"},
      {"return { name = 'x', tick_hz = 121, tick = print, " REST, "'tick_hz' must be a whole number from 0 to 120"},
      {"return { name = 'x', tick_hz = 10, " REST, "the function 'tick' is missing"},
      {"return { name = 'x', tick = print, " REST, "'tick' needs a 'tick_hz'"},
      {"return { name = 'x', lossy = true, " REST, "'lossy' needs a 'tick_hz'"},
      {"return { name = 'x', open = 5, " REST, "'open' must be a function, and is a number"},
      {"return { name = 'x', on_command = 5, " REST, "'on_command' is nothing that a kind has"},
      {"return { name = 'x', messages = 'heya.kinds.none', " REST, "there are none called 'heya.kinds.none'"},
      {"math.random()\nreturn { name = 'x', " REST, "test.lua:1: not while the script is being loaded"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *refusal = lua_refusal(cases[i].text);
    cr_assert_not_null(strstr(refusal, cases[i].refusal), "'%s' and not '%s'", refusal, cases[i].refusal);
  }
}

Test(lua_load, refuses_a_file_that_cannot_be_read_or_is_too_long) {
  char error[256];
  cr_assert_null(script_load("/nowhere/x.lua", LUA_LIMITS, NULL, NULL, error, sizeof error));
  cr_assert_str_eq(error, "/nowhere/x.lua: No such file or directory");
  struct buf text = {0};
  while (text.len <= SCRIPT_FILE_MAX) buf_append_str(&text, "-- much ado about nothing ------------------------\n");
  cr_assert_not_null(strstr(lua_refusal(buf_str(&text)), "more than 1 MiB"));
  buf_close(&text);
}
