/* Rooms that kill who runs them. What is promised (docs/decisions.md, docs/writing-a-kind.md):
 *
 * - Whoever dies in a room and says so, or dies in it as a cautious owner, whose note of the room stands, convicts
 * it: the next owner is told, closes it in his first commit, tells its members, and never calls its kind.
 * - So a room costs three deaths in a row at most, without words.
 * - A room that killed nobody is condemned only by a note of a cautious owner: by the third loss of its partition in
 * a row, each soon after its claim and with nothing done. And an owner who dies in a room while cautious about
 * several partitions condemns no room of the others.
 */
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>

#define SOON_MS    60000 /* after its claim a loss is none of what was found */
#define CAUTIOUS   2     /* losses in a row */
#define DEATHS_MAX 3

static struct oracle_partition *partition_of(struct sim *sim, uint32_t p) {
  return &sim->oracle->partitions[p];
}

/* ---- blames ---- */

static bool is_open(const struct store_blame *blame, struct stream_id done) {
  int order = stream_id_compare(blame->entry, done);
  return order > 0 || (order == 0 && blame->index == STORE_BLAME_ALL);
}

static const struct store_blame *find(const struct oracle_blames *blames, const char *room) {
  for (size_t i = 0; i < blames->n; i++) {
    if (strcmp(blames->items[i].room, room) == 0) return &blames->items[i];
  }
  return NULL;
}

static void add_guilty(struct oracle_partition *partition, const struct store_blame *blame) {
  struct oracle_blames *guilty = &partition->guilty;
  if (find(guilty, blame->room)) {
    for (size_t i = 0; i < guilty->n; i++) {
      if (strcmp(guilty->items[i].room, blame->room) == 0) guilty->items[i] = *blame;
    }
  } else if (guilty->n < STORE_BLAMES_MAX) {
    guilty->items[guilty->n++] = *blame;
  }
}

static void drop_done(struct oracle_blames *blames, struct stream_id done) {
  size_t kept = 0;
  for (size_t i = 0; i < blames->n; i++) {
    if (is_open(&blames->items[i], done)) blames->items[kept++] = blames->items[i];
  }
  blames->n = kept;
}

/* ---- deaths ---- */

void oracle_poison_made(struct sim *sim, uint64_t token) {
  struct oracle *oracle = sim->oracle;
  if (oracle->n_poisons < ORACLE_POISONS_MAX)
    oracle->poisons[oracle->n_poisons++] = (struct oracle_poison){.token = token};
}

/* So one more has died of it; not counted are those who were owners no more. */
static void count_death(struct sim *sim, const struct oracle_partition *partition, const char *room, uint64_t token) {
  for (size_t i = 0; i < sim->oracle->n_poisons; i++) {
    struct oracle_poison *poison = &sim->oracle->poisons[i];
    if (poison->token != token) continue;
    uint64_t row = partition->losses ? partition->row : partition->epoch;
    poison->deaths = poison->row == row ? poison->deaths + 1 : 1;
    poison->row = row;
    poison->condemned = false;
    poison->life = oracle_room_of(sim, room)->life;
    snprintf(poison->room, sizeof poison->room, "%s", room);
    if (poison->deaths <= DEATHS_MAX) continue;
    sim_fail(sim, "poison", "token %" PRIu64 " kills a worker for the %uth time in a row", token, poison->deaths);
  }
}

/* Their notes must not stand now. */
static void spare_others(struct sim *sim, const char *worker, uint32_t p) {
  for (uint32_t other = 0; other < sim->plan.partitions; other++) {
    struct oracle_partition *partition = partition_of(sim, other);
    if (other != p && strcmp(partition->worker, worker) == 0) partition->others_died = true;
  }
}

void oracle_struck(struct sim *sim, const char *worker, const struct scene *scene, uint64_t token) {
  struct oracle_partition *partition = partition_of(sim, scene->partition);
  sim->seen[SEEN_POISONED]++;
  if (partition->epoch != scene->epoch || strcmp(partition->worker, worker) != 0) return;
  count_death(sim, partition, scene->room, token);
  if (partition->losses < CAUTIOUS || stream_id_compare(scene->entry, partition->tail) > 0) return;
  bool loading = stream_id_compare(scene->entry, partition->done) == 0;
  struct store_blame note = {.entry = scene->entry, .index = loading ? STORE_BLAME_ALL : 0};
  snprintf(note.room, sizeof note.room, "%s", scene->room);
  add_guilty(partition, &note);
  spare_others(sim, worker, scene->partition);
}

void oracle_blamed(struct sim *sim, uint32_t p, uint64_t epoch, const struct store_blame *blame) {
  SIM_TRACE(sim, "redis", "partition %u, epoch %" PRIu64 ": %s %s at %" PRIu64 "-%" PRIu64 ", %u", p, epoch,
            blame->sure ? "killed by" : "noted", blame->room, blame->entry.ms, blame->entry.seq, blame->index);
  sim->seen[SEEN_NOTES] += !blame->sure && *blame->room;
  sim->seen[SEEN_WORDS] += blame->sure;
  if (blame->sure) add_guilty(partition_of(sim, p), blame);
}

/* ---- claims ---- */

static void check_convicted(struct sim *sim, uint32_t p, const struct oracle_partition *partition,
                            const struct oracle_blames *told) {
  for (size_t i = 0; i < partition->guilty.n; i++) {
    const char *room = partition->guilty.items[i].room;
    if (find(told, room)) continue;
    sim_fail(sim, "poison", "an owner of partition %u died in %s, and the next one is not told", p, room);
  }
}

static void check_innocent(struct sim *sim, uint32_t p, struct oracle_partition *partition, bool lost,
                           const struct oracle_blames *told) {
  for (size_t i = 0; i < told->n; i++) {
    const struct store_blame *blame = &told->items[i], *before = find(&partition->told, blame->room);
    if (find(&partition->guilty, blame->room)) continue;
    if (before && stream_id_compare(before->entry, blame->entry) == 0) continue;
    sim->seen[SEEN_INNOCENT]++;
    if (!lost) {
      sim_fail(sim, "innocent", "%s is condemned, and no owner of partition %u is lost", blame->room, p);
    } else if (partition->losses < CAUTIOUS) {
      sim_fail(sim, "innocent", "%s is condemned by loss %u of partition %u in a row", blame->room,
               partition->losses + 1, p);
    } else if (partition->others_died) {
      sim_fail(sim, "innocent", "%s is condemned by the death of its owner in another partition", blame->room);
    }
  }
}

static void count_loss(struct sim *sim, struct oracle_partition *partition, bool lost) {
  uint64_t now_ms = model_now_ms(model_at(sim, (uint32_t)(partition - sim->oracle->partitions)));
  bool moved = stream_id_compare(partition->done, partition->claimed_done) != 0;
  if (!*partition->worker || moved || (lost && now_ms - partition->claimed_ms >= SOON_MS)) partition->losses = 0;
  if (lost && partition->losses++ == 0) partition->row = partition->epoch;
  partition->claimed_ms = now_ms;
  partition->claimed_done = partition->done;
}

static void condemn(struct sim *sim, struct oracle_partition *partition) {
  for (size_t i = 0; i < partition->told.n; i++) {
    const char *id = partition->told.items[i].room;
    struct oracle_room *room = oracle_room_of(sim, id);
    struct model *model = model_of(sim, id);
    const struct model_room *keys = model_room_find(model, id);
    bool is_there = room->life && !room->life->ended && keys && model_room_has(model, keys, ROOM_MAIN);
    room->has_failed = true;
    partition->doomed[i] = is_there ? room->life : NULL;
    sim->seen[SEEN_CONDEMNED]++;
    for (size_t n = 0; n < sim->oracle->n_poisons; n++) {
      struct oracle_poison *poison = &sim->oracle->poisons[n];
      if (strcmp(poison->room, id) == 0) poison->condemned = true;
    }
  }
}

/* Before the partition changes hands. */
void oracle_told(struct sim *sim, uint32_t p, const char *worker, const struct store_claimed *claimed) {
  struct oracle_partition *partition = partition_of(sim, p);
  bool lost = *partition->worker && strcmp(partition->worker, worker) != 0;
  struct oracle_blames told = {.n = claimed->n_blames};
  memcpy(told.items, claimed->blames, sizeof told.items);
  drop_done(&partition->guilty, partition->done);
  check_convicted(sim, p, partition, &told);
  check_innocent(sim, p, partition, lost, &told);
  count_loss(sim, partition, lost);
  sim->seen[SEEN_CAUTIOUS] += partition->losses >= CAUTIOUS;
  partition->tail = claimed->tail;
  partition->told = told;
  partition->others_died = false;
  condemn(sim, partition);
}

/* ---- what follows from it ---- */

void oracle_kind_called(struct sim *sim, const char *worker, const struct scene *scene, const char *room) {
  const struct oracle_partition *partition = partition_of(sim, scene->partition);
  if (!scene->playing || strcmp(scene->room, room) != 0) {
    sim_fail(sim, "last-words", "%s is in %s and would say otherwise", worker, room);
    return;
  }
  const struct store_blame *blame = find(&partition->told, room);
  if (!blame || partition->epoch != scene->epoch) return;
  int order = stream_id_compare(scene->entry, blame->entry);
  if (order > 0 || (order == 0 && scene->index > blame->index)) return;
  sim_fail(sim, "poison", "%s calls the kind of %s, which killed an owner before", worker, room);
}

void oracle_failure_heard(struct sim *sim, const char *who, const char *room) {
  if (oracle_room_of(sim, room)->has_failed) return;
  sim_fail(sim, "innocent", "%s hears that %s has failed, which nobody said", who, room);
}

/* A room that kills when it is saved may have been ended by the command after it, and never been saved. */
const char *oracle_unpunished(const struct sim *sim) {
  for (size_t i = 0; i < sim->oracle->n_poisons; i++) {
    const struct oracle_poison *poison = &sim->oracle->poisons[i];
    if (!poison->condemned && poison->life && !poison->life->ended) return poison->room;
  }
  return NULL;
}
