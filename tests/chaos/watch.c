/* See tests/chaos/watch.h. */
#include "tests/chaos/watch.h"

#include "common/clock.h"
#include "common/mem.h"

#include <stdio.h>

struct watched {
  uint64_t epoch; /* of the client's room when the watch began */
  uint64_t heard_us, gap_us, worst_us;
};

static void heard(struct watch *watch, const struct client *client) {
  struct watched *watched = &watch->clients[client->index];
  uint64_t now_us = clock_monotonic_us();
  if (now_us - watched->heard_us > watched->gap_us) watched->gap_us = now_us - watched->heard_us;
  watched->heard_us = now_us;
}

static void on_event(void *arg, struct client *client) {
  heard(arg, client);
}

static void on_ack(void *arg, struct client *client, uint64_t took_us) {
  struct watch *watch = arg;
  struct watched *watched = &watch->clients[client->index];
  heard(watch, client);
  if (took_us > watched->worst_us) watched->worst_us = took_us;
  if (watch->acks) samples_add(watch->acks, took_us);
}

void watch_open(struct watch *watch, struct swarm *swarm) {
  *watch = (struct watch){.swarm = swarm, .clients = xcalloc(swarm->n_clients, sizeof *watch->clients)};
  swarm->watch = (struct swarm_watch){.event = on_event, .ack = on_ack, .arg = watch};
}

void watch_close(struct watch *watch) {
  if (watch->swarm) watch->swarm->watch = (struct swarm_watch){0};
  free(watch->clients);
}

void watch_begin(struct watch *watch, struct samples *acks) {
  for (uint32_t i = 0; i < watch->swarm->n_clients; i++)
    watch->clients[i] =
        (struct watched){.epoch = watch->swarm->clients[i].at.epoch, .heard_us = clock_monotonic_us()};
  watch->acks = acks;
}

void watch_end(struct watch *watch, struct view *moved, struct view *stayed) {
  uint32_t last = UINT32_MAX;
  for (uint32_t i = 0; i < watch->swarm->n_clients; i++) {
    const struct client *client = &watch->swarm->clients[i];
    const struct watched *watched = &watch->clients[i];
    bool has_moved = client->at.epoch != watched->epoch;
    struct view *view = has_moved ? moved : stayed;
    watch->moves += has_moved && client->room != last;
    last = client->room;
    samples_add(&view->worst, watched->worst_us);
    samples_add(&view->gaps, watched->gap_us);
  }
  watch->acks = NULL;
}

void view_print(struct view *view, const char *which) {
  char line[80];
  snprintf(line, sizeof line, "%s: longest command to ack of a client", which);
  samples_print(&view->worst, line);
  snprintf(line, sizeof line, "%s: longest silence of a client", which);
  samples_print(&view->gaps, line);
}
