/* The options of heya-gateway: the table, what cannot be said in a table, and how they become the parts' own configs.
 *
 * A new option is a field here and a row in options.c; flags, environment, file, --help and --print-config follow
 * from the row. Used by main.c only.
 */
#ifndef HEYA_GATEWAY_OPTIONS_H
#define HEYA_GATEWAY_OPTIONS_H

#include "common/server.h"
#include "gateway/auth.h"
#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "gateway/listener.h"
#include "proto/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway_options {
  struct server_options server;
  char *listen; /* HOST:PORT */
  char *id;     /* NULL: random */
  char *www;    /* NULL: none */
  uint64_t www_bytes;
  struct option_list kind_json, kind_messages; /* NAME; NAME=PACKAGE */
  struct option_list kind_protos;              /* paths */

  uint64_t gateway_ttl_ms;
  uint64_t partition_entries, partition_bytes; /* of a partition's stream */
  uint64_t waiting_entries, waiting_bytes;     /* in this process, per partition */

  enum auth_mode auth;
  enum jwt_algorithm jwt_algorithm;
  char *jwt_key;        /* NULL: none */
  char *api_token_file; /* NULL: no internal API */
  uint64_t jwt_leeway_ms;
  struct option_list allow_origin;
  struct option_list trusted_proxy;

  uint64_t max_connections, max_connections_per_address;
  uint64_t max_header_bytes, max_message_bytes, max_output_bytes;
  uint64_t message_rate, message_burst, max_rooms;
  uint64_t handshake_timeout_ms, hello_timeout_ms, ping_interval_ms, idle_timeout_ms, close_linger_ms;
};

extern const struct option_set gateway_option_set;

/* What a table cannot check: names, addresses, what belongs together; the argument is a struct gateway_options.
 * False with one line in `error`. */
bool gateway_options_check(const void *options, char *error, size_t error_size);

/* Into the configs of the parts; what they point at belongs to the options. `listen` is --listen
 * parsed. The ranges of --trusted-proxy are allocated for *trusted: free() it. Options must have passed the check. */
void gateway_options_listener(const struct gateway_options *, struct endpoint *listen, struct cidr **trusted,
                              struct listener_config *);
/* The built-in kinds and those of the options. False with one line in `error`, unless the options were checked. */
bool gateway_options_payloads(const struct gateway_options *, struct payload_registry *, char *error,
                              size_t error_size);
void gateway_options_store(const struct gateway_options *, struct store_redis_options *);
void gateway_options_gateway(const struct gateway_options *, struct gateway_config *);

#endif
