/* What a partition holds, and its time; how entries go through it is in worker/walk.c. */
#include "worker/partition.h"
#include "common/mem.h"
#include "worker/elsewhere.h"
#include "worker/image.h"
#include "worker/resync.h"
#include "worker/rollback.h"
#include "worker/walk.h"
#include "worker/worker_metrics.h"
#include <stddef.h>

#define CONTAINER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void partition_open(struct partition *partition, uint64_t epoch, struct stream_id done) {
  effects_init(&partition->effects, partition->number, epoch);
  parcels_init(&partition->effects.parcels, partition->shards);
  partition->effects.partitions = partition->partitions;
  partition->effects.scene = partition->scene;
  partition->effects.entry = done;
  partition->cursor = done;
  partition->time_asked = false;
  partition->time_wait_us = 0;
}

void partition_close(struct partition *partition) {
  struct room *room, *next;
  HASH_ITER(hh, partition->repository.rooms, room, next) {
    effects_enter(&partition->effects, STORE_BLAME_ALL, room->id);
    repository_remove(&partition->repository, room); /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
  }
  effects_leave(&partition->effects);
  free(partition->condemned);
  partition->condemned = NULL;
  partition->n_condemned = 0;
  repository_close(&partition->repository);
  timers_close(&partition->rooms_due);
  timers_close(&partition->tombs_due);
  timers_close(&partition->frames_due);
  effects_close(&partition->effects);
}

void partition_forget(struct partition *partition, struct room *room) {
  struct effects *effects = &partition->effects;
  timers_set(&partition->rooms_due, &room->due, 0);
  timers_set(&partition->frames_due, &room->frame_due, 0);
  for (size_t i = 0; i < effects->n_changed; i++) {
    if (effects->changed[i] != room) continue;
    effects->changed[i] = effects->changed[--effects->n_changed];
    break;
  }
  repository_remove(&partition->repository, room);
}

static void bury(struct partition *partition, const char *id, uint64_t until_ms) {
  struct tomb *tomb = repository_bury(&partition->repository, id, until_ms);
  timers_set(&partition->tombs_due, &tomb->due, until_ms);
}

void partition_settle(struct partition *partition, struct room *room) {
  elsewhere_tell_lobby(room);
  if (!room_has_ended(room)) {
    timers_set(&partition->rooms_due, &room->due, room_next_due_ms(room));
    timers_set(&partition->frames_due, &room->frame_due, tick_next_us(room));
    return;
  }
  if (room->derived) bury(partition, room->id, partition->effects.entry.ms + TOMB_MS);
  partition->metrics->rooms_ended++;
  partition_forget(partition, room);
}

/* The image cannot be used. One that is only foreign is left alone: whoever can read it shall find it. */
static void give_up(struct partition *partition, const struct room_id *id, const char *reason, bool foreign) {
  log_error(partition->log, foreign ? "room_sealed" : "room_unreadable", F_S("room", id->id), F_S("reason", reason));
  partition->metrics->rooms_unreadable++;
  if (foreign) {
    repository_bury(&partition->repository, id->id, 0)->sealed = true;
  } else {
    effects_ended(&partition->effects, id->id, id->kind, 0);
  }
}

/* ---- rooms whose kind crashed ---- */

void partition_condemn(struct partition *partition, const struct store_blame *blame) {
  struct room_id id;
  if (!room_id_parse(blame->room, strlen(blame->room), &id) || !partition_has(partition, &id)) return;
  partition->condemned = xrealloc(partition->condemned, (partition->n_condemned + 1) * sizeof *partition->condemned);
  partition->condemned[partition->n_condemned++] = *blame;
  log_error(partition->log, "kind_crashed", F_S("kind", id.kind), F_S("room", id.id),
            F_U("partition", partition->number), F_U("id_ms", blame->entry.ms), F_U("id_seq", blame->entry.seq),
            F_U("index", blame->index), F_S("reason", "a worker died in this kind's code: it has a bug"));
}

const struct store_blame *partition_blames(const struct partition *partition, const char *room) {
  const struct effects *effects = &partition->effects;
  for (size_t i = 0; i < partition->n_condemned; i++) {
    const struct store_blame *blame = &partition->condemned[i];
    int order = stream_id_compare(effects->entry, blame->entry);
    if (order > 0 || (order == 0 && effects->index > blame->index)) continue;
    if (strcmp(blame->room, room) == 0) return blame;
  }
  return NULL;
}

/* Nothing of its kind runs: whatever it did wrong may be in the state. */
static void fail(struct partition *partition, struct room *room) {
  log_error(partition->log, "room_failed", F_S("kind", room->kind->name), F_S("room", room->id),
            F_U("members", room->n_members));
  partition->metrics->rooms_failed++;
  room_end(room, HEYA__V1__CLOSE_REASON__FAILED);
}

/* ---- loading ---- */

static void roll_back(struct partition *partition, struct room *room) {
  effects_enter(&partition->effects, STORE_BLAME_ALL, room->id);
  rollback_tell(room);
  effects_leave(&partition->effects);
  partition->metrics->rolled_back++;
}

static struct room *load(struct partition *partition, const char *id, struct bytes image, bool failed,
                         const char **reason, bool *foreign) {
  struct effects *effects = &partition->effects;
  if (failed) return image_load_shell(partition->kinds, effects, id, image, reason, foreign);
  effects_enter(effects, STORE_BLAME_ALL, id);
  struct room *room = image_load(partition->kinds, effects, id, image, reason, foreign);
  effects_leave(effects);
  return room;
}

void partition_load(struct partition *partition, const char *id, struct bytes image, uint64_t tomb_until_ms,
                    bool heal) {
  struct effects *effects = &partition->effects;
  bool failed = partition_blames(partition, id) != NULL;
  struct room_id parsed;
  const char *reason;
  bool foreign;
  if (!room_id_parse(id, strlen(id), &parsed)) return;
  if (!image.data) {
    uint64_t until_ms = tomb_until_ms > TOMB_MARGIN_MS ? tomb_until_ms - TOMB_MARGIN_MS : 0;
    if (until_ms > effects->entry.ms) {
      bury(partition, id, until_ms);
    } else {
      effects_ended(effects, id, parsed.kind, 0);
    }
    return;
  }
  struct room *room = load(partition, id, image, failed, &reason, &foreign);
  arena_reset(&effects->scratch);
  if (!room) {
    give_up(partition, &parsed, reason, foreign);
    return;
  }
  repository_add(&partition->repository, room);
  if (room->approximate && !failed) roll_back(partition, room);
  if (heal) {
    room->changes.whole = true;
    room_touch(room);
  }
  if (failed) fail(partition, room);
  partition_settle(partition, room);
}

void partition_prepare_to_leave(struct partition *partition) {
  struct room *room, *next;
  partition->effects.settling = true;
  HASH_ITER(hh, partition->repository.rooms, room, next) {
    if (room->kind->lossy) room_touch(room); /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
  }
}

void partition_resync(struct partition *partition) {
  struct room *room, *next;
  HASH_ITER(hh, partition->repository.rooms, room, next) {
    effects_enter(&partition->effects, STORE_BLAME_ALL, room->id);
    resync_tell(room, HEYA__V1__ERROR__CODE__RESYNC); /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
  }
  effects_leave(&partition->effects);
}

struct room *partition_room_due(const struct partition *partition) {
  struct timer_node *node = timers_first(&partition->rooms_due);
  return node && node->at <= partition->effects.entry.ms ? CONTAINER(struct room, due, node) : NULL;
}

void partition_fire(struct partition *partition, struct room *room) {
  struct effects *effects = &partition->effects;
  effects_enter(effects, effects->index, room->id);
  room_fire(room);
  partition_settle(partition, room);
  effects_leave(effects);
  arena_reset(&effects->scratch);
}

uint64_t partition_next_frame_us(const struct partition *partition) {
  const struct timer_node *node = timers_first(&partition->frames_due);
  return node ? node->at : 0;
}

void partition_run_frame(struct partition *partition, uint64_t now_us, struct partition_frame *frame) {
  struct effects *effects = &partition->effects;
  struct timer_node *node = timers_first(&partition->frames_due);
  *frame = (struct partition_frame){.number = 0};
  if (!node || node->at > now_us) return;
  struct room *room = CONTAINER(struct room, frame_due, node);
  memcpy(frame->room, room->id, sizeof frame->room);
  frame->kind = room->kind->name;
  frame->hz = room->frames.hz;
  effects_enter(effects, STORE_BLAME_ALL, room->id);
  frame->report = tick_run(room, now_us, partition->metrics);
  frame->number = room->frames.done;
  partition_settle(partition, room);
  effects_leave(effects);
  arena_reset(&effects->scratch);
}

void partition_let_tombs_pass(struct partition *partition) {
  uint64_t now_ms = partition->effects.entry.ms;
  struct timer_node *node;
  while ((node = timers_first(&partition->tombs_due)) && node->at <= now_ms) {
    struct tomb *tomb = CONTAINER(struct tomb, due, node);
    struct room_id id;
    timers_set(&partition->tombs_due, node, 0);
    if (room_id_parse(tomb->id, strlen(tomb->id), &id) && !repository_find(&partition->repository, tomb->id)) {
      effects_ended(&partition->effects, tomb->id, id.kind, 0);
    }
    repository_unbury(&partition->repository, tomb);
  }
}

void partition_consume(struct partition *partition, const struct store_entry *entry) {
  struct walk walk;
  if (!walk_begin(&walk, partition, entry)) return;
  while (walk_room(&walk)) walk_step(&walk);
  walk_end(&walk);
}

bool partition_has(const struct partition *partition, const struct room_id *id) {
  return partition->partitions == 0 || room_partition(id->id, id->id_len, partition->partitions) == partition->number;
}

/* ---- asking for entries of its own ---- */

uint64_t partition_next_due_ms(const struct partition *partition) {
  const struct timer_node *room = timers_first(&partition->rooms_due);
  const struct timer_node *tomb = timers_first(&partition->tombs_due);
  if (!room || !tomb) return room ? room->at : tomb ? tomb->at : 0;
  return room->at < tomb->at ? room->at : tomb->at;
}

#define GONE_AGAIN_MS      5000 /* an entry GatewayGone that does not come has been lost */
#define TOO_EARLY_FIRST_US 1000
#define TOO_EARLY_MOST_US  50000

void partition_time_came(struct partition *partition) {
  uint64_t due = partition_next_due_ms(partition);
  bool too_early = partition->time_asked && due && due > partition->effects.entry.ms && due <= partition->time_due_ms;
  uint64_t longer_us = partition->time_wait_us ? partition->time_wait_us * 2 : TOO_EARLY_FIRST_US;
  partition->time_asked = false;
  partition->time_wait_us = !too_early ? 0 : longer_us < TOO_EARLY_MOST_US ? longer_us : TOO_EARLY_MOST_US;
}

uint64_t partition_ask_wait_us(const struct partition *partition, uint64_t now_ms, uint64_t monotonic_us) {
  uint64_t due_ms = partition_next_due_ms(partition);
  if (due_ms == 0) return UINT64_MAX;
  uint64_t wait_us = due_ms > now_ms ? (due_ms - now_ms) * 1000 : 0;
  uint64_t pause_us = partition->time_asked ? PARTITION_ASK_AGAIN_US : partition->time_wait_us;
  uint64_t passed_us = monotonic_us - partition->time_asked_us;
  if (passed_us < pause_us && wait_us < pause_us - passed_us) wait_us = pause_us - passed_us;
  return wait_us;
}

void partition_ask_time(struct partition *partition, uint64_t now_ms, uint64_t monotonic_us) {
  if (partition_ask_wait_us(partition, now_ms, monotonic_us) > 0) return;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__Time time = HEYA__BUS__TIME__INIT;
  entry.body_case = HEYA__BUS__ENTRY__BODY_TIME;
  entry.time = &time;
  effects_append(&partition->effects, partition->number, &entry);
  partition->time_asked = true;
  partition->time_asked_us = monotonic_us;
  partition->time_due_ms = partition_next_due_ms(partition);
}

static bool has_lobby_on(const struct partition *partition, const struct room *room, uint32_t shard) {
  return room->lobby[0] && effects_partition_of(&partition->effects, room->lobby) % partition->shards == shard;
}

void partition_unclogged(struct partition *partition, uint32_t shard) {
  struct room *room, *next;
  HASH_ITER(hh, partition->repository.rooms, room, next) {
    if (!has_lobby_on(partition, room, shard)) continue; /* cppcheck-suppress uninitvar ; HASH_ITER sets it */
    elsewhere_tell_lobby(room);
  }
}

static void say_gone(struct partition *partition, struct outlet *outlet) {
  if (outlet->gone_said || outlet->bound == 0) return;
  outlet->gone_said = true;
  Heya__Bus__Entry entry = HEYA__BUS__ENTRY__INIT;
  Heya__Bus__GatewayGone gone = HEYA__BUS__GATEWAY_GONE__INIT;
  gone.gateway = outlet->gateway;
  entry.body_case = HEYA__BUS__ENTRY__BODY_GATEWAY_GONE;
  entry.gateway_gone = &gone;
  effects_append(&partition->effects, partition->number, &entry);
  log_info(partition->log, "gateway_gone", F_U("partition", partition->number), F_S("gateway", outlet->gateway),
           F_U("members", outlet->bound));
}

void partition_gateway_gone(struct partition *partition, const char *gateway) {
  for (size_t i = 0; i < partition->effects.n_outlets; i++) {
    struct outlet *outlet = partition->effects.outlets[i];
    if (strcmp(outlet->gateway, gateway) == 0) say_gone(partition, outlet);
  }
}

static bool is_among(const char *gateway, const char *const *living, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(gateway, living[i]) == 0) return true;
  }
  return false;
}

void partition_check_gateways(struct partition *partition, const char *const *living, size_t n, uint64_t now_ms,
                              void (*absent)(void *arg, const char *gateway), void *arg) {
  for (size_t i = 0; i < partition->effects.n_outlets; i++) {
    struct outlet *outlet = partition->effects.outlets[i];
    /* A gateway that appended something before the view was taken was alive then or before; if the view does not know
     * it, it has died since, and for good. One that came later is not judged by this view. */
    if (outlet->bound == 0 || outlet->last_bound_ms >= now_ms || is_among(outlet->gateway, living, n)) continue;
    if (outlet->gone_said && now_ms < outlet->gone_said_ms + GONE_AGAIN_MS) continue;
    outlet->gone_said = false;
    outlet->gone_said_ms = now_ms;
    absent(arg, outlet->gateway);
    say_gone(partition, outlet);
  }
}
