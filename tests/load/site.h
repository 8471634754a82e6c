/* The servers that load is put on: a Redis or several, workers and gateways started for it, or ones that run already;
 * and what they use: processor time, memory, calls of Redis. */
#ifndef HEYA_TESTS_LOAD_SITE_H
#define HEYA_TESTS_LOAD_SITE_H

#include "tests/load/options.h"
#include "tests/load/report.h"
#include "tests/support/servers.h"

#include <netinet/in.h>

#define SITE_GATEWAYS_MAX  32
#define SITE_PROCESSES_MAX 32
#define SITE_REDIS_MAX     16

struct redisContext;

struct site_process {
  char name[24];
  pid_t pid;
};

struct site {
  struct ev_loop *loop;
  bool own;                                   /* started here */
  struct servers servers;                     /* if own */
  const char *const *args[2];                 /* of workers and gateways; owned */
  struct redisContext *redis[SITE_REDIS_MAX]; /* blocking, for looking outside of what is measured */
  unsigned n_redis;                           /* 0: not known */
  struct sockaddr_in gateways[SITE_GATEWAYS_MAX];
  unsigned n_gateways;
  struct site_process processes[SITE_PROCESSES_MAX]; /* whose usage is counted */
  unsigned n_processes;
};

/* Starts `workers` or more, as the options say, or checks what it is pointed at. False, with a word on standard
 * error, when there is nothing to put load on; *bad_usage is set when an option's value is the reason. site_close
 * either way. */
bool site_open(struct site *site, struct ev_loop *loop, const struct load_options *options, unsigned workers,
               bool *bad_usage);
/* Ends what was started. Logs stay if something went wrong, or the options say so. */
void site_close(struct site *site, bool keep);

/* ---- what they use ---- */

struct site_usage {
  uint64_t at_us;
  double cpu_s[SITE_PROCESSES_MAX]; /* in the order of processes */
  double self_s, machine_s;         /* of this program; of all that runs */
};
void site_usage_read(const struct site *site, struct site_usage *usage);

/* Processors kept busy, of each and together, by this program, and by others on this machine, who disturb; and the
 * servers' time for one of `n` things that were done. */
void site_report_cpu(const struct site *site, struct report *report, const struct site_usage *before,
                     const struct site_usage *after, double n, const char *thing);

/* Bytes, in the order of processes. */
void site_memory_read(const struct site *site, uint64_t bytes[SITE_PROCESSES_MAX]);
/* used_memory of all; 0 if it is not known. */
uint64_t site_redis_memory(const struct site *site);

/* JSON: what all processes hold now, in MB, of each. Members should still be in. */
void site_report_memory(const struct site *site, struct report *report);
/* JSON: bytes of the image of a room, which each commit that changes it writes. Nothing if Redis is not known. */
void site_report_image(const struct site *site, struct report *report, const char *room);

/* The sum of a metric of all workers; -1 if it is not known, as of servers that were not started here. */
double site_worker_metric(const struct site *site, const char *name);

/* Rounds through Redis so far, of all servers: calls with commands, commits, partitions in these, and entries that
 * commits wrote for gateways. How often they happen, not how much they carry, is most of what a command costs. */
struct site_rounds {
  double appends, commits, segments, addressed; /* below 0: not known */
  uint64_t at_us;
};
/* Asks all servers, which wait for nothing meanwhile, but this program does: outside of what is measured. */
void site_rounds_read(const struct site *site, struct site_rounds *rounds);
/* JSON: in a second, between the two. */
void site_report_rounds(struct report *report, const struct site_rounds *before, const struct site_rounds *after);

/* Commands that Redis has run, also within functions, by name. */
#define SITE_CALLS_MAX 96
struct site_calls {
  unsigned n;
  struct {
    char name[24];
    uint64_t calls;
  } of[SITE_CALLS_MAX];
};
/* False if Redis is not known. */
bool site_calls_read(const struct site *site, struct site_calls *calls);
/* How many of each for one of `n` things. */
void site_report_calls(struct report *report, const struct site_calls *before, const struct site_calls *after,
                       double n, const char *thing);

#endif
