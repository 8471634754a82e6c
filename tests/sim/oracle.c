/* Ownership, checkpoints, and what the images of a commit may say; see tests/sim/oracle.h. */
#include "tests/sim/oracle.h"

#include "proto/bus.pb-c.h"
#include "worker/record.h"
#include <inttypes.h>
#include <stdio.h>

void oracle_create(struct sim *sim) {
  sim->oracle = sim_alloc(sim, sizeof *sim->oracle);
  sim->oracle->sim = sim;
}

/* ---- who may speak for a partition ---- */

void oracle_claimed(struct sim *sim, uint32_t p, const char *worker, const struct store_claimed *claimed) {
  struct oracle *oracle = sim->oracle;
  uint64_t epoch = claimed->epoch;
  if (epoch <= oracle->partitions[p].epoch) sim_fail(sim, "epoch", "partition %u goes back to %" PRIu64, p, epoch);
  oracle_told(sim, p, worker, claimed);
  oracle->partitions[p].epoch = epoch;
  oracle->partitions[p].connections = oracle_connections(sim, worker, p);
  sim->seen[SEEN_CLAIMS]++;
  snprintf(oracle->partitions[p].worker, sizeof oracle->partitions[p].worker, "%s", worker);
  SIM_TRACE(sim, "redis", "partition %u is %s's, epoch %" PRIu64, p, worker, epoch);
}

void oracle_released(struct sim *sim, uint32_t p) {
  oracle_lossy_released(sim, p);
  sim->oracle->partitions[p].worker[0] = '\0';
}

static void check_speaker(struct sim *sim, const char *worker, const struct commit_segment *segment) {
  struct oracle *oracle = sim->oracle;
  uint32_t p = segment->partition;
  const char *owner = oracle->partitions[p].worker;
  if (strcmp(owner, worker) != 0 || oracle->partitions[p].epoch != segment->epoch) {
    sim_fail(sim, "one-owner", "%s commits partition %u in epoch %" PRIu64 ", which is %s's, epoch %" PRIu64, worker,
             p, segment->epoch, *owner ? owner : "nobody", oracle->partitions[p].epoch);
  }
  if (stream_id_compare(segment->done, oracle->partitions[p].done) < 0) {
    sim_fail(sim, "checkpoint", "partition %u goes back to %" PRIu64 "-%" PRIu64, p, segment->done.ms,
             segment->done.seq);
  }
  if (stream_id_compare(segment->done, model_at(sim, p)->partitions[p].commands.last) > 0) {
    sim_fail(sim, "checkpoint", "partition %u has done what nobody sent", p);
  }
  if (segment->n_rooms + segment->n_appends + segment->n_deliveries + segment->n_parcels + segment->n_settled == 0 &&
      stream_id_compare(segment->done, oracle->partitions[p].done) == 0) {
    sim_fail(sim, "idle", "%s commits nothing of partition %u", worker, p);
  }
  oracle->partitions[p].done = segment->done;
}

/* ---- lives of rooms ---- */

struct oracle_room *oracle_room_of(struct sim *sim, const char *id) {
  struct oracle *oracle = sim->oracle;
  for (size_t i = 0; i < oracle->n_rooms; i++) {
    if (strcmp(oracle->rooms[i]->id, id) == 0) return oracle->rooms[i];
  }
  struct oracle_room *room = sim_alloc(sim, sizeof *room);
  snprintf(room->id, sizeof room->id, "%s", id);
  room->live = strncmp(id, "live/", 5) == 0;
  room->lobby = strncmp(id, "lobby/", 6) == 0;
  room->ticks = ledger_ticks(id);
  room->lossy = ledger_is_lossy(id);
  return oracle->rooms[oracle->n_rooms++] = room;
}

struct oracle_life *oracle_newest_life(struct oracle_room *room, const char *incarnation) {
  struct oracle_life *life = room->lives;
  while (life && strcmp(life->incarnation, incarnation) != 0) life = life->next;
  return life;
}

struct oracle_life *oracle_life_of(struct sim *sim, const char *id, const char *incarnation, const char *session) {
  struct oracle_life *life = oracle_newest_life(oracle_room_of(sim, id), incarnation);
  if (!life) sim_fail(sim, "phantom", "somebody is in %s of %s, which Redis never had", id, incarnation);
  return life ? oracle_life_with(life, session) : NULL;
}

static struct oracle_life *add_life(struct sim *sim, struct oracle_room *room, const char *incarnation) {
  struct oracle_life *life = sim_alloc(sim, sizeof *life);
  life->room = room;
  life->next = room->lives;
  snprintf(life->incarnation, sizeof life->incarnation, "%s", incarnation);
  return room->lives = life;
}

/* Another incarnation may only follow one that is over: ended, or empty and past its time. */
static struct oracle_life *begin_life(struct sim *sim, struct oracle_room *room, const Heya__Image__Room *image) {
  struct oracle_life *before = room->life;
  if (before && !before->ended && before->image->n_members) {
    sim_fail(sim, "ghost-room", "%s begins anew with %zu members in it", room->id, before->image->n_members);
  } else if (before && !before->ended && before->expire_at_ms > model_now_ms(model_of(sim, room->id))) {
    sim_fail(sim, "ghost-room", "%s begins anew before it expires", room->id);
  }
  struct oracle_life *life = oracle_newest_life(room, image->incarnation);
  if (life && !life->rumour) sim_fail(sim, "ghost-room", "%s comes back to an old life", room->id);
  if (!life) life = add_life(sim, room, image->incarnation);
  life->rumour = false;
  sim->seen[SEEN_LIVES]++;
  return room->life = life;
}

static void hear_of_life(struct sim *sim, struct oracle_room *room, struct bytes message) {
  const Heya__V1__ServerMessage *decoded =
      heya__v1__server_message__unpack(&sim->memory.allocator, message.len, message.data);
  if (!decoded || decoded->body_case != HEYA__V1__SERVER_MESSAGE__BODY_JOINED) return;
  if (oracle_newest_life(room, decoded->joined->incarnation)) return;
  struct oracle_life *life = add_life(sim, room, decoded->joined->incarnation);
  life->rumour = life->ended = true;
}

static void hear_of_lives(struct sim *sim, struct oracle_room *room, const struct commit_segment *segment) {
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    struct bytes bytes = segment->deliveries[i].deliveries;
    const Heya__Bus__Deliveries *all = heya__bus__deliveries__unpack(&sim->memory.allocator, bytes.len, bytes.data);
    for (size_t d = 0; all && d < all->n_deliveries; d++) {
      const Heya__Bus__Delivery *delivery = all->deliveries[d];
      if (strcmp(delivery->room, room->id) != 0) continue;
      hear_of_life(sim, room, bytes_of(delivery->message.data, delivery->message.len));
    }
  }
}

static const Heya__Image__Room *decode_image(struct sim *sim, const struct commit_room *from) {
  for (size_t i = 0; i < from->n_fields; i++) {
    if (!bytes_equal_str(from->fields[i].name, "image")) continue;
    struct bytes value = from->fields[i].value;
    return heya__image__room__unpack(&sim->memory.allocator, value.len, value.data);
  }
  return NULL;
}

/* Whatever is due has happened: nothing in an image lies before the partition's time. */
static void check_times(struct sim *sim, const Heya__Image__Room *image, uint64_t done_ms) {
  uint64_t earliest = image->expire_at_ms ? image->expire_at_ms : UINT64_MAX;
  for (size_t i = 0; i < image->n_timers; i++) {
    if (image->timers[i]->at_ms < earliest) earliest = image->timers[i]->at_ms;
  }
  for (size_t i = 0; i < image->n_members; i++) {
    uint64_t until_ms = image->members[i]->away_until_ms;
    if (until_ms && until_ms < earliest) earliest = until_ms;
  }
  for (size_t i = 0; i < image->n_reserved; i++) {
    if (image->reserved[i]->until_ms < earliest) earliest = image->reserved[i]->until_ms;
  }
  if (earliest <= done_ms) {
    sim_fail(sim, "time", "%s: what was due at %" PRIu64 " has not happened at %" PRIu64, image->id, earliest,
             done_ms);
  }
}

/* A session's numbers only grow. */
static void check_sessions(struct sim *sim, const Heya__Image__Room *before, const Heya__Image__Room *now) {
  for (size_t i = 0; before && i < before->n_members; i++) {
    const Heya__Image__Member *old = before->members[i];
    for (size_t j = 0; j < now->n_members; j++) {
      const Heya__Image__Member *member = now->members[j];
      if (strcmp(old->player, member->player) != 0 || strcmp(old->session, member->session) != 0) continue;
      if (member->last_number >= old->last_number) continue;
      sim_fail(sim, "session", "%s in %s goes back from command %u to %u", member->player, now->id, old->last_number,
               member->last_number);
    }
  }
}

static void check_people(struct sim *sim, const Heya__Image__Room *image) {
  if (image->n_spectators > SIM_WATCHERS) sim_fail(sim, "watching", "%zu watch %s", image->n_spectators, image->id);
  if ((image->n_members == 0) != (image->expire_at_ms != 0)) {
    sim_fail(sim, "expiry", "%s has %zu members and expires at %" PRIu64, image->id, image->n_members,
             image->expire_at_ms);
  }
  for (size_t i = 0; i < image->n_spectators; i++) {
    for (size_t j = 0; j < image->n_members; j++) {
      if (strcmp(image->spectators[i]->player, image->members[j]->player) != 0) continue;
      sim_fail(sim, "watching", "%s is a member of %s, and watches it", image->members[j]->player, image->id);
    }
  }
}

static void take_room(struct sim *sim, const struct commit_segment *segment, const struct commit_room *from) {
  struct oracle_room *room = oracle_room_of(sim, from->id);
  if (from->gone) {
    bool alive = room->life && !room->life->ended;
    if (alive && room->lossy) oracle_lossy_ends(sim, room, segment);
    if (alive && !room->lossy) oracle_last_words(sim, room->life, segment);
    hear_of_lives(sim, room, segment);
    if (room->life) room->life->ended = true;
    return;
  }
  const Heya__Image__Room *image = decode_image(sim, from);
  if (!image) {
    sim_fail(sim, "image", "%s is written without one", from->id);
    return;
  }
  struct oracle_life *life = room->life;
  if (!life || strcmp(life->incarnation, image->incarnation) != 0) life = begin_life(sim, room, image);
  if (room->lossy && !life->ended) life = oracle_lossy_goes_on(sim, life, segment, image);
  if (life->ended && life->image) sim_fail(sim, "ghost-room", "%s is written after its end", room->id);
  life->ended = false;
  sim->seen[SEEN_REVIVED] += life->image && life->image->n_members == 0 && image->n_members;
  if (!room->lossy ||
      stream_id_compare(segment->done, sim->oracle->partitions[segment->partition].claimed_done) > 0) {
    check_times(sim, image, segment->done.ms); /* one that has gone back may have something to catch up with */
  }
  check_sessions(sim, life->image, image);
  check_people(sim, image);
  oracle_events_committed(sim, life, segment->epoch, from);
  if (room->lossy && life->seq < image->seq) life->seq = image->seq; /* nobody was there to hear it */
  if (image->seq != life->seq || image->seq < life->n_events) {
    sim_fail(sim, "events", "%s is at event %" PRIu64 ", its log at %" PRIu64, room->id, image->seq, life->seq);
  }
  if (!room->live && !room->lobby) oracle_ledger_committed(sim, life, image);
  if (room->lobby) oracle_lobby_committed(sim, life, image, from, segment->done.ms);
  oracle_seats_committed(sim, life, image, from, segment->done.ms);
  bool quiet =
      stream_id_compare(segment->done, model_at(sim, segment->partition)->partitions[segment->partition].done) == 0;
  if (room->ticks) oracle_frames_committed(sim, life, image, from, quiet);
  if (room->lossy) oracle_lossy_saved(sim, life);
  life->image = image;
  life->image_epoch = segment->epoch;
  life->expire_at_ms = image->expire_at_ms;
}

void oracle_committed(struct sim *sim, const char *worker, const struct commit_segment *segment) {
  check_speaker(sim, worker, segment);
  for (size_t i = 0; i < segment->n_rooms && !sim->failed; i++) take_room(sim, segment, &segment->rooms[i]);
  oracle_lossy_committed(sim, segment);
  oracle_failed_committed(sim, segment);
}

/* ---- what people see agrees with the image ---- */

static void check_keys(struct sim *sim, const struct model_room *room, const Heya__Image__Room *image) {
  if (room->members.n != image->n_members || room->results.n != image->n_results) {
    sim_fail(sim, "readable", "%s shows %zu members and %zu results, and has %zu and %zu", room->id, room->members.n,
             room->results.n, image->n_members, image->n_results);
  }
  uint64_t until_ms = image->expire_at_ms ? image->expire_at_ms + RECORD_EXPIRE_MARGIN_MS : 0;
  for (enum model_room_key key = ROOM_MAIN; key <= ROOM_LOG; key++) {
    if (!room->exists[key] || room->expire_ms[key] == until_ms) continue;
    sim_fail(sim, "expiry", "key %d of %s expires at %" PRIu64 ", not %" PRIu64, key, room->id, room->expire_ms[key],
             until_ms);
  }
  const struct model *model = model_of(sim, room->id);
  bool shown = model_room_has(model, room, ROOM_DEADLINE);
  if (shown != (image->deadline_ms > model_now_ms(model)) ||
      (shown && room->expire_ms[ROOM_DEADLINE] != image->deadline_ms)) {
    sim_fail(sim, "readable", "%s: its deadline key is not what the image says", room->id);
  }
}

void oracle_written(struct sim *sim, const struct commit_segment *segment) {
  struct model *model = model_at(sim, segment->partition);
  const struct model_partition *partition = &model->partitions[segment->partition];
  int64_t bytes = 0;
  for (size_t i = partition->commands.head; i < partition->commands.n; i++) {
    bytes += (int64_t)partition->commands.entries[i].payload.len;
  }
  if (bytes != partition->bytes) {
    sim_fail(sim, "bytes", "partition %u counts %" PRId64 " bytes and has %" PRId64, segment->partition,
             partition->bytes, bytes);
  }
  for (size_t i = 0; i < segment->n_rooms && !sim->failed; i++) {
    const struct oracle_room *room = oracle_room_of(sim, segment->rooms[i].id);
    const struct model_room *keys = model_room_find(model, room->id);
    if (room->life && !room->life->ended) check_keys(sim, keys, room->life->image);
  }
}

/* ---- what is sent in ---- */

void oracle_appended(struct sim *sim, uint32_t p, struct stream_id id, struct bytes batch) {
  const Heya__Bus__Batch *decoded = heya__bus__batch__unpack(&sim->memory.allocator, batch.len, batch.data);
  for (size_t i = 0; decoded && i < decoded->n_entries; i++) {
    const Heya__Bus__Entry *entry = decoded->entries[i];
    if (entry->body_case == HEYA__BUS__ENTRY__BODY_VACANCY) {
      SIM_TRACE(sim, "redis", "partition %u is told that %s has %u free seats", p, entry->vacancy->room,
                entry->vacancy->free);
    }
    if (entry->body_case != HEYA__BUS__ENTRY__BODY_COMMAND || strncmp(entry->room, "live/", 5) != 0) continue;
    oracle_live_appended(sim, entry->room, entry->player, id,
                         bytes_of(entry->command->payload.data, entry->command->payload.len));
  }
}
