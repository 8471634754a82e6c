/* An open loop of lines in chat rooms: each is sent when it is due, by one player after the other, whether earlier
 * ones were answered or not, and is looked for at every member of its room. */
#ifndef HEYA_TESTS_LOAD_LOAD_H
#define HEYA_TESTS_LOAD_LOAD_H

#include "tests/load/crowd.h"
#include "tests/load/histogram.h"
#include "tests/load/pacer.h"

struct load {
  struct crowd crowd;
  struct frame *frames; /* of each player; owned */
  uint32_t *order;      /* in which players take their turns; owned */
  struct pacer pacer;
  void (*told)(void *arg, uint64_t due_us, uint64_t took_us); /* of each own echo; may be NULL */
  void *told_arg;
  double give_up_s; /* so far behind that a run is broken off; 0: GIVE_UP_S */
  /* ---- of the run ---- */
  uint32_t run;                         /* counts them, so that what comes late is not taken for the next one's */
  uint64_t measured_us, measured_to_us; /* what is due in between is in the histograms */
  uint64_t sent, delivered, acked;      /* of all */
  uint64_t window_delivered;            /* within that time, for what a delivery costs */
  unsigned usages;                      /* read so far, of two */
  struct site_usage usage[2];
  struct site_rounds rounds[2];
  bool aborted;          /* the servers are too far behind, or connections were lost */
  struct histogram own;  /* due to the sender's own echo */
  struct histogram all;  /* to every delivery */
  struct histogram acks; /* to the ack: applied, and in Redis */
  struct histogram late; /* to being sent: the generator itself */
};

/* Opens the crowd and lets it in. False when that fails. load_close either way. */
bool load_open(struct load *load, struct bench *bench, uint32_t rooms, uint32_t members);
void load_close(struct load *load);

/* Warms up, measures, and waits for what is still on the way. */
void load_run(struct load *load, double rate, uint64_t warm_up_ms, uint64_t duration_ms);

uint64_t load_expected(const struct load *load); /* deliveries */
uint64_t load_lost(const struct load *load);     /* deliveries and acks that never came */

/* All figures of the run, and what went wrong in it. */
void load_report(struct load *load);

#endif
