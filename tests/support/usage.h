/* What a server has used and done so far: the processor time that the kernel counts, and its own metrics. Two of them
 * around a stretch of time tell what happened in it. */
#ifndef HEYA_TESTS_SUPPORT_USAGE_H
#define HEYA_TESTS_SUPPORT_USAGE_H

#include "tests/support/http_client.h"
#include "tests/support/servers.h"

/* User and system time of a process so far, with that of threads that have ended, in seconds; 0 when there is
 * none. */
double usage_cpu_s(pid_t pid);
/* Of the whole machine: what was not idle. */
double usage_machine_cpu_s(void);
/* Memory of a process, in bytes; what it shares with others is shared out (Pss). Else, where one may not read that,
 * all that is resident. 0 when there is none. */
uint64_t usage_memory_bytes(pid_t pid);

struct usage {
  uint64_t at_us; /* monotonic */
  double cpu_s;   /* user and system */
  struct http_response metrics;
};

/* Waits for the server's answer. False when it has none; a Redis is not asked. */
bool usage_read(struct usage *usage, const struct server *server);
void usage_close(struct usage *usage);

/* Processors kept busy between the two; 1 is one of them all the time. */
double usage_cpus(const struct usage *before, const struct usage *after);
/* By how much a counter grew; the name as in the metrics, with its labels. */
double usage_grown(const struct usage *before, const struct usage *after, const char *name);
/* The upper bound, in seconds, of the bucket of a histogram below which this fraction of what it counted between the
 * two lies; infinite if that is above all bounds. */
double usage_below(const struct usage *before, const struct usage *after, const char *histogram, double fraction);

#endif
