/* See gateway/listed.h. */
#include "gateway/listed.h"

#include "common/mem.h"
#include "proto/room_config.h"

#include <assert.h>

static void read_properties(struct listed *out, const struct store_list_row *row) {
  size_t n = 0;
  for (size_t i = 0; i < row->n_properties && n < LISTED_PROPERTIES_MAX; i++) {
    const struct property *from = &row->properties[i];
    if (!property_name_is_valid(from->name, strlen(from->name))) continue;
    if (!property_value_is_valid(from->value, strlen(from->value))) continue;
    out->properties[n++] = *from;
  }
  out->row.properties = out->facts.properties = out->properties;
  out->row.n_properties = out->facts.n_properties = n;
}

bool listed_read(struct listed *out, const char *kind, const struct store_list_row *row) {
  out->row = *row;
  if (!room_id_parse(row->room, strlen(row->room), &out->room) || strcmp(out->room.kind, kind) != 0) return false;
  if (!player_is_valid(row->host, strlen(row->host))) out->row.host = "";
  if (strlen(row->status) > LISTED_STATUS_MAX) out->row.status = "";
  if (!row->title || !room_title_is_valid(row->title, strlen(row->title))) out->row.title = "";
  facts_set_numbers(&out->facts, &(struct fact_numbers){.members = row->members,
                                                        .max_members = row->max_members,
                                                        .kept = row->kept,
                                                        .spectators = row->spectators,
                                                        .locked = strcmp(row->status, "locked") == 0,
                                                        .password = row->password,
                                                        .created_ms = row->created_ms});
  out->facts.values[FACT_STATUS] = bytes_of_str(out->row.status);
  out->facts.values[FACT_HOST] = bytes_of_str(out->row.host[0] ? out->row.host : NULL);
  out->facts.values[FACT_NAME] = bytes_of_str(room_id_name(&out->room));
  out->facts.values[FACT_TITLE] = bytes_of_str(out->row.title[0] ? out->row.title : NULL);
  read_properties(out, row);
  return true;
}

/* ---- the short list ---- */

static size_t text_bytes(const struct store_list_row *row) {
  size_t bytes = strlen(row->room) + strlen(row->status) + strlen(row->host) + strlen(row->title) + 4;
  for (size_t i = 0; i < row->n_properties; i++)
    bytes += strlen(row->properties[i].name) + strlen(row->properties[i].value) + 2;
  return bytes;
}

static const char *keep(char **at, const char *text) {
  size_t bytes = strlen(text) + 1;
  char *kept = memcpy(*at, text, bytes);
  *at += bytes;
  return kept;
}

static struct shortlist_room *copy_of(const struct order_place *place, const struct store_list_row *row) {
  struct shortlist_room *copy = xmalloc(sizeof *copy + text_bytes(row));
  char *at = (char *)(copy + 1);
  copy->place = *place;
  copy->row = *row;
  copy->row.room = keep(&at, row->room);
  copy->row.status = keep(&at, row->status);
  copy->row.host = keep(&at, row->host);
  copy->row.title = keep(&at, row->title);
  copy->row.properties = copy->properties;
  for (size_t i = 0; i < row->n_properties; i++) {
    copy->properties[i].name = keep(&at, row->properties[i].name);
    copy->properties[i].value = keep(&at, row->properties[i].value);
  }
  return copy;
}

/* How many of the list come before this place. The store's own order needs no looking. */
static size_t rank_of(const struct shortlist *list, const struct order *order, const struct order_place *place) {
  size_t low = order->n ? 0 : list->n, high = list->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (order_compare(order, &list->rooms[middle]->place, place) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void shortlist_offer(struct shortlist *list, size_t cap, const struct order *order, const struct order_place *place,
                     const struct listed *room) {
  assert(cap > 0 && cap <= SHORTLIST_MAX);
  size_t at = rank_of(list, order, place);
  if (at >= cap) return;
  if (list->n >= cap) shortlist_cut(list, cap - 1);
  memmove(list->rooms + at + 1, list->rooms + at, (list->n - at) * sizeof *list->rooms);
  list->rooms[at] = copy_of(place, &room->row);
  list->n++;
}

void shortlist_cut(struct shortlist *list, size_t n) {
  while (list->n > n) free(list->rooms[--list->n]);
}
