/* The calls of struct store_ops but for the blocking reads: arguments copied, executed by the model, answered. */
#include "tests/sim/store_request.h"

#include "tests/sim/process.h"

#include <stdio.h>

/* ---- calls that are answered with a result only ---- */

struct plain {
  struct sim_request request;
  store_done_cb *done;
  void *arg;
  char id[64], successor[64];
  uint32_t partition;
  uint64_t epoch; /* or a generation */
  uint64_t ttl_ms;
};

static void finish_plain(struct sim_request *request, enum store_result result) {
  struct plain *call = (struct plain *)(void *)request;
  call->done(call->arg, result);
}

static struct plain *plain_new(struct store *base, const char *what, bool (*run)(struct sim_request *),
                               const char *id, store_done_cb *done, void *arg) {
  struct plain *call = sim_request_new(base, LINK_COMMANDS, what, sizeof *call);
  call->request.execute = run;
  call->request.finish = finish_plain;
  call->done = done;
  call->arg = arg;
  snprintf(call->id, sizeof call->id, "%s", id);
  return call;
}

/* A function of the model that takes an id. */
#define PLAIN_RUN(name, function, ...)                                                                               \
  static bool name(struct sim_request *request) {                                                                    \
    struct plain *call = (struct plain *)(void *)request;                                                            \
    request->result = function(request->store->model, __VA_ARGS__);                                                  \
    return true;                                                                                                     \
  }

PLAIN_RUN(run_retire, model_worker_close, call->id)
PLAIN_RUN(run_suspect, model_suspect, call->id)
PLAIN_RUN(run_release, model_release, call->partition, call->id, call->epoch, call->successor)
PLAIN_RUN(run_gateway_renew, model_gateway_renew, call->id, call->epoch, call->ttl_ms)
PLAIN_RUN(run_gateway_close, model_gateway_close, call->id)

void sim_store_retire(struct store *base, const char *worker, store_done_cb *done, void *arg) {
  sim_request_send(&plain_new(base, "worker_close", run_retire, worker, done, arg)->request);
}

void sim_store_suspect(struct store *base, const char *worker, store_done_cb *done, void *arg) {
  sim_request_send(&plain_new(base, "suspect", run_suspect, worker, done, arg)->request);
}

void sim_store_release(struct store *base, uint32_t partition, const char *worker, uint64_t epoch,
                       const char *successor, store_done_cb *done, void *arg) {
  struct plain *call = plain_new(base, "release", run_release, worker, done, arg);
  call->partition = partition;
  call->epoch = epoch;
  snprintf(call->successor, sizeof call->successor, "%s", successor);
  sim_request_send(&call->request);
}

void sim_store_gateway_renew(struct store *base, const char *gateway, uint64_t generation, uint64_t ttl_ms,
                             store_done_cb *done, void *arg) {
  struct plain *call = plain_new(base, "gateway_renew", run_gateway_renew, gateway, done, arg);
  call->epoch = generation;
  call->ttl_ms = ttl_ms;
  sim_request_send(&call->request);
}

void sim_store_gateway_close(struct store *base, const char *gateway, store_done_cb *done, void *arg) {
  sim_request_send(&plain_new(base, "gateway_close", run_gateway_close, gateway, done, arg)->request);
}

void sim_store_gateway_suspect(struct store *base, const char *gateway, store_done_cb *done, void *arg) {
  sim_request_send(&plain_new(base, "gateway_suspect", run_gateway_close, gateway, done, arg)->request);
}

/* ---- init ---- */

struct init {
  struct sim_request request;
  store_init_cb *callback;
  void *arg;
  struct store_deployment deployment;
};

static bool run_init(struct sim_request *request) {
  struct init *call = (struct init *)(void *)request;
  const struct model *model = request->store->model;
  snprintf(call->deployment.cluster, sizeof call->deployment.cluster, "cluster");
  snprintf(call->deployment.server, sizeof call->deployment.server, "%s", model->server);
  request->result = STORE_OK;
  return true;
}

static void finish_init(struct sim_request *request, enum store_result result) {
  struct init *call = (struct init *)(void *)request;
  call->callback(call->arg, result, result == STORE_OK ? NULL : "lost", &call->deployment);
}

void sim_store_init(struct store *base, struct store_deployment told, store_init_cb *callback, void *arg) {
  struct init *call = sim_request_new(base, LINK_COMMANDS, "init", sizeof *call);
  call->request.execute = run_init;
  call->request.finish = finish_init;
  call->callback = callback;
  call->arg = arg;
  call->deployment = told;
  sim_request_send(&call->request);
}

/* ---- renew ---- */

struct renewal {
  struct sim_request request;
  store_view_cb *callback;
  void *arg;
  struct store_worker_info info;
  struct store_view view;
};

static bool run_renew(struct sim_request *request) {
  struct renewal *call = (struct renewal *)(void *)request;
  request->result = model_renew(request->store->model, &call->info, &call->view);
  return true;
}

static void finish_renew(struct sim_request *request, enum store_result result) {
  struct renewal *call = (struct renewal *)(void *)request;
  call->callback(call->arg, result, &call->view);
}

void sim_store_renew(struct store *base, const struct store_worker_info *info, store_view_cb *callback, void *arg) {
  struct renewal *call = sim_request_new(base, LINK_COMMANDS, "renew", sizeof *call);
  call->request.execute = run_renew;
  call->request.finish = finish_renew;
  call->callback = callback;
  call->arg = arg;
  call->info = *info;
  call->info.id = sim_text(sim_store_of(base)->sim, info->id);
  call->info.host = call->info.address = call->info.version = "";
  sim_request_send(&call->request);
}

/* ---- claim ---- */

struct claim {
  struct sim_request request;
  store_claim_cb *callback;
  void *arg;
  uint32_t partition;
  char worker[64];
  struct store_owner seen;
  struct store_claimed claimed;
};

static bool run_claim(struct sim_request *request) {
  struct claim *call = (struct claim *)(void *)request;
  request->result = model_claim(request->store->model, call->partition, call->worker, &call->seen, &call->claimed);
  return true;
}

static void finish_claim(struct sim_request *request, enum store_result result) {
  struct claim *call = (struct claim *)(void *)request;
  call->callback(call->arg, result, result == STORE_OK ? &call->claimed : NULL);
}

void sim_store_claim(struct store *base, uint32_t partition, const char *worker, const struct store_owner *seen,
                     store_claim_cb *callback, void *arg) {
  struct claim *call = sim_request_new(base, LINK_COMMANDS, "claim", sizeof *call);
  call->request.execute = run_claim;
  call->request.finish = finish_claim;
  call->callback = callback;
  call->arg = arg;
  call->partition = partition;
  call->seen = *seen;
  snprintf(call->worker, sizeof call->worker, "%s", worker);
  sim_request_send(&call->request);
}

/* ---- load: the set of rooms, then each room by a call of its own ---- */

struct load {
  struct store *base;
  uint32_t partition;
  store_room_cb *room;
  store_done_cb *done;
  void *arg;
  enum store_result result;
  size_t waiting;
};

struct load_step {
  struct sim_request request;
  struct load *load;
  const char **ids; /* of the set */
  size_t n;
  const char *id; /* of one room */
  struct bytes image;
  uint64_t tomb_until_ms;
};

static bool run_load_room(struct sim_request *request) {
  struct load_step *step = (struct load_step *)(void *)request;
  struct model *model = request->store->model;
  struct model_room *room = model_room_find(model, step->id);
  request->result = STORE_OK;
  if (model_room_has(model, room, ROOM_MAIN)) {
    step->image = room->image;
  } else if (room->tomb_until_ms > model_now_ms(model)) {
    step->tomb_until_ms = room->tomb_until_ms;
  }
  return true;
}

static void load_ends(struct load *load) {
  if (--load->waiting == 0) load->done(load->arg, load->result);
}

static void finish_load_room(struct sim_request *request, enum store_result result) {
  struct load_step *step = (struct load_step *)(void *)request;
  if (result == STORE_OK) {
    step->load->room(step->load->arg, step->id, step->image, step->tomb_until_ms);
  } else {
    step->load->result = result;
  }
  load_ends(step->load);
}

static bool run_load(struct sim_request *request) {
  struct load_step *step = (struct load_step *)(void *)request;
  struct model *model = request->store->model;
  step->ids = sim_alloc(model->sim, (model->n_rooms + 1) * sizeof *step->ids);
  for (size_t i = 0; i < model->n_rooms; i++) {
    const char *id = model->rooms[i]->id;
    uint32_t partition = room_partition(id, strlen(id), model->sim->plan.partitions);
    if (model->rooms[i]->in_set && partition == step->load->partition) step->ids[step->n++] = id;
  }
  request->result = STORE_OK;
  return true;
}

static void finish_load(struct sim_request *request, enum store_result result) {
  struct load_step *step = (struct load_step *)(void *)request;
  struct load *load = step->load;
  load->result = result;
  load->waiting = 1;
  for (size_t i = 0; result == STORE_OK && i < step->n; i++) {
    struct load_step *next = sim_request_new(load->base, LINK_COMMANDS, "load room", sizeof *next);
    next->request.execute = run_load_room;
    next->request.finish = finish_load_room;
    next->load = load;
    next->id = step->ids[i];
    load->waiting++;
    sim_request_send(&next->request);
  }
  load_ends(load);
}

void sim_store_load(struct store *base, uint32_t partition, store_room_cb *room, store_done_cb *done, void *arg) {
  struct load_step *step = sim_request_new(base, LINK_COMMANDS, "load", sizeof *step);
  step->request.execute = run_load;
  step->request.finish = finish_load;
  step->load = sim_alloc(sim_store_of(base)->sim, sizeof *step->load);
  *step->load = (struct load){.base = base, .partition = partition, .room = room, .done = done, .arg = arg};
  sim_request_send(&step->request);
}

/* ---- commit ---- */

struct commit_call {
  struct sim_request request;
  store_commit_cb *callback;
  void *arg;
  struct commit commit;
  struct store_commit_outcome outcome;
};

static bool run_commit(struct sim_request *request) {
  struct commit_call *call = (struct commit_call *)(void *)request;
  request->result = model_commit(request->store->model, &call->commit, &call->outcome);
  return true;
}

static void finish_commit(struct sim_request *request, enum store_result result) {
  struct commit_call *call = (struct commit_call *)(void *)request;
  call->callback(call->arg, result, &call->outcome);
}

static void *copy_array(struct sim *sim, const void *from, size_t n, size_t size) {
  void *copy = sim_alloc(sim, (n ? n : 1) * size);
  if (n) memcpy(copy, from, n * size);
  return copy;
}

static struct commit_field *copy_fields(struct sim *sim, const struct commit_field *from, size_t n) {
  struct commit_field *fields = copy_array(sim, from, n, sizeof *fields);
  for (size_t i = 0; i < n; i++) {
    fields[i].name = sim_copy(sim, from[i].name);
    if (from[i].value.data) fields[i].value = sim_copy(sim, from[i].value);
  }
  return fields;
}

static void copy_room(struct sim *sim, struct commit_room *room) {
  room->id = sim_text(sim, room->id);
  room->kind = sim_text(sim, room->kind);
  room->fields = copy_fields(sim, room->fields, room->n_fields);
  room->members = copy_fields(sim, room->members, room->n_members);
  room->results = copy_fields(sim, room->results, room->n_results);
  room->log = copy_array(sim, room->log, room->n_log, sizeof *room->log);
  for (size_t i = 0; i < room->n_log; i++) {
    room->log[i].to = sim_copy(sim, room->log[i].to);
    room->log[i].message = sim_copy(sim, room->log[i].message);
  }
}

static void copy_segment(struct sim *sim, struct commit_segment *segment) {
  segment->rooms = copy_array(sim, segment->rooms, segment->n_rooms, sizeof *segment->rooms);
  for (size_t i = 0; i < segment->n_rooms; i++) copy_room(sim, &segment->rooms[i]);
  segment->appends = copy_array(sim, segment->appends, segment->n_appends, sizeof *segment->appends);
  for (size_t i = 0; i < segment->n_appends; i++) {
    segment->appends[i].batch = sim_copy(sim, segment->appends[i].batch);
  }
  segment->settled = copy_array(sim, segment->settled, segment->n_settled, sizeof *segment->settled);
  segment->parcels = copy_array(sim, segment->parcels, segment->n_parcels, sizeof *segment->parcels);
  for (size_t i = 0; i < segment->n_parcels; i++) {
    segment->parcels[i].batch = sim_copy(sim, segment->parcels[i].batch);
  }
  segment->deliveries = copy_array(sim, segment->deliveries, segment->n_deliveries, sizeof *segment->deliveries);
  for (size_t i = 0; i < segment->n_deliveries; i++) {
    segment->deliveries[i].gateway = sim_text(sim, segment->deliveries[i].gateway);
    segment->deliveries[i].deliveries = sim_copy(sim, segment->deliveries[i].deliveries);
  }
}

void sim_store_commit(struct store *base, const struct commit *commit, store_commit_cb *callback, void *arg) {
  struct sim *sim = sim_store_of(base)->sim;
  struct commit_call *call = sim_request_new(base, LINK_COMMANDS, "commit", sizeof *call);
  call->request.execute = run_commit;
  call->request.finish = finish_commit;
  call->callback = callback;
  call->arg = arg;
  call->commit.worker = sim_text(sim, commit->worker);
  call->commit.n_segments = commit->n_segments;
  call->commit.segments = copy_array(sim, commit->segments, commit->n_segments, sizeof *call->commit.segments);
  for (size_t i = 0; i < commit->n_segments; i++) copy_segment(sim, &call->commit.segments[i]);
  sim_request_send(&call->request);
}

/* ---- gateways: open, append, list ---- */

struct opening {
  struct sim_request request;
  store_open_cb *callback;
  void *arg;
  char id[64];
  bool again;
  uint64_t ttl_ms, generation, numbers[SIM_PARTITIONS_MAX];
};

static bool run_open(struct sim_request *request) {
  struct opening *call = (struct opening *)(void *)request;
  request->result = model_gateway_open(request->store->model, call->id, call->again, call->ttl_ms, &call->generation,
                                       call->numbers);
  return true;
}

static void finish_open(struct sim_request *request, enum store_result result) {
  struct opening *call = (struct opening *)(void *)request;
  call->callback(call->arg, result, call->generation, call->numbers,
                 result == STORE_OK ? request->store->sim->plan.partitions : 0);
}

void sim_store_gateway_open(struct store *base, const char *gateway, bool again, const char *address, uint64_t ttl_ms,
                            store_open_cb *callback, void *arg) {
  (void)address;
  struct opening *call =
      sim_request_new(base, LINK_COMMANDS, again ? "gateway_open again" : "gateway_open", sizeof *call);
  call->request.execute = run_open;
  call->request.finish = finish_open;
  call->callback = callback;
  call->arg = arg;
  call->again = again;
  call->ttl_ms = ttl_ms;
  snprintf(call->id, sizeof call->id, "%s", gateway);
  if (!again) sim_store_of(base)->trimmed = (struct stream_id){0};
  sim_request_send(&call->request);
}

struct appending {
  struct sim_request request;
  store_append_cb *callback;
  void *arg;
  char id[64];
  uint64_t generation;
  struct store_append items[SIM_PARTITIONS_MAX];
  size_t n;
  enum store_append_verdict verdicts[SIM_PARTITIONS_MAX];
};

static bool run_append(struct sim_request *request) {
  struct appending *call = (struct appending *)(void *)request;
  request->result =
      model_append(request->store->model, call->id, call->generation, call->items, call->n, call->verdicts);
  return true;
}

static void finish_append(struct sim_request *request, enum store_result result) {
  struct appending *call = (struct appending *)(void *)request;
  call->callback(call->arg, result, call->verdicts, result == STORE_OK ? call->n : 0);
}

void sim_store_append(struct store *base, const char *gateway, uint64_t generation, const struct store_append *items,
                      size_t n, store_append_cb *callback, void *arg) {
  struct appending *call = sim_request_new(base, LINK_COMMANDS, "append", sizeof *call);
  call->request.execute = run_append;
  call->request.finish = finish_append;
  call->callback = callback;
  call->arg = arg;
  call->generation = generation;
  call->n = n;
  snprintf(call->id, sizeof call->id, "%s", gateway);
  for (size_t i = 0; i < n; i++) {
    call->items[i] = items[i];
    call->items[i].batch = sim_copy(sim_store_of(base)->sim, items[i].batch);
  }
  sim_request_send(&call->request);
}

struct listing_call {
  struct sim_request request;
  store_list_cb *callback;
  void *arg;
};

static bool run_list(struct sim_request *request) {
  request->result = STORE_OK;
  return true;
}

static void finish_list(struct sim_request *request, enum store_result result) {
  struct listing_call *call = (struct listing_call *)(void *)request;
  call->callback(call->arg, result, &(struct store_list_page){.after = ""});
}

/* What is listed is no promise that could be broken here: nothing. */
void sim_store_list(struct store *base, const struct store_list *list, store_list_cb *callback, void *arg) {
  (void)list;
  struct listing_call *call = sim_request_new(base, LINK_COMMANDS, "list", sizeof *call);
  call->request.execute = run_list;
  call->request.finish = finish_list;
  call->callback = callback;
  call->arg = arg;
  sim_request_send(&call->request);
}
