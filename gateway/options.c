/* See gateway/options.h. */
#include "gateway/options.h"

#include "common/mem.h"
#include "proto/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct gateway_options, field)

static const struct option_row gateway_rows[] = {
    {.name = "listen",
     .type = OPTION_STRING,
     .offset = AT(listen),
     .fallback = "127.0.0.1:8080",
     .help = "HOST:PORT for clients; port 0 takes a free one"},
    {.name = "id",
     .type = OPTION_STRING,
     .offset = AT(id),
     .help =
         "name of this gateway in Redis, up to 31 of [A-Za-z0-9_.-]; default g-<random>. A suffix is added while an "
         "older process of that name is still known"},
    {.name = "www", .type = OPTION_STRING, .offset = AT(www), .help = "directory whose files answer plain GET"},
    {.name = "www-bytes",
     .type = OPTION_BYTES,
     .offset = AT(www_bytes),
     .fallback = "64m",
     .max = 1ull << 30,
     .help = "of all files in it"},
    {.name = "kind-json",
     .type = OPTION_LIST,
     .offset = AT(kind_json),
     .help = "kinds whose payloads are JSON, as those in Lua: clients that speak JSON see them as objects"},
    {.name = "kind-messages",
     .type = OPTION_LIST,
     .offset = AT(kind_messages),
     .help = "NAME=heya.kinds.chat: a kind that speaks the messages of a built-in one; likewise"},
    {.name = "kind-proto",
     .type = OPTION_LIST,
     .offset = AT(kind_protos),
     .help =
         "shared object with the messages of a kind, so that JSON clients see objects; may be given several times"},
};

static const struct option_row queue_rows[] = {
    {.name = "gateway-ttl",
     .type = OPTION_MS,
     .offset = AT(gateway_ttl_ms),
     .fallback = "30s",
     .min = 1000,
     .max = 3600000,
     .help = "a gateway silent for so long is taken for dead"},
    {.name = "partition-entries",
     .type = OPTION_U64,
     .offset = AT(partition_entries),
     .fallback = "10000",
     .min = 1,
     .max = 1u << 30,
     .help = "unprocessed batches in a partition's stream; over it clients get BUSY"},
    {.name = "partition-bytes",
     .type = OPTION_BYTES,
     .offset = AT(partition_bytes),
     .fallback = "64m",
     .min = 65536,
     .max = 1ull << 32,
     .help = "the same in bytes"},
    {.name = "waiting-entries",
     .type = OPTION_U64,
     .offset = AT(waiting_entries),
     .fallback = "8192",
     .min = 1,
     .max = 1u << 20,
     .help = "messages waiting in this process per partition; over it clients get BUSY"},
    {.name = "waiting-bytes",
     .type = OPTION_BYTES,
     .offset = AT(waiting_bytes),
     .fallback = "4m",
     .min = 65536,
     .max = 1u << 30,
     .help = "the same in bytes"},
};

static const struct option_row client_rows[] = {
    {.name = "auth",
     .type = OPTION_CHOICE,
     .offset = AT(auth),
     .fallback = "jwt",
     .choices = auth_mode_names,
     .help = "jwt: a signed token in hello; dev: whoever one claims to be"},
    {.name = "jwt-key",
     .type = OPTION_STRING,
     .offset = AT(jwt_key),
     .help = "file with the secret (HS256) or the public key in PEM (RS256, ES256)"},
    {.name = "jwt-alg",
     .type = OPTION_CHOICE,
     .offset = AT(jwt_algorithm),
     .fallback = "HS256",
     .choices = jwt_algorithm_names,
     .help = "the one algorithm that is believed"},
    {.name = "jwt-leeway",
     .type = OPTION_MS,
     .offset = AT(jwt_leeway_ms),
     .fallback = "5s",
     .max = 3600000,
     .help = "by how much the issuer's clock may differ from Redis's"},
    {.name = "api-token-file",
     .type = OPTION_STRING,
     .offset = AT(api_token_file),
     .help =
         "file with the secret of the internal API on the admin port, 16 bytes or more; without it there is none"},
    {.name = "allow-origin",
     .type = OPTION_LIST,
     .offset = AT(allow_origin),
     .help =
         "origins of pages that may connect, https://example.org; none: any. Clients that send no Origin always may"},
    {.name = "trusted-proxy",
     .type = OPTION_LIST,
     .offset = AT(trusted_proxy),
     .help = "addresses or ranges whose X-Forwarded-For is believed, 10.0.0.0/8"},
    {.name = "max-connections",
     .type = OPTION_U64,
     .offset = AT(max_connections),
     .fallback = "20000",
     .min = 1,
     .max = 1000000,
     .help = "in all; one more gets HTTP 503"},
    {.name = "max-connections-per-address",
     .type = OPTION_U64,
     .offset = AT(max_connections_per_address),
     .fallback = "0",
     .max = 1000000,
     .help = "of one client address, 0 for no limit; one more gets HTTP 429"},
    {.name = "max-header-bytes",
     .type = OPTION_BYTES,
     .offset = AT(max_header_bytes),
     .fallback = "8k",
     .min = 512,
     .max = 65536,
     .help = "of an HTTP request"},
    {.name = "max-message-bytes",
     .type = OPTION_BYTES,
     .offset = AT(max_message_bytes),
     .fallback = "64k",
     .min = 256,
     .max = 1u << 20,
     .help = "of a client's message"},
    {.name = "max-output-bytes",
     .type = OPTION_BYTES,
     .offset = AT(max_output_bytes),
     .fallback = "1m",
     .min = 65536,
     .max = 1u << 30,
     .help = "waiting for one connection; more closes it as SLOW_CONSUMER"},
    {.name = "max-rooms",
     .type = OPTION_U64,
     .offset = AT(max_rooms),
     .fallback = "16",
     .min = 1,
     .max = 1000,
     .help = "that one connection may be in"},
    {.name = "message-rate",
     .type = OPTION_U64,
     .offset = AT(message_rate),
     .fallback = "60",
     .max = 100000,
     .help = "messages a second of one connection, 0 for no limit; more get RATE_LIMITED, far more close it"},
    {.name = "message-burst",
     .type = OPTION_U64,
     .offset = AT(message_burst),
     .fallback = "120",
     .min = 1,
     .max = 100000,
     .help = "messages at once"},
    {.name = "handshake-timeout",
     .type = OPTION_MS,
     .offset = AT(handshake_timeout_ms),
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     .help = "from accepting to the end of the HTTP request"},
    {.name = "hello-timeout",
     .type = OPTION_MS,
     .offset = AT(hello_timeout_ms),
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     .help = "from the upgrade to an accepted hello"},
    {.name = "ping-interval",
     .type = OPTION_MS,
     .offset = AT(ping_interval_ms),
     .fallback = "20s",
     .min = 100,
     .max = 3600000,
     .help = "a silent connection is pinged so often"},
    {.name = "idle-timeout",
     .type = OPTION_MS,
     .offset = AT(idle_timeout_ms),
     .fallback = "60s",
     .min = 100,
     .max = 3600000,
     .help = "a connection from which nothing is heard for so long is closed"},
    {.name = "close-linger",
     .type = OPTION_MS,
     .offset = AT(close_linger_ms),
     .fallback = "2s",
     .min = 10,
     .max = 60000,
     .help = "how long a closing connection may take; half of it for the answer to our Close"},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
static const struct option_table tables[] = {
    {.section = "Gateway", .rows = gateway_rows, .count = COUNT(gateway_rows)},
    {.section = "Clients", .rows = client_rows, .count = COUNT(client_rows)},
    {.section = "Queues", .rows = queue_rows, .count = COUNT(queue_rows)},
    {.section = "Process", .rows = server_process_rows, .count = SERVER_PROCESS_ROWS, .base = AT(server)},
    {.section = "Redis", .rows = server_redis_rows, .count = SERVER_REDIS_ROWS, .base = AT(server)},
};

const struct option_set gateway_option_set = {
    .program = "heya-gateway",
    .version = SERVER_VERSION,
    .summary = "Holds the WebSocket connections of clients and carries their messages to and from "
               "rooms.\n" SERVER_EXIT_TEXT,
    .tables = tables,
    .count = COUNT(tables),
};

/* ---- checks ---- */

static bool check_proxies(const struct option_list *list, char *error, size_t error_size) {
  struct cidr cidr;
  for (size_t i = 0; i < list->count; i++) {
    if (cidr_parse(&cidr, list->items[i])) continue;
    snprintf(error, error_size, "--trusted-proxy: %s is not an address or a range such as 10.0.0.0/8",
             list->items[i]);
    return false;
  }
  return true;
}

static bool check_origins(const struct option_list *list, char *error, size_t error_size) {
  for (size_t i = 0; i < list->count; i++) {
    const char *origin = list->items[i], *host = strstr(origin, "://");
    if (host && host != origin && host[3] && !strchr(host + 3, '/')) continue;
    snprintf(error, error_size, "--allow-origin: %s is not an origin such as https://example.org", origin);
    return false;
  }
  return true;
}

static bool add_kind(struct payload_registry *registry, const struct payload_kind *kind, const char *option,
                     char *error, size_t error_size) {
  enum payload_added added = payload_registry_add(registry, kind);
  const char *why = added == PAYLOAD_BAD_NAME    ? "is not a kind's name"
                    : added == PAYLOAD_DUPLICATE ? "is known already"
                                                 : "is one too many";
  if (added != PAYLOAD_ADDED) snprintf(error, error_size, "--%s: %s %s", option, kind->name, why);
  return added == PAYLOAD_ADDED;
}

static bool add_kind_with_messages(struct payload_registry *registry, const char *item, char *error,
                                   size_t error_size) {
  const char *equals = strchr(item, '=');
  char name[KIND_MAX + 2];
  struct payload_kind kind;
  if (!equals || !payload_kind_of_package(equals + 1, &kind)) {
    snprintf(error, error_size, "--kind-messages: %s is not NAME=PACKAGE with the package of a built-in kind", item);
    return false;
  }
  snprintf(name, sizeof name, "%.*s", (int)(equals - item < KIND_MAX ? equals - item : KIND_MAX + 1), item);
  kind.name = name;
  return add_kind(registry, &kind, "kind-messages", error, error_size);
}

bool gateway_options_payloads(const struct gateway_options *options, struct payload_registry *registry, char *error,
                              size_t error_size) {
  payload_registry_init(registry);
  for (size_t i = 0; i < options->kind_json.count; i++) {
    const struct payload_kind kind = {.name = options->kind_json.items[i], .is_json = true};
    if (!add_kind(registry, &kind, "kind-json", error, error_size)) return false;
  }
  for (size_t i = 0; i < options->kind_messages.count; i++)
    if (!add_kind_with_messages(registry, options->kind_messages.items[i], error, error_size)) return false;
  return true;
}

bool gateway_options_check(const void *config, char *error, size_t error_size) {
  const struct gateway_options *options = config;
  struct endpoint endpoint;
  struct payload_registry payloads;
  const char *fault = NULL;
  if (!endpoint_parse(options->listen, &endpoint)) {
    fault = "--listen: not HOST:PORT with a numeric address";
  } else if (options->id && *options->id &&
             (strlen(options->id) > GATEWAY_ID_MAX || !process_id_is_valid(options->id, strlen(options->id)))) {
    fault = "--id: not 1 to 31 of [A-Za-z0-9_.-]";
  } else if (options->auth == AUTH_JWT && (!options->jwt_key || !*options->jwt_key)) {
    fault = "--auth jwt needs --jwt-key FILE (for development there is --auth dev)";
  } else if (options->ping_interval_ms >= options->idle_timeout_ms) {
    fault = "--ping-interval: must be shorter than --idle-timeout";
  } else if (options->waiting_bytes < options->max_message_bytes * 2) {
    fault = "--waiting-bytes: must hold at least two of --max-message-bytes";
  } else if (options->partition_bytes < options->max_message_bytes * 2) {
    fault = "--partition-bytes: must hold at least two of --max-message-bytes";
  }
  if (fault) {
    snprintf(error, error_size, "%s", fault);
    return false;
  }
  return server_options_check(&options->server, error, error_size) &&
         gateway_options_payloads(options, &payloads, error, error_size) &&
         check_proxies(&options->trusted_proxy, error, error_size) &&
         check_origins(&options->allow_origin, error, error_size);
}

/* ---- into configs ---- */

/* A connection that sends more than this many times the rate is closed instead of answered. */
#define FAR_ABOVE 4

void gateway_options_listener(const struct gateway_options *options, struct endpoint *listen, struct cidr **trusted,
                              struct listener_config *config) {
  *config = (struct listener_config)LISTENER_CONFIG_DEFAULTS;
  endpoint_parse(options->listen, listen);
  *trusted = xcalloc(options->trusted_proxy.count, sizeof **trusted);
  for (size_t i = 0; i < options->trusted_proxy.count; i++) {
    cidr_parse(&(*trusted)[i], options->trusted_proxy.items[i]);
  }
  config->host = listen->host;
  config->port = listen->port;
  config->origins = options->allow_origin.items;
  config->origin_count = options->allow_origin.count;
  config->trusted = *trusted;
  config->trusted_count = options->trusted_proxy.count;
  config->max_connections = (uint32_t)options->max_connections;
  config->max_connections_per_address = (uint32_t)options->max_connections_per_address;
  config->max_header_bytes = (uint32_t)options->max_header_bytes;
  config->max_message_bytes = (uint32_t)options->max_message_bytes;
  config->max_output_bytes = (uint32_t)options->max_output_bytes;
  config->max_frames_per_s = (uint32_t)options->message_rate * FAR_ABOVE;
  config->frame_burst = (uint32_t)options->message_burst * FAR_ABOVE;
  config->handshake_timeout_ms = (uint32_t)options->handshake_timeout_ms;
  config->hello_timeout_ms = (uint32_t)options->hello_timeout_ms;
  config->ping_interval_ms = (uint32_t)options->ping_interval_ms;
  config->idle_timeout_ms = (uint32_t)options->idle_timeout_ms;
  config->linger_ms = (uint32_t)options->close_linger_ms;
}

void gateway_options_store(const struct gateway_options *options, struct store_redis_options *store) {
  *store = (struct store_redis_options){
      .limits = {.partition_entries = options->partition_entries, .partition_bytes = options->partition_bytes}};
}

void gateway_options_gateway(const struct gateway_options *options, struct gateway_config *config) {
  *config = (struct gateway_config){.id = options->id,
                                    .partitions = (uint32_t)options->server.partitions,
                                    .ttl_ms = options->gateway_ttl_ms,
                                    .drain_timeout_ms = options->server.drain_timeout_ms,
                                    .partition_entries = options->waiting_entries,
                                    .partition_bytes = options->waiting_bytes,
                                    .pace_us = options->server.pace_us,
                                    .sessions = {.max_message_bytes = (uint32_t)options->max_message_bytes,
                                                 .max_rooms = (uint32_t)options->max_rooms,
                                                 .rate_per_s = (uint32_t)options->message_rate,
                                                 .rate_burst = (uint32_t)options->message_burst}};
}
