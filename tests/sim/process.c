/* Gateways and workers as processes of the simulation; see tests/sim/process.h. */
#include "tests/sim/process.h"

#include "tests/sim/ledger.h"
#include "tests/sim/oracle.h"
#include "tests/sim/wire.h"
#include <stdio.h>

#define WAIT_MIN_US    30 /* a loop turn takes some time */
#define BUSY_TURNS_MAX 20000

struct item {
  void (*handle)(void *arg);
  void *arg;
  struct sim_process *process;
};

/* ---- running ---- */

static void run(void *arg);

static void wake_at(struct sim_process *process, uint64_t at_us) {
  if (at_us < process->stalled_until_us) at_us = process->stalled_until_us;
  if (process->scheduled && process->run_at_us <= at_us) return;
  process->scheduled = true;
  process->run_at_us = at_us;
  sim_at(process->sim, at_us, run, process);
}

bool process_is_stalled(const struct sim_process *process) {
  return process->sim->now_us < process->stalled_until_us;
}

static void hang_up(struct sim_process *process) {
  for (uint32_t i = 0; i < process->sim->plan.shards; i++) sim_store_kill(process->stores[i]);
}

/* The end of a process of its own will. */
static void end(struct sim_process *process) {
  SIM_TRACE(process->sim, process->name, "ends");
  process->alive = false;
  hang_up(process);
}

static uint64_t turn(struct sim_process *process) {
  if (process->is_worker) {
    uint64_t wait_us = worker_turn(process->worker);
    if (process->worker->state == WORKER_FAILED) sim_fail(process->sim, "refused", "%s", process->worker->failure);
    if (process->worker->state == WORKER_STOPPED && process->alive) end(process);
    return wait_us;
  }
  uint64_t wait_us = gateway_turn(process->gateway);
  if (gateway_refused(process->gateway)) {
    sim_fail(process->sim, "refused", "%s", gateway_refused(process->gateway));
  }
  if (gateway_is_finished(process->gateway)) {
    end(process);
    for (size_t i = 0; i < process->n_wires; i++) wire_gateway_died(process->wires[i]);
  }
  return wait_us;
}

/* It may die in any of it (tests/sim/poison.h). */
static uint64_t live(struct sim_process *process, bool *heard) {
  struct item *item;
  *heard = false;
  while (!process->sim->failed && process->alive && (item = sim_queue_pop(&process->inbox))) {
    *heard = true;
    item->handle(item->arg);
  }
  return process->alive ? turn(process) : 0;
}

static void run(void *arg) {
  struct sim_process *process = arg;
  struct sim *sim = process->sim;
  if (!process->alive || !process->scheduled || sim->now_us != process->run_at_us) return;
  process->scheduled = false;
  if (process_is_stalled(process)) {
    wake_at(process, process->stalled_until_us);
    return;
  }
  bool heard;
  sim->running = process;
  uint64_t wait_us = live(process, &heard);
  sim->running = NULL;
  if (!process->alive) return;
  process->busy_turns = heard || wait_us > 500 ? 0 : process->busy_turns + 1;
  if (process->busy_turns > BUSY_TURNS_MAX) sim_fail(sim, "spin", "%s never rests", process->name);
  if (wait_us > 10000000) wait_us = 10000000;
  wake_at(process, sim->now_us + (wait_us < WAIT_MIN_US ? WAIT_MIN_US : wait_us));
}

void process_post(struct sim_process *process, void (*handle)(void *arg), void *arg) {
  if (!process->alive) return;
  struct item *item = sim_alloc(process->sim, sizeof *item);
  *item = (struct item){.handle = handle, .arg = arg, .process = process};
  sim_queue_push(process->sim, &process->inbox, item);
  wake_at(process, process->sim->now_us + sim_between(process->sim, 5, 40));
}

static void post_now(void *arg) {
  struct item *item = arg;
  process_post(item->process, item->handle, item->arg);
}

void process_post_at(struct sim_process *process, uint64_t at_us, void (*handle)(void *arg), void *arg) {
  struct item *item = sim_alloc(process->sim, sizeof *item);
  *item = (struct item){.handle = handle, .arg = arg, .process = process};
  sim_at(process->sim, at_us, post_now, item);
}

/* ---- starting ---- */

static void start_worker(struct sim_process *process, struct store *const *stores) {
  const struct sim_plan *plan = &process->sim->plan;
  struct worker_config config = {.version = "sim",
                                 .partitions = plan->partitions,
                                 .shards = plan->shards,
                                 .lease_ms = plan->lease_ms,
                                 .pace_us = plan->pace_us};
  snprintf(config.id, sizeof config.id, "%s", process->name);
  process->worker = worker_create(&config, stores, ledger_kinds(process->sim), &process->worker_metrics, NULL);
}

static void start_gateway(struct sim_process *process, struct store *const *stores) {
  static const struct auth auth = {.mode = AUTH_DEV};
  static const struct payload_registry registry = {.count = 0};
  const struct sim_plan *plan = &process->sim->plan;
  struct gateway_config config = {.id = process->name,
                                  .partitions = plan->partitions,
                                  .shards = plan->shards,
                                  .ttl_ms = plan->gateway_ttl_ms,
                                  .drain_timeout_ms = 3000,
                                  .partition_entries = plan->waiting_entries,
                                  .partition_bytes = 1 << 20,
                                  .pace_us = plan->pace_us,
                                  .sessions = {.max_message_bytes = 65536, .max_rooms = 16},
                                  .auth = &auth,
                                  .registry = &registry,
                                  .output = &wire_output};
  process->gateway = gateway_create(stores, &config, &process->gateway_metrics, NULL);
}

struct sim_process *process_start(struct sim *sim, bool worker) {
  if (sim->n_processes == SIM_PROCESSES_MAX) return NULL;
  struct sim_process *process = sim_alloc(sim, sizeof *process);
  process->sim = sim;
  process->is_worker = worker;
  process->alive = true;
  process->clock_zero_us = sim_between(sim, 1, 1000000) * 1000;
  process->clock_error_ms =
      (int64_t)sim_below(sim, (uint64_t)sim->plan.clock_error_ms * 2 + 1) - sim->plan.clock_error_ms;
  snprintf(process->name, sizeof process->name, "%c%zu", worker ? 'w' : 'g', sim->n_processes);
  sim->processes[sim->n_processes++] = process;
  struct store *stores[SIM_SHARDS_MAX];
  for (uint32_t i = 0; i < sim->plan.shards; i++) {
    stores[i] = sim_store_create(process, sim->models[i]);
    process->stores[i] = (struct sim_store *)(void *)stores[i];
  }
  if (worker) start_worker(process, stores);
  if (!worker) start_gateway(process, stores);
  SIM_TRACE(sim, process->name, "starts, its clock %+d ms", (int)process->clock_error_ms);
  wake_at(process, sim->now_us);
  return process;
}

/* ---- trouble ---- */

struct suspicion {
  struct sim_process *peer;
  char id[64];
  bool worker;
};

static void on_suspicion(void *arg) {
  struct suspicion *suspicion = arg;
  if (suspicion->worker) {
    worker_suspect(suspicion->peer->worker, suspicion->id);
  } else {
    worker_suspect_gateway(suspicion->peer->worker, suspicion->id);
  }
}

/* Its peers see its connections close, and are refused new ones. */
static void be_noticed(struct sim_process *dead) {
  struct sim *sim = dead->sim;
  if (!sim_chance(sim, sim->plan.suspect_permille)) return;
  for (size_t i = 0; i < sim->n_processes; i++) {
    struct sim_process *peer = sim->processes[i];
    if (!peer->alive || !peer->is_worker || !sim_chance(sim, 700)) continue;
    struct suspicion *suspicion = sim_alloc(sim, sizeof *suspicion);
    suspicion->peer = peer;
    suspicion->worker = dead->is_worker;
    snprintf(suspicion->id, sizeof suspicion->id, "%s",
             dead->is_worker ? dead->worker->config.id : gateway_id(dead->gateway));
    if (*suspicion->id) process_post_at(peer, sim->now_us + sim_interval(sim, 3000), on_suspicion, suspicion);
  }
}

void process_kill(struct sim_process *process) {
  struct sim *sim = process->sim;
  if (!process->alive) return;
  SIM_TRACE(sim, process->name, "is killed");
  process->alive = false;
  hang_up(process);
  for (size_t i = 0; i < process->n_wires; i++) wire_gateway_died(process->wires[i]);
  be_noticed(process);
  uint64_t gone_ms = process->is_worker ? sim->plan.lease_ms : sim->plan.gateway_ttl_ms;
  sim_disturbed(sim, sim->now_us + gone_ms * 1000);
}

void process_stall(struct sim_process *process, uint64_t for_us) {
  struct sim *sim = process->sim;
  if (!process->alive) return;
  uint64_t until_us = sim->now_us + for_us;
  if (process->stalled_until_us < until_us) process->stalled_until_us = until_us;
  SIM_TRACE(sim, process->name, "stalls for %u ms", (unsigned)(for_us / 1000));
  sim_disturbed(sim, until_us + sim->plan.lease_ms * 1000);
}

static void on_drain(void *arg) {
  struct sim_process *process = arg;
  if (process->is_worker) worker_stop(process->worker);
  if (!process->is_worker) gateway_drain(process->gateway);
}

void process_drain(struct sim_process *process) {
  if (!process->alive || process->stopping) return;
  SIM_TRACE(process->sim, process->name, "is asked to end");
  process->stopping = true;
  process_post(process, on_drain, process);
  sim_disturbed(process->sim, process->sim->now_us + process->sim->plan.lease_ms * 1000);
}

/* ---- all of them ---- */

size_t process_count(const struct sim *sim, bool workers, bool stopping_too) {
  size_t n = 0;
  for (size_t i = 0; i < sim->n_processes; i++) {
    const struct sim_process *process = sim->processes[i];
    n += process->alive && process->is_worker == workers && (stopping_too || !process->stopping);
  }
  return n;
}

struct sim_process *process_any(struct sim *sim, bool worker) {
  struct sim_process *found = NULL;
  uint64_t n = 0;
  for (size_t i = 0; i < sim->n_processes; i++) {
    struct sim_process *process = sim->processes[i];
    if (!process->alive || process->is_worker != worker) continue;
    if (sim_below(sim, ++n) == 0) found = process;
  }
  return found;
}

void processes_close(struct sim *sim) {
  for (size_t i = 0; i < sim->n_processes; i++) {
    struct sim_process *process = sim->processes[i];
    process->alive = false;
    for (uint32_t s = 0; s < sim->plan.shards; s++) process->stores[s]->base.ops->destroy(&process->stores[s]->base);
    for (size_t w = 0; w < process->n_wires; w++) {
      if (process->wires[w]->session) session_closed(process->wires[w]->session);
    }
    worker_destroy(process->worker);
    gateway_destroy(process->gateway);
  }
}
