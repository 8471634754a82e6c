/* See tests/support/servers.h. */
#include "tests/support/servers.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 64
#define TURN_S   0.02
#define HASTE_US 1000000 /* one that ends so soon has not come up at all */

/* ---- ports ---- */

static int open_socket(uint16_t port, struct sockaddr_in *address) {
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static uint16_t free_port(void) {
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  int fd = open_socket(0, &address);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return 0;
  getsockname(fd, (struct sockaddr *)&address, &len);
  close(fd);
  return ntohs(address.sin_port);
}

bool port_listens(uint16_t port) {
  struct sockaddr_in address;
  int fd = open_socket(port, &address);
  bool listens = connect(fd, (struct sockaddr *)&address, sizeof address) == 0; /* loopback: answers at once */
  close(fd);
  return listens;
}

/* ---- starting ---- */

static void exec_server(const struct server *server, char **args) {
  char log[192];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  snprintf(log, sizeof log, "%s/%s.log", server->servers->dir, server->name);
  int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(fd, 1);
  dup2(fd, 2);
  setenv("LC_ALL", "C", 1);
  execvp(args[0], args);
  dprintf(2, "cannot run %s: %s\n", args[0], strerror(errno));
  _exit(127);
}

struct words {
  char *items[ARGS_MAX];
  char text[ARGS_MAX][200];
  unsigned n;
};

static void word(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void word(struct words *words, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(words->text[words->n], sizeof words->text[0], format, args);
  va_end(args);
  words->items[words->n] = words->text[words->n];
  words->n++;
}

static void further(struct words *words, const char *const *args) {
  for (; args && *args; args++) word(words, "%s", *args);
}

static void redis_words(const struct server *server, struct words *words) {
  const struct servers *servers = server->servers;
  unsigned shard = (unsigned)(server - servers->redis);
  static const char *const fixed[] = {
      "--port", "0", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no", "--enable-debug-command",
      "local",  NULL};
  word(words, "redis-server");
  further(words, fixed);
  word(words, "--unixsocket");
  word(words, "%s", servers->redis_socket[shard]);
  word(words, "--dir");
  word(words, "%s", servers->dir);
  word(words, "--appenddirname");
  word(words, "aof-%u", shard + 1);
  word(words, "--appendfsync");
  word(words, "%s", servers->aof == SERVERS_AOF_ALWAYS ? "always" : "everysec");
  word(words, "--appendonly");
  word(words, "%s", servers->aof == SERVERS_AOF_NO ? "no" : "yes");
}

static void server_words(const struct server *server, struct words *words) {
  const struct servers *servers = server->servers;
  word(words, "%s/heya-%s", servers->programs, server->role == 'w' ? "worker" : "gateway");
  for (unsigned i = 0; i < servers->shards; i++) {
    word(words, "--redis");
    word(words, "%s", servers->redis_url[i]);
  }
  word(words, "--admin");
  word(words, "127.0.0.1:%u", server->admin_port);
  if (server->role == 'g') {
    word(words, "--auth");
    word(words, "dev");
    word(words, "--listen");
    word(words, "127.0.0.1:%u", server->port);
  }
  further(words, server->role == 'w' ? servers->worker_args : servers->gateway_args);
}

void servers_start(struct server *server) {
  struct words words = {.n = 0};
  if (server->state != SERVER_DOWN) return;
  if (!server->admin_port) server->admin_port = free_port();
  if (!server->port) server->port = free_port();
  if (server->role == 'r')
    redis_words(server, &words);
  else
    server_words(server, &words);
  server->pid = fork();
  if (server->pid == 0) exec_server(server, words.items);
  server->state = SERVER_UP;
  server->starts++;
  server->killed = server->again = false;
  server->started_us = clock_monotonic_us();
  ev_child_set(&server->child, server->pid, 0);
  ev_child_start(server->servers->loop, &server->child);
}

/* ---- ending ---- */

static void on_end(struct ev_loop *loop, ev_child *child, int events) {
  struct server *server = child->data;
  (void)events;
  ev_child_stop(loop, child);
  ev_timer_stop(loop, &server->later);
  bool ended = WIFEXITED(child->rstatus) && WEXITSTATUS(child->rstatus) == 0;
  bool unborn = server->unborn && WIFSIGNALED(child->rstatus) && WTERMSIG(child->rstatus) == SIGTERM;
  bool fine = server->killed || server->mortal || (server->state == SERVER_ENDING && (ended || unborn));
  if (!fine) {
    fprintf(stderr, "FAULT %s ended by itself: %s %d; see %s/%s.log\n", server->name,
            WIFEXITED(child->rstatus) ? "exit code" : "signal",
            WIFEXITED(child->rstatus) ? WEXITSTATUS(child->rstatus) : WTERMSIG(child->rstatus), server->servers->dir,
            server->name);
    server->servers->crashes++;
  }
  server->state = SERVER_DOWN;
  bool at_once = clock_monotonic_us() - server->started_us < HASTE_US;
  if ((!fine && at_once) || (server->mortal && !server->killed)) /* not in a circle */
    servers_later(server, HASTE_US / 1e6, servers_start);
  else if (server->again || !fine)
    servers_start(server);
}

void servers_kill(struct server *server) {
  if (server->state == SERVER_DOWN) return;
  server->killed = true;
  kill(server->pid, SIGKILL);
}

void servers_end(struct server *server) {
  if (server->state != SERVER_UP) return;
  server->state = SERVER_ENDING;
  server->unborn = server->role != 'r' && !port_listens(server->admin_port);
  kill(server->pid, SIGTERM);
}

void servers_stop(struct server *server) {
  if (server->state != SERVER_UP) return;
  server->state = SERVER_STOPPED;
  kill(server->pid, SIGSTOP);
}

void servers_continue(struct server *server) {
  if (server->state != SERVER_STOPPED) return;
  server->state = SERVER_UP;
  kill(server->pid, SIGCONT);
}

static void on_later(struct ev_loop *loop, ev_timer *timer, int events) {
  struct server *server = timer->data;
  (void)loop, (void)events;
  server->then(server);
}

void servers_later(struct server *server, double seconds, void (*then)(struct server *)) {
  server->then = then;
  ev_timer_stop(server->servers->loop, &server->later);
  ev_timer_set(&server->later, seconds, 0.);
  ev_timer_start(server->servers->loop, &server->later);
}

uint16_t servers_any_gateway(const struct servers *servers, unsigned *seed, unsigned *index) {
  unsigned first = (unsigned)rand_r(seed) % SERVERS_MAX;
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    *index = (first + i) % SERVERS_MAX;
    if (servers->gateways[*index].state == SERVER_UP) return servers->gateways[*index].port;
  }
  return 0;
}

/* ---- all ---- */

static void server_init(struct servers *servers, struct server *server, char role, unsigned number) {
  static const char *const names[] = {['g'] = "gateway", ['r'] = "redis", ['w'] = "worker"};
  *server = (struct server){.servers = servers, .role = role};
  snprintf(server->name, sizeof server->name, "%s-%u", names[(unsigned char)role], number);
  ev_child_init(&server->child, on_end, 0, 0);
  ev_timer_init(&server->later, on_later, 0., 0.);
  server->child.data = server->later.data = server;
}

bool servers_open(struct servers *servers, struct ev_loop *loop) {
  const char *given = getenv("HEYA_BIN_DIR");
  servers->loop = loop;
  snprintf(servers->dir, sizeof servers->dir, "%s/heya-servers.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  if (!mkdtemp(servers->dir)) return false;
  ssize_t len = readlink("/proc/self/exe", servers->programs, sizeof servers->programs - 1);
  char *slash = len > 0 ? strrchr(servers->programs, '/') : NULL;
  if (slash) *slash = '\0';
  if (given && *given) snprintf(servers->programs, sizeof servers->programs, "%s", given);
  if (!servers->shards) servers->shards = 1;
  for (unsigned i = 0; i < servers->shards; i++) {
    snprintf(servers->redis_socket[i], sizeof servers->redis_socket[i], "%s/redis-%u.sock", servers->dir, i + 1);
    snprintf(servers->redis_url[i], sizeof servers->redis_url[i], "unix://%s/redis-%u.sock", servers->dir, i + 1);
    server_init(servers, &servers->redis[i], 'r', i + 1);
  }
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    server_init(servers, &servers->workers[i], 'w', i + 1);
    server_init(servers, &servers->gateways[i], 'g', i + 1);
  }
  return true;
}

static void finish(struct server *server) {
  if (server->state == SERVER_DOWN) return;
  ev_child_stop(server->servers->loop, &server->child);
  ev_timer_stop(server->servers->loop, &server->later);
  kill(server->pid, SIGKILL);
  waitpid(server->pid, NULL, 0);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where) {
  (void)about, (void)type, (void)where;
  return remove(path);
}

void servers_close(struct servers *servers) {
  for (unsigned i = 0; i < SERVERS_MAX; i++) finish(&servers->gateways[i]);
  for (unsigned i = 0; i < SERVERS_MAX; i++) finish(&servers->workers[i]);
  for (unsigned i = 0; i < servers->shards; i++) finish(&servers->redis[i]);
  if (servers->crashes || servers->keep_dir)
    fprintf(stderr, "logs are kept in %s\n", servers->dir);
  else
    nftw(servers->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events) {
  (void)loop, (void)timer, (void)events; /* only so that the loop turns */
}

bool run_until(struct ev_loop *loop, double seconds, bool (*condition)(void *), void *arg) {
  uint64_t end_us = clock_monotonic_us() + (uint64_t)(seconds * 1e6);
  ev_timer turn;
  ev_timer_init(&turn, on_turn, TURN_S, TURN_S);
  ev_timer_start(loop, &turn);
  bool is;
  while (!(is = condition && condition(arg)) && clock_monotonic_us() < end_us) ev_run(loop, EVRUN_ONCE);
  ev_timer_stop(loop, &turn);
  return is;
}
