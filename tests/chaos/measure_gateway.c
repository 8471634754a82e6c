/* How long it takes until all clients of a gateway that was killed have resumed elsewhere, with nothing missed. */
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"
#include "tests/chaos/stage.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define CLIENTS 1000
#define RATE    0.5 /* a second of a client: 500 in all */

struct loss {
  struct stage stage;
  uint64_t killed_us, last_us;
  uint32_t back;
  struct samples clients, last;
};

static void on_back(void *arg, struct client *client, uint64_t away_us) {
  struct loss *loss = arg;
  (void)client, (void)away_us; /* counted from the kill, which is before the client notices */
  loss->last_us = clock_monotonic_us() - loss->killed_us;
  samples_add(&loss->clients, loss->last_us);
  loss->back++;
}

static bool all_are_back(void *arg) {
  const struct loss *loss = arg;
  return loss->back >= loss->stage.swarm.n_clients;
}

/* Once: all are on the one, which is killed; they go to the other, and the next time back. */
static bool kill_gateway(struct loss *loss, unsigned index) {
  struct stage *stage = &loss->stage;
  struct server *victim = &stage->servers.gateways[index], *other = &stage->servers.gateways[!index];
  if (other->state == SERVER_DOWN) servers_start(other);
  if (!stage_wait_for_server(stage, other)) return false;
  run_until(stage->loop, 1, NULL, NULL);
  loss->back = 0;
  loss->killed_us = clock_monotonic_us();
  servers_kill(victim);
  if (!run_until(stage->loop, 30, all_are_back, loss)) {
    printf("  %" PRIu32 " of %d clients are back after 30 s\n", loss->back, CLIENTS);
    return false;
  }
  samples_add(&loss->last, loss->last_us);
  return stage_wait_for_clients(stage);
}

bool measure_gateway(uint32_t times, unsigned seed) {
  static struct loss loss;
  struct stage *stage = &loss.stage;
  bool fine = stage_open(stage) && stage_start(stage, 2, 1) && stage_populate(stage, CLIENTS, RATE, seed);
  stage->swarm.watch = (struct swarm_watch){.back = on_back, .arg = &loss};
  for (uint32_t i = 0; fine && i < times; i++) fine = kill_gateway(&loss, i % 2);
  printf("  %d clients in %d rooms, %.0f commands a second, 2 workers; resumes that got a snapshot: %" PRIu64
         " of %" PRIu64 "\n",
         CLIENTS, CLIENTS / 4, CLIENTS * RATE, stage->swarm.count.snapshots, stage->swarm.count.resumes);
  samples_print_header();
  samples_print(&loss.clients, "kill to resumed elsewhere (of a client)");
  samples_print(&loss.last, "kill to the last one resumed (of a kill)");
  if (stage->swarm.clients) fine = stage_check(stage) && fine;
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}
