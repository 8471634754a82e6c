/* What gateway and worker have in common as programs: options, log, event loop, Redis, admin server, signals, and one
 * turn of their core per loop turn.
 *
 * A main.c embeds a `struct server`, lists the common option rows among its tables, and gives a `struct server_core`:
 *
 *   server_read_options -> (its own checks) -> server_open -> (its own parts) -> server_run -> server_close
 *
 * Signals: the first SIGTERM or SIGINT asks the core to stop orderly, the second one ends the process at once.
 */
#ifndef HEYA_COMMON_SERVER_H
#define HEYA_COMMON_SERVER_H

#include "common/admin.h"
#include "common/endpoint.h"
#include "common/log.h"
#include "common/metric.h"
#include "common/option.h"
#include "common/store_redis.h"

#include <ev.h>

#define SERVER_EXIT_OK      0 /* an orderly end */
#define SERVER_EXIT_FAILURE 1 /* something failed */
#define SERVER_EXIT_USAGE   2 /* a wrong option */
#define SERVER_EXIT_TEXT                                                                                             \
  "Exit status: 0 an orderly end, 1 something failed, 2 a wrong option. SIGTERM and SIGINT end it orderly."

#define SERVER_VERSION "0.1.0"
#define SERVER_NEVER   UINT64_MAX

struct server_options {
  char *admin;              /* HOST:PORT */
  char *advertise;          /* HOST:PORT at which peers reach the admin port; NULL: as bound */
  struct option_list redis; /* URLs, one of each shard, in order */
  char *prefix;
  char *failpoints; /* NULL: none */
  uint64_t partitions;
  uint64_t reply_timeout_ms, drain_timeout_ms;
  uint64_t pace_us;                        /* 0: calls of Redis are not paced */
  uint64_t gateway_entries, gateway_bytes; /* of a gateway's stream */
  enum log_level log_level;
  enum log_format log_format;
};

/* The rows, for tables whose base is where the program's config keeps its struct server_options. */
#define SERVER_PROCESS_ROWS 6
#define SERVER_REDIS_ROWS   7
extern const struct option_row server_process_rows[SERVER_PROCESS_ROWS];
extern const struct option_row server_redis_rows[SERVER_REDIS_ROWS];

/* What the tables cannot check of them. False with one line in `error`. */
bool server_options_check(const struct server_options *, char *error, size_t error_size);

/* Called from the loop. */
struct server_core {
  /* Does what can be done now; in how many microseconds it wants to be called again at the latest, or SERVER_NEVER.
   * May call server_finish. */
  uint64_t (*turn)(void *arg);
  bool (*ready)(void *arg, struct buf *reason); /* appends why not */
  const char *(*id)(void *arg);                 /* of this process in Redis; "": none now */
  void (*stop)(void *arg);                      /* begin an orderly end */
  /* Logs the line `ready`, once, with what whoever started the process waits for. */
  void (*say_ready)(void *arg);
  const struct admin_route *routes; /* of the admin server, beside its own; their argument is the struct server */
  size_t n_routes;
};

struct server {
  const struct server_core *core;
  void *arg;
  const struct server_options *options;
  struct log log;
  struct metrics metrics;
  struct store_redis_metrics redis_metrics; /* of all of them */
  struct failpoints *failpoints;
  struct ev_loop *loop;
  struct store *stores[STORE_SHARDS_MAX]; /* one of each shard; those of one process tell the same monotonic time */
  uint32_t n_stores;
  struct admin *admin;
  char admin_address[ENDPOINT_BYTES]; /* with the port that was bound */
  char peer_address[ENDPOINT_BYTES];  /* as peers reach it: --advertise, or the same */
  struct ev_prepare prepare;
  struct ev_io timer;  /* a timerfd, for the time that the core named */
  uint64_t wake_at_us; /* when it fires; 0: not set yet */
  struct ev_signal terminate, interrupt;
  bool said_ready, stopping;
  int status; /* what the process exits with */
};

/* Reads the program's options into `config` and starts the log. False when the process is not to run (help, a wrong
 * option; all of that is printed): then server->status says how to exit. `check` refuses what no table can. */
bool server_read_options(struct server *, const struct option_set *, void *config, int argc, char **argv,
                         bool (*check)(const void *config, char *error, size_t error_size));

/* Opens failpoints, loop, admin server, and the store, which is completed from the common options. Then core and arg
 * are used. False after logging why not. */
bool server_open(struct server *, struct store_redis_options *, const struct server_core *, void *arg);

/* Returns when server_finish was called. */
void server_run(struct server *);
void server_finish(struct server *, int status);

/* First, so that nothing calls back while the program's parts are taken apart. */
void server_close_outside(struct server *);
/* Last. */
void server_close(struct server *);

/* Logs and returns false. */
bool server_fail(struct server *, const char *event, const char *error);

#endif
