/* The options of heya-bench. Rows of a table, as those of the servers (common/option.h); what is 0 or not given there
 * is the scenario's own. */
#ifndef HEYA_TESTS_LOAD_OPTIONS_H
#define HEYA_TESTS_LOAD_OPTIONS_H

#include "common/option.h"

struct load_options {
  uint64_t rooms, members, rate, at_once, tick_hz; /* 0: as the scenario has it */
  uint64_t duration_ms, warm_up_ms;                /* likewise */
  bool find;
  bool history;
  struct option_list rates;
  uint64_t limit_ms;

  uint64_t workers, gateways, shards;
  int aof;
  struct option_list worker_args, gateway_args;
  bool keep;

  struct option_list at, pids, redis;
  int dialect;
  char *victim;

  bool json;
  int progress;
};

enum { PROGRESS_AUTO, PROGRESS_ON, PROGRESS_OFF };

extern const struct option_set load_option_set;

#endif
