/* The function commit of proto/heya.lua: what is written of rooms, what is appended and delivered, and who may. */
#include "tests/sim/model.h"
#include "tests/sim/oracle.h"

#include <stdio.h>

/* ---- rooms ---- */

struct model_room *model_room_find(struct model *model, const char *id) {
  for (size_t i = 0; i < model->n_rooms; i++) {
    if (strcmp(model->rooms[i]->id, id) == 0) return model->rooms[i];
  }
  return NULL;
}

bool model_room_has(const struct model *model, const struct model_room *room, enum model_room_key key) {
  return room->exists[key] && (room->expire_ms[key] == 0 || room->expire_ms[key] > model_now_ms(model));
}

static struct model_room *room_of(struct model *model, const char *id) {
  struct model_room *room = model_room_find(model, id);
  if (room) return room;
  if (model->n_rooms == MODEL_ROOMS_MAX) {
    sim_fail(model->sim, "spin", "%d rooms", MODEL_ROOMS_MAX);
    return model->rooms[0];
  }
  room = model->rooms[model->n_rooms++] = sim_alloc(model->sim, sizeof *room);
  snprintf(room->id, sizeof room->id, "%s", id);
  return room;
}

static void delete_key(struct model_room *room, enum model_room_key key) {
  room->exists[key] = false;
  room->expire_ms[key] = 0;
  if (key == ROOM_MAIN) room->image = (struct bytes){0};
  if (key == ROOM_MEMBERS) room->members.n = 0;
  if (key == ROOM_RESULTS) room->results.n = 0;
}

/* A function finds expired keys gone. */
static void drop_expired(const struct model *model, struct model_room *room) {
  for (enum model_room_key key = 0; key < ROOM_KEYS; key++) {
    if (room->exists[key] && !model_room_has(model, room, key)) delete_key(room, key);
  }
}

static size_t find_name(const struct model_names *names, struct bytes name) {
  size_t at = 0;
  while (at < names->n && !bytes_equal_str(name, names->names[at])) at++;
  return at;
}

static void write_hash(struct model *model, struct model_room *room, enum model_room_key key,
                       struct model_names *names, const struct commit_field *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    size_t at = find_name(names, fields[i].name);
    if (!fields[i].value.data && at < names->n) {
      memmove(&names->names[at], &names->names[at + 1], (--names->n - at) * sizeof *names->names);
    } else if (fields[i].value.data && at == names->n) {
      if (names->n == names->cap) {
        char(*more)[PLAYER_MAX + 1] = sim_alloc(model->sim, (names->cap + 8) * sizeof *more);
        if (names->n) memcpy(more, names->names, names->n * sizeof *more);
        names->names = more;
        names->cap += 8;
      }
      snprintf(names->names[names->n++], PLAYER_MAX + 1, "%.*s", (int)fields[i].name.len,
               (const char *)fields[i].name.data);
    }
    if (fields[i].value.data) room->exists[key] = true;
  }
  if (names->n == 0) delete_key(room, key);
}

static void forget_room(struct model_room *room, const struct commit_room *from) {
  for (enum model_room_key key = 0; key < ROOM_KEYS; key++) delete_key(room, key);
  room->in_set = from->tomb_until_ms != 0;
  if (from->tomb_until_ms) room->tomb_until_ms = from->tomb_until_ms;
}

static void write_fields(struct model *model, struct model_room *room, const struct commit_room *from) {
  for (size_t i = 0; i < from->n_fields; i++) {
    if (!from->fields[i].value.data) continue;
    room->exists[ROOM_MAIN] = true;
    if (bytes_equal_str(from->fields[i].name, "image")) {
      room->image = sim_copy(model->sim, from->fields[i].value);
    }
  }
}

static void write_room(struct model *model, struct model_room *room, const struct commit_room *from) {
  if (from->whole) {
    for (enum model_room_key key = 0; key < ROOM_KEYS; key++) delete_key(room, key);
    room->in_set = true;
  }
  write_fields(model, room, from);
  write_hash(model, room, ROOM_MEMBERS, &room->members, from->members, from->n_members);
  if (from->clear_results) delete_key(room, ROOM_RESULTS);
  write_hash(model, room, ROOM_RESULTS, &room->results, from->results, from->n_results);
  if (from->n_log) room->exists[ROOM_LOG] = true;
  if (from->deadline == COMMIT_DEADLINE_SET) {
    room->exists[ROOM_DEADLINE] = true;
    room->expire_ms[ROOM_DEADLINE] = from->deadline_ms;
  } else if (from->deadline == COMMIT_DEADLINE_CLEAR) {
    delete_key(room, ROOM_DEADLINE);
  }
  for (enum model_room_key key = ROOM_MAIN; from->expire_at_ms && key <= ROOM_LOG; key++) {
    if (model->sim->plant == PLANT_EXPIRY_FORGOTTEN && key == ROOM_LOG) continue;
    if (room->exists[key]) room->expire_ms[key] = from->expire_at_ms;
  }
}

/* ---- deliveries ---- */

struct outgoing {
  const char *gateway;
  struct bytes bytes;
};

static void collect(struct model *model, struct outgoing *outgoing, size_t *n,
                    const struct commit_delivery *delivery) {
  size_t at = 0;
  while (at < *n && strcmp(outgoing[at].gateway, delivery->gateway) != 0) at++;
  if (at == *n) {
    outgoing[(*n)++] = (struct outgoing){.gateway = delivery->gateway, .bytes = delivery->deliveries};
    return;
  }
  struct bytes *bytes = &outgoing[at].bytes;
  char *joined = sim_alloc(model->sim, bytes->len + delivery->deliveries.len + 1);
  memcpy(joined, bytes->data, bytes->len);
  memcpy(joined + bytes->len, delivery->deliveries.data, delivery->deliveries.len);
  *bytes = bytes_of(joined, bytes->len + delivery->deliveries.len);
}

static void deliver(struct model *model, const struct commit *commit, const bool *deaf,
                    struct store_commit_outcome *outcome) {
  struct outgoing outgoing[MODEL_PROCESSES_MAX];
  size_t n = 0;
  for (size_t i = 0; i < commit->n_segments; i++) {
    const struct commit_segment *segment = &commit->segments[i];
    for (size_t d = 0; !deaf[i] && d < segment->n_deliveries; d++) {
      collect(model, outgoing, &n, &segment->deliveries[d]);
    }
  }
  const char **gone = sim_alloc(model->sim, (n + 1) * sizeof *gone);
  for (size_t i = 0; i < n; i++) {
    struct model_gateway *gateway = model_gateway_find(model, outgoing[i].gateway);
    if (gateway && model_stream_len(&gateway->events) < model->sim->plan.gateway_entries) {
      model_stream_add(model, &gateway->events, "", outgoing[i].bytes);
    } else {
      model_gateway_close(model, outgoing[i].gateway);
      gone[outcome->n_gone++] = sim_text(model->sim, outgoing[i].gateway);
    }
  }
  outcome->gone = gone;
}

/* ---- the whole ---- */

static void write_checkpoint(struct model *model, const struct commit_segment *segment) {
  struct model_partition *partition = &model->partitions[segment->partition];
  struct stream_id done = segment->done;
  if (model->sim->plant == PLANT_CHECKPOINT_LATE) {
    done = partition->late_done;
    partition->late_done = segment->done;
  }
  partition->done = done;
  model_stream_trim(&partition->commands, done);
  partition->bytes -= (int64_t)segment->consumed_bytes;
  if (partition->bytes < 0) partition->bytes = 0;
}

static void write_segment(struct model *model, const char *worker, const struct commit_segment *segment,
                          struct store_posted *posted, size_t *n_posted) {
  oracle_committed(model->sim, worker, segment);
  for (size_t i = 0; i < segment->n_rooms; i++) {
    struct model_room *room = room_of(model, segment->rooms[i].id);
    drop_expired(model, room);
    if (segment->rooms[i].gone) {
      forget_room(room, &segment->rooms[i]);
    } else {
      write_room(model, room, &segment->rooms[i]);
    }
  }
  for (size_t i = 0; i < segment->n_appends; i++) {
    const struct commit_append *item = &segment->appends[i];
    struct model_partition *to = &model->partitions[item->partition];
    struct stream_id entry = model_stream_add(model, &to->commands, worker, item->batch);
    to->bytes += (int64_t)item->batch.len;
    oracle_appended(model->sim, item->partition, entry, item->batch);
  }
  write_checkpoint(model, segment);
  model_post(model, segment, posted, n_posted);
  oracle_written(model->sim, segment);
}

enum store_result model_commit(struct model *model, const struct commit *commit,
                               struct store_commit_outcome *outcome) {
  bool fenced[SIM_PARTITIONS_MAX] = {false}, deaf[SIM_PARTITIONS_MAX] = {false};
  uint32_t *list = sim_alloc(model->sim, (commit->n_segments + 1) * sizeof *list);
  *outcome = (struct store_commit_outcome){.fenced = list};
  for (size_t i = 0; i < commit->n_segments; i++) {
    const struct commit_segment *segment = &commit->segments[i];
    const struct model_partition *partition = &model->partitions[segment->partition];
    bool mine = strcmp(partition->owner, commit->worker) == 0 && partition->epoch == segment->epoch;
    fenced[i] = !mine && model->sim->plant != PLANT_NO_FENCING;
    deaf[i] = fenced[i] && model->sim->plant != PLANT_GHOST_DELIVERY;
    if (fenced[i]) list[outcome->n_fenced++] = segment->partition;
  }
  size_t n_parcels = 0;
  for (size_t i = 0; i < commit->n_segments; i++) n_parcels += commit->segments[i].n_parcels;
  struct store_posted *posted = sim_alloc(model->sim, (n_parcels + 1) * sizeof *posted);
  outcome->posted = posted;
  for (size_t i = 0; i < commit->n_segments; i++) {
    if (!fenced[i]) write_segment(model, commit->worker, &commit->segments[i], posted, &outcome->n_posted);
  }
  deliver(model, commit, deaf, outcome);
  model->sim->seen[SEEN_COMMITS]++;
  model->sim->seen[SEEN_FENCED] += outcome->n_fenced;
  return STORE_OK;
}
