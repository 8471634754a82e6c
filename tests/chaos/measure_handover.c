/* What clients notice when a worker is drained and another one is added, under load: how long their commands take
 * while partitions change hands, beside how long they take anyway, and errors. Each client sends at its own times
 * whether or not it was answered, so a pause cannot hide. */
#include "tests/chaos/measure.h"
#include "tests/chaos/stage.h"
#include "tests/chaos/watch.h"

#include <inttypes.h>
#include <stdio.h>

#define CLIENTS 200
#define RATE    10 /* a second of a client: 2000 in all */
#define WORKERS 4
#define QUIET_S 2. /* about as long as a hand-over is watched */
#define END_S   20

struct handover {
  struct stage stage;
  struct watch watch;
  struct view quiet, moved, stayed;
  struct samples quiet_acks, acks;
};

static bool is_down(void *arg) {
  return ((const struct server *)arg)->state == SERVER_DOWN;
}

/* Once: one less, and one more. */
static bool hand_over(struct handover *handover, unsigned index) {
  struct stage *stage = &handover->stage;
  struct server *worker = &stage->servers.workers[index];
  watch_begin(&handover->watch, &handover->quiet_acks);
  run_until(stage->loop, QUIET_S, NULL, NULL);
  watch_end(&handover->watch, &handover->quiet, &handover->quiet);

  watch_begin(&handover->watch, &handover->acks);
  servers_end(worker);
  bool fine = run_until(stage->loop, END_S, is_down, worker) && stage_balance(stage);
  watch_end(&handover->watch, &handover->moved, &handover->stayed);

  watch_begin(&handover->watch, &handover->acks);
  servers_start(worker);
  fine = fine && stage_balance(stage);
  watch_end(&handover->watch, &handover->moved, &handover->stayed);
  return fine;
}

bool measure_handover(uint32_t times, unsigned seed) {
  static struct handover handover;
  struct stage *stage = &handover.stage;
  bool fine = stage_open(stage) && stage_start(stage, WORKERS, 2) && stage_populate(stage, CLIENTS, RATE, seed);
  if (fine) watch_open(&handover.watch, &stage->swarm);
  for (uint32_t i = 0; fine && i < times; i++) fine = hand_over(&handover, i % WORKERS);
  printf("  %d clients in %d rooms, %d commands a second, %d workers; %" PRIu64 " times a room moved\n", CLIENTS,
         CLIENTS / 4, CLIENTS * RATE, WORKERS, handover.watch.moves);
  samples_print_header();
  samples_print(&handover.quiet_acks, "nothing moves: command to ack");
  samples_print(&handover.acks, "some rooms move: command to ack, of all");
  view_print(&handover.quiet, "nothing moves");
  view_print(&handover.moved, "its room moves");
  view_print(&handover.stayed, "others' rooms move");
  watch_close(&handover.watch);
  if (stage->swarm.clients) fine = stage_check(stage) && fine;
  fine = fine && !stage->swarm.count.reconnects;
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}
