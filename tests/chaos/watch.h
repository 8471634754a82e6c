/* What clients notice while something happens to the servers: how long their commands take, and how long they hear
 * nothing, told apart by whether their room changed its owner meanwhile. */
#ifndef HEYA_TESTS_CHAOS_WATCH_H
#define HEYA_TESTS_CHAOS_WATCH_H

#include "tests/chaos/client.h"
#include "tests/chaos/samples.h"

/* Of clients that were watched for a while. */
struct view {
  struct samples worst; /* the longest time from a command to its ack, of each client and watch */
  struct samples gaps;  /* the longest time without an event or ack, of each client and watch */
};

struct watch {
  struct swarm *swarm;
  struct watched *clients; /* owned */
  struct samples *acks;    /* where each time from a command to its ack goes; NULL: not watching */
  uint64_t moves;          /* of rooms, in all watches */
};

/* Becomes the swarm's watch; the clients are there. */
void watch_open(struct watch *watch, struct swarm *swarm);
void watch_close(struct watch *watch);
void watch_begin(struct watch *watch, struct samples *acks);
/* Clients whose room has another owner than at the beginning go into `moved`, the others into `stayed`. */
void watch_end(struct watch *watch, struct view *moved, struct view *stayed);
/* Two lines. */
void view_print(struct view *view, const char *which);

#endif
