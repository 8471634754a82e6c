/* What a seed chooses. Small numbers of everything, so that collisions are frequent; short leases, so that they
 * lapse; some runs with many kinds of faults, some with one, some with none. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>

/* Each fault is off in half of the runs: a run in which everything breaks at once proves little about any of it. */
static uint32_t rate(struct sim *sim, uint32_t most) {
  return sim_chance(sim, 500) ? (uint32_t)sim_between(sim, most / 10, most) : 0;
}

static void choose_faults(struct sim *sim, struct sim_plan *plan) {
  plan->kill_worker = rate(sim, 1500);
  plan->kill_gateway = rate(sim, 500);
  plan->stall_worker = rate(sim, 2500);
  plan->stall_gateway = rate(sim, 1200);
  plan->drain_worker = rate(sim, 700);
  plan->drain_gateway = rate(sim, 400);
  plan->join_worker = rate(sim, 500);
  plan->break_link = rate(sim, 7000);
  plan->stall_redis = rate(sim, 500);
  plan->restart_redis = rate(sim, 200);
  plan->cut_client = rate(sim, 5000);
  plan->give_up = rate(sim, 200);
}

static void choose_shards(struct sim *sim, struct sim_plan *plan) {
  plan->shards = sim_chance(sim, 300) ? (uint32_t)sim_between(sim, 2, SIM_SHARDS_MAX) : 1;
  if (plan->shards == 1) return;
  plan->skew_ms = sim_chance(sim, 500) ? sim_below(sim, 50) : 0;
  if (plan->partitions < plan->shards) plan->partitions = plan->shards;
}

void sim_plan_make(struct sim *sim) {
  struct sim_plan *plan = &sim->plan;
  /* One statement each: in one initialiser the compiler would choose the order, and a seed mean something else. */
  plan->partitions = (uint32_t)sim_between(sim, 1, 4);
  plan->workers = (uint32_t)sim_between(sim, 2, 3);
  plan->gateways = 2;
  plan->clients = (uint32_t)sim_between(sim, 3, 6);
  plan->rooms = (uint32_t)sim_between(sim, 1, 4);
  plan->active_us = sim_between(sim, 3000, 7000) * 1000;
  plan->lease_ms = sim_between(sim, 300, 1200);
  plan->gateway_ttl_ms = sim_between(sim, 800, 3000);
  plan->latency_us = sim_between(sim, 30, 400);
  plan->spike_permille = sim_chance(sim, 500) ? (uint32_t)sim_between(sim, 1, 30) : 0;
  plan->clock_error_ms = sim_chance(sim, 500) ? (int64_t)sim_between(sim, 1, 400) : 0;
  plan->partition_entries = sim_chance(sim, 200) ? sim_between(sim, 2, 8) : 10000;
  plan->gateway_entries = sim_chance(sim, 100) ? sim_between(sim, 6, 20) : 10000;
  plan->waiting_entries = sim_chance(sim, 200) ? sim_between(sim, 2, 8) : 10000;
  plan->live_ms = (uint32_t)sim_between(sim, 150, 900);
  plan->think_us = sim_between(sim, 5000, 60000);
  plan->twin_permille = sim_chance(sim, 300) ? 400 : 0;
  plan->suspect_permille = (uint32_t)sim_below(sim, 3) * 500;
  plan->zombie_permille = (uint32_t)sim_below(sim, 3) * 500;
  plan->deserted = sim_chance(sim, 30);
  if (!sim_chance(sim, 100)) choose_faults(sim, plan);
  if (sim_chance(sim, 250)) plan->poisons = (uint32_t)sim_between(sim, 1, 2);
  plan->words_permille = (uint32_t)sim_below(sim, 3) * 500;
  plan->kill_noted_permille = sim_chance(sim, 200) ? 100 : 0;
  plan->tick_hz = (uint32_t)sim_between(sim, 5, 60);
  plan->kinds_from = (uint32_t)sim_below(sim, 60);
  plan->pace_us = sim_chance(sim, 500) ? sim_between(sim, 500, 5000) : 0;
  choose_shards(sim, plan);
}

void sim_plan_print(const struct sim *sim) {
  const struct sim_plan *plan = &sim->plan;
  printf("plan: %u Redis, their clocks %" PRIu64
         " ms apart, %u partitions, %u workers, %u gateways, %u clients, %u rooms, lease %" PRIu64 " ms, ttl %" PRIu64
         " ms, latency %" PRIu64 " us, pace %" PRIu64 " us, spikes %u, clock error %" PRId64 " ms, limits %" PRIu64
         " %" PRIu64 " %" PRIu64 ", %u frames a second, live %u ms, think %" PRIu64
         " us, twins %u, suspect %u, zombies %u%s\n",
         plan->shards, plan->skew_ms, plan->partitions, plan->workers, plan->gateways, plan->clients, plan->rooms,
         plan->lease_ms, plan->gateway_ttl_ms, plan->latency_us, plan->pace_us, plan->spike_permille,
         plan->clock_error_ms, plan->partition_entries, plan->gateway_entries, plan->waiting_entries, plan->tick_hz,
         plan->live_ms, plan->think_us, plan->twin_permille, plan->suspect_permille, plan->zombie_permille,
         plan->deserted ? ", deserted" : "");
  printf(
      "faults: worker kill %u stall %u drain %u join %u, gateway kill %u stall %u drain %u, link %u, redis stall %u "
      "restart %u, client cut %u give up %u, poison %u, words %u, killed when noted %u\n",
      plan->kill_worker, plan->stall_worker, plan->drain_worker, plan->join_worker, plan->kill_gateway,
      plan->stall_gateway, plan->drain_gateway, plan->break_link, plan->stall_redis, plan->restart_redis,
      plan->cut_client, plan->give_up, plan->poisons, plan->words_permille, plan->kill_noted_permille);
}
