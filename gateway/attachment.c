/* See gateway/attachment.h. Lists are short (limit of rooms per connection), so they are searched from the end. */
#include "gateway/attachment.h"

#include "common/mem.h"

#include <assert.h>
#include <string.h>

void attachments_close(struct attachments *list) {
  free(list->items);
  *list = (struct attachments){0};
}

struct attachment *attachments_live(struct attachments *list, const char *room) {
  for (size_t i = list->count; i-- > 0;) {
    struct attachment *item = &list->items[i];
    if (!item->leaving && strcmp(item->room, room) == 0) return item;
  }
  return NULL;
}

struct attachment *attachments_find(struct attachments *list, const char *room, uint32_t attempt) {
  for (size_t i = list->count; i-- > 0;) {
    struct attachment *item = &list->items[i];
    if (item->attempt == attempt && strcmp(item->room, room) == 0) return item;
  }
  return NULL;
}

size_t attachments_live_count(const struct attachments *list) {
  size_t live = 0;
  for (size_t i = 0; i < list->count; i++) live += !list->items[i].leaving;
  return live;
}

static struct attachment *append(struct attachments *list, const char *room, uint32_t attempt) {
  if (list->count == list->cap) {
    list->cap = list->cap ? list->cap * 2 : 1;
    list->items = xrealloc(list->items, list->cap * sizeof *list->items);
  }
  struct attachment *item = &list->items[list->count++];
  *item = (struct attachment){.attempt = attempt};
  size_t len = strlen(room);
  assert(len <= ROOM_ID_MAX);
  memcpy(item->room, room, len);
  return item;
}

static void remove_at(struct attachments *list, size_t at) {
  memmove(&list->items[at], &list->items[at + 1], (list->count - at - 1) * sizeof *list->items);
  list->count--;
}

struct attachment *attachments_add(struct attachments *list, const char *room, uint32_t attempt, size_t limit) {
  if (list->count >= 2 * limit || attachments_live_count(list) >= limit) return NULL;
  return append(list, room, attempt);
}

int attachments_confirm(struct attachments *list, const char *room, uint32_t attempt) {
  int grown = 0;
  for (size_t i = list->count; i-- > 0;) {
    if (list->items[i].attempt < attempt && strcmp(list->items[i].room, room) == 0) {
      remove_at(list, i);
      grown--;
    }
  }
  struct attachment *item = attachments_find(list, room, attempt);
  if (!item) {
    item = append(list, room, attempt);
    grown++;
  }
  item->attached = true;
  return grown;
}

bool attachments_remove(struct attachments *list, const char *room, uint32_t attempt) {
  struct attachment *item = attachments_find(list, room, attempt);
  if (!item) return false;
  remove_at(list, (size_t)(item - list->items));
  return true;
}
