/* "HOST:PORT" of options: a numeric address and a port. */
#ifndef HEYA_COMMON_ENDPOINT_H
#define HEYA_COMMON_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENDPOINT_HOST_BYTES 46 /* INET6_ADDRSTRLEN */
#define ENDPOINT_BYTES      (ENDPOINT_HOST_BYTES + 8)

struct endpoint {
  char host[ENDPOINT_HOST_BYTES]; /* without brackets */
  uint16_t port;
};

/* "127.0.0.1:8080", "[::1]:8080", ":8080" (all IPv4 addresses). False when it is none. */
bool endpoint_parse(const char *text, struct endpoint *out);

/* The same text again, IPv6 in brackets. */
void endpoint_print(const struct endpoint *, char out[ENDPOINT_BYTES]);

#endif
