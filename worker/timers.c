/* A binary min-heap that knows where each node is, so that a node can be moved or taken out in O(log n). */
#include "worker/timers.h"
#include "common/mem.h"

static void put(struct timers *timers, struct timer_node *node, size_t index) {
  timers->heap[index] = node;
  node->place = index + 1;
}

static void rise(struct timers *timers, struct timer_node *node, size_t index) {
  while (index > 0) {
    size_t parent = (index - 1) / 2;
    if (timers->heap[parent]->at <= node->at) break;
    put(timers, timers->heap[parent], index);
    index = parent;
  }
  put(timers, node, index);
}

static void sink(struct timers *timers, struct timer_node *node, size_t index) {
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= timers->n) break;
    if (child + 1 < timers->n && timers->heap[child + 1]->at < timers->heap[child]->at) child++;
    if (node->at <= timers->heap[child]->at) break;
    put(timers, timers->heap[child], index);
    index = child;
  }
  put(timers, node, index);
}

static void take_out(struct timers *timers, struct timer_node *node) {
  size_t index = node->place - 1;
  struct timer_node *last = timers->heap[--timers->n];
  node->place = 0;
  if (last == node) return;
  rise(timers, last, index);
  sink(timers, last, last->place - 1);
}

void timers_close(struct timers *timers) {
  free(timers->heap);
  *timers = (struct timers){0};
}

void timers_set(struct timers *timers, struct timer_node *node, uint64_t at) {
  if (node->place && node->at == at) return;
  if (node->place) take_out(timers, node);
  node->at = at;
  if (at == 0) return;
  if (timers->n == timers->cap) {
    timers->cap = timers->cap ? 2 * timers->cap : 64;
    timers->heap = xrealloc(timers->heap, timers->cap * sizeof *timers->heap);
  }
  timers->n++;
  rise(timers, node, timers->n - 1);
}

struct timer_node *timers_first(const struct timers *timers) {
  return timers->n ? timers->heap[0] : NULL;
}
