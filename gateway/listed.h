/* A room as listings see it, and the short list of those that will be shown. Called by gateway/listing.c.
 *
 * Rows come from Redis, where anybody may have written: of each only what makes sense is taken. Pure but for the
 * memory of the short list.
 */
#ifndef HEYA_GATEWAY_LISTED_H
#define HEYA_GATEWAY_LISTED_H

#include "common/store.h"
#include "proto/facts.h"
#include "proto/order.h"

#define LISTED_PROPERTIES_MAX 24  /* of a room; as many as a kind and the host can describe */
#define LISTED_STATUS_MAX     16  /* bytes; more is none */
#define SHORTLIST_MAX         101 /* a page, and one more to know whether there is another */

/* Views into the row it was read from. Must not be moved: `row` and `facts` point into it. */
struct listed {
  struct room_id room;
  struct store_list_row row; /* the host is "" unless it is a player id, the title likewise; properties are below */
  struct property properties[LISTED_PROPERTIES_MAX];
  struct facts facts;
};

/* False when the row is not of a room of this kind. Properties that clients could not be shown are left out. */
bool listed_read(struct listed *out, const char *kind, const struct store_list_row *row);

/* A copy that needs nothing else, in one piece of memory. */
struct shortlist_room {
  struct order_place place;
  struct store_list_row row;
  struct property properties[LISTED_PROPERTIES_MAX];
};

/* The first `cap` in order of all rooms offered. A zeroed one is empty. */
struct shortlist {
  struct shortlist_room *rooms[SHORTLIST_MAX]; /* owned; in order */
  size_t n;
};

/* Takes a copy of a room at its place, unless there are `cap` (at most SHORTLIST_MAX) before it; the last of more
 * than `cap` is let go. Without keys in the order rooms stay in that in which they are offered. */
void shortlist_offer(struct shortlist *list, size_t cap, const struct order *order, const struct order_place *place,
                     const struct listed *room);
/* Keeps the first n. */
void shortlist_cut(struct shortlist *list, size_t n);

#endif
