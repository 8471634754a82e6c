/* What clients notice when a worker is drained and another one is added, under load: how long their commands take
 * while partitions change hands, beside how long they take anyway, and errors. Each client sends at its own times
 * whether or not it was answered, so a pause cannot hide. */
#include "tests/chaos/measure.h"
#include "tests/chaos/samples.h"
#include "tests/chaos/stage.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLIENTS 200
#define RATE    10 /* a second of a client: 2000 in all */
#define WORKERS 4
#define QUIET_S 2. /* about as long as a hand-over is watched */
#define END_S   20

/* Of clients that were watched for a while. */
struct view {
  struct samples acks;  /* command to ack */
  struct samples worst; /* the longest of these, of each client and watch */
  struct samples gaps;  /* the longest time without an event or ack, of each client and watch */
};

struct watched {
  uint64_t epoch; /* of the client's room when the watch began */
  uint64_t heard_us, gap_us, worst_us;
};

struct handover {
  struct stage stage;
  struct watched clients[CLIENTS];
  struct samples *acks; /* where they go now; NULL: nowhere */
  struct view quiet, moved, stayed;
  uint64_t moves; /* of rooms */
};

static void heard(struct handover *handover, const struct client *client) {
  struct watched *watched = &handover->clients[client->index];
  uint64_t now_us = clock_monotonic_us();
  if (now_us - watched->heard_us > watched->gap_us) watched->gap_us = now_us - watched->heard_us;
  watched->heard_us = now_us;
}

static void on_event(void *arg, struct client *client) {
  heard(arg, client);
}

static void on_ack(void *arg, struct client *client, uint64_t took_us) {
  struct handover *handover = arg;
  struct watched *watched = &handover->clients[client->index];
  heard(handover, client);
  if (took_us > watched->worst_us) watched->worst_us = took_us;
  if (handover->acks) samples_add(handover->acks, took_us);
}

static void watch(struct handover *handover, struct samples *acks) {
  for (uint32_t i = 0; i < CLIENTS; i++)
    handover->clients[i] =
        (struct watched){.epoch = handover->stage.swarm.clients[i].at.epoch, .heard_us = clock_monotonic_us()};
  handover->acks = acks;
}

/* Those whose room has another owner now go into `moved`. */
static void end_watch(struct handover *handover, struct view *moved, struct view *stayed) {
  for (uint32_t i = 0; i < CLIENTS; i++) {
    const struct watched *watched = &handover->clients[i];
    bool has_moved = handover->stage.swarm.clients[i].at.epoch != watched->epoch;
    struct view *view = has_moved ? moved : stayed;
    handover->moves += has_moved && i % 4 == 0;
    samples_add(&view->worst, watched->worst_us);
    samples_add(&view->gaps, watched->gap_us);
  }
  handover->acks = NULL;
}

static bool is_down(void *arg) {
  return ((const struct server *)arg)->state == SERVER_DOWN;
}

/* Once: one less, and one more. */
static bool hand_over(struct handover *handover, unsigned index) {
  struct stage *stage = &handover->stage;
  struct server *worker = &stage->servers.workers[index];
  watch(handover, &handover->quiet.acks);
  run_until(stage->loop, QUIET_S, NULL, NULL);
  end_watch(handover, &handover->quiet, &handover->quiet);

  watch(handover, &handover->moved.acks);
  servers_end(worker);
  bool fine = run_until(stage->loop, END_S, is_down, worker) && stage_balance(stage);
  end_watch(handover, &handover->moved, &handover->stayed);

  watch(handover, &handover->moved.acks);
  servers_start(worker);
  fine = fine && stage_balance(stage);
  end_watch(handover, &handover->moved, &handover->stayed);
  return fine;
}

static void print(struct view *view, bool acks, const char *which) {
  char line[80];
  snprintf(line, sizeof line, "%s: command to ack", which);
  if (acks) samples_print(&view->acks, line);
  snprintf(line, sizeof line, "%s: longest command to ack of a client", which);
  samples_print(&view->worst, line);
  snprintf(line, sizeof line, "%s: longest silence of a client", which);
  samples_print(&view->gaps, line);
}

bool measure_handover(uint32_t times, unsigned seed) {
  static struct handover handover;
  struct stage *stage = &handover.stage;
  bool fine = stage_open(stage, WORKERS, 2, NULL) && stage_populate(stage, CLIENTS, RATE, seed);
  stage->swarm.watch = (struct swarm_watch){.event = on_event, .ack = on_ack, .arg = &handover};
  for (uint32_t i = 0; fine && i < times; i++) fine = hand_over(&handover, i % WORKERS);
  printf("  %d clients in %d rooms, %d commands a second, %d workers; %" PRIu64 " times a room moved\n", CLIENTS,
         CLIENTS / 4, CLIENTS * RATE, WORKERS, handover.moves);
  samples_print_header();
  print(&handover.quiet, true, "nothing moves");
  print(&handover.moved, true, "its room moves");
  print(&handover.stayed, false, "others' rooms move");
  if (stage->swarm.clients) fine = stage_check(stage) && fine;
  fine = fine && !stage->swarm.count.reconnects;
  stage->servers.keep_dir = !fine;
  stage_close(stage);
  return fine;
}
