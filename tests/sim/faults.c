/* When what breaks: one clock for each kind of fault, as often as the plan says, until the active phase ends. */
#include "tests/sim/client.h"
#include "tests/sim/process.h"

/* ---- what can happen ---- */

static void start_again(void *arg) {
  faults_repair(arg);
}

void faults_replace(struct sim *sim) {
  sim_at(sim, sim->now_us + sim_interval(sim, 200000), start_again, sim);
}

static void kill_worker(struct sim *sim) {
  struct sim_process *process = process_any(sim, true);
  if (process) process_kill(process);
  faults_replace(sim);
}

static void kill_gateway(struct sim *sim) {
  struct sim_process *process = process_any(sim, false);
  if (process) process_kill(process);
  faults_replace(sim);
}

/* Mostly about as long as what would be noticed. */
static uint64_t stall_time(struct sim *sim, uint64_t limit_ms) {
  return sim_chance(sim, 500) ? sim_interval(sim, limit_ms * 1000) : sim_interval(sim, 30000);
}

static void stall_worker(struct sim *sim) {
  struct sim_process *process = process_any(sim, true);
  if (process) process_stall(process, stall_time(sim, sim->plan.lease_ms));
}

static void stall_gateway(struct sim *sim) {
  struct sim_process *process = process_any(sim, false);
  if (process) process_stall(process, stall_time(sim, sim->plan.gateway_ttl_ms));
}

static void drain_worker(struct sim *sim) {
  struct sim_process *process = process_any(sim, true);
  if (process) process_drain(process);
  faults_replace(sim);
}

static void drain_gateway(struct sim *sim) {
  struct sim_process *process = process_any(sim, false);
  if (process) process_drain(process);
  faults_replace(sim);
}

static void join_worker(struct sim *sim) {
  if (process_count(sim, true, true) < sim->plan.workers + 2) process_start(sim, true);
}

/* Mostly nothing is on its way, and nothing is in doubt afterwards; so half of the time it is seen to that something
 * is. */
static void break_link(struct sim *sim) {
  struct sim_process *process = process_any(sim, sim_chance(sim, 600));
  if (!process) return;
  struct sim_store *store = process->stores[sim_below(sim, sim->plan.shards)];
  if (sim_chance(sim, 500)) {
    sim_store_break_next(store, LINK_COMMANDS);
    return;
  }
  if (sim_chance(sim, 700)) sim_store_break(store, LINK_COMMANDS);
  if (sim_chance(sim, 500)) sim_store_break(store, LINK_READS);
}

static struct model *any_redis(struct sim *sim) {
  return sim->models[sim_below(sim, sim->plan.shards)];
}

static void stall_redis(struct sim *sim) {
  struct model *model = any_redis(sim);
  uint64_t until_us = sim->now_us + stall_time(sim, sim->plan.lease_ms);
  sim->seen[SEEN_ONE_AWAY] += sim->plan.shards > 1;
  SIM_TRACE(sim, "redis", "%u stalls for %u ms", model->shard, (unsigned)((until_us - sim->now_us) / 1000));
  sim_store_stall_redis(model, until_us);
  sim_disturbed(sim, until_us + 2 * sim->plan.lease_ms * 1000);
}

static void restart_redis(struct sim *sim) {
  struct model *model = any_redis(sim);
  SIM_TRACE(sim, "redis", "%u restarts", model->shard);
  model_restart(model);
  sim_store_stall_redis(model, sim->now_us + sim_interval(sim, 100000));
  for (size_t i = 0; i < sim->n_processes; i++) {
    if (!sim->processes[i]->alive) continue;
    sim_store_break(sim->processes[i]->stores[model->shard], LINK_COMMANDS);
    sim_store_break(sim->processes[i]->stores[model->shard], LINK_READS);
  }
  sim_disturbed(sim, model->stalled_until_us + 2 * sim->plan.lease_ms * 1000);
}

void faults_noted(struct sim_process *process) {
  struct sim *sim = process->sim;
  if (sim->phase != SIM_ACTIVE || !sim_chance(sim, sim->plan.kill_noted_permille)) return;
  process_kill(process);
  faults_replace(sim);
}

static void cut_client(struct sim *sim) {
  if (sim->n_clients) client_cut(sim->clients[sim_below(sim, sim->n_clients)]);
}

static void give_up(struct sim *sim) {
  if (sim->n_clients) client_give_up(sim->clients[sim_below(sim, sim->n_clients)]);
}

/* ---- the clocks ---- */

struct fault {
  struct sim *sim;
  uint32_t rate; /* in 1000 s */
  void (*strike)(struct sim *);
};

static void schedule(struct fault *fault);

static void on_fault(void *arg) {
  struct fault *fault = arg;
  if (fault->sim->phase != SIM_ACTIVE) return;
  fault->strike(fault->sim);
  schedule(fault);
}

static void schedule(struct fault *fault) {
  uint64_t mean_us = 1000000000u / fault->rate;
  sim_at(fault->sim, fault->sim->now_us + sim_interval(fault->sim, mean_us), on_fault, fault);
}

void faults_begin(struct sim *sim) {
  const struct sim_plan *plan = &sim->plan;
  const struct fault faults[] = {
      {sim, plan->kill_worker, kill_worker},   {sim, plan->kill_gateway, kill_gateway},
      {sim, plan->stall_worker, stall_worker}, {sim, plan->stall_gateway, stall_gateway},
      {sim, plan->drain_worker, drain_worker}, {sim, plan->drain_gateway, drain_gateway},
      {sim, plan->join_worker, join_worker},   {sim, plan->break_link, break_link},
      {sim, plan->stall_redis, stall_redis},   {sim, plan->restart_redis, restart_redis},
      {sim, plan->cut_client, cut_client},     {sim, plan->give_up, give_up},
  };
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    if (faults[i].rate == 0) continue;
    struct fault *fault = sim_alloc(sim, sizeof *fault);
    *fault = faults[i];
    schedule(fault);
  }
}

void faults_repair(struct sim *sim) {
  while (process_count(sim, true, false) < sim->plan.workers && process_start(sim, true)) continue;
  while (process_count(sim, false, false) < sim->plan.gateways && process_start(sim, false)) continue;
}
