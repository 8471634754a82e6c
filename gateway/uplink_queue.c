/* See gateway/uplink_queue.h. Taking from the front moves two indices; the memory behind them is moved together once
 * more than half of it is behind, so that draining a long queue batch by batch stays linear. */
#include "gateway/uplink_queue.h"

#include "common/mem.h"

#include <assert.h>
#include <string.h>

#define BATCH_ENTRIES_TAG 0x0A /* field 1, length-delimited: Batch.entries */

void uplink_queue_close(struct uplink_queue *queue) {
  free(queue->items);
  buf_close(&queue->bytes);
  *queue = (struct uplink_queue){0};
}

void uplink_queue_clear(struct uplink_queue *queue) {
  queue->head = queue->end = 0;
  queue->head_bytes = 0;
  buf_clear(&queue->bytes);
}

static size_t varint_size(size_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) size++;
  return size;
}

static unsigned char *put_varint(unsigned char *at, size_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = (unsigned char)(value | 0x80);
  *at++ = (unsigned char)value;
  return at;
}

size_t uplink_entry_size(const Heya__Bus__Entry *entry) {
  size_t len = heya__bus__entry__get_packed_size(entry);
  return 1 + varint_size(len) + len;
}

static struct uplink_item *add_item(struct uplink_queue *queue) {
  if (queue->end == queue->cap) {
    queue->cap = queue->cap ? queue->cap * 2 : 8;
    queue->items = xrealloc(queue->items, queue->cap * sizeof *queue->items);
  }
  return &queue->items[queue->end++];
}

void uplink_queue_add(struct uplink_queue *queue, const Heya__Bus__Entry *entry) {
  size_t len = heya__bus__entry__get_packed_size(entry);
  unsigned char *start = buf_reserve(&queue->bytes, 1 + varint_size(len) + len);
  start[0] = BATCH_ENTRIES_TAG;
  unsigned char *at = put_varint(start + 1, len);
  at += heya__bus__entry__pack(entry, at);

  struct uplink_item *item = add_item(queue);
  item->len = (size_t)(at - start);
  queue->bytes.len += item->len;
  item->ticket = (struct ticket){
      .conn = entry->conn, .attempt = entry->attempt, .request = entry->request, .what = entry->body_case};
  if (entry->body_case == HEYA__BUS__ENTRY__BODY_COMMAND) item->ticket.number = entry->command->number;
  size_t room_len = strlen(entry->room);
  assert(room_len <= ROOM_ID_MAX);
  memcpy(item->ticket.room, entry->room, room_len);
}

static void tidy(struct uplink_queue *queue) {
  if (queue->head == queue->end) {
    uplink_queue_clear(queue);
  } else if (queue->head > queue->end / 2) {
    buf_consume(&queue->bytes, queue->head_bytes);
    memmove(queue->items, queue->items + queue->head, uplink_queue_count(queue) * sizeof *queue->items);
    queue->end -= queue->head;
    queue->head = queue->head_bytes = 0;
  }
}

size_t uplink_queue_move(struct uplink_queue *from, struct uplink_queue *to, size_t max_count, size_t max_bytes,
                         bool (*keep)(void *arg, const struct ticket *), void *arg) {
  size_t dropped = 0;
  while (from->head < from->end && uplink_queue_count(to) < max_count) {
    const struct uplink_item *item = &from->items[from->head];
    if (keep && !keep(arg, &item->ticket)) {
      dropped++;
    } else {
      size_t have = uplink_queue_bytes(to);
      if (have > 0 && have + item->len > max_bytes) break;
      buf_append(&to->bytes, from->bytes.data + from->head_bytes, item->len);
      *add_item(to) = *item;
    }
    from->head_bytes += item->len;
    from->head++;
  }
  tidy(from);
  return dropped;
}

void uplink_queue_truncate(struct uplink_queue *queue, size_t count) {
  while (uplink_queue_count(queue) > count) queue->bytes.len -= queue->items[--queue->end].len;
}
