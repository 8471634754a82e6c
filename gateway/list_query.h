/* What a request `list` asks for, checked and copied, since it is asked of the store in several pages. Pure; called
 * by gateway/listing.c.
 */
#ifndef HEYA_GATEWAY_LIST_QUERY_H
#define HEYA_GATEWAY_LIST_QUERY_H

#include "common/store.h"
#include "proto/client.pb-c.h"
#include "proto/filter.h"
#include "proto/order.h"

#define LISTING_LIMIT_DEFAULT 50
#define LISTING_LIMIT_MAX     100 /* more is taken as this */
#define LISTING_WHERE_MAX     8
#define LISTING_AFTER_MAX     128 /* bytes; of sorted listings ORDER_CURSOR_BYTES */
#define LIST_FAULT_BYTES      128

/* Holds no pointers. */
struct list_query {
  char kind[KIND_MAX + 1];
  struct {
    char name[PROPERTY_NAME_MAX + 1], value[PROPERTY_VALUE_MAX + 1];
  } where[LISTING_WHERE_MAX];
  size_t n_where;
  bool joinable;
  uint32_t limit; /* 1 to LISTING_LIMIT_MAX */
  bool scans;     /* with a filter or a sort, which the gateway must look at rooms for */
  struct filter filter;
  struct order order;
  bool has_begin;                    /* the page begins behind `begin`; only with a sort */
  struct order_place begin;          /* never written unless has_begin */
  char after[LISTING_AFTER_MAX + 1]; /* where the store is to begin */
};

/* False when something is wrong with it, which `fault` tells: "filter: at 11: expected a value after ==". The kind
 * must be valid. */
bool list_query_read(struct list_query *out, const Heya__V1__List *list, char fault[LIST_FAULT_BYTES]);

/* The question to the store for its next `limit` rows. `where` has room for LISTING_WHERE_MAX; both are views into
 * the query. */
struct store_list list_query_ask(const struct list_query *query, uint32_t limit, struct property *where);

/* Where the next page begins behind this row of an unsorted listing. */
void list_query_position(const struct store_list_row *row, char out[LISTING_AFTER_MAX + 1]);

#endif
