/* See common/store_shards.h. A question is an `ask`, with a part for each shard; the last answer ends it. */
#include "common/store_shards.h"

#include "common/mem.h"
#include "proto/arena.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ARENA_FIRST_BYTES 16384

struct shards {
  struct store base;
  struct store *stores[STORE_SHARDS_MAX]; /* not owned */
  uint32_t n;
  struct ask *asks;
};

struct ask;

/* What one shard answered. */
struct part {
  struct ask *ask;
  bool away;
  struct store_list_page page; /* of a list: in the ask's arena */
  json_t *json;                /* of a report; owned */
};

struct ask {
  struct ask *prev, *next; /* in shards->asks */
  struct shards *shards;
  uint32_t waiting;         /* parts */
  enum store_result result; /* the first that was not STORE_OK */
  union {
    store_list_cb *list;
    store_report_cb *report;
    store_done_cb *done;
  } cb;
  void *arg;
  uint32_t limit; /* of a list */
  struct arena arena;
  struct part parts[STORE_SHARDS_MAX];
};

static struct shards *shards_of(const struct store *base) {
  union {
    const struct store *in;
    struct shards *out; /* base is its first member */
  } cast = {.in = base};
  return cast.out;
}

static struct ask *ask_new(struct store *base, void *arg) {
  struct shards *shards = shards_of(base);
  struct ask *ask = xcalloc(1, sizeof *ask);
  ask->shards = shards;
  ask->waiting = shards->n;
  ask->arg = arg;
  for (uint32_t i = 0; i < shards->n; i++) ask->parts[i].ask = ask;
  arena_init(&ask->arena, ARENA_FIRST_BYTES, ARENA_NO_LIMIT);
  DL_APPEND(shards->asks, ask);
  return ask;
}

static void ask_free(struct ask *ask) {
  DL_DELETE(ask->shards->asks, ask);
  for (uint32_t i = 0; i < ask->shards->n; i++) json_decref(ask->parts[i].json);
  arena_close(&ask->arena);
  free(ask);
}

/* True with the last answer. */
static bool part_ends(struct part *part, enum store_result result) {
  struct ask *ask = part->ask;
  part->away = result != STORE_OK;
  if (ask->result == STORE_OK) ask->result = result;
  return --ask->waiting == 0;
}

static bool all_are_away(const struct ask *ask) {
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    if (!ask->parts[i].away) return false;
  }
  return true;
}

/* ---- listings ---- */

/* Where a room stands in a listing: newest first, those of one millisecond by id, downwards. */
struct place {
  uint64_t created_ms;
  const char *id;
};

static int place_compare(struct place a, struct place b) {
  if (a.created_ms != b.created_ms) return a.created_ms > b.created_ms ? -1 : 1;
  return strcmp(b.id, a.id);
}

static bool place_parse(const char *text, struct place *out) {
  char *end;
  out->created_ms = strtoull(text, &end, 10);
  if (end == text || *end != ' ') return false;
  out->id = end + 1;
  return true;
}

static struct place place_of(const struct store_list_row *row) {
  return (struct place){.created_ms = row->created_ms, .id = row->room};
}

static void *take(struct ask *ask, size_t n, size_t size) {
  return arena_take(&ask->arena, n * size);
}

static const char *copy(struct ask *ask, const char *text) {
  if (!text) return NULL;
  size_t size = strlen(text) + 1;
  return memcpy(take(ask, size, 1), text, size);
}

static struct store_list_row copy_row(struct ask *ask, const struct store_list_row *from) {
  struct store_list_row row = *from;
  struct property *properties = take(ask, row.n_properties, sizeof *properties);
  row.room = copy(ask, row.room);
  row.status = copy(ask, row.status);
  row.host = copy(ask, row.host);
  row.title = copy(ask, row.title);
  for (size_t i = 0; i < row.n_properties; i++) {
    properties[i].name = copy(ask, from->properties[i].name);
    properties[i].value = copy(ask, from->properties[i].value);
  }
  row.properties = properties;
  return row;
}

/* How far all shards have been looked at: what comes later may be incomplete. False: to the end. */
static bool frontier(const struct ask *ask, struct place *out) {
  bool any = false;
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    const struct part *part = &ask->parts[i];
    struct place place;
    if (part->away || !place_parse(part->page.after, &place)) continue;
    if (!any || place_compare(place, *out) < 0) *out = place;
    any = true;
  }
  return any;
}

/* The first of what is left of all pages; NULL: nothing. */
static const struct store_list_row *next_row(const struct ask *ask, size_t *taken) {
  const struct store_list_row *first = NULL;
  uint32_t of = 0;
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    const struct store_list_page *page = &ask->parts[i].page;
    if (taken[i] == page->n) continue;
    const struct store_list_row *row = &page->rows[taken[i]];
    if (first && place_compare(place_of(row), place_of(first)) > 0) continue;
    first = row;
    of = i;
  }
  if (first) taken[of]++;
  return first;
}

static void answer_list(struct ask *ask) {
  size_t taken[STORE_SHARDS_MAX] = {0};
  struct store_list_row *rows = take(ask, ask->limit, sizeof *rows);
  struct store_list_page page = {.rows = rows, .after = "", .incomplete = ask->result != STORE_OK};
  const struct store_list_row *row = NULL;
  char position[32 + ROOM_ID_MAX + 1];
  struct place end;
  bool ends_early = frontier(ask, &end);
  for (uint32_t i = 0; i < ask->shards->n; i++) page.examined += ask->parts[i].page.examined;
  while ((row = next_row(ask, taken)) && page.n < ask->limit) {
    if (ends_early && place_compare(place_of(row), end) > 0) break;
    rows[page.n++] = *row;
  }
  if (page.n == ask->limit && page.n > 0 && (row || ends_early)) {
    end = place_of(&rows[page.n - 1]);
    ends_early = true;
  }
  if (ends_early) {
    snprintf(position, sizeof position, "%" PRIu64 " %s", end.created_ms, end.id);
    page.after = position;
  }
  ask->cb.list(ask->arg, STORE_OK, &page);
}

static void on_page(void *arg, enum store_result result, const struct store_list_page *page) {
  struct part *part = arg;
  struct ask *ask = part->ask;
  if (result == STORE_OK) {
    struct store_list_row *rows = take(ask, page->n, sizeof *rows);
    for (size_t i = 0; i < page->n; i++) rows[i] = copy_row(ask, &page->rows[i]);
    part->page = (struct store_list_page){
        .rows = rows, .n = page->n, .after = copy(ask, page->after), .examined = page->examined};
  }
  if (!part_ends(part, result)) return;
  if (all_are_away(ask)) {
    ask->cb.list(ask->arg, ask->result, &(struct store_list_page){.after = ""});
  } else {
    answer_list(ask);
  }
  ask_free(ask);
}

static void list(struct store *base, const struct store_list *question, store_list_cb *cb, void *arg) {
  struct ask *ask = ask_new(base, arg);
  ask->cb.list = cb;
  ask->limit = question->limit;
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    struct store *shard = ask->shards->stores[i];
    shard->ops->list(shard, question, on_page, &ask->parts[i]);
  }
}

/* ---- reports ---- */

/* Numbers that count something are written as text there. */
static void add_up(json_t *into, const json_t *from, const char *name) {
  const char *a = json_string_value(json_object_get(into, name)), *b = json_string_value(json_object_get(from, name));
  char sum[24];
  if (!a || !b) return;
  snprintf(sum, sizeof sum, "%" PRIu64, (uint64_t)(strtoull(a, NULL, 10) + strtoull(b, NULL, 10)));
  json_object_set_new(into, name, json_string(sum));
}

static json_t *find_id(json_t *list, const char *id) {
  json_t *entry;
  size_t i;
  json_array_foreach(list, i, entry) {
    const char *other = json_string_value(json_object_get(entry, "id"));
    if (other && strcmp(other, id) == 0) return entry;
  }
  return NULL;
}

/* A worker or gateway is one thing, wherever it holds leases: the shortest lease, and what it holds all together. A
 * partition is in one report only. */
static void merge_entry(json_t *list, json_t *entry) {
  static const char *const sums[] = {"partitions", "rooms", "queued_bytes"};
  const char *id = json_string_value(json_object_get(entry, "id"));
  json_t *known = id ? find_id(list, id) : NULL;
  if (!known) {
    json_array_append(list, entry);
    return;
  }
  json_t *left = json_object_get(entry, "lease_remaining_ms");
  if (json_number_value(left) < json_number_value(json_object_get(known, "lease_remaining_ms")))
    json_object_set(known, "lease_remaining_ms", left);
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    add_up(json_object_get(known, "fields"), json_object_get(entry, "fields"), sums[i]);
}

static int by_partition(const void *a, const void *b) {
  json_int_t p = json_integer_value(json_object_get(*(json_t *const *)a, "partition"));
  json_int_t q = json_integer_value(json_object_get(*(json_t *const *)b, "partition"));
  return p < q ? -1 : p > q;
}

static json_t *merge(const struct ask *ask) {
  json_t *list = json_array(), *entry, *sorted = json_array();
  size_t i;
  for (uint32_t s = 0; s < ask->shards->n; s++) {
    json_array_foreach(ask->parts[s].json, i, entry) merge_entry(list, entry);
  }
  size_t n = json_array_size(list);
  json_t **entries = xcalloc(n, sizeof *entries);
  for (i = 0; i < n; i++) entries[i] = json_array_get(list, i);
  if (n > 0 && json_object_get(entries[0], "partition")) qsort(entries, n, sizeof *entries, by_partition);
  for (i = 0; i < n; i++) json_array_append(sorted, entries[i]);
  free(entries);
  json_decref(list);
  return sorted;
}

static void answer_report(struct ask *ask) {
  json_t *json = merge(ask);
  char *text = json_dumps(json, JSON_COMPACT);
  ask->cb.report(ask->arg, text ? STORE_OK : STORE_BROKEN, bytes_of_str(text ? text : "no JSON"));
  free(text);
  json_decref(json);
}

static void on_report(void *arg, enum store_result result, struct bytes text) {
  struct part *part = arg;
  struct ask *ask = part->ask;
  if (result == STORE_OK) {
    part->json = json_loadb(text.data, text.len, 0, NULL);
    if (!part->json) result = STORE_BROKEN;
  }
  if (!part_ends(part, result)) return;
  if (ask->result == STORE_OK) {
    answer_report(ask);
  } else {
    ask->cb.report(ask->arg, ask->result, bytes_of_str("a Redis of the deployment is away"));
  }
  ask_free(ask);
}

static void report(struct store *base, enum store_report what, store_report_cb *cb, void *arg) {
  struct ask *ask = ask_new(base, arg);
  ask->cb.report = cb;
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    struct store *shard = ask->shards->stores[i];
    shard->ops->report(shard, what, on_report, &ask->parts[i]);
  }
}

/* ---- draining ---- */

static void on_drained(void *arg, enum store_result result) {
  struct part *part = arg;
  struct ask *ask = part->ask;
  if (!part_ends(part, result)) return;
  ask->cb.done(ask->arg, ask->result);
  ask_free(ask);
}

static void drain(struct store *base, const char *worker, bool wanted, store_done_cb *cb, void *arg) {
  struct ask *ask = ask_new(base, arg);
  ask->cb.done = cb;
  for (uint32_t i = 0; i < ask->shards->n; i++) {
    struct store *shard = ask->shards->stores[i];
    shard->ops->drain(shard, worker, wanted, on_drained, &ask->parts[i]);
  }
}

/* ---- small entries of the table ---- */

static bool is_ready(const struct store *base) {
  const struct shards *shards = shards_of(base);
  for (uint32_t i = 0; i < shards->n; i++) {
    if (shards->stores[i]->ops->ready(shards->stores[i])) return true;
  }
  return false;
}

/* That of the partition's Redis; of another one while it is away, since it may never have been there. */
static uint64_t now_ms(const struct store *base, uint32_t partition) {
  const struct shards *shards = shards_of(base);
  const struct store *store = shards->stores[partition % shards->n];
  for (uint32_t i = 0; i < shards->n && !store->ops->ready(store); i++) store = shards->stores[i];
  return store->ops->now_ms(store, partition);
}

static uint64_t monotonic_us(const struct store *base) {
  const struct store *first = shards_of(base)->stores[0];
  return first->ops->monotonic_us(first);
}

static void fill_random(struct store *base, void *out, size_t n) {
  struct store *first = shards_of(base)->stores[0];
  first->ops->random(first, out, n);
}

void store_shards_destroy(struct store *base) {
  struct shards *shards = base ? shards_of(base) : NULL;
  struct ask *ask, *next;
  if (!shards) return;
  DL_FOREACH_SAFE(shards->asks, ask, next) ask_free(ask);
  free(shards);
}

static const struct store_ops ops = {
    .destroy = store_shards_destroy,
    .ready = is_ready,
    .now_ms = now_ms,
    .monotonic_us = monotonic_us,
    .random = fill_random,
    .list = list,
    .report = report,
    .drain = drain,
};

struct store *store_shards_create(struct store *const *shards, uint32_t n) {
  struct shards *self = xcalloc(1, sizeof *self);
  self->base.ops = &ops;
  self->n = n;
  memcpy(self->stores, shards, n * sizeof *shards);
  return &self->base;
}
