/* See worker/options.h. */
#include "worker/options.h"
#include "proto/keys.h"
#include "worker/lua/script_vm.h"
#include <stdio.h>
#include <string.h>

#define AT(field)   offsetof(struct worker_options, field)
#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static const struct option_row worker_rows[] = {
    {.name = "id",
     .type = OPTION_STRING,
     .offset = AT(id),
     .help =
         "beginning of this worker's name in Redis, up to 24 of [A-Za-z0-9_.-]; a random end makes it new at every "
         "start; default w"},
    {.name = "lease",
     .type = OPTION_MS,
     .offset = AT(lease_ms),
     .fallback = "3s",
     .min = 200,
     .max = 600000,
     .help = "a worker silent for so long loses its partitions to the others"},
    {.name = "log-entries",
     .type = OPTION_U64,
     .offset = AT(log_entries),
     .fallback = "256",
     .min = 1,
     .max = 1u << 20,
     .help = "events kept in a room's log in Redis, about"},
    {.name = "kind-limit",
     .type = OPTION_MS,
     .offset = AT(kind_limit_ms),
     .fallback = "1s",
     .max = 600000,
     .help =
         "processor time of one call into a kind; one that takes longer ends the worker, and its room is closed; 0ms "
         "for no limit"},
    {.name = "kind",
     .type = OPTION_LIST,
     .offset = AT(kinds),
     .help = "FILE.so or FILE.lua with a kind of rooms; may be given several times"},
    {.name = "lua-budget",
     .type = OPTION_U64,
     .offset = AT(lua_budget),
     .fallback = "1000000",
     .min = 10000,
     .max = 1000000000,
     .help = "instructions of one call into a kind in Lua; a call that takes more has no effect"},
    {.name = "lua-memory",
     .type = OPTION_BYTES,
     .offset = AT(lua_memory),
     .fallback = "16m",
     .min = SCRIPT_MEMORY_MIN,
     .max = 1u << 30,
     .help = "of one room of a kind in Lua; a call that takes more has no effect"},
};

static const struct option_table tables[] = {
    {.section = "Worker", .rows = worker_rows, .count = COUNT(worker_rows)},
    {.section = "Process", .rows = server_process_rows, .count = SERVER_PROCESS_ROWS, .base = AT(server)},
    {.section = "Redis", .rows = server_redis_rows, .count = SERVER_REDIS_ROWS, .base = AT(server)},
};

const struct option_set worker_option_set = {
    .program = "heya-worker",
    .version = SERVER_VERSION,
    .summary =
        "Owns rooms: applies what clients send, keeps the rooms in Redis, tells their members.\n" SERVER_EXIT_TEXT,
    .tables = tables,
    .count = COUNT(tables),
};

#define ID_PREFIX_MAX 24

bool worker_options_check(const void *config, char *error, size_t error_size) {
  const struct worker_options *options = config;
  if (!server_options_check(&options->server, error, error_size)) return false;
  if (!options->id || !*options->id) return true;
  size_t len = strlen(options->id);
  if (len <= ID_PREFIX_MAX && process_id_is_valid(options->id, len)) return true;
  snprintf(error, error_size, "--id: not 1 to 24 of [A-Za-z0-9_.-]");
  return false;
}
