/* The promises of the kind `chat` once more, made by tests/kinds/lua/chat.lua. What it saves is room.state and not a
 * message, so that is left out. */
#include "tests/kinds/lua_table.h"

#define CHAT_KIND  lua_file("tests/kinds/lua/chat.lua")
#define CHAT_SUITE chat_lua

#include "tests/kinds/chat.c"
