/* Rooms that are listed: one page of them, as Redis has them; no owner is asked. See gateway/api.h. */
#include "gateway/api_impl.h"

#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 50
#define LIST_MAX     100

static json_t *row_of(const struct store_list_row *row) {
  json_t *properties = json_object();
  for (size_t i = 0; i < row->n_properties; i++)
    json_object_set_new(properties, row->properties[i].name, json_string(row->properties[i].value));
  json_t *json = json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:I}", "room", row->room, "status", row->status, "host",
                           row->host, "members", (int)row->members, "max_members", (int)row->max_members, "kept",
                           (int)row->kept, "created_ms", (json_int_t)row->created_ms);
  if (!json) { /* something in it is no text */
    json_decref(properties);
    return NULL;
  }
  json_object_set_new(json, "properties", properties);
  return json;
}

static void on_list(void *arg, enum store_result result, const struct store_list_page *page) {
  struct api *api;
  struct api_pending *pending = api_answer_to(arg, &api);
  if (!pending) return;
  if (result != STORE_OK) {
    api_end_refused(api, pending, 503, "REDIS", store_result_name(result));
    return;
  }
  json_t *rooms = json_array();
  for (size_t i = 0; i < page->n; i++) {
    json_t *row = row_of(&page->rows[i]);
    if (row) json_array_append_new(rooms, row);
  }
  json_t *json = json_pack("{s:o,s:s}", "rooms", rooms, "after", page->after);
  if (json && page->incomplete) json_object_set_new(json, "incomplete", json_true());
  api_end(api, pending, 200, json ? json : json_object());
}

/* "joinable" alone, or with anything but these two. */
static bool is_joinable(const char *value) {
  return value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

void api_rooms_list(struct api_call *call) {
  struct store *store = call->api->sessions->store;
  const char *kind = admin_query(call->request, "kind"), *limit = admin_query(call->request, "limit");
  const char *after = admin_query(call->request, "after");
  long n = limit ? strtol(limit, NULL, 10) : LIST_DEFAULT;
  if (!kind || !kind_is_valid(kind, strlen(kind)) || n < 1 || n > LIST_MAX || (after && strlen(after) > 128)) {
    api_refuse(call, 400, "BAD_MESSAGE", "kind=<a kind>, limit=1 to 100, after=<that of the page before>");
    return;
  }
  struct api_pending *pending = api_wait(call);
  if (!pending) return;
  store->ops->list(store,
                   &(struct store_list){.kind = kind,
                                        .joinable = is_joinable(admin_query(call->request, "joinable")),
                                        .limit = (uint32_t)n,
                                        .after = after},
                   on_list, api_ask(call->api, pending));
}
