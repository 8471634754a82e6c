/* What a measurement plays on: servers without anything between them and Redis, and a swarm of clients that keeps a
 * book, so that what is fast is also seen to be right. */
#ifndef HEYA_TESTS_CHAOS_STAGE_H
#define HEYA_TESTS_CHAOS_STAGE_H

#include "tests/chaos/client.h"
#include "tests/support/servers_ready.h"

struct stage {
  struct ev_loop *loop;
  struct servers servers;
  struct redisContext *redis; /* blocking; for looking, outside of what is measured */
  struct book book;
  struct rounds rounds;
  struct swarm swarm;
};

/* Nothing runs yet; worker_args and gateway_args of the servers may be set now. Those that wait return false, with a
 * word on standard error, when it takes too long. */
bool stage_open(struct stage *stage);
/* Starts Redis and so many workers and gateways, and waits until all partitions are owned. */
bool stage_start(struct stage *stage, unsigned workers, unsigned gateways);
/* Clients in chats of four, each with so many commands a second, on whichever gateway is up; waits until all are in.
 */
bool stage_populate(struct stage *stage, uint32_t clients, double rate, unsigned seed);
/* Lets all commands be answered, compares the book and prints what was found; true: nothing lost, doubled or missed.
 */
bool stage_check(struct stage *stage);
void stage_close(struct stage *stage);

void stage_owners(struct stage *stage, struct servers_owner owners[SERVERS_PARTITIONS]);
/* Waits until the living workers own even shares, and then for what is under way to end. */
bool stage_balance(struct stage *stage);
/* Waits until the gateway or worker answers on its admin port. */
bool stage_wait_for_server(struct stage *stage, struct server *server);
/* Waits until everybody is in his room. */
bool stage_wait_for_clients(struct stage *stage);

#endif
