/* The processes under test: a Redis or several, workers and gateways, in one temporary directory, on loopback ports
 * that were free. They are started, stopped, killed and watched without ever waiting; one that ends by itself is a
 * fault. */
#ifndef HEYA_TESTS_SUPPORT_SERVERS_H
#define HEYA_TESTS_SUPPORT_SERVERS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVERS_MAX       8 /* of a kind */
#define SERVERS_REDIS_MAX 4

enum server_state {
  SERVER_DOWN,    /* not started, or ended as it should */
  SERVER_UP,      /* running, as far as one knows */
  SERVER_STOPPED, /* SIGSTOP */
  SERVER_ENDING,  /* SIGTERM was sent */
};

/* When Redis writes its file. */
enum servers_aof {
  SERVERS_AOF_EVERYSEC, /* the default, as in operation */
  SERVERS_AOF_ALWAYS,
  SERVERS_AOF_NO, /* never: for comparisons with what keeps nothing */
};

struct servers;

struct server {
  struct servers *servers;
  char name[16]; /* "worker 1" */
  char role;     /* 'w', 'g' or 'r' */
  enum server_state state;
  pid_t pid;
  uint16_t port, admin_port;
  bool killed; /* the next end is ours */
  bool unborn; /* it did not listen yet when it was told to end: it may have had no handler for that signal */
  bool again;  /* start it anew when it has ended */
  bool mortal; /* it may crash: that is no fault, and it is started anew a second later */
  unsigned starts;
  ev_child child;
  ev_timer later; /* the second half of a fault */
  void (*then)(struct server *);
  uint64_t started_us;
};

struct servers {
  struct ev_loop *loop;
  char dir[128], programs[256];
  unsigned
      shards; /* so many Redis, each with its part of the partitions; set by the caller before servers_open. 0: 1 */
  char redis_socket[SERVERS_REDIS_MAX][160],
      redis_url[SERVERS_REDIS_MAX][200]; /* the URL may be changed before it starts */
  enum servers_aof aof;
  bool keep_dir;
  const char *const *worker_args, *const *gateway_args; /* NULL-terminated, or NULL */
  struct server redis[SERVERS_REDIS_MAX], workers[SERVERS_MAX], gateways[SERVERS_MAX];
  uint64_t crashes;    /* ended by themselves, or badly */
  const char *crashed; /* what to look at; "" if none */
};

/* The programs are those beside this one, or in HEYA_BIN_DIR. */
bool servers_open(struct servers *servers, struct ev_loop *loop);
void servers_start(struct server *server);
void servers_kill(struct server *server); /* -9 */
void servers_end(struct server *server);  /* SIGTERM */
void servers_stop(struct server *server);
void servers_continue(struct server *server);
/* Calls `then` in so many seconds, unless the server ends before. */
void servers_later(struct server *server, double seconds, void (*then)(struct server *));
/* The port of a gateway that is up, 0 if there is none; *index says which. */
uint16_t servers_any_gateway(const struct servers *servers, unsigned *seed, unsigned *index);
/* Everything is killed; the directory is removed unless something crashed or keep_dir is set. */
void servers_close(struct servers *servers);

/* Whether something listens on that port of loopback. Does not wait. */
bool port_listens(uint16_t port);
/* Runs the loop until `condition`, or for so many seconds; tells which. */
bool run_until(struct ev_loop *loop, double seconds, bool (*condition)(void *), void *arg);

#endif
