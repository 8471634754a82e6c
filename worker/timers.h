/* When the rooms of a partition want to be woken: a binary heap of nodes that rooms embed. One heap has the times of
 * their timers, in stream time, and one their frames; each room has one node in each, set to its earliest. The unit
 * of time is that of whoever uses the heap. Pure; allocates only the heap's array.
 */
#ifndef HEYA_WORKER_TIMERS_H
#define HEYA_WORKER_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer_node {
  uint64_t at;
  size_t place; /* in the heap, from 1; 0: not in it */
};

/* Zero-initialised it is empty and ready. */
struct timers {
  struct timer_node **heap;
  size_t n, cap;
};

void timers_close(struct timers *);
/* at 0 takes the node out. */
void timers_set(struct timers *, struct timer_node *, uint64_t at);
/* The earliest node, or NULL. */
struct timer_node *timers_first(const struct timers *);

#endif
