/* Starts the parts in order, waits for each, and takes them down again. See cluster.h. */
#include "tests/support/cluster.h"

#include "common/mem.h"
#include "proto/keys.h"
#include "proto/names.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS    20000
#define STOP_MS     15000
#define PORT_TRIES  10
#define TAIL_LINES  25
#define PLAYERS_MAX 512

struct server {
  struct process process;
  char listen[64]; /* of a gateway; "" until it is ready */
  char admin[64];
};

struct servers {
  struct server list[CLUSTER_PROCESS_MAX];
  unsigned count;
};

struct redis {
  struct process process;
  char name[24], dir[160], socket[180], url[200];
  unsigned port;
  struct redis_client *client;
  struct cluster *cluster;
};

struct cluster {
  struct cluster_options options;
  struct tmpdir dir;
  char programs[192]; /* directory of the servers */
  char lb[64];
  struct redis redis[CLUSTER_SHARDS_MAX];
  unsigned shards;
  struct process haproxy;
  struct servers workers, gateways;
  struct player *players[PLAYERS_MAX];
  unsigned player_count;
  bool stopped; /* by cluster_stop: the test got to its end */
};

/* ---- processes that need a port of their own ---------------------------------------------------------------------
 */

unsigned cluster_free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            getsockname(fd, (struct sockaddr *)&address, &len) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

static bool redis_answers(void *arg) {
  struct redis *redis = arg;
  if (!process_is_running(&redis->process)) return true;
  if (!redis->client) redis->client = redis_client_connect(redis->socket);
  if (!redis->client) return false;
  redisReply *reply = redis_reply(redis->client, "PING");
  bool ready = reply->type == REDIS_REPLY_STATUS; /* an error while it loads its file */
  freeReplyObject(reply);
  return ready;
}

static void run_redis(struct redis *redis) {
  struct process_args args = {0}, env = {0};
  process_args_add(&env, "LC_ALL=C"); /* it refuses to start in a locale the system does not have */
  const char *fixed[] = {"redis-server", "--bind", "127.0.0.1", "--appendonly",       "yes",        "--appendfsync",
                         "everysec",     "--save", "",          "--maxmemory-policy", "noeviction", "--daemonize",
                         "no",           NULL};
  process_args_append(&args, fixed);
  process_args_add(&args, "--port");
  process_args_add(&args, "%u", redis->port);
  process_args_add(&args, "--unixsocket");
  process_args_add(&args, "%s", redis->socket);
  process_args_add(&args, "--dir");
  process_args_add(&args, "%s", redis->dir);
  process_args_append(&args, redis->cluster->options.redis_args);
  process_start(&redis->process, redis->name, redis->cluster->dir.path, &args, &env);
  process_args_close(&args);
  process_args_close(&env);
  cr_assert(wait_until(START_MS, redis_answers, redis), "redis-server does not answer");
}

static void start_redis(struct cluster *cluster, unsigned shard) {
  struct redis *redis = &cluster->redis[shard];
  char sub[24] = "";
  redis->cluster = cluster;
  snprintf(redis->name, sizeof redis->name, shard ? "redis %u" : "redis", shard + 1);
  if (shard) snprintf(sub, sizeof sub, "/shard-%u", shard);
  snprintf(redis->dir, sizeof redis->dir, "%s%s", cluster->dir.path, sub);
  cr_assert(!shard || mkdir(redis->dir, 0700) == 0);
  snprintf(redis->socket, sizeof redis->socket, "%s%s/redis.sock", cluster->dir.path, sub);
  snprintf(redis->url, sizeof redis->url, "unix://%s%s/redis.sock", cluster->dir.path, sub);
  for (int i = 0; i < PORT_TRIES; i++) {
    redis->port = cluster_free_port();
    run_redis(redis);
    if (process_is_running(&redis->process)) return;
  }
  cr_assert_fail("redis-server ends with %d", redis->process.status);
}

void cluster_restart_redis(struct cluster *cluster) {
  struct redis *redis = &cluster->redis[0];
  redis_client_close(redis->client);
  redis->client = NULL;
  run_redis(redis);
  cr_assert(process_is_running(&redis->process), "redis-server does not come back");
}

static bool lb_answers(void *arg) {
  struct cluster *cluster = arg;
  if (!process_is_running(&cluster->haproxy)) return true;
  struct http_response response;
  http_get(&response, cluster->lb, "/"); /* whatever a gateway says, as long as one does */
  bool ready = response.status != 0 && response.status != 503;
  http_response_close(&response);
  return ready;
}

static void run_haproxy(struct cluster *cluster) {
  struct process_args args = {0}, env = {0};
  snprintf(cluster->lb, sizeof cluster->lb, "127.0.0.1:%u", cluster_free_port());
  process_args_add(&env, "PATH=%s:/usr/sbin:/sbin", getenv("PATH"));
  process_args_add(&env, "HEYA_LB_LISTEN=%s", cluster->lb);
  for (unsigned i = 0; i < cluster->gateways.count; i++) {
    process_args_add(&env, "HEYA_GW%u=%s", i + 1, cluster->gateways.list[i].listen);
    process_args_add(&env, "HEYA_GW%u_ADMIN=%s", i + 1, cluster->gateways.list[i].admin);
  }
  const char *fixed[] = {"haproxy", "-db", "-f", "deploy/haproxy/haproxy.cfg", NULL};
  process_args_append(&args, fixed);
  process_start(&cluster->haproxy, "haproxy", cluster->dir.path, &args, &env);
  process_args_close(&args);
  process_args_close(&env);
  cr_assert(wait_until(START_MS, lb_answers, cluster), "haproxy does not answer");
}

static void start_haproxy(struct cluster *cluster) {
  for (int i = 0; i < PORT_TRIES; i++) {
    run_haproxy(cluster);
    if (process_is_running(&cluster->haproxy)) return;
  }
  cr_assert_fail("haproxy ends with %d", cluster->haproxy.status);
}

/* ---- our servers -------------------------------------------------------------------------------------------------
 */

static unsigned spawn(struct cluster *cluster, struct servers *servers, const char *name, struct process_args *args) {
  cr_assert(servers->count < CLUSTER_PROCESS_MAX);
  struct server *server = &servers->list[servers->count];
  char label[32];
  snprintf(label, sizeof label, "%s %u", name, servers->count + 1);
  process_start(&server->process, label, cluster->dir.path, args, NULL);
  process_args_close(args);
  return servers->count++;
}

static bool names_redis(const char *const *extra) {
  for (; extra && *extra; extra++) {
    if (strcmp(*extra, "--redis") == 0) return true;
  }
  return false;
}

static void common_args(struct cluster *cluster, const char *program, const char *const *extra,
                        struct process_args *args) {
  char path[256];
  process_args_add(args, "%s", cluster_program(cluster, program, path, sizeof path));
  for (unsigned i = 0; i < cluster->shards && !names_redis(extra); i++) {
    process_args_add(args, "--redis");
    process_args_add(args, "%s", cluster->redis[i].url);
  }
  const char *fixed[] = {"--admin", "127.0.0.1:0", "--log-level", "info", "--log-format", "text", NULL};
  process_args_append(args, fixed);
  if (cluster->options.partitions) {
    process_args_add(args, "--partitions");
    process_args_add(args, "%u", cluster->options.partitions);
  }
}

unsigned cluster_spawn_worker(struct cluster *cluster, const char *const *extra) {
  struct process_args args = {0};
  common_args(cluster, "heya-worker", extra, &args);
  process_args_add(&args, "--lease");
  process_args_add(&args, "%ums", cluster->options.lease_ms ? cluster->options.lease_ms : CLUSTER_LEASE_MS);
  process_args_append(&args, cluster->options.worker_args);
  process_args_append(&args, extra);
  return spawn(cluster, &cluster->workers, "worker", &args);
}

unsigned cluster_spawn_gateway(struct cluster *cluster, const char *const *extra) {
  struct process_args args = {0};
  common_args(cluster, "heya-gateway", extra, &args);
  const char *fixed[] = {"--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1/32", "--auth", "dev", NULL};
  process_args_append(&args, fixed);
  process_args_append(&args, cluster->options.gateway_args);
  process_args_append(&args, extra);
  return spawn(cluster, &cluster->gateways, "gateway", &args);
}

/* Copies the value of " key=value" in a log line; "" when it has none. */
static void take_field(const char *line, const char *key, char *out, size_t size) {
  const char *at = strstr(line, key);
  out[0] = '\0';
  if (at) snprintf(out, size, "%.*s", (int)strcspn(at + strlen(key), " "), at + strlen(key));
}

static bool says_ready(void *arg) {
  struct server *server = arg;
  struct http_response response;
  http_get(&response, server->admin, "/readyz");
  bool ready = response.status == 200;
  http_response_close(&response);
  return ready || !process_is_running(&server->process);
}

static void await_ready(struct server *server) {
  char line[4096];
  bool said = process_wait_line(&server->process, " event=ready ", START_MS, line, sizeof line);
  cr_assert(said, "%s does not say that it is ready", server->process.name);
  take_field(line, " listen=", server->listen, sizeof server->listen);
  take_field(line, " admin=", server->admin, sizeof server->admin);
  cr_assert(server->admin[0], "%s does not say where its admin port is: %s", server->process.name, line);
  bool ready = wait_until(START_MS, says_ready, server);
  cr_assert(ready && process_is_running(&server->process), "%s is not ready", server->process.name);
}

void cluster_await_worker(struct cluster *cluster, unsigned index) {
  await_ready(&cluster->workers.list[index]);
}

void cluster_await_gateway(struct cluster *cluster, unsigned index) {
  await_ready(&cluster->gateways.list[index]);
  cr_assert(cluster->gateways.list[index].listen[0], "a gateway does not say where it listens");
}

void cluster_refuses(struct process *process, const char *text) {
  int status = process_wait_exit(process, START_MS);
  bool said = process_count_lines(process, text) > 0;
  if (status <= 0 || status > 128 || !said) process_print_tail(process, TAIL_LINES);
  cr_assert(status > 0 && status <= 128, "%s should refuse to run, but its status is %d", process->name, status);
  cr_assert(said, "%s does not say \"%s\"", process->name, text);
}

/* ---- starting and stopping ---------------------------------------------------------------------------------------
 */

static void find_programs(struct cluster *cluster) {
  const char *given = getenv("HEYA_BIN_DIR");
  if (given && *given) {
    snprintf(cluster->programs, sizeof cluster->programs, "%s", given);
    return;
  }
  ssize_t len = readlink("/proc/self/exe", cluster->programs, sizeof cluster->programs - 1);
  cr_assert(len > 0 && (size_t)len < sizeof cluster->programs - 1);
  cluster->programs[len] = '\0';
  *strrchr(cluster->programs, '/') = '\0';
}

static void each_process(struct cluster *cluster, void (*visit)(struct process *)) {
  visit(&cluster->haproxy);
  for (unsigned i = 0; i < cluster->gateways.count; i++) visit(&cluster->gateways.list[i].process);
  for (unsigned i = 0; i < cluster->workers.count; i++) visit(&cluster->workers.list[i].process);
  for (unsigned i = 0; i < cluster->shards; i++) visit(&cluster->redis[i].process);
}

static void print_tail(struct process *process) {
  process_is_running(process);
  if (process->name[0]) process_print_tail(process, TAIL_LINES);
}

static void take_down(struct cluster *cluster) {
  for (unsigned i = 0; i < cluster->player_count; i++) player_destroy(cluster->players[i]);
  cluster->player_count = 0;
  for (unsigned i = 0; i < cluster->shards; i++) {
    redis_client_close(cluster->redis[i].client);
    cluster->redis[i].client = NULL;
  }
  each_process(cluster, process_kill);
}

/* When the test's process exits. Only a test that failed has not stopped its cluster by then. */
static void at_exit(int status, void *arg) {
  (void)status;
  struct cluster *cluster = arg;
  if (!cluster->stopped) {
    for (unsigned i = 0; i < cluster->player_count; i++) player_print(cluster->players[i]);
    each_process(cluster, print_tail);
    take_down(cluster);
    if (getenv("HEYA_KEEP"))
      fprintf(stderr, "---- kept: %s\n", cluster->dir.path);
    else
      tmpdir_remove(&cluster->dir);
  }
  free(cluster);
}

static void start_servers(struct cluster *cluster) {
  unsigned workers = cluster->options.workers ? cluster->options.workers : 2;
  unsigned gateways = cluster->options.gateways ? cluster->options.gateways : 2;
  for (unsigned i = 0; i < workers; i++) cluster_spawn_worker(cluster, NULL);
  for (unsigned i = 0; i < gateways; i++) cluster_spawn_gateway(cluster, NULL);
  for (unsigned i = 0; i < workers; i++) cluster_await_worker(cluster, i);
  for (unsigned i = 0; i < gateways; i++) cluster_await_gateway(cluster, i);
}

struct cluster *cluster_start(const struct cluster_options *options) {
  struct cluster *cluster = xcalloc(1, sizeof *cluster);
  if (options) cluster->options = *options;
  tmpdir_create(&cluster->dir);
  on_exit(at_exit, cluster);
  find_programs(cluster);
  unsigned shards = cluster->options.shards ? cluster->options.shards : 1;
  while (cluster->shards < shards) start_redis(cluster, cluster->shards++);
  if (!cluster->options.bare) start_servers(cluster);
  if (cluster->options.haproxy) start_haproxy(cluster);
  return cluster;
}

/* A server is to end by itself, well, and was not to have ended before unless the test killed it. */
static void end(struct process *process) {
  if (process_is_running(process)) {
    if (process->stopped) process_continue(process);
    process_signal(process, SIGTERM);
  }
}

static void expect_good_end(struct process *process) {
  if (process->status == 0 && process->pid == 0) return;
  int status = process_wait_exit(process, STOP_MS);
  bool killed = status == 128 + SIGKILL;
  bool refused = status > 0 && status <= 128 && process_count_lines(process, " event=ready ") == 0;
  cr_assert(status == 0 || killed || refused, "%s ends with status %d on SIGTERM", process->name, status);
}

void cluster_stop(struct cluster *cluster) {
  for (unsigned i = 0; i < cluster->player_count; i++) player_drop(cluster->players[i]);
  for (unsigned i = 0; i < cluster->gateways.count; i++) end(&cluster->gateways.list[i].process);
  for (unsigned i = 0; i < cluster->gateways.count; i++) expect_good_end(&cluster->gateways.list[i].process);
  for (unsigned i = 0; i < cluster->workers.count; i++) end(&cluster->workers.list[i].process);
  for (unsigned i = 0; i < cluster->workers.count; i++) expect_good_end(&cluster->workers.list[i].process);
  take_down(cluster);
  tmpdir_remove(&cluster->dir);
  cluster->stopped = true;
}

/* ---- players -----------------------------------------------------------------------------------------------------
 */

static struct player *keep(struct cluster *cluster, struct player *player) {
  cr_assert(cluster->player_count < PLAYERS_MAX);
  return cluster->players[cluster->player_count++] = player;
}

struct player *cluster_player(struct cluster *cluster, int gateway, const char *name) {
  return keep(cluster, player_connect(cluster_address(cluster, gateway), name));
}

struct player *cluster_stranger(struct cluster *cluster, int gateway, const char *name,
                                const struct wsclient_options *options) {
  return keep(cluster, player_open(cluster_address(cluster, gateway), name, options));
}

/* ---- parts -------------------------------------------------------------------------------------------------------
 */

const char *cluster_address(const struct cluster *cluster, int gateway) {
  if (gateway == CLUSTER_LB) return cluster->lb;
  cr_assert(gateway >= 0 && (unsigned)gateway < cluster->gateways.count);
  return cluster->gateways.list[gateway].listen;
}

const char *cluster_gateway_admin(const struct cluster *cluster, unsigned index) {
  return cluster->gateways.list[index].admin;
}

const char *cluster_worker_admin(const struct cluster *cluster, unsigned index) {
  return cluster->workers.list[index].admin;
}

struct process *cluster_worker(struct cluster *cluster, unsigned index) {
  return &cluster->workers.list[index].process;
}

struct process *cluster_gateway(struct cluster *cluster, unsigned index) {
  return &cluster->gateways.list[index].process;
}

struct process *cluster_haproxy(struct cluster *cluster) {
  return &cluster->haproxy;
}

struct process *cluster_redis_process(struct cluster *cluster) {
  return &cluster->redis[0].process;
}

struct redis_client *cluster_redis(struct cluster *cluster) {
  return cluster->redis[0].client;
}

unsigned cluster_shards(const struct cluster *cluster) {
  return cluster->shards;
}

struct process *cluster_shard_process(struct cluster *cluster, unsigned shard) {
  return &cluster->redis[shard].process;
}

struct redis_client *cluster_shard(struct cluster *cluster, unsigned shard) {
  return cluster->redis[shard].client;
}

const char *cluster_shard_url(const struct cluster *cluster, unsigned shard) {
  return cluster->redis[shard].url;
}

const struct tmpdir *cluster_dir(const struct cluster *cluster) {
  return &cluster->dir;
}

const char *cluster_program(struct cluster *cluster, const char *name, char *path, size_t size) {
  snprintf(path, size, "%s/%s", cluster->programs, name);
  return path;
}

const char *cluster_redis_url(const struct cluster *cluster) {
  return cluster->redis[0].url;
}

/* ---- looking at it -----------------------------------------------------------------------------------------------
 */

static uint32_t partitions(struct cluster *cluster) {
  int64_t count = redis_integer(cluster->redis[0].client, "HGET %s partitions", key_config(KEY_PREFIX_DEFAULT).text);
  cr_assert(count > 0, "the number of partitions is not in Redis");
  return (uint32_t)count;
}

uint32_t cluster_partition(struct cluster *cluster, const char *room) {
  return room_partition(room, strlen(room), partitions(cluster));
}

static int owner_of(struct cluster *cluster, uint32_t partition) {
  int found = -1;
  struct redis_client *client = cluster->redis[partition % cluster->shards].client;
  char *worker = redis_string(client, "HGET %s worker", key_part_owner(KEY_PREFIX_DEFAULT, partition).text);
  if (worker && *worker) {
    int64_t pid = redis_integer(client, "HGET %s pid", key_worker(KEY_PREFIX_DEFAULT, worker).text);
    for (unsigned i = 0; i < cluster->workers.count; i++)
      if (pid > 0 && cluster->workers.list[i].process.pid == pid) found = (int)i;
  }
  free(worker);
  return found;
}

int cluster_owner(struct cluster *cluster, const char *room) {
  return owner_of(cluster, cluster_partition(cluster, room));
}

struct ownership {
  struct cluster *cluster;
  uint32_t partition;
  int not_this, owner;
};

static bool has_new_owner(void *arg) {
  struct ownership *wanted = arg;
  wanted->owner = owner_of(wanted->cluster, wanted->partition);
  return wanted->owner >= 0 && wanted->owner != wanted->not_this;
}

unsigned cluster_await_owner(struct cluster *cluster, const char *room, int not_this) {
  struct ownership wanted = {.cluster = cluster, .partition = cluster_partition(cluster, room), .not_this = not_this};
  cr_assert(wait_until(START_MS, has_new_owner, &wanted), "nobody takes over partition %u", wanted.partition);
  return (unsigned)wanted.owner;
}

void cluster_await_all_owned(struct cluster *cluster) {
  uint32_t count = partitions(cluster);
  for (uint32_t p = 0; p < count; p++) {
    struct ownership wanted = {.cluster = cluster, .partition = p, .not_this = -1};
    cr_assert(wait_until(START_MS, has_new_owner, &wanted), "nobody owns partition %u", p);
  }
}

size_t cluster_count_keys(struct cluster *cluster, const char *pattern) {
  size_t count = 0;
  char cursor[32] = "0";
  do {
    redisReply *reply = redis_reply(cluster->redis[0].client, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
    cr_assert(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
    count += reply->element[1]->elements;
    snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
    freeReplyObject(reply);
  } while (strcmp(cursor, "0") != 0);
  return count;
}

struct room_keys {
  struct cluster *cluster;
  char pattern[KEY_MAX + 1];
};

static bool no_keys(void *arg) {
  struct room_keys *keys = arg;
  return cluster_count_keys(keys->cluster, keys->pattern) == 0;
}

bool cluster_await_no_keys(struct cluster *cluster, const char *room, uint64_t ms) {
  struct room_keys keys = {.cluster = cluster};
  snprintf(keys.pattern, sizeof keys.pattern, "%s*", key_room(KEY_PREFIX_DEFAULT, room).text);
  return wait_until(ms, no_keys, &keys);
}
