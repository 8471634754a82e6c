/* Group commit: whatever all partitions did since the last one becomes one commit; while it is under way the next one
 * collects. Nobody hears of an effect before Redis has it, since the events travel inside. */
#include "worker/record.h"
#include "worker/worker.h"

#define RETRY_US 1000000 /* a partition whose commit Redis refused is claimed again after this */

/* ---- freezing ---- */

static void freeze_rooms(struct worker *worker, struct effects *effects, struct commit_segment *segment) {
  segment->rooms = arena_take(&worker->frozen, (effects->n_ended + effects->n_changed) * sizeof *segment->rooms);
  for (size_t i = 0; i < effects->n_ended; i++) {
    segment->rooms[segment->n_rooms++] = (struct commit_room){.id = effects->ended[i].id,
                                                              .kind = effects->ended[i].kind,
                                                              .gone = true,
                                                              .tomb_until_ms = effects->ended[i].tomb_until_ms};
  }
  for (size_t i = 0; i < effects->n_changed; i++) {
    struct room *room = effects->changed[i];
    room->unsaved = !room_saves_now(room);
    if (room->unsaved) continue;
    room->saved_ms = room_time_ms(room);
    record_room(room, &worker->frozen, &segment->rooms[segment->n_rooms++]);
    arena_reset(&effects->scratch);
  }
}

static bool is_here(const struct slot *slot, uint32_t partition) {
  return partition % slot->worker->config.shards == slot->shard->number;
}

/* Those of other shards go into the outbox, which remembers them as well until they have arrived. */
static void freeze_outgoing(struct slot *slot, struct commit_segment *segment) {
  struct worker *worker = slot->worker;
  struct effects *effects = &slot->partition.effects;
  segment->appends = arena_take(&worker->frozen, effects->n_outgoing * sizeof *segment->appends);
  segment->parcels = arena_take(&worker->frozen, effects->n_outgoing * sizeof *segment->parcels);
  segment->settled = arena_take(&worker->frozen, worker->config.shards * sizeof *segment->settled);
  for (size_t i = 0; i < effects->n_outgoing; i++) {
    uint32_t to = effects->outgoing[i].partition;
    struct bytes batch = buf_bytes(&effects->outgoing[i].batch);
    if (is_here(slot, to)) {
      segment->appends[segment->n_appends++] = (struct commit_append){.partition = to, .batch = batch};
    } else {
      segment->parcels[segment->n_parcels++] =
          (struct commit_parcel){.partition = to, .shard = to % worker->config.shards, .batch = batch};
      parcels_add(&effects->parcels, to, batch);
    }
  }
  segment->n_settled = parcels_settle(&effects->parcels, segment->settled);
}

static void freeze_segment(struct worker *worker, struct slot *slot, struct commit_segment *segment) {
  struct effects *effects = &slot->partition.effects;
  *segment = (struct commit_segment){.partition = slot_number(slot),
                                     .epoch = slot->epoch,
                                     .done = slot->partition.cursor,
                                     .consumed_bytes = effects->consumed_bytes};
  freeze_rooms(worker, effects, segment);
  freeze_outgoing(slot, segment);
  segment->deliveries = arena_take(&worker->frozen, effects->n_outlets * sizeof *segment->deliveries);
  for (size_t i = 0; i < effects->n_outlets; i++) {
    struct outlet *outlet = effects->outlets[i];
    if (outlet->deliveries.len == 0) continue;
    segment->deliveries[segment->n_deliveries++] =
        (struct commit_delivery){.gateway = outlet->gateway, .deliveries = buf_bytes(&outlet->deliveries)};
  }
  slot->commit_epoch = slot->epoch;
  caution_frozen(slot);
}

static void forget_frozen(struct worker *worker, struct effects *effects) {
  for (size_t i = 0; i < effects->n_changed; i++) room_changes_clear(effects->changed[i]);
  worker->metrics->deliveries += effects->sent;
  effects->sent = 0;
  effects_clear(effects);
}

/* Nothing but lossy rooms has changed, and they are not saved yet: then there is nothing to say to Redis. */
static bool can_wait(const struct effects *effects) {
  if (parcels_has_settled(&effects->parcels)) return false;
  if (effects->moved || effects->n_ended || effects->n_outgoing) return false;
  for (size_t i = 0; i < effects->n_outlets; i++) {
    if (effects->outlets[i]->deliveries.len) return false;
  }
  for (size_t i = 0; i < effects->n_changed; i++) {
    if (room_saves_now(effects->changed[i])) return false;
  }
  return true;
}

static void put_off(struct worker *worker, struct effects *effects) {
  for (size_t i = 0; i < effects->n_changed; i++) effects->changed[i]->unsaved = true;
  forget_frozen(worker, effects);
}

/* ---- the answer ---- */

/* Its memory is still the one that went into the outstanding commit. */
static bool is_as_committed(const struct slot *slot) {
  return slot->commit_epoch && slot->commit_epoch == slot->epoch &&
         (slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING);
}

/* Of a partition that an answer names; NULL: none of this shard's. */
static struct slot *slot_named(const struct shard *shard, uint32_t partition) {
  const struct worker *worker = shard->worker;
  struct slot *slot = partition < worker->config.partitions ? &worker->slots[partition] : NULL;
  return slot && slot->shard == shard ? slot : NULL;
}

static void drop_fenced(struct shard *shard, const struct store_commit_outcome *outcome) {
  struct worker *worker = shard->worker;
  for (size_t i = 0; i < outcome->n_fenced; i++) {
    struct slot *slot = slot_named(shard, outcome->fenced[i]);
    if (!slot) continue;
    worker->metrics->commits_fenced++;
    if (is_as_committed(slot)) slot_drop(slot, "fenced");
    ownership_hurry(shard);
  }
}

static void tell_gone_gateways(const struct shard *shard, const struct store_commit_outcome *outcome) {
  struct worker *worker = shard->worker;
  for (size_t i = 0; i < outcome->n_gone; i++) {
    for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
      struct slot *slot = &worker->slots[p];
      if (slot->state == SLOT_LIVE) partition_gateway_gone(&slot->partition, outcome->gone[i]);
    }
  }
}

static void end_steps(const struct shard *shard) {
  struct worker *worker = shard->worker;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (!is_as_committed(slot)) continue;
    caution_committed(slot);
    if (slot->resync == RESYNC_TOLD) slot->resync = RESYNC_NONE;
  }
}

static void drop_committed(struct shard *shard, const char *reason, uint64_t retry_at_us) {
  struct worker *worker = shard->worker;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (!is_as_committed(slot)) continue;
    slot->retry_at_us = retry_at_us;
    slot_drop(slot, reason);
  }
  ownership_hurry(shard);
}

/* Keys of these partitions, or of rooms in them, are damaged: nothing of their segments took effect, or all but that.
 * A room with a key of the wrong type is written whole next time, which deletes all its keys first; anything else
 * waits a moment for a person, so that a lasting fault does not spin. Others are not held up. */
static void drop_refused(struct shard *shard, const struct store_commit_outcome *outcome) {
  struct worker *worker = shard->worker;
  uint64_t retry_at_us = worker_now_us(worker) + RETRY_US;
  for (size_t i = 0; i < outcome->n_refused; i++) {
    const struct store_refused *refused = &outcome->refused[i];
    struct slot *slot = slot_named(shard, refused->partition);
    if (!slot) continue;
    worker->metrics->commits_failed++;
    log_error(worker->log, "commit_failed", F_U("partition", refused->partition), F_S("message", refused->message),
              F_S("room", refused->wrong_room));
    if (!is_as_committed(slot)) continue;
    if (refused->wrong_room) slot_heal(slot, refused->wrong_room);
    slot->retry_at_us = refused->wrong_room ? 0 : retry_at_us;
    slot_drop(slot, "commit refused");
    ownership_hurry(shard);
  }
}

/* Nothing of it took effect, or we cannot know what did. */
static void on_refused(struct shard *shard, enum store_result result, const char *message) {
  struct worker *worker = shard->worker;
  for (uint32_t p = shard->number; p < worker->config.partitions && result == STORE_BROKEN;
       p += worker->config.shards) {
    if (is_as_committed(&worker->slots[p])) worker->slots[p].resync = RESYNC_WANTED;
  }
  uint64_t retry_at_us = worker_now_us(worker) + RETRY_US;
  worker->metrics->commits_failed++;
  shard->commit_refused_us = worker_now_us(worker);
  log_error(worker->log, "commit_failed", F_S("result", store_result_name(result)), F_S("message", message));
  drop_committed(shard, "commit failed", retry_at_us);
}

/* Its parcels are in Redis and can be brought. */
static void note_posted(struct shard *shard, const struct store_commit_outcome *outcome) {
  struct worker *worker = shard->worker;
  for (size_t i = 0; i < outcome->n_posted; i++) {
    const struct store_posted *posted = &outcome->posted[i];
    struct slot *slot = slot_named(shard, posted->partition);
    if (slot && is_as_committed(slot)) parcels_posted(&slot->partition.effects.parcels, posted->number);
  }
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (!is_as_committed(slot) || !parcels_is_fresh(&slot->partition.effects.parcels)) continue;
    slot_drop(slot, "a commit does not say where its parcels are");
    ownership_hurry(shard);
  }
}

static void on_commit(void *arg, enum store_result result, const struct store_commit_outcome *outcome) {
  struct shard *shard = arg;
  struct worker *worker = shard->worker;
  shard->committing = false;
  metric_observe_us(&worker->metrics->commit_time, worker_now_us(worker) - shard->commit_sent_us);
  if (result == STORE_OK) {
    worker->metrics->commits++;
    shard->commit_refused_us = 0;
    drop_fenced(shard, outcome);
    drop_refused(shard, outcome);
    note_posted(shard, outcome);
    end_steps(shard);
    tell_gone_gateways(shard, outcome);
  } else if (result == STORE_LOST) {
    worker->metrics->commits_lost++;
    drop_committed(shard, "commit without an answer", 0);
  } else {
    on_refused(shard, result, outcome ? outcome->message : NULL);
  }
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards)
    worker->slots[p].commit_epoch = 0;
}

/* ---- when ---- */

static bool may_commit(const struct slot *slot) {
  return (slot->state == SLOT_LIVE || slot->state == SLOT_LEAVING) && !caution_is_walking(&slot->caution);
}

/* Trimming the outbox is no hurry. */
static bool has_something(const struct slot *slot, uint64_t now_us) {
  const struct effects *effects = &slot->partition.effects;
  uint64_t settled_us = effects->parcels.settled_us;
  return effects_any(effects) || (settled_us && now_us - settled_us >= PARCELS_TRIM_US);
}

/* Whether there is anything to commit, once those whose time has come have asked for it. */
static bool collect(struct shard *shard, uint64_t now_us) {
  struct worker *worker = shard->worker;
  struct store *store = shard->store;
  bool any = false;
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    if (!may_commit(slot)) continue;
    if (slot->state == SLOT_LIVE) partition_ask_time(&slot->partition, store->ops->now_ms(store, p), now_us);
    any = any || has_something(slot, now_us);
  }
  return any;
}

uint64_t commit_wait_us(const struct shard *shard, uint64_t now_us, uint64_t most_us) {
  if (!shard->commit_waits) return most_us;
  uint64_t wait_us = pace_wait_us(&shard->commits, now_us);
  return wait_us < most_us ? wait_us : most_us;
}

void commit_turn(struct shard *shard) {
  struct worker *worker = shard->worker;
  struct store *store = shard->store;
  shard->commit_waits = false;
  if (shard->committing || !shard->initialised) return;
  uint64_t now_us = worker_now_us(worker);
  if (!collect(shard, now_us)) return;
  shard->commit_waits = pace_wait_us(&shard->commits, now_us) > 0;
  if (shard->commit_waits) return;
  struct commit commit = {.worker = worker->config.id};
  commit.segments = arena_take(&worker->frozen, worker->config.partitions * sizeof *commit.segments);
  for (uint32_t p = shard->number; p < worker->config.partitions; p += worker->config.shards) {
    struct slot *slot = &worker->slots[p];
    struct effects *effects = &slot->partition.effects;
    if (!may_commit(slot) || !has_something(slot, now_us)) continue;
    if (can_wait(effects)) {
      put_off(worker, effects);
    } else {
      freeze_segment(worker, slot, &commit.segments[commit.n_segments++]);
    }
  }
  if (commit.n_segments) {
    shard->committing = true;
    shard->commit_sent_us = now_us;
    pace_begin(&shard->commits, now_us);
    worker->metrics->segments += commit.n_segments;
    store->ops->commit(store, &commit, on_commit, shard);
    for (size_t i = 0; i < commit.n_segments; i++) {
      forget_frozen(worker, &worker->slots[commit.segments[i].partition].partition.effects);
    }
  }
  arena_reset(&worker->frozen);
}
