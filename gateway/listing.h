/* The request `list`: checks it, asks the store, answers Rooms. Called by requests.c; the only request that is
 * neither answered at once nor by a room. An answer finds its connection by number, so one that closed meanwhile is
 * missed safely. */
#ifndef HEYA_GATEWAY_LISTING_H
#define HEYA_GATEWAY_LISTING_H

#include "proto/client.pb-c.h"

#include <stdint.h>

struct session;
struct sessions;

#define LISTING_LIMIT_DEFAULT 50
#define LISTING_LIMIT_MAX     100 /* more is taken as this */
#define LISTING_WHERE_MAX     8
#define LISTING_AFTER_MAX     128 /* bytes */
#define LISTING_TOTAL_MAX     256 /* unanswered ones of all connections; one more is answered BUSY */

void listing_start(struct session *, uint32_t request, const Heya__V1__List *);

/* Frees the records of requests that will not be answered, the store being destroyed. */
void listing_close(struct sessions *);

#endif
