/* Streams and the blocking reads on them; see tests/sim/model.h. */
#include "tests/sim/model.h"

#include <stdio.h>

struct model *model_create(struct sim *sim, uint32_t shard) {
  struct model *model = sim_alloc(sim, sizeof *model);
  model->sim = sim;
  model->shard = shard;
  model->ahead_ms = sim->plan.skew_ms * shard;
  model_restart(model);
  return model;
}

void model_restart(struct model *model) {
  snprintf(model->server, sizeof model->server, "run-%u-%u", model->shard, ++model->runs);
}

uint64_t model_now_ms(const struct model *model) {
  return SIM_EPOCH_MS + model->sim->now_us / 1000 + model->ahead_ms;
}

/* ---- streams ---- */

/* The id that XADD * gives. */
static struct stream_id next_id(const struct model *model, const struct model_stream *stream) {
  uint64_t now_ms = model_now_ms(model);
  if (now_ms > stream->last.ms) return (struct stream_id){.ms = now_ms};
  return (struct stream_id){.ms = stream->last.ms, .seq = stream->last.seq + 1};
}

struct stream_id model_stream_add(struct model *model, struct model_stream *stream, const char *sender,
                                  struct bytes payload) {
  if (stream->n == stream->cap) {
    size_t alive = stream->n - stream->head;
    size_t cap = alive * 2 > 16 ? alive * 2 : 16;
    struct model_entry *entries = sim_alloc(model->sim, cap * sizeof *entries);
    if (alive) memcpy(entries, stream->entries + stream->head, alive * sizeof *entries);
    stream->entries = entries;
    stream->head = 0;
    stream->n = alive;
    stream->cap = cap;
  }
  stream->last = next_id(model, stream);
  stream->entries[stream->n++] = (struct model_entry){
      .id = stream->last, .sender = sim_text(model->sim, sender), .payload = sim_copy(model->sim, payload)};
  return stream->last;
}

size_t model_stream_trim(struct model_stream *stream, struct stream_id done) {
  size_t head = stream->head;
  while (stream->head < stream->n && stream_id_compare(stream->entries[stream->head].id, done) <= 0) stream->head++;
  return stream->head - head;
}

/* The entries after `after`, at most as many as one answer holds. */
static size_t newer(const struct model_stream *stream, struct stream_id after, const struct model_entry **first) {
  size_t at = stream->head;
  if (at == stream->n) return 0;
  while (at < stream->n && stream_id_compare(stream->entries[at].id, after) <= 0) at++;
  *first = stream->entries + at;
  return stream->n - at < MODEL_READ_COUNT ? stream->n - at : MODEL_READ_COUNT;
}

/* ---- reading ---- */

static void take_commands(struct model *model, struct model_read *read, const struct store_position *position) {
  const struct model_entry *first;
  size_t n = newer(&model->partitions[position->partition].commands, position->after, &first);
  struct store_entry *entries = sim_alloc(model->sim, (read->n_entries + n) * sizeof *entries);
  if (read->n_entries) memcpy(entries, read->entries, read->n_entries * sizeof *entries);
  for (size_t i = 0; i < n; i++) {
    entries[read->n_entries++] = (struct store_entry){.partition = position->partition,
                                                      .id = first[i].id,
                                                      .sender = bytes_of_str(first[i].sender),
                                                      .batch = first[i].payload};
  }
  read->entries = entries;
}

static struct model_worker *worker_of(const struct model *model, const char *id) {
  for (size_t i = 0; id && i < model->n_workers; i++) {
    if (strcmp(model->workers[i]->id, id) == 0) return model->workers[i];
  }
  return NULL;
}

static size_t take_control(struct model *model, struct model_read *read, bool look) {
  const struct model_entry *first;
  struct model_worker *worker = worker_of(model, read->worker);
  size_t n = worker ? newer(&worker->control, read->control_after, &first) : 0;
  if (look || n == 0) return n;
  read->freed = sim_alloc(model->sim, n * sizeof *read->freed);
  for (size_t i = 0; i < n; i++) memcpy(&read->freed[i], first[i].payload.data, sizeof *read->freed);
  read->n_freed = n;
  read->control_after = first[n - 1].id;
  return n;
}

static size_t take_deliveries(struct model *model, struct model_read *read, bool look) {
  const struct model_entry *first;
  struct model_gateway *gateway = read->gateway ? model_gateway_find(model, read->gateway) : NULL;
  size_t n = gateway ? newer(&gateway->events, read->after, &first) : 0;
  if (look || n == 0) return n;
  read->deliveries = sim_alloc(model->sim, n * sizeof *read->deliveries);
  for (size_t i = 0; i < n; i++) {
    read->deliveries[i] = (struct store_delivery){.id = first[i].id, .deliveries = first[i].payload};
  }
  read->n_deliveries = n;
  return n;
}

/* What its streams have. One that was blocked gets one stream only, whichever Redis comes to first. */
static bool answer(struct model *model, struct model_read *read, bool one) {
  const struct model_entry *first;
  size_t ready[SIM_PARTITIONS_MAX], n = 0;
  bool control = take_control(model, read, true) > 0;
  for (size_t i = 0; i < read->n_positions; i++) {
    const struct store_position *position = &read->positions[i];
    if (newer(&model->partitions[position->partition].commands, position->after, &first)) ready[n++] = i;
  }
  bool any = n > 0 || control || take_deliveries(model, read, true) > 0;
  if (!any) return false;
  if (one && control && (n == 0 || sim_chance(model->sim, 500))) n = 0;
  if (one && n > 0) {
    ready[0] = ready[sim_below(model->sim, n)];
    n = 1;
    control = false;
  }
  for (size_t i = 0; i < n; i++) take_commands(model, read, &read->positions[ready[i]]);
  if (control) take_control(model, read, false);
  take_deliveries(model, read, false);
  return true;
}

bool model_read(struct model *model, struct model_read *read, bool block) {
  if (answer(model, read, false)) return true;
  if (!block) return true;
  read->blocked = true;
  model->blocked[model->n_blocked++] = read;
  return false;
}

bool model_unblock(struct model *model, struct model_read *read) {
  for (size_t i = 0; i < model->n_blocked; i++) {
    if (model->blocked[i] != read) continue;
    read->blocked = false;
    model->n_blocked--;
    memmove(&model->blocked[i], &model->blocked[i + 1], (model->n_blocked - i) * sizeof *model->blocked);
    return true;
  }
  return false;
}

void model_serve(struct model *model) {
  for (size_t i = 0; i < model->n_blocked;) {
    struct model_read *read = model->blocked[i];
    if (!answer(model, read, true)) {
      i++;
      continue;
    }
    model_unblock(model, read);
    read->served(read);
  }
}
