/* See gateway/list_query.h. */
#include "gateway/list_query.h"

#include <inttypes.h>
#include <stdio.h>

static bool fail(char *fault, const char *field, const char *text) {
  snprintf(fault, LIST_FAULT_BYTES, "%s: %s", field, text);
  return false;
}

static bool read_where(struct list_query *out, const Heya__V1__List *list, char *fault) {
  if (list->n_where > LISTING_WHERE_MAX) return fail(fault, "where", "at most 8 properties");
  for (size_t i = 0; i < list->n_where; i++) {
    const char *name = list->where[i]->name, *value = list->where[i]->value;
    if (!property_name_is_valid(name, strlen(name))) return fail(fault, "where.name", "not a property name");
    if (!property_value_is_valid(value, strlen(value))) return fail(fault, "where.value", "at most 64 bytes");
    snprintf(out->where[i].name, sizeof out->where[i].name, "%s", name);
    snprintf(out->where[i].value, sizeof out->where[i].value, "%s", value);
  }
  out->n_where = list->n_where;
  return true;
}

/* "<score> <id>", as heya1_list in proto/heya.lua takes it. The id need not be of a room: it is whatever stood there.
 */
static bool is_position(const char *after) {
  size_t digits = strspn(after, "0123456789");
  return digits > 0 && digits <= 20 && after[digits] == ' ' && after[digits + 1] &&
         strlen(after) <= LISTING_AFTER_MAX;
}

static bool read_after(struct list_query *out, const Heya__V1__List *list, char *fault) {
  static const char not_ours[] = "not from an earlier answer of this listing";
  if (!list->after[0]) return true;
  if (out->order.n > 0) {
    out->has_begin = order_cursor_parse(&out->order, bytes_of_str(list->after), &out->begin) &&
                     strcmp(out->begin.room.kind, out->kind) == 0;
    return out->has_begin || fail(fault, "after", not_ours);
  }
  if (!is_position(list->after)) return fail(fault, "after", not_ours);
  snprintf(out->after, sizeof out->after, "%s", list->after);
  return true;
}

bool list_query_read(struct list_query *out, const Heya__V1__List *list, char fault[LIST_FAULT_BYTES]) {
  char why[FILTER_FAULT_BYTES];
  _Static_assert(ORDER_FAULT_BYTES <= FILTER_FAULT_BYTES && FILTER_FAULT_BYTES < LIST_FAULT_BYTES, "room for faults");
  *out = (struct list_query){.joinable = list->joinable, .limit = list->limit};
  snprintf(out->kind, sizeof out->kind, "%s", list->kind);
  if (out->limit == 0) out->limit = LISTING_LIMIT_DEFAULT;
  if (out->limit > LISTING_LIMIT_MAX) out->limit = LISTING_LIMIT_MAX;
  out->scans = list->filter[0] || list->sort[0];
  if (!read_where(out, list, fault)) return false;
  if (list->filter[0] && !filter_parse(bytes_of_str(list->filter), &out->filter, why))
    return fail(fault, "filter", why);
  if (!order_parse(bytes_of_str(list->sort), &out->order, why)) return fail(fault, "sort", why);
  return read_after(out, list, fault);
}

struct store_list list_query_ask(const struct list_query *query, uint32_t limit, struct property *where) {
  for (size_t i = 0; i < query->n_where; i++)
    where[i] = (struct property){.name = query->where[i].name, .value = query->where[i].value};
  return (struct store_list){.kind = query->kind,
                             .where = where,
                             .n_where = query->n_where,
                             .joinable = query->joinable,
                             .limit = limit,
                             .after = query->after};
}

void list_query_position(const struct store_list_row *row, char out[LISTING_AFTER_MAX + 1]) {
  snprintf(out, LISTING_AFTER_MAX + 1, "%" PRIu64 " %s", row->created_ms, row->room);
}
