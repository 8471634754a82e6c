/* One note of the worker at a time; what it is about is done when Redis has it. Redis answers in order, so a note's
 * answer never comes after that of a later claim: one for a partition that was lost meanwhile finds nothing in
 * progress. */
#include "worker/caution.h"
#include "common/mem.h"
#include "worker/record.h"
#include "worker/worker.h"

#define REHEARSAL_FIRST_BYTES 4096

struct kept_room {
  char id[ROOM_ID_MAX + 1];
  void *image; /* owned; NULL: only its id is left */
  size_t image_len;
  uint64_t tomb_until_ms;
};

static void on_noted(void *arg, enum store_result result);
static void load_on(struct slot *slot);
static void walk_on(struct slot *slot);

/* ---- turns ---- */

/* Waits for it if it is somebody else's. */
static bool has_turn(struct slot *slot) {
  struct worker *worker = slot->worker;
  if (!worker->noting) worker->noting = slot;
  slot->caution.waits = worker->noting != slot;
  return !slot->caution.waits;
}

/* None of its notes stands any more. */
static void end_turn(struct slot *slot) {
  if (slot->worker->noting == slot) slot->worker->noting = NULL;
}

void caution_turn(struct worker *worker) {
  for (uint32_t p = 0; p < worker->config.partitions && !worker->noting; p++) {
    struct slot *slot = &worker->slots[p];
    if (!slot->caution.waits) continue;
    if (slot->caution.state == CAUTION_LOADING)
      load_on(slot);
    else
      walk_on(slot);
  }
}

static void note(struct slot *slot, uint32_t index, const char *room) {
  struct worker *worker = slot->worker;
  if (!has_turn(slot)) return;
  struct store_blame blame = {.entry = slot->partition.effects.entry, .index = index};
  snprintf(blame.room, sizeof blame.room, "%s", room);
  worker->metrics->cautious_steps++;
  slot->shard->store->ops->blame(slot->shard->store, slot_number(slot), worker->config.id, slot->epoch, &blame,
                                 on_noted, slot);
}

void caution_open(struct slot *slot, const struct store_claimed *claimed) {
  slot->caution = (struct caution){.on = claimed->deaths >= CAUTION_DEATHS, .until = claimed->tail};
  if (!slot->caution.on) return;
  log_warn(slot->worker->log, "partition_suspicious", F_U("partition", slot_number(slot)),
           F_U("deaths", claimed->deaths));
}

static void forget_kept(struct caution *caution) {
  for (size_t i = 0; i < caution->n_kept; i++) free(caution->kept[i].image);
  free(caution->kept);
  caution->kept = NULL;
  caution->n_kept = caution->cap_kept = caution->next = 0;
}

void caution_close(struct slot *slot) {
  struct caution *caution = &slot->caution;
  if (caution->state == CAUTION_WALKING) walk_end(&caution->walk);
  forget_kept(caution);
  *caution = (struct caution){0};
  end_turn(slot);
}

/* What waited is done. */
static void look_for_the_end(struct slot *slot) {
  struct caution *caution = &slot->caution;
  if (stream_id_compare(slot->partition.cursor, caution->until) < 0) return;
  caution->on = false;
  log_info(slot->worker->log, "partition_unsuspicious", F_U("partition", slot_number(slot)));
}

/* ---- loading ---- */

bool caution_keeps(struct slot *slot, const char *id, struct bytes image, uint64_t tomb_until_ms) {
  struct caution *caution = &slot->caution;
  if (!caution->on) return false;
  if (caution->n_kept == caution->cap_kept) {
    caution->cap_kept = caution->cap_kept ? 2 * caution->cap_kept : 16;
    caution->kept = xrealloc(caution->kept, caution->cap_kept * sizeof *caution->kept);
  }
  struct kept_room *kept = &caution->kept[caution->n_kept++];
  *kept = (struct kept_room){.image_len = image.len, .tomb_until_ms = tomb_until_ms};
  snprintf(kept->id, sizeof kept->id, "%s", id);
  if (image.data) kept->image = xmemdup(image.data, image.len);
  return true;
}

static void load_one(struct slot *slot) {
  struct kept_room *kept = &slot->caution.kept[slot->caution.next++];
  slot_load(slot, kept->id, bytes_of(kept->image, kept->image_len), kept->tomb_until_ms);
}

/* As many as are no business of a kind, and then the note for the next one. At the end the last note is taken back.
 */
static void load_on(struct slot *slot) {
  struct caution *caution = &slot->caution;
  while (caution->next < caution->n_kept && !caution->kept[caution->next].image) load_one(slot);
  note(slot, STORE_BLAME_ALL, caution->next < caution->n_kept ? caution->kept[caution->next].id : "");
}

bool caution_load(struct slot *slot) {
  if (!slot->caution.on) return false;
  if (slot->caution.n_kept == 0) {
    look_for_the_end(slot);
    return false;
  }
  slot->caution.state = CAUTION_LOADING;
  load_on(slot);
  return true;
}

static void on_load_noted(struct slot *slot, bool ok) {
  struct caution *caution = &slot->caution;
  if (ok && caution->next < caution->n_kept) {
    load_one(slot);
    load_on(slot);
    return;
  }
  forget_kept(caution);
  caution->state = CAUTION_REST;
  if (ok) look_for_the_end(slot);
  slot_loaded(slot, ok);
  end_turn(slot);
}

/* ---- entries ---- */

/* Its kind saves it in the commit, when all rooms of the entry are saved and the note may name another. So it does
 * once now, while the note stands. */
static void rehearse_record(struct slot *slot, const char *id) {
  struct room *room = repository_find(&slot->partition.repository, id);
  struct commit_room record;
  struct arena arena;
  if (!room || !room->is_changed) return;
  arena_init(&arena, REHEARSAL_FIRST_BYTES, ARENA_NO_LIMIT);
  record_room(room, &arena, &record);
  arena_reset(&slot->partition.effects.scratch);
  arena_close(&arena);
}

static void step(struct slot *slot) {
  struct walk *walk = &slot->caution.walk;
  char room[ROOM_ID_MAX + 1];
  snprintf(room, sizeof room, "%s", walk_room(walk));
  walk_step(walk);
  rehearse_record(slot, room);
}

/* Until a step that is about a room, for which a note is sent, or to the end. */
static void walk_on(struct slot *slot) {
  struct caution *caution = &slot->caution;
  struct room_id id;
  const char *room;
  while ((room = walk_room(&caution->walk))) {
    if (room_id_parse(room, strlen(room), &id)) {
      note(slot, slot->partition.effects.index, room);
      return;
    }
    walk_step(&caution->walk);
  }
  walk_end(&caution->walk);
  caution->state = CAUTION_WALKED;
}

bool caution_takes(struct slot *slot, const struct store_entry *entry) {
  struct caution *caution = &slot->caution;
  if (!caution->on) return false;
  if (caution_is_busy(caution)) return true; /* the cursor stays before it, so it is read again */
  if (!walk_begin(&caution->walk, &slot->partition, entry)) return true;
  caution->state = CAUTION_WALKING;
  walk_on(slot);
  return true;
}

void caution_frozen(struct slot *slot) {
  if (slot->caution.state == CAUTION_WALKED) slot->caution.state = CAUTION_COMMITTING;
}

void caution_committed(struct slot *slot) {
  if (slot->caution.state != CAUTION_COMMITTING) return;
  slot->caution.state = CAUTION_REST;
  look_for_the_end(slot);
  end_turn(slot);
}

/* ---- notes ---- */

static void on_noted(void *arg, enum store_result result) {
  struct slot *slot = arg;
  struct caution *caution = &slot->caution;
  bool ok = result == STORE_OK && !slot->abandon;
  if (caution->state == CAUTION_LOADING && slot->state == SLOT_LOADING) {
    on_load_noted(slot, ok);
  } else if (caution->state == CAUTION_WALKING && (slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING)) {
    if (ok) {
      step(slot);
      walk_on(slot);
    } else {
      slot_drop(slot, "a note was refused");
      ownership_hurry(slot->shard);
    }
  }
}
