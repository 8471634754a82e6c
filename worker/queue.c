/* An array: it is emptied ten times a second or more, so it is short. */
#include "worker/queue.h"
#include "common/mem.h"
#include <string.h>

void queue_close(struct queue *queue) {
  for (size_t i = 0; i < queue->n; i++) free(queue_at(queue, i)->payload);
  free(queue->items);
  *queue = (struct queue){0};
}

static void make_room(struct queue *queue) {
  if (queue->first + queue->n < queue->cap) return;
  if (queue->first) {
    memmove(queue->items, queue_at(queue, 0), queue->n * sizeof *queue->items);
    queue->first = 0;
  } else {
    queue->cap = queue->cap ? 2 * queue->cap : 16;
    queue->items = xrealloc(queue->items, queue->cap * sizeof *queue->items);
  }
}

bool queue_add(struct queue *queue, const struct queued *item) {
  if (queue->n == QUEUE_MAX || queue->bytes + item->len > QUEUE_BYTES) return false;
  make_room(queue);
  struct queued *added = queue_at(queue, queue->n++);
  *added = *item;
  added->payload = item->len ? xmemdup(item->payload, item->len) : NULL;
  queue->bytes += item->len;
  return true;
}

struct queued *queue_find(const struct queue *queue, const char *player, uint32_t number) {
  for (size_t i = 0; i < queue->n; i++) {
    struct queued *item = queue_at(queue, i);
    if (item->number == number && strcmp(item->player, player) == 0) return item;
  }
  return NULL;
}

uint32_t queue_count(const struct queue *queue, const char *player) {
  uint32_t count = 0;
  for (size_t i = 0; i < queue->n; i++) count += strcmp(queue_at(queue, i)->player, player) == 0;
  return count;
}

bool queue_take(struct queue *queue, const char *player, struct queued *out) {
  for (size_t i = 0; i < queue->n; i++) {
    struct queued *item = queue_at(queue, i);
    if (player && strcmp(item->player, player) != 0) continue;
    *out = *item;
    queue->bytes -= out->len;
    queue->n--;
    if (i == 0) {
      queue->first = queue->n ? queue->first + 1 : 0;
    } else {
      memmove(item, item + 1, (queue->n - i) * sizeof *item);
    }
    return true;
  }
  return false;
}
