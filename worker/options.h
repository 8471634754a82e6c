/* The options of heya-worker beside the common ones (common/server.h). Used by main.c only. */
#ifndef HEYA_WORKER_OPTIONS_H
#define HEYA_WORKER_OPTIONS_H

#include "common/server.h"

struct worker_options {
  struct server_options server;
  char *id; /* NULL: "w" */
  uint64_t lease_ms;
  uint64_t kind_limit_ms;   /* processor time of one call; 0: no limit */
  uint64_t log_entries;     /* of a room's log */
  struct option_list kinds; /* shared objects, and scripts in Lua */
  uint64_t lua_budget;      /* instructions of one call into a script */
  uint64_t lua_memory;      /* bytes of one room of a script */
};

extern const struct option_set worker_option_set;

/* What a table cannot check; the argument is a struct worker_options. False with one line in `error`. */
bool worker_options_check(const void *options, char *error, size_t error_size);

#endif
