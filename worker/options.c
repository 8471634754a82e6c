/* See worker/options.h. */
#include "worker/options.h"
#include "common/endpoint.h"
#include "proto/keys.h"
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct worker_options, field)

static const struct option_row process_rows[] = {
    {.name = "admin",
     .type = OPTION_STRING,
     .offset = AT(admin),
     .fallback = "127.0.0.1:8082",
     .help = "HOST:PORT for /healthz, /readyz, /metrics; port 0 takes a free one; keep it private"},
    {.name = "id",
     .type = OPTION_STRING,
     .offset = AT(id),
     .help = "beginning of this worker's name in Redis, up to 24 of [A-Za-z0-9_.-]; a random end makes it new at every "
             "start; default w"},
    {.name = "drain-timeout",
     .type = OPTION_MS,
     .offset = AT(drain_timeout_ms),
     .fallback = "10s",
     .max = 3600000,
     .help = "how long SIGTERM waits for partitions to be handed over"},
    {.name = "failpoints",
     .type = OPTION_STRING,
     .offset = AT(failpoints),
     .help = "faults on demand, for tests: store.commit=delay:0..5ms;..."},
    {.name = "log-level",
     .type = OPTION_CHOICE,
     .offset = AT(log_level),
     .fallback = "info",
     .choices = log_level_names,
     .help = "lines below it are not written"},
    {.name = "log-format",
     .type = OPTION_CHOICE,
     .offset = AT(log_format),
     .fallback = "text",
     .choices = log_format_names,
     .help = "one line per event, on standard error"},
};

static const struct option_row redis_rows[] = {
    {.name = "redis",
     .type = OPTION_STRING,
     .offset = AT(redis),
     .fallback = "redis://127.0.0.1:6379",
     .help = "redis://[user:password@]host[:port][/db] or unix:///path[?db=N]"},
    {.name = "prefix",
     .type = OPTION_STRING,
     .offset = AT(prefix),
     .fallback = KEY_PREFIX_DEFAULT,
     .help = "of every key; the same in the whole deployment"},
    {.name = "partitions",
     .type = OPTION_U64,
     .offset = AT(partitions),
     .fallback = "16",
     .min = 1,
     .max = 4096,
     .help = "of the deployment; fixed when its first process starts"},
    {.name = "lease",
     .type = OPTION_MS,
     .offset = AT(lease_ms),
     .fallback = "3s",
     .min = 200,
     .max = 600000,
     .help = "a worker silent for so long loses its partitions to the others"},
    {.name = "reply-timeout",
     .type = OPTION_MS,
     .offset = AT(reply_timeout_ms),
     .fallback = "5s",
     .min = 100,
     .max = 600000,
     .help = "a Redis silent for so long is connected to anew"},
    {.name = "gateway-entries",
     .type = OPTION_U64,
     .offset = AT(gateway_entries),
     .fallback = "100000",
     .min = 1,
     .max = 1u << 30,
     .help = "unread entries in a gateway's stream; one that falls so far behind is ended"},
    {.name = "gateway-bytes",
     .type = OPTION_BYTES,
     .offset = AT(gateway_bytes),
     .fallback = "256m",
     .min = 65536,
     .max = 1ull << 32,
     .help = "the same in bytes"},
    {.name = "log-entries",
     .type = OPTION_U64,
     .offset = AT(log_entries),
     .fallback = "256",
     .min = 1,
     .max = 1u << 20,
     .help = "events kept in a room's log in Redis, about"},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
static const struct option_table tables[] = {
    {.section = "Process", .rows = process_rows, .count = COUNT(process_rows)},
    {.section = "Redis", .rows = redis_rows, .count = COUNT(redis_rows)},
};

const struct option_set worker_option_set = {
    .program = "heya-worker",
    .version = "0.1.0",
    .summary = "Owns rooms: applies what clients send, keeps the rooms in Redis, tells their members.\n"
               "Exit status: 0 an orderly end, 1 something failed, 2 a wrong option. SIGTERM and SIGINT end it orderly.",
    .tables = tables,
    .count = COUNT(tables),
};

#define ID_PREFIX_MAX 24

bool worker_options_check(const struct worker_options *options, char *error, size_t error_size) {
  const char *fault = NULL;
  struct endpoint endpoint;
  if (!endpoint_parse(options->admin, &endpoint)) {
    fault = "--admin: not HOST:PORT with a numeric address";
  } else if (options->id && *options->id &&
      (strlen(options->id) > ID_PREFIX_MAX || !process_id_is_valid(options->id, strlen(options->id)))) {
    fault = "--id: not 1 to 24 of [A-Za-z0-9_.-]";
  } else if (!key_prefix_is_valid(options->prefix)) {
    fault = "--prefix: not up to 32 of [A-Za-z0-9_.:{}-]";
  }
  if (fault) snprintf(error, error_size, "%s", fault);
  return fault == NULL;
}

void worker_options_store(const struct worker_options *options, struct store_redis_options *store) {
  *store = (struct store_redis_options){
      .url = options->redis,
      .prefix = options->prefix,
      .partitions = (uint32_t)options->partitions,
      .limits = {.gateway_entries = options->gateway_entries, .gateway_bytes = options->gateway_bytes},
      .log_max = options->log_entries,
      .reply_timeout_ms = options->reply_timeout_ms,
  };
}
