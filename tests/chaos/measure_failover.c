/* How long the rooms of a worker that was killed stand still, under load. The load is what shows it: a command of
 * some member is under way at any time, so the first event of the next epoch is the first that anybody could notice.
 */
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"
#include "tests/chaos/stage.h"

#include "common/clock.h"
#include "proto/names.h"

#include <stdio.h>
#include <string.h>

#define CLIENTS    200
#define ROOMS      (CLIENTS / 4)
#define RATE       10 /* a second of a client: 2000 in all */
#define WORKERS    3
#define PATIENCE_S 20

struct failover {
  struct stage stage;
  uint64_t killed_us;
  uint64_t epochs[ROOMS]; /* in which the room was when its owner was killed; 0: not waited for */
  unsigned waiting;
  uint64_t first_us, last_us; /* of the rooms */
  struct samples first, rooms, last, acks;
};

static void on_event(void *arg, struct client *client) {
  struct failover *failover = arg;
  uint64_t *epoch = &failover->epochs[client->room];
  if (!*epoch || client->at.epoch <= *epoch) return;
  uint64_t took_us = clock_monotonic_us() - failover->killed_us;
  samples_add(&failover->rooms, took_us);
  if (!failover->first_us) failover->first_us = took_us;
  failover->last_us = took_us;
  *epoch = 0;
  failover->waiting--;
}

static void on_ack(void *arg, struct client *client, uint64_t took_us) {
  struct failover *failover = arg;
  (void)client;
  if (failover->killed_us) samples_add(&failover->acks, took_us);
}

static bool nobody_waits(void *arg) {
  const struct failover *failover = arg;
  return failover->waiting == 0;
}

/* Once. */
static bool kill_owner(struct failover *failover, unsigned index) {
  struct stage *stage = &failover->stage;
  struct servers_owner owners[SERVERS_PARTITIONS];
  struct server *worker = &stage->servers.workers[index];
  stage_owners(stage, owners);
  for (unsigned room = 0; room < ROOMS; room++) {
    const char *id = stage->swarm.clients[room * 4].room_id;
    const struct servers_owner *owner = &owners[room_partition(id, strlen(id), SERVERS_PARTITIONS)];
    failover->epochs[room] = owner->worker == index ? owner->epoch : 0;
    failover->waiting += owner->worker == index;
  }
  failover->first_us = failover->last_us = 0;
  failover->killed_us = clock_monotonic_us();
  servers_kill(worker);
  if (!run_until(stage->loop, PATIENCE_S, nobody_waits, failover)) {
    printf("  %u rooms of %s stand still after %d s\n", failover->waiting, worker->name, PATIENCE_S);
    return false;
  }
  samples_add(&failover->first, failover->first_us);
  samples_add(&failover->last, failover->last_us);
  run_until(stage->loop, 0.5, NULL, NULL); /* what had waited is answered */
  failover->killed_us = 0;
  servers_start(worker);
  return stage_balance(stage);
}

bool measure_failover(uint32_t times, unsigned seed) {
  static struct failover failover;
  struct stage *stage = &failover.stage;
  bool fine = stage_open(stage) && stage_start(stage, WORKERS, 2) && stage_populate(stage, CLIENTS, RATE, seed);
  stage->swarm.watch = (struct swarm_watch){.event = on_event, .ack = on_ack, .arg = &failover};
  for (uint32_t i = 0; fine && i < times; i++) fine = kill_owner(&failover, i % WORKERS);
  printf("  %d clients in %d rooms, %d commands a second, %d workers\n", CLIENTS, ROOMS, CLIENTS * RATE, WORKERS);
  samples_print_header();
  samples_print(&failover.first, "kill to the first event in any of its rooms (of a kill)");
  samples_print(&failover.rooms, "kill to the first event in the room (of a room)");
  samples_print(&failover.last, "kill to the first event in the last of its rooms (of a kill)");
  samples_print(&failover.acks, "command to ack, of all, from each kill to 0.5 s after it");
  if (stage->swarm.clients) fine = stage_check(stage) && fine;
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}
