/* In which room a kind's code may be running at this moment, and for which entry: what is left to say when the
 * process dies of it (worker/last_words.h). Set around whatever may call into a kind, also indirectly; plain memory,
 * written by the worker's one thread and read by signal handlers of that thread. */
#ifndef HEYA_WORKER_SCENE_H
#define HEYA_WORKER_SCENE_H

#include "common/commit.h"
#include "proto/names.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct scene {
  volatile sig_atomic_t playing; /* what follows is true */
  volatile uint32_t number;      /* counts the scenes, so that a long one can be told from many short ones */
  uint32_t partition;
  uint64_t epoch;
  struct stream_id entry; /* being applied; the last one applied while rooms are loaded, saved or closed */
  uint32_t index;         /* within its batch; STORE_BLAME_ALL: none of it in particular */
  char room[ROOM_ID_MAX + 1];
};

/* `scene` may be NULL: then nobody wants to know. */
static inline void scene_enter(struct scene *scene, uint32_t partition, uint64_t epoch, struct stream_id entry,
                               uint32_t index, const char *room) {
  if (!scene) return;
  size_t len = strnlen(room, ROOM_ID_MAX);
  scene->playing = 0;
  atomic_signal_fence(memory_order_seq_cst);
  scene->number++;
  scene->partition = partition;
  scene->epoch = epoch;
  scene->entry = entry;
  scene->index = index;
  memcpy(scene->room, room, len);
  scene->room[len] = '\0';
  atomic_signal_fence(memory_order_seq_cst);
  scene->playing = 1;
}

static inline void scene_leave(struct scene *scene) {
  if (scene) scene->playing = 0;
}

#endif
