/* Workers, partitions, gateways: what the functions for people say of them, and draining. See gateway/api.h. */
#include "gateway/api_impl.h"

#include "proto/keys.h"
#include <stdio.h>
#include <string.h>

static void on_report(void *arg, enum store_result result, struct bytes text) {
  struct api *api;
  struct api_pending *pending = api_answer_to(arg, &api);
  if (!pending) return;
  json_t *json = result == STORE_OK ? json_loadb(text.data, text.len, 0, NULL) : NULL;
  if (json) {
    api_end(api, pending, 200, json);
  } else {
    api_end_refused(api, pending, 503, "REDIS", store_result_name(result));
  }
}

static void report(struct api_call *call, enum store_report what) {
  struct store *store = call->api->sessions->store;
  struct api_pending *pending = api_wait(call);
  if (pending) store->ops->report(store, what, on_report, api_ask(call->api, pending));
}

void api_workers(struct api_call *call) {
  report(call, STORE_REPORT_WORKERS);
}

void api_partitions(struct api_call *call) {
  report(call, STORE_REPORT_PARTITIONS);
}

void api_gateways(struct api_call *call) {
  report(call, STORE_REPORT_GATEWAYS);
}

static void on_drain(void *arg, enum store_result result) {
  struct api *api;
  struct api_pending *pending = api_answer_to(arg, &api);
  if (!pending) return;
  if (result == STORE_OK) {
    api_end(api, pending, 200, json_object());
  } else if (result == STORE_DENIED) {
    api_end_refused(api, pending, 409, "DENIED", "no such worker, or no other one that would take its partitions");
  } else {
    api_end_refused(api, pending, 503, "REDIS", store_result_name(result));
  }
}

/* <id>/drain, <id>/undrain */
void api_worker_act(struct api_call *call) {
  struct store *store = call->api->sessions->store;
  char worker[PROCESS_ID_MAX + 1];
  size_t len = strcspn(call->rest, "/");
  const char *what = call->rest[len] ? call->rest + len + 1 : "";
  bool drain = strcmp(what, "drain") == 0;
  if (!process_id_is_valid(call->rest, len) || (!drain && strcmp(what, "undrain") != 0)) {
    api_refuse(call, 404, "NO_SUCH_PATH", "there is nothing here");
    return;
  }
  snprintf(worker, sizeof worker, "%.*s", (int)len, call->rest);
  struct api_pending *pending = api_wait(call);
  if (pending) store->ops->drain(store, worker, drain, on_drain, api_ask(call->api, pending));
}
