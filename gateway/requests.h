/* What clients may ask: one handler per body of ClientMessage, dispatched by a table. Called by sessions only.
 *
 * A new request is a member of ClientMessage's oneof, a handler, and a row in the table of requests.c.
 */
#ifndef HEYA_GATEWAY_REQUESTS_H
#define HEYA_GATEWAY_REQUESTS_H

#include "proto/client.pb-c.h"

struct session;

/* Handles one decoded message: checks the order of things (hello first, once) and the rate, then calls the handler.
 * Whatever happens, the client hears of it exactly once: an answer here, or the room's through the downlink. */
void request_dispatch(struct session *, const Heya__V1__ClientMessage *);

#endif
