/* When the rooms of a partition want to be woken, in stream time: a binary heap of nodes that rooms embed.
 *
 * The partition asks for the earliest before it applies an entry. Each room has one node, set to the earliest of all
 * its own times (room_next_due_ms). Pure; allocates only the heap's array.
 */
#ifndef HEYA_WORKER_TIMERS_H
#define HEYA_WORKER_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer_node {
  uint64_t at_ms;
  size_t place; /* in the heap, from 1; 0: not in it */
};

/* Zero-initialised it is empty and ready. */
struct timers {
  struct timer_node **heap;
  size_t n, cap;
};

void timers_close(struct timers *);
/* at_ms 0 takes the node out. */
void timers_set(struct timers *, struct timer_node *, uint64_t at_ms);
/* The earliest node, or NULL. */
struct timer_node *timers_first(const struct timers *);

#endif
