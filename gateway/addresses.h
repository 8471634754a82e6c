/* How many WebSockets each client address has, for the limit per address. The listener keeps one when that limit is
 * on; its size is bounded by the number of connections. */
#ifndef HEYA_GATEWAY_ADDRESSES_H
#define HEYA_GATEWAY_ADDRESSES_H

#include "gateway/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct addresses {
  struct address_count *counts; /* a uthash; NULL is empty */
};

/* Counts one more of this address unless it has `max` already. */
bool addresses_add(struct addresses *addresses, const struct address *address, uint32_t max);

/* Takes back one successful addresses_add. */
void addresses_remove(struct addresses *addresses, const struct address *address);

void addresses_close(struct addresses *addresses);

#endif
