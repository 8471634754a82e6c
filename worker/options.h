/* The options of heya-worker: the table, what cannot be said in a table, and how they become the parts' own configs.
 *
 * A new option is a field here and a row in options.c; flags, environment, file, --help and --print-config follow
 * from the row. Used by main.c only.
 */
#ifndef HEYA_WORKER_OPTIONS_H
#define HEYA_WORKER_OPTIONS_H

#include "common/log.h"
#include "common/option.h"
#include "common/store_redis.h"

#define WORKER_EXIT_OK      0
#define WORKER_EXIT_FAILURE 1
#define WORKER_EXIT_USAGE   2

struct worker_options {
  char *admin; /* HOST:PORT */
  char *id;    /* NULL: random */
  char *redis, *prefix;
  uint64_t partitions;
  uint64_t lease_ms, reply_timeout_ms, drain_timeout_ms;
  uint64_t gateway_entries, gateway_bytes; /* of a gateway's stream */
  uint64_t log_entries;                    /* of a room's log */
  char *failpoints;                        /* NULL: none */
  enum log_level log_level;
  enum log_format log_format;
};

extern const struct option_set worker_option_set;

/* What a table cannot check. False with one line in `error`. */
bool worker_options_check(const struct worker_options *, char *error, size_t error_size);

/* What it points at belongs to the options. */
void worker_options_store(const struct worker_options *, struct store_redis_options *);

#endif
