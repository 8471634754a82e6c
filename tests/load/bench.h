/* A run of heya-bench: what it was asked for, the servers it runs on, and the scenarios, one file each. */
#ifndef HEYA_TESTS_LOAD_BENCH_H
#define HEYA_TESTS_LOAD_BENCH_H

#include "tests/load/options.h"
#include "tests/load/progress.h"
#include "tests/load/report.h"
#include "tests/load/site.h"

/* How large a run is. */
struct shape {
  uint32_t rooms, members; /* members of each room; each is one connection */
  uint32_t at_once;        /* loops or groups that go on side by side */
  double rate;             /* commands a second of all together */
  uint64_t duration_ms, warm_up_ms;
};

struct dialect;

struct bench {
  struct ev_loop *loop;
  const struct load_options *options;
  const struct dialect *dialect; /* of the servers */
  struct site site;
  struct progress progress;
  struct report report; /* of the scenario that runs */
  struct shape shape;   /* likewise */
  uint32_t crowds;      /* made so far: each has names of its own */
  uint32_t tag;         /* of this process, in all names, for servers that know older ones */
  bool stopped;         /* by a signal */
  ev_signal signals[2];
};

/* Runs one by name, or "smoke": all of them, small, as a test. The exit status. */
int bench_main(const char *scenario, const struct load_options *options);

/* For --help. */
void bench_print_scenarios(void);

/* Runs the loop until `condition`, for so many seconds, or until a signal; tells whether the condition came true. */
bool bench_until(struct bench *bench, double seconds, bool (*condition)(void *), void *arg);

/* Each puts what it found into the report. What went wrong is there too; false: it could not even be measured, and
 * the reason was told. */
bool scenario_broadcast(struct bench *bench);
bool scenario_idle(struct bench *bench);
bool scenario_churn(struct bench *bench);
bool scenario_hold(struct bench *bench);
bool scenario_live(struct bench *bench);
bool scenario_arena(struct bench *bench);
bool scenario_chat1000(struct bench *bench);
bool scenario_failover(struct bench *bench);

/* Of --rates, one; 0 if it is none. */
double broadcast_rate(const struct load_options *options, size_t index);

#endif
