/* HTTP as a test needs it: send bytes, read until the other side closes. For admin ports and for malformed requests.
 */
#ifndef HEYA_TESTS_SUPPORT_HTTP_CLIENT_H
#define HEYA_TESTS_SUPPORT_HTTP_CLIENT_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* A TCP connection to "HOST:PORT" (numeric), non-blocking, TCP_NODELAY; -1 when refused. `receive_bytes` bounds the
 * kernel's receive buffer; 0 leaves it alone. */
int tcp_connect(const char *address, int receive_bytes);
/* Sends all; false when the connection ended or the deadline passed. */
bool tcp_send(int fd, struct bytes data, uint64_t deadline);

struct http_response {
  unsigned status; /* 0: the connection ended, or never was, without a status line */
  char *head;      /* status line and headers; owned */
  char *body;      /* owned, NUL-terminated */
};

/* GET with "Connection: close". The whole response, or status 0; closed with http_response_close either way. */
void http_get(struct http_response *response, const char *address, const char *path);

/* Sends exactly these bytes. Reads until end of file, or until `ms` passed without one (status is then what had
 * arrived by that time). */
void http_raw(struct http_response *response, const char *address, struct bytes request, uint64_t ms);

void http_response_close(struct http_response *response);

/* The first value of a metric in Prometheus text, for instance "heya_x_total" or "heya_x_total{reason=\"y\"}"; -1
 * when it is not there. */
double http_metric(const char *address, const char *name);

#endif
