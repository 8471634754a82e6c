/* What is broken, and when: one fault every few seconds, from a seed, with a line in the journal for each. */
#ifndef HEYA_TESTS_CHAOS_FAULTS_H
#define HEYA_TESTS_CHAOS_FAULTS_H

#include "tests/chaos/proxy.h"
#include "tests/support/servers.h"

#define FAULT_KINDS 16

struct faults {
  struct servers *servers;
  struct proxy *proxies[2]; /* to each Redis; NULL: none */
  unsigned seed;
  double mean_s; /* between two */
  uint64_t began_us;
  uint64_t n;
  uint64_t by_kind[FAULT_KINDS];
  bool redis_kill; /* kill -9 of Redis too: it must fsync always */
  ev_timer next;
  ev_timer redis_later;
};

void faults_start(struct faults *faults, struct ev_loop *loop);
/* No more; everything that is stopped goes on, and what is down is started. */
void faults_end(struct faults *faults);
void faults_print(const struct faults *faults);

#endif
