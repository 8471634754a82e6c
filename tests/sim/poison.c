/* Death in the code of a kind; see tests/sim/poison.h. */
#include "tests/sim/poison.h"

#include "tests/sim/oracle.h"
#include "tests/sim/process.h"

#define DUE_PERMILLE 20

bool poison_is_due(struct sim *sim) {
  return sim->oracle->n_poisons < sim->plan.poisons && sim_chance(sim, DUE_PERMILLE);
}

/* The dead do not call: what they still run is no concern of anybody. */
static struct sim_process *caller(const struct sim *sim) {
  return sim->running && sim->running->alive ? sim->running : NULL;
}

void poison_call(struct sim *sim, const char *room) {
  const struct sim_process *process = caller(sim);
  if (process) oracle_kind_called(sim, process->name, &process->worker->scene, room);
}

void poison_strike(struct sim *sim, uint64_t token) {
  struct sim_process *process = caller(sim);
  if (!process) return;
  const struct scene *scene = &process->worker->scene;
  bool speaks = sim_chance(sim, sim->plan.words_permille);
  SIM_TRACE(sim, process->name, "dies in %s of token %u, %s", scene->room, (unsigned)token,
            speaks ? "and says so" : "without a word");
  oracle_struck(sim, process->name, scene, token);
  if (speaks) sim_store_last_words(process->stores[scene->partition % process->sim->plan.shards], scene);
  process_kill(process);
  faults_replace(sim);
}
