/* The rows of the gateway's metrics, in the order in which /metrics prints them. */
#include "gateway/gateway_metrics.h"

const char *const gateway_refusal_names[] = {[REFUSED_MALFORMED] = "malformed",     [REFUSED_TOO_LARGE] = "too_large",
                                             [REFUSED_ORIGIN] = "origin",           [REFUSED_NOT_FOUND] = "not_found",
                                             [REFUSED_TIMEOUT] = "timeout",         [REFUSED_VERSION] = "version",
                                             [REFUSED_SUBPROTOCOL] = "subprotocol", [REFUSED_FULL] = "full",
                                             [REFUSED_ADDRESS] = "address",         [REFUSALS] = NULL};

const char *const gateway_close_names[] = {
    [CLOSED_BY_PEER] = "peer",        [CLOSED_LOST] = "lost",      [CLOSED_PROTOCOL] = "protocol",
    [CLOSED_TOO_LARGE] = "too_large", [CLOSED_RATE] = "rate",      [CLOSED_SLOW_CONSUMER] = "slow_consumer",
    [CLOSED_IDLE] = "idle",           [CLOSED_BY_LOGIC] = "logic", [CLOSES] = NULL};

#define COUNTER(field, text)                                                                                         \
  {                                                                                                                  \
    .name = "heya_gateway_" #field "_total", .type = METRIC_COUNTER,                                                 \
    .offset = offsetof(struct gateway_metrics, field), .help = text                                                  \
  }
#define GAUGE(field, text)                                                                                           \
  {                                                                                                                  \
    .name = "heya_gateway_" #field, .type = METRIC_GAUGE, .offset = offsetof(struct gateway_metrics, field),         \
    .help = text                                                                                                     \
  }
#define SECONDS(field, text)                                                                                         \
  {                                                                                                                  \
    .name = "heya_gateway_" #field "_seconds", .type = METRIC_HISTOGRAM,                                             \
    .offset = offsetof(struct gateway_metrics, field), .help = text                                                  \
  }

const struct metric_row gateway_metric_rows[] = {
    GAUGE(connections, "Sockets held, HTTP and closing ones included."),
    GAUGE(websockets, "Open WebSockets."),
    COUNTER(accepted, "Connections accepted."),
    COUNTER(accept_pauses, "Times accepting paused for want of descriptors or memory."),
    COUNTER(http_requests, "HTTP requests read, upgrades included."),
    COUNTER(upgrades, "Requests upgraded to WebSockets."),
    {.name = "heya_gateway_refused_total",
     .type = METRIC_COUNTER,
     .offset = offsetof(struct gateway_metrics, refused),
     .help = "HTTP requests answered with an error.",
     .label = "reason",
     .label_values = gateway_refusal_names},
    {.name = "heya_gateway_closed_total",
     .type = METRIC_COUNTER,
     .offset = offsetof(struct gateway_metrics, closed),
     .help = "WebSockets closed.",
     .label = "reason",
     .label_values = gateway_close_names},
    COUNTER(bytes_in, "Bytes received from clients."),
    COUNTER(bytes_out, "Bytes sent to clients."),
    COUNTER(frames_in, "WebSocket frames received."),
    COUNTER(messages_in, "WebSocket messages received."),
    COUNTER(frames_out, "WebSocket frames queued for clients."),
    COUNTER(pings_in, "Ping frames received."),
    COUNTER(pings_out, "Ping frames sent."),
    COUNTER(sends, "System calls that sent something to a client."),
    GAUGE(ws_contexts, "Frame parsers in use."),
    GAUGE(output_bytes, "Bytes waiting to be sent to clients."),
    COUNTER(hellos, "Hellos accepted."),
    COUNTER(hellos_refused, "Hellos refused."),
    GAUGE(attached, "Connections in rooms, once per room."),
    COUNTER(bad_messages, "Messages that could not be decoded or broke a limit."),
    COUNTER(rate_limited, "Messages refused for their rate."),
    COUNTER(busy, "Messages refused because a partition takes no more."),
    COUNTER(commands, "Commands forwarded to partitions."),
    COUNTER(disconnects, "Disconnections told to partitions."),
    COUNTER(appends, "Append calls to Redis."),
    COUNTER(append_batches, "Batches in append calls, one per partition."),
    COUNTER(append_failures, "Append calls that failed or were refused."),
    COUNTER(delivery_entries, "Entries read from the gateway's stream."),
    COUNTER(delivery_entries_bad, "Entries that could not be decoded; each costs the gateway its id."),
    COUNTER(deliveries, "Deliveries in those entries."),
    COUNTER(delivered, "Frames handed to connections."),
    COUNTER(frames_encoded, "Frames encoded for delivery."),
    COUNTER(deliveries_unknown, "Deliveries for connections that were gone."),
    COUNTER(lists, "Room listings asked for."),
    COUNTER(list_examined, "Rooms looked at for listings."),
    GAUGE(redis, "Redis of the deployment on which the id is open and renewed, and all is well."),
    COUNTER(lost, "Times this gateway lost its standing in Redis and sent its clients away."),
    SECONDS(append_time, "From an append call to its answer."),
};

const size_t gateway_metric_row_count = sizeof gateway_metric_rows / sizeof gateway_metric_rows[0];
