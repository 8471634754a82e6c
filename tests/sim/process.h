/* A gateway or worker as a process: the product's core, its store, its clock, and an inbox of what reaches it. It
 * runs when something has come or its own time is up; while stalled nothing of it runs, and then it finds everything
 * late. */
#ifndef HEYA_TESTS_SIM_PROCESS_H
#define HEYA_TESTS_SIM_PROCESS_H

#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "tests/sim/sim.h"
#include "tests/sim/store.h"
#include "worker/worker.h"

struct wire;

struct sim_process {
  struct sim *sim;
  char name[24]; /* in traces */
  bool is_worker;
  bool alive; /* neither killed nor at its end */
  bool stopping;
  uint64_t stalled_until_us;
  uint64_t clock_zero_us; /* what its monotonic clock said at the beginning of the run */
  int64_t clock_error_ms; /* of its estimate of Redis's clock */
  struct sim_queue inbox;
  bool scheduled;
  uint64_t run_at_us;  /* when scheduled */
  uint32_t busy_turns; /* in a row, without having heard anything */
  struct sim_store *stores[SIM_SHARDS_MAX];
  struct worker *worker;
  struct worker_metrics worker_metrics;
  struct gateway *gateway;
  struct gateway_metrics gateway_metrics;
  struct wire **wires; /* a gateway's connections, closed ones included */
  size_t n_wires, cap_wires;
  uint64_t next_conn;
};

struct sim_process *process_start(struct sim *, bool worker);
/* handle(arg) runs in the process, in order; never, if it dies before. */
void process_post(struct sim_process *, void (*handle)(void *arg), void *arg);
/* The same at that time. */
void process_post_at(struct sim_process *, uint64_t at_us, void (*handle)(void *arg), void *arg);
/* As kill -9: not a word; its peers may notice. */
void process_kill(struct sim_process *);
void process_stall(struct sim_process *, uint64_t for_us);
/* As SIGTERM. */
void process_drain(struct sim_process *);
bool process_is_stalled(const struct sim_process *);
size_t process_count(const struct sim *, bool workers, bool stopping_too);
struct sim_process *process_any(struct sim *, bool worker); /* a living one; NULL: none */
/* Frees the product's memory, dead or alive. */
void processes_close(struct sim *);

/* faults.c: begins to do what the plan says, until the active phase ends. */
void faults_begin(struct sim *);
/* Starts what is missing: now, or after a while. */
void faults_repair(struct sim *);
void faults_replace(struct sim *);
/* It has noted a step that it expects to die of: no other moment to be killed in costs a room that did nothing. */
void faults_noted(struct sim_process *);

#endif
