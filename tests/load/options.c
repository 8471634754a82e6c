/* See tests/load/options.h. */
#include "tests/load/options.h"

#include "tests/load/dialect.h"
#include "tests/support/servers.h"

#define AT(field) offsetof(struct load_options, field)

static const char *const aof_names[] = {
    [SERVERS_AOF_EVERYSEC] = "everysec", [SERVERS_AOF_ALWAYS] = "always", [SERVERS_AOF_NO] = "no", NULL};
static const char *const progress_names[] = {
    [PROGRESS_AUTO] = "auto", [PROGRESS_ON] = "on", [PROGRESS_OFF] = "off", NULL};

static const struct option_row load_rows[] = {
    {.name = "rooms", .type = OPTION_U64, .offset = AT(rooms), .max = 1000000, .help = "how many"},
    {.name = "members",
     .type = OPTION_U64,
     .offset = AT(members),
     .max = 2000,
     .help = "of each, one connection each"},
    {.name = "rate",
     .type = OPTION_U64,
     .offset = AT(rate),
     .max = 1000000,
     .help = "commands a second, of all together"},
    {.name = "at-once",
     .type = OPTION_U64,
     .offset = AT(at_once),
     .max = 10000,
     .help = "loops (churn), groups (live)"},
    {.name = "tick-hz",
     .type = OPTION_U64,
     .offset = AT(tick_hz),
     .max = 60,
     .help = "frames a second of an arena (10)"},
    {.name = "duration",
     .type = OPTION_MS,
     .offset = AT(duration_ms),
     .max = 3600000,
     .help = "how long is measured, after the warm-up"},
    {.name = "warm-up",
     .type = OPTION_MS,
     .offset = AT(warm_up_ms),
     .max = 600000,
     .help = "load that is not measured, before"},
    {.name = "find",
     .type = OPTION_BOOL,
     .offset = AT(find),
     .help = "broadcast: look for the highest rate that keeps the limit, from --rate on"},
    {.name = "history",
     .type = OPTION_BOOL,
     .offset = AT(history),
     .help = "rooms keep their last 50 lines for newcomers, in Redis too; else none, as the servers that Heya is "
             "compared with"},
    {.name = "rates",
     .type = OPTION_LIST,
     .offset = AT(rates),
     .help = "broadcast: measure at each of these, the lowest first, until one is too much"},
    {.name = "limit",
     .type = OPTION_MS,
     .offset = AT(limit_ms),
     .fallback = "50ms",
     .min = 1,
     .max = 60000,
     .help = "that 99 of 100 deliveries must keep, for --find"},
};

static const struct option_row private_rows[] = {
    {.name = "workers",
     .type = OPTION_U64,
     .offset = AT(workers),
     .fallback = "1",
     .min = 1,
     .max = SERVERS_MAX,
     .help = "how many; failover has two at least"},
    {.name = "gateways",
     .type = OPTION_U64,
     .offset = AT(gateways),
     .fallback = "2",
     .min = 1,
     .max = SERVERS_MAX,
     .help = "how many; the members of a room are spread over them"},
    {.name = "shards",
     .type = OPTION_U64,
     .offset = AT(shards),
     .fallback = "1",
     .min = 1,
     .max = SERVERS_REDIS_MAX,
     .help = "so many Redis, each with its part of the rooms"},
    {.name = "aof",
     .type = OPTION_CHOICE,
     .offset = AT(aof),
     .fallback = "everysec",
     .choices = aof_names,
     .help = "when Redis writes its file"},
    {.name = "worker-args",
     .type = OPTION_LIST,
     .offset = AT(worker_args),
     .help = "further options of the workers, such as --log-entries,64"},
    {.name = "gateway-args", .type = OPTION_LIST, .offset = AT(gateway_args), .help = "likewise of the gateways"},
    {.name = "keep", .type = OPTION_BOOL, .offset = AT(keep), .help = "keep the directory with their logs"},
};

static const struct option_row running_rows[] = {
    {.name = "gateway",
     .type = OPTION_LIST,
     .offset = AT(at),
     .env = "HEYA_BENCH_GATEWAY",
     .help = "HOST:PORT of a running one (IPv4, --auth dev); may be given several times. Nothing is started then"},
    {.name = "dialect",
     .type = OPTION_CHOICE,
     .offset = AT(dialect),
     .fallback = "heya",
     .choices = dialect_names,
     .help = "what they speak: others that Heya is compared with, see tests/load/peers"},
    {.name = "pid",
     .type = OPTION_LIST,
     .offset = AT(pids),
     .env = "HEYA_BENCH_PID",
     .help = "NAME=PID of a server whose processor time and memory are counted; may be given several times"},
    {.name = "redis",
     .type = OPTION_LIST,
     .offset = AT(redis),
     .env = "HEYA_BENCH_REDIS",
     .help = "its socket's path, or HOST:PORT, to count its calls and its memory; without it these are left out. "
             "Once for "
             "each, if there are several"},
    {.name = "victim",
     .type = OPTION_STRING,
     .offset = AT(victim),
     .env = "HEYA_BENCH_VICTIM",
     .help = "failover: NAME of the --pid that is killed with -9"},
};

static const struct option_row output_rows[] = {
    {.name = "json", .type = OPTION_BOOL, .offset = AT(json), .help = "the result as one JSON object, on one line"},
    {.name = "progress",
     .type = OPTION_CHOICE,
     .offset = AT(progress),
     .fallback = "auto",
     .choices = progress_names,
     .help = "a line on standard error each second; auto: if that is a terminal"},
};

#define TABLE(title, table)                                                                                          \
  { .section = title, .rows = table, .count = sizeof(table) / sizeof *(table) }

static const struct option_table tables[] = {
    TABLE("Load (what is not given is the scenario's own)", load_rows),
    TABLE("Servers that are started for it", private_rows),
    TABLE("Or servers that run already", running_rows),
    TABLE("Output", output_rows),
};

const struct option_set load_option_set = {
    .program = "heya-bench SCENARIO",
    .version = "1",
    .summary =
        "Puts load on Heya and measures it: an open loop, in which latency counts from when a command was due.\n"
        "Starts a Redis or several, workers and gateways of its own, on loopback, unless it is pointed at running "
        "ones.\n"
        "Exit status: 0 done, 1 something went wrong or was lost, 2 a wrong option.",
    .tables = tables,
    .count = sizeof tables / sizeof *tables};
