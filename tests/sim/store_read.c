/* The one blocking read of a process: commands for a worker, deliveries for a gateway, as common/store_redis_read.c
 * does them: waking by a call on the other connection, which may overtake the read; trimming before reading on. */
#include "tests/sim/store_request.h"

#include "tests/sim/process.h"

#include <stddef.h>

#define WAKE_AGAIN_US 1000
#define TRIM_EVERY_US 20000

struct reading {
  struct sim_request request;
  struct model_read read;
  store_read_cb *callback;            /* or */
  store_deliveries_cb *on_deliveries; /* of a gateway */
  void *arg;
  uint64_t block_ms;
};

struct trim {
  struct sim_request request;
  struct reading *reading; /* comes after it */
  char gateway[64];
  struct stream_id after;
};

/* ---- at Redis ---- */

static void on_served(struct model_read *read) {
  struct reading *call = (struct reading *)(void *)((char *)read - offsetof(struct reading, read));
  call->request.result = STORE_OK;
  sim_request_answer(&call->request);
}

static void on_timeout(void *arg) {
  struct reading *call = arg;
  if (model_unblock(call->request.store->model, &call->read)) on_served(&call->read);
}

static bool run_read(struct sim_request *request) {
  struct reading *call = (struct reading *)(void *)request;
  struct sim *sim = request->store->sim;
  bool connected = request->connection == request->store->links[LINK_READS].connection &&
                   !request->store->links[LINK_READS].severed;
  request->result = STORE_OK;
  call->read.served = on_served;
  if (model_read(request->store->model, &call->read, call->block_ms && connected)) return true;
  sim_at(sim, sim->now_us + call->block_ms * 1000, on_timeout, call);
  return false;
}

void sim_store_hang_up(struct sim_store *store) {
  struct reading *call = (struct reading *)(void *)store->read;
  model_unblock(store->model, &call->read);
}

/* ---- in the process ---- */

static void hand_out_freed(struct sim_store *store, const struct model_read *read) {
  store->control_after = read->control_after;
  for (size_t i = 0; i < read->n_freed; i++) {
    if (!store->base.on_freed) continue;
    store->base.on_freed(store->base.on_ready_arg, read->freed[i].partition, read->freed[i].epoch);
  }
}

static void finish_read(struct sim_request *request, enum store_result result) {
  struct reading *call = (struct reading *)(void *)request;
  struct sim_store *store = request->store;
  bool ok = result == STORE_OK;
  store->read = NULL;
  store->waking = false;
  if (call->callback) {
    if (ok && call->read.n_freed) hand_out_freed(store, &call->read);
    call->callback(call->arg, result, call->read.entries, ok ? call->read.n_entries : 0);
  } else {
    call->on_deliveries(call->arg, result, call->read.deliveries, ok ? call->read.n_deliveries : 0);
  }
}

static struct reading *reading_new(struct store *base, const char *what, uint64_t block_ms, void *arg) {
  struct sim_store *store = sim_store_of(base);
  struct reading *call = sim_request_new(base, LINK_READS, what, sizeof *call);
  if (store->read) sim_fail(store->sim, "contract", "%s reads twice at a time", store->process->name);
  call->request.execute = run_read;
  call->request.finish = finish_read;
  call->block_ms = block_ms;
  call->arg = arg;
  store->read = &call->request;
  store->waking = false;
  return call;
}

void sim_store_read(struct store *base, const char *worker, const struct store_position *positions, size_t n,
                    uint64_t block_ms, store_read_cb *callback, void *arg) {
  struct sim_store *store = sim_store_of(base);
  struct reading *call = reading_new(base, "read", block_ms, arg);
  call->callback = callback;
  call->read.worker = sim_text(store->sim, worker);
  call->read.control_after = store->control_after;
  call->read.positions = sim_copy(store->sim, bytes_of(positions, n * sizeof *positions)).data;
  call->read.n_positions = n;
  sim_request_send(&call->request);
}

/* ---- deliveries ---- */

static bool run_trim(struct sim_request *request) {
  struct trim *call = (struct trim *)(void *)request;
  request->result = model_gateway_trim(request->store->model, call->gateway, call->after);
  return true;
}

static void finish_trim(struct sim_request *request, enum store_result result) {
  struct trim *call = (struct trim *)(void *)request;
  struct sim_store *store = request->store;
  if (result == STORE_OK) store->trimmed = call->after;
  if (result == STORE_OK && !store->was_ready) result = STORE_LOST;
  if (result == STORE_OK && !store->waking) {
    sim_request_send(&call->reading->request);
  } else {
    finish_read(&call->reading->request, result);
  }
}

void sim_store_deliveries(struct store *base, const char *gateway, struct stream_id after, uint64_t block_ms,
                          store_deliveries_cb *callback, void *arg) {
  struct sim_store *store = sim_store_of(base);
  struct reading *call = reading_new(base, "deliveries", block_ms, arg);
  call->on_deliveries = callback;
  call->read.gateway = sim_text(store->sim, gateway);
  call->read.after = after;
  bool due = store->sim->now_us - store->trimmed_us > TRIM_EVERY_US || store->sim->plan.gateway_entries < 100;
  if (!due || stream_id_compare(after, store->trimmed) <= 0) {
    sim_request_send(&call->request);
    return;
  }
  store->trimmed_us = store->sim->now_us;
  struct trim *trim = sim_request_new(base, LINK_COMMANDS, "gateway_trim", sizeof *trim);
  trim->request.execute = run_trim;
  trim->request.finish = finish_trim;
  trim->reading = call;
  trim->after = after;
  memcpy(trim->gateway, gateway, strlen(gateway) + 1);
  sim_request_send(&trim->request);
}

/* ---- waking ---- */

struct wake {
  struct sim_request request;
  struct reading *reading; /* of which connection */
  bool woken;
};

static void send_wake(struct sim_store *store);

static void wake_again(void *arg) {
  struct sim_store *store = arg;
  if (store->read && store->waking) send_wake(store);
}

static bool run_wake(struct sim_request *request) {
  struct wake *call = (struct wake *)(void *)request;
  request->result = STORE_OK;
  call->woken = model_unblock(request->store->model, &call->reading->read);
  if (call->woken) on_served(&call->reading->read);
  return true;
}

static void finish_wake(struct sim_request *request, enum store_result result) {
  struct wake *call = (struct wake *)(void *)request;
  struct sim_store *store = request->store;
  if (result != STORE_OK || call->woken || !store->read || !store->waking) return;
  process_post_at(store->process, store->sim->now_us + WAKE_AGAIN_US, wake_again, store);
}

static void send_wake(struct sim_store *store) {
  if (!store->was_ready) return;
  struct wake *call = sim_request_new(&store->base, LINK_COMMANDS, "wake", sizeof *call);
  call->request.execute = run_wake;
  call->request.finish = finish_wake;
  call->reading = (struct reading *)(void *)store->read;
  sim_request_send(&call->request);
}

void sim_store_read_wake(struct store *base) {
  struct sim_store *store = sim_store_of(base);
  if (!store->read || store->waking) return;
  store->waking = true;
  send_wake(store);
}

void sim_store_wake_again(struct sim_store *store) {
  wake_again(store);
}
