/* What waits for another Redis: reading it where it waits, bringing it where it is to go. */
#include "tests/sim/store_request.h"

#include "tests/sim/process.h"

#include <stdio.h>

struct outbox_call {
  struct sim_request request;
  store_parcel_cb *parcel;
  store_done_cb *done;
  void *arg;
  uint32_t partition;
  struct model_entry *entries;
  size_t n;
};

static bool run_outbox(struct sim_request *request) {
  struct outbox_call *call = (struct outbox_call *)(void *)request;
  struct sim *sim = request->store->sim;
  const struct model_partition *partition = &request->store->model->partitions[call->partition];
  for (uint32_t shard = 0; shard < sim->plan.shards; shard++) call->n += model_stream_len(&partition->out[shard]);
  call->entries = sim_alloc(sim, (call->n + 1) * sizeof *call->entries);
  size_t n = 0;
  for (uint32_t shard = 0; shard < sim->plan.shards; shard++) {
    const struct model_stream *out = &partition->out[shard];
    for (size_t i = out->head; i < out->n; i++) call->entries[n++] = out->entries[i];
  }
  request->result = STORE_OK;
  return true;
}

static void finish_outbox(struct sim_request *request, enum store_result result) {
  struct outbox_call *call = (struct outbox_call *)(void *)request;
  for (size_t i = 0; result == STORE_OK && i < call->n; i++) {
    const struct model_entry *entry = &call->entries[i];
    request->store->sim->seen[SEEN_INHERITED]++;
    call->parcel(call->arg, entry->to, entry->id, entry->payload);
  }
  call->done(call->arg, result);
}

void sim_store_outbox(struct store *base, uint32_t partition, store_parcel_cb *parcel, store_done_cb *done,
                      void *arg) {
  struct outbox_call *call = sim_request_new(base, LINK_COMMANDS, "outbox", sizeof *call);
  call->request.execute = run_outbox;
  call->request.finish = finish_outbox;
  call->parcel = parcel;
  call->done = done;
  call->arg = arg;
  call->partition = partition;
  sim_request_send(&call->request);
}

struct forward_call {
  struct sim_request request;
  store_append_cb *callback;
  void *arg;
  char worker[64];
  struct store_forward *items;
  size_t n;
  enum store_append_verdict *verdicts;
};

static bool run_forward(struct sim_request *request) {
  struct forward_call *call = (struct forward_call *)(void *)request;
  request->result = model_forward(request->store->model, call->worker, call->items, call->n, call->verdicts);
  return true;
}

static void finish_forward(struct sim_request *request, enum store_result result) {
  struct forward_call *call = (struct forward_call *)(void *)request;
  call->callback(call->arg, result, call->verdicts, result == STORE_OK ? call->n : 0);
}

void sim_store_forward(struct store *base, const char *worker, const struct store_forward *items, size_t n,
                       store_append_cb *callback, void *arg) {
  struct sim *sim = sim_store_of(base)->sim;
  struct forward_call *call = sim_request_new(base, LINK_COMMANDS, "forward", sizeof *call);
  call->request.execute = run_forward;
  call->request.finish = finish_forward;
  call->callback = callback;
  call->arg = arg;
  call->n = n;
  call->verdicts = sim_alloc(sim, n * sizeof *call->verdicts);
  call->items = sim_alloc(sim, n * sizeof *call->items);
  for (size_t i = 0; i < n; i++) {
    call->items[i] = items[i];
    call->items[i].batch = sim_copy(sim, items[i].batch);
  }
  snprintf(call->worker, sizeof call->worker, "%s", worker);
  sim_request_send(&call->request);
}
