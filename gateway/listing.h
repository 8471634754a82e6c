/* The request `list`: checks it, asks the store, answers Rooms. Called by requests.c; the only request that is
 * neither answered at once nor by a room. An answer finds its connection by number, so one that closed meanwhile is
 * missed safely.
 *
 * The store is asked page by page, each in the callback of the one before, until the answer is full or as many rooms
 * were looked at as may be; with a sort, all that may be. Only rooms that will be shown are kept meanwhile, 1 to 4 KB
 * each.
 */
#ifndef HEYA_GATEWAY_LISTING_H
#define HEYA_GATEWAY_LISTING_H

#include "proto/client.pb-c.h"

#include <stdint.h>

struct session;
struct sessions;

#define LISTING_TOTAL_MAX 256 /* unanswered ones of all connections; one more is answered BUSY, likewise below */
#define LISTING_SCANS_MAX 8   /* of them with a filter or a sort, and at most one of a connection */
#define LISTING_SCAN_ROWS 100 /* asked of the store at a time for those, which takes Redis a millisecond */

#define LISTING_SCAN_EXAMINED_MAX  5000 /* rooms looked at for one with a filter or a sort */
#define LISTING_PLAIN_EXAMINED_MAX 1000 /* for one without */

void listing_start(struct session *, uint32_t request, const Heya__V1__List *);

/* Frees the records of requests that will not be answered, the store being destroyed. */
void listing_close(struct sessions *);

#endif
