/* The counters of one gateway, for both its halves, and the rows that name them for /metrics.
 *
 * Whoever does a thing counts it: `metrics->frames_in++`. A new counter is a field here and a row in
 * gateway_metrics.c. One struct per gateway, shared by listener, sessions, uplink and downlink; all of one thread.
 */
#ifndef HEYA_GATEWAY_METRICS_H
#define HEYA_GATEWAY_METRICS_H

#include "common/metric.h"

#include <stddef.h>
#include <stdint.h>

/* Why an HTTP request was not served; label values in gateway_refusal_names. */
enum gateway_refusal {
  REFUSED_MALFORMED,   /* 400, 405, 413, 505: not a request for us */
  REFUSED_TOO_LARGE,   /* 431 */
  REFUSED_ORIGIN,      /* 403 */
  REFUSED_NOT_FOUND,   /* 404 */
  REFUSED_TIMEOUT,     /* 408 */
  REFUSED_VERSION,     /* 426 */
  REFUSED_SUBPROTOCOL, /* 400: none of ours offered */
  REFUSED_FULL,        /* 503: connections in all, or draining */
  REFUSED_ADDRESS,     /* 429: connections of one address */
  REFUSALS
};

/* Who ended a WebSocket, and why; label values in gateway_close_names. */
enum gateway_close {
  CLOSED_BY_PEER,       /* a Close frame came first */
  CLOSED_LOST,          /* the connection broke without one */
  CLOSED_PROTOCOL,      /* 1002, 1003, 1007 */
  CLOSED_TOO_LARGE,     /* 1009 */
  CLOSED_RATE,          /* 4012: far too many frames */
  CLOSED_SLOW_CONSUMER, /* 4041 */
  CLOSED_IDLE,          /* 4043: no hello, or nothing heard */
  CLOSED_BY_LOGIC,      /* conn_close by sessions */
  CLOSES
};

struct gateway_metrics {
  /* network half */
  uint64_t connections; /* gauge: sockets held */
  uint64_t websockets;  /* gauge */
  uint64_t accepted;
  uint64_t accept_pauses; /* out of descriptors or memory */
  uint64_t http_requests;
  uint64_t upgrades;
  uint64_t refused[REFUSALS];
  uint64_t closed[CLOSES];
  uint64_t bytes_in, bytes_out; /* of sockets */
  uint64_t frames_in, messages_in;
  uint64_t frames_out; /* conn_send */
  uint64_t pings_in, pings_out;
  uint64_t sends;        /* system calls that sent something */
  uint64_t ws_contexts;  /* gauge: frame parsers in use, by connections in the middle of a message */
  uint64_t output_bytes; /* gauge: waiting in all outboxes; a shared frame counts once per receiver */

  /* logic half */
  uint64_t hellos;
  uint64_t hellos_refused;
  uint64_t attached;     /* gauge: connections in rooms, once per room */
  uint64_t bad_messages; /* undecodable, or out of their limits */
  uint64_t rate_limited;
  uint64_t busy;     /* answered BUSY, because the partition or the gateway's own queue is full */
  uint64_t commands; /* forwarded to a partition: joins, leaves and commands */
  uint64_t disconnects;
  uint64_t appends;        /* calls of the store */
  uint64_t append_batches; /* partitions in them */
  uint64_t append_failures;
  uint64_t delivery_entries;     /* read from the gateway's stream */
  uint64_t delivery_entries_bad; /* which could not be decoded */
  uint64_t deliveries;           /* in them */
  uint64_t delivered;            /* frames handed to connections */
  uint64_t frames_encoded;       /* once per delivery and format */
  uint64_t deliveries_unknown;   /* for a connection that is not there any more */
  uint64_t lists;
  uint64_t list_examined;              /* rooms looked at for them */
  uint64_t redis;                      /* gauge: on so many of the deployment's Redis all is well */
  uint64_t lost;                       /* ids given up: gone in Redis, or not to be trusted any more */
  struct metric_histogram append_time; /* from the call to its answer */
};

extern const struct metric_row gateway_metric_rows[];
extern const size_t gateway_metric_row_count;

/* NULL-terminated, in the order of the enums. */
extern const char *const gateway_refusal_names[];
extern const char *const gateway_close_names[];

#endif
