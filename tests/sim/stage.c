/* One run: everybody comes, plays while things break, waits until all is settled, and goes. */
#include "tests/sim/client.h"
#include "tests/sim/process.h"

#define SETTLE_US 30000000 /* virtual time for everything to be answered */
#define VANISH_US 60000000
#define PAUSE_US  400000

static void play_and_break(struct sim *sim) {
  faults_repair(sim);
  clients_begin(sim);
  faults_begin(sim);
  sim_run(sim, sim->plan.active_us, NULL);
}

static void settle(struct sim *sim) {
  sim->phase = SIM_QUIET;
  SIM_TRACE(sim, "stage", "is quiet");
  faults_repair(sim);
  sim_run(sim, sim->now_us + SETTLE_US, oracle_has_settled);
  if (!sim->failed) sim_run(sim, sim->now_us + PAUSE_US, NULL); /* what should not come would come now */
  if (!sim->failed) sim_run(sim, sim->now_us + SETTLE_US, oracle_has_settled);
  if (!sim->failed) oracle_check_settled(sim);
}

static void go_home(struct sim *sim) {
  sim->phase = SIM_LEAVING;
  SIM_TRACE(sim, "stage", "closes");
  for (size_t i = 0; i < sim->n_clients; i++) client_go(sim->clients[i]);
  if (sim->plan.deserted && sim_run(sim, sim->now_us + VANISH_US, oracle_all_empty)) {
    for (size_t i = 0; i < sim->n_processes; i++) {
      if (sim->processes[i]->is_worker) process_kill(sim->processes[i]);
    }
  }
  sim_run(sim, sim->now_us + VANISH_US, oracle_has_vanished);
  if (!sim->failed) oracle_check_vanished(sim);
}

bool sim_play(struct sim *sim, uint64_t seed, enum sim_plant plant, bool tracing) {
  sim_open(sim, seed, plant, tracing);
  sim_plan_make(sim);
  if (tracing) sim_plan_print(sim);
  for (uint32_t i = 0; i < sim->plan.shards; i++) sim->models[i] = model_create(sim, i);
  oracle_create(sim);
  play_and_break(sim);
  if (!sim->failed) settle(sim);
  if (!sim->failed) go_home(sim);
  processes_close(sim);
  sim->hash = (sim->hash ^ sim_random(sim)) * 0x100000001b3u;
  return !sim->failed;
}
