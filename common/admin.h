/* The admin HTTP server: health, readiness, metrics and the routes its caller adds, inside the caller's libev loop.
 *
 * It is for operators, collectors and the operator's own services on a private address, by default loopback: plain
 * HTTP, no authentication but what routes ask for. Handlers do not wait: they answer at once, or defer the answer and
 * give it later. A request's body is bounded.
 *
 * Always there: GET /healthz (200 while the loop turns), GET /readyz (200, or 503 with the reason), and GET /metrics
 * when the config has metrics. Every answer names the process in ADMIN_ID_HEADER, for common/peers.h. HEAD works
 * wherever GET does. An unknown path gets 404, another method 405 with Allow.
 */
#ifndef HEYA_COMMON_ADMIN_H
#define HEYA_COMMON_ADMIN_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin;
struct ev_loop;
struct metrics;

#define ADMIN_ID_HEADER  "Heya-Id"
#define ADMIN_BODY_BYTES 65536 /* of a request; a longer one gets 413 */

struct admin_request {
  const char *method;              /* of the matched route: GET also for HEAD */
  const char *path;                /* decoded, without the query; hostile */
  const char *rest;                /* what the * of the route's path stood for; "" without one */
  struct bytes body;               /* hostile */
  void *connection;                /* for admin_query and admin_header */
  struct admin_deferred *exchange; /* for admin_defer */
};

/* The value of ?name=..., decoded; NULL without one; "" for a bare name. Valid during the handler. Hostile. */
const char *admin_query(const struct admin_request *request, const char *name);

/* The value of a header; NULL without one. Valid during the handler. Hostile. */
const char *admin_header(const struct admin_request *request, const char *name);

/* Zeroed body, 200 and text/plain on entry; the handler changes what it wants. The body belongs to the server. */
struct admin_response {
  unsigned status;
  const char *content_type; /* a literal */
  struct buf body;
};

/* From a handler: what it does to its response is ignored, and the answer is given by admin_answer, exactly once;
 * after admin_destroy not at all. The request is not valid after the handler. */
struct admin_deferred;
struct admin_deferred *admin_defer(const struct admin_request *request);
/* Takes the body over. */
void admin_answer(struct admin_deferred *deferred, struct admin_response *response);

typedef void admin_handler(void *arg, const struct admin_request *request, struct admin_response *response);

struct admin_route {
  const char *method; /* "GET", "POST", ... */
  const char *path;   /* "/rooms", or with a last "*" a prefix: "/rooms/" followed by it matches "/rooms/abc" */
  admin_handler *handler;
};

struct admin_config {
  const char *host;                 /* a numeric IPv4 or IPv6 address; NULL: 127.0.0.1 */
  uint16_t port;                    /* 0: any free one, see admin_port */
  const struct admin_route *routes; /* the first match wins; stays valid until admin_destroy */
  size_t route_count;
  const struct metrics *metrics;                /* NULL: no /metrics */
  bool (*ready)(void *arg, struct buf *reason); /* NULL: always ready; appends one line of why not */
  const char *(*id)(void *arg);                 /* NULL: nobody is named; "": not now */
  void *arg;                                    /* for the handlers, `ready` and `id` */
  unsigned max_connections;                     /* 0: 256; more wait in the listen queue */
  unsigned idle_timeout_s;                      /* 0: 3; of a silent connection */
};

/* Binds, listens and watches; returns NULL with a sentence in `error` when the address cannot be used. `config` is
 * copied; what it points at is not. */
struct admin *admin_create(struct ev_loop *loop, const struct admin_config *config, char *error, size_t error_size);

/* Stops listening, closes the connections, frees everything. Not from a handler. NULL is harmless. */
void admin_destroy(struct admin *admin);

/* The port that is bound. */
uint16_t admin_port(const struct admin *admin);

#endif
