/* The store of one process: every call travels to the model of Redis over one of two connections, is executed there
 * as a whole, and its answer travels back. Each direction of a connection keeps its order; nothing else does.
 *
 * A connection that breaks loses a suffix of what is on its way, in each direction. What is not lost may even reach
 * Redis after the process has connected again and spoken. The process is told as common/store.h promises: on_ready
 * first, then STORE_LOST for every call of that connection, in order. Calls on the other connection go on.
 */
#ifndef HEYA_TESTS_SIM_STORE_H
#define HEYA_TESTS_SIM_STORE_H

#include "common/store.h"
#include "tests/sim/model.h"

enum sim_link_name { LINK_COMMANDS, LINK_READS, LINKS };

struct scene;
struct sim_process;
struct sim_request;

struct sim_link {
  struct sim_store *store;
  enum sim_link_name name;
  bool up;      /* as the process knows */
  bool severed; /* nothing sent from now on arrives */
  bool deaf;    /* nothing answered from now on arrives */
  bool breaks;  /* when the next request is on its way */
  uint64_t connection;
  uint64_t arrive_us, answer_us;    /* the last one in each direction */
  struct sim_request *first, *last; /* not answered, in order */
};

struct sim_store {
  struct store base; /* first: a struct store * is a struct sim_store * */
  struct sim *sim;
  struct sim_process *process;
  struct model *model; /* which Redis */
  bool was_ready;
  bool dead; /* the process is: no callbacks any more */
  struct sim_link links[LINKS];
  struct sim_request *read; /* the one blocking read; NULL: none */
  bool waking;
  struct stream_id control_after, trimmed;
  uint64_t trimmed_us, floor_ms;
};

struct store *sim_store_create(struct sim_process *, struct model *);
/* The connection breaks, now. Idempotent until it is up again. */
void sim_store_break(struct sim_store *, enum sim_link_name);
/* It breaks behind the next request, before that can be answered. */
void sim_store_break_next(struct sim_store *, enum sim_link_name);
/* The process is dead: both connections break, and nobody is told. */
void sim_store_kill(struct sim_store *);

/* The process is about to die in a kind's code, and tells Redis where. */
void sim_store_last_words(struct sim_store *, const struct scene *);

/* This Redis executes nothing before this time; what comes meanwhile waits in order. */
void sim_store_stall_redis(struct model *, uint64_t until_us);

#endif
