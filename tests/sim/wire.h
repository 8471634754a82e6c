/* A client's connection to a gateway: messages in order in both directions, until somebody closes it or it is cut. To
 * the gateway it is a struct conn; its session_output leads here. */
#ifndef HEYA_TESTS_SIM_WIRE_H
#define HEYA_TESTS_SIM_WIRE_H

#include "gateway/session.h"
#include "tests/sim/sim.h"

struct sim_process;

/* What a wire tells its client. After `closed`, nothing. */
struct wire_handler {
  void (*message)(void *arg, struct bytes);
  void (*closed)(void *arg);
  void *arg;
};

struct wire {
  struct sim *sim;
  struct sim_process *gateway;
  uint64_t number;
  struct session *session; /* NULL: not open yet, or closed */
  bool closing;            /* the gateway wants it closed */
  bool hung_up;            /* the client did, or its network: it hears nothing any more */
  bool was_closed;         /* the gateway has told its session */
  struct wire_handler handler;
  uint64_t up_us, down_us; /* arrival of the last thing in each direction */
  uint64_t lost_after_us;  /* what would reach the gateway later is lost; 0: nothing is */
};

extern const struct session_output wire_output;

struct wire *wire_open(struct sim *, struct sim_process *gateway, const struct wire_handler *);
void wire_send(struct wire *, struct bytes);
/* The client closes it in an orderly way, behind what it has sent. */
void wire_close(struct wire *);
/* It breaks: a suffix of what is on its way is lost, and the gateway notices some time later. The client is told
 * nothing: it asked for it, or finds out by itself. */
void wire_cut(struct wire *, uint64_t notice_us);
/* The gateway died. */
void wire_gateway_died(struct wire *);

#endif
