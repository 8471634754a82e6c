/* What a worker tells Redis of rooms that may be its death: notes by its connection for commands, and last words by a
 * connection that is kept for nothing else. */
#include "tests/sim/store_request.h"

#include "tests/sim/process.h"

#include <stdio.h>

struct blaming {
  struct sim_request request;
  store_done_cb *done; /* NULL: nobody is left to be told */
  void *arg;
  char worker[PROCESS_ID_MAX + 1];
  uint32_t partition;
  uint64_t epoch;
  struct store_blame blame;
};

static bool run_blame(struct sim_request *request) {
  struct blaming *call = (struct blaming *)(void *)request;
  request->result = model_blame(request->store->model, call->partition, call->worker, call->epoch, &call->blame);
  if (request->result == STORE_OK && !call->blame.sure && *call->blame.room) faults_noted(request->store->process);
  return true;
}

static void finish_blame(struct sim_request *request, enum store_result result) {
  struct blaming *call = (struct blaming *)(void *)request;
  if (call->done) call->done(call->arg, result);
}

static struct blaming *blaming_new(struct store *base, const char *what, const char *worker, uint32_t partition,
                                   uint64_t epoch) {
  struct blaming *call = sim_request_new(base, LINK_COMMANDS, what, sizeof *call);
  call->request.execute = run_blame;
  call->request.finish = finish_blame;
  call->partition = partition;
  call->epoch = epoch;
  snprintf(call->worker, sizeof call->worker, "%s", worker);
  return call;
}

void sim_store_blame(struct store *base, uint32_t partition, const char *worker, uint64_t epoch,
                     const struct store_blame *blame, store_done_cb *done, void *arg) {
  struct blaming *call = blaming_new(base, "blame", worker, partition, epoch);
  call->done = done;
  call->arg = arg;
  call->blame = *blame;
  sim_request_send(&call->request);
}

/* As worker/last_words.c says them. */
void sim_store_last_words(struct sim_store *store, const struct scene *scene) {
  struct blaming *call =
      blaming_new(&store->base, "last words", store->process->name, scene->partition, scene->epoch);
  call->blame = (struct store_blame){.sure = true, .entry = scene->entry, .index = scene->index};
  snprintf(call->blame.room, sizeof call->blame.room, "%s", scene->room);
  sim_request_send_apart(&call->request);
}
