/* An array: it is emptied ten times a second or more, so it is short. */
#include "worker/queue.h"
#include "common/mem.h"
#include <stdio.h>

void queue_close(struct queue *queue) {
  for (size_t i = 0; i < queue->n; i++) free(queue->items[i].payload);
  free(queue->items);
  *queue = (struct queue){0};
}

bool queue_add(struct queue *queue, const char *player, uint32_t number, uint32_t request, struct bytes payload) {
  if (queue->n == QUEUE_MAX || queue->bytes + payload.len > QUEUE_BYTES) return false;
  if (queue_count(queue, player) >= QUEUE_PLAYER_MAX) return false;
  if (queue->n == queue->cap) {
    queue->cap = queue->cap ? 2 * queue->cap : 16;
    queue->items = xrealloc(queue->items, queue->cap * sizeof *queue->items);
  }
  struct queued *item = &queue->items[queue->n++];
  *item = (struct queued){.number = number, .request = request, .len = payload.len};
  snprintf(item->player, sizeof item->player, "%s", player);
  if (payload.len) item->payload = xmemdup(payload.data, payload.len);
  queue->bytes += payload.len;
  return true;
}

struct queued *queue_find(const struct queue *queue, const char *player, uint32_t number) {
  for (size_t i = 0; i < queue->n; i++) {
    if (queue->items[i].number == number && strcmp(queue->items[i].player, player) == 0) return &queue->items[i];
  }
  return NULL;
}

uint32_t queue_count(const struct queue *queue, const char *player) {
  uint32_t count = 0;
  for (size_t i = 0; i < queue->n; i++) count += strcmp(queue->items[i].player, player) == 0;
  return count;
}

bool queue_take(struct queue *queue, const char *player, struct queued *out) {
  for (size_t i = 0; i < queue->n; i++) {
    if (player && strcmp(queue->items[i].player, player) != 0) continue;
    *out = queue->items[i];
    queue->bytes -= out->len;
    queue->n--;
    memmove(&queue->items[i], &queue->items[i + 1], (queue->n - i) * sizeof *queue->items);
    return true;
  }
  return false;
}
