/* See common/endpoint.h. */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_address(const char *host) {
  unsigned char address[sizeof(struct in6_addr)];
  return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool endpoint_parse(const char *text, struct endpoint *out) {
  const char *colon = strrchr(text, ':');
  *out = (struct endpoint){0};
  if (!colon || !colon[1] || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
    return false;
  }
  unsigned long port = strtoul(colon + 1, NULL, 10);
  size_t len = (size_t)(colon - text);
  bool bracketed = len > 2 && text[0] == '[' && colon[-1] == ']';
  if (bracketed) {
    text++;
    len -= 2;
  } else if (memchr(text, ':', len)) {
    return false;
  }
  if (port > 65535 || len >= sizeof out->host) return false;
  snprintf(out->host, sizeof out->host, "%.*s", (int)len, text);
  if (len == 0) memcpy(out->host, "0.0.0.0", sizeof "0.0.0.0");
  out->port = (uint16_t)port;
  return is_address(out->host);
}

void endpoint_print(const struct endpoint *endpoint, char out[ENDPOINT_BYTES]) {
  snprintf(out, ENDPOINT_BYTES, strchr(endpoint->host, ':') ? "[%s]:%u" : "%s:%u", endpoint->host, endpoint->port);
}
