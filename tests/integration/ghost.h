/* A crowd that joins and leaves one room name as fast as it can, and the rules that nobody may see broken. Used by
 * the story of the ghost room.
 *
 * All clients live in this one thread, so what happened before what is known without any clock. A client is surely in
 * from the moment its Joined has arrived until it sends its Leave or somebody asks to end the room, and surely out
 * from the moment its Left (or the end of the room) has arrived until it sends its next Join. From that:
 *
 *  - two who are surely in at the same moment are in the same incarnation of the room; of the two, the one with the
 *    higher event number had the other in his snapshot, and the other hears of him, by an event of exactly that
 *    number, before his own Left arrives;
 *  - nobody who was surely out while a client joined is in that client's snapshot;
 *  - nobody hears that somebody left who is surely in;
 *  - what a client hears fits what it knows: nobody joins who is there, nobody leaves who is not;
 *  - an incarnation is made once, and after a newer one was seen nobody gets into an older one.
 */
#ifndef HEYA_TESTS_INTEGRATION_GHOST_H
#define HEYA_TESTS_INTEGRATION_GHOST_H

#include "tests/support/cluster.h"

#include <stdbool.h>
#include <stdint.h>

#define GHOST_CLIENTS 8

struct crowd;

struct crowd_options {
  const char *room; /* id */
  unsigned clients; /* up to GHOST_CLIENTS, spread over the cluster's two gateways */
  uint64_t rounds;  /* a round is one client's join and leave */
  unsigned stay_ms; /* stays in for a random time up to this */
  bool dissolve;    /* of a live room: a host who leaves ends the room at times */
};

struct crowd_report {
  uint64_t rounds;       /* a round is one client's join and leave */
  uint64_t incarnations; /* rooms that had this name */
  uint64_t overlaps;     /* pairs of clients that were surely in at the same moment */
  uint64_t dissolved;    /* rooms that were asked to end */
};

struct crowd *crowd_create(struct cluster *cluster, const struct crowd_options *options);
/* Runs so many rounds and ends with everybody out of the room; adds to the report. Fails the test at the first broken
 * rule. */
void crowd_run(struct crowd *crowd, uint64_t rounds, struct crowd_report *report);
/* All join at once as soon as Redis's clock says `at_ms`, then leave: for the edge of a room's expiry. */
void crowd_meet(struct crowd *crowd, uint64_t at_ms, struct crowd_report *report);
void crowd_destroy(struct crowd *crowd);

#endif
