/* Two hash tables by room id. */
#include "worker/repository.h"
#include "common/mem.h"

void repository_close(struct repository *repository) {
  struct room *room, *next_room;
  HASH_ITER(hh, repository->rooms, room, next_room) repository_remove(repository, room);
  struct tomb *tomb, *next_tomb;
  HASH_ITER(hh, repository->tombs, tomb, next_tomb) repository_unbury(repository, tomb);
}

struct room *repository_find(const struct repository *repository, const char *id) {
  struct room *room;
  HASH_FIND_STR(repository->rooms, id, room);
  return room;
}

void repository_add(struct repository *repository, struct room *room) {
  HASH_ADD_STR(repository->rooms, id, room);
}

void repository_remove(struct repository *repository, struct room *room) {
  HASH_DEL(repository->rooms, room);
  room_destroy(room);
}

size_t repository_count(const struct repository *repository) {
  return HASH_COUNT(repository->rooms);
}

struct tomb *repository_tomb(const struct repository *repository, const char *id) {
  struct tomb *tomb;
  HASH_FIND_STR(repository->tombs, id, tomb);
  return tomb;
}

struct tomb *repository_bury(struct repository *repository, const char *id, uint64_t until_ms) {
  struct tomb *tomb = repository_tomb(repository, id);
  if (!tomb) {
    tomb = xcalloc(1, sizeof *tomb);
    snprintf(tomb->id, sizeof tomb->id, "%s", id);
    HASH_ADD_STR(repository->tombs, id, tomb);
  }
  tomb->until_ms = until_ms;
  return tomb;
}

void repository_unbury(struct repository *repository, struct tomb *tomb) {
  HASH_DEL(repository->tombs, tomb);
  free(tomb);
}
