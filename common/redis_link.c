/* A connection to Redis over hiredis and libev; see common/redis_link.h.
 *
 * hiredis frees its context by itself after a disconnect, and calls back while doing so. So a context is taken out of
 * the link before anything is told to anybody, contexts of the past are recognised by not being link->context, and
 * the link frees a context only from a timer of its own, never below a hiredis callback. */
#include "common/redis_link.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/redis_loop.h"
#include "common/redis_reply.h"
#include "common/redis_sentinel.h"
#include "common/resolve.h"

#include <errno.h>
#include <ev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/queue.h>

#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 1000
#define WATCH_EVERY_MS 100

enum link_state {
  LINK_WAITING,    /* for the retry timer */
  LINK_RESOLVING,  /* for the address of the target's name */
  LINK_CONNECTING, /* for the socket */
  LINK_GREETING,   /* for the answers to AUTH, SELECT and ROLE, or of a Sentinel */
  LINK_UP,
};

struct request {
  TAILQ_ENTRY(request) entry;
  struct redis_link *link; /* NULL: the link is destroyed, nobody is told */
  redis_link_cb *cb;
  void *arg;
  uint64_t deadline_us; /* on the monotonic clock */
};
TAILQ_HEAD(request_list, request);

struct redis_link {
  struct ev_loop *loop;
  struct log *log;
  struct redis_link_options options;
  enum link_state state;
  struct redis_url target; /* what is connected to: as in the options, or what Sentinels lead to */
  struct redis_sentinel sentinel;
  bool asking; /* the target is a Sentinel */
  /* One look-up at a time: one that took too long is waited for when its name is next wanted. */
  struct resolve *lookup;     /* NULL: none is under way */
  char name[256];             /* of the look-up, or of `found` */
  struct resolved found;      /* addresses of this name; n 0: none */
  unsigned tried;             /* of them */
  redisAsyncContext *context; /* NULL while waiting and resolving */
  struct request_list sent;   /* in the order of their answers */
  struct request_list refused;
  struct request_list spare; /* for the next calls */
  ev_timer retry;
  ev_timer connect_timeout;
  ev_timer watch;
  ev_timer refuse; /* runs while `refused` is not empty */
  ev_timer drop;
  uint64_t watched_us; /* when `watch` last ran */
  uint64_t up_us;      /* when it last came up */
  uint64_t backoff_ms;
  unsigned seed;      /* of the jitter */
  unsigned greetings; /* answers still to come while greeting */
  char reason[96];    /* of the drop under way */
  struct log_limit failed;
};

static void connect_now(struct redis_link *link);

/* ---- requests ---- */

static struct request *request_new(struct redis_link *link, redis_link_cb *cb, void *arg) {
  struct request *request = TAILQ_FIRST(&link->spare);
  if (request)
    TAILQ_REMOVE(&link->spare, request, entry);
  else
    request = xmalloc(sizeof *request);
  *request = (struct request){.link = link, .cb = cb, .arg = arg};
  return request;
}

/* Takes it off its list and tells. The link may be anything afterwards. */
static void request_finish(struct request_list *list, struct request *request, const struct redisReply *reply) {
  redis_link_cb *cb = request->cb;
  void *arg = request->arg;
  TAILQ_REMOVE(list, request, entry);
  TAILQ_INSERT_HEAD(&request->link->spare, request, entry);
  cb(arg, reply);
}

static void request_list_free(struct request_list *list) {
  struct request *request;
  while ((request = TAILQ_FIRST(list))) {
    TAILQ_REMOVE(list, request, entry);
    free(request);
  }
}

/* ---- going down ---- */

static bool by_sentinel(const struct redis_link *link) {
  return link->options.url.master[0] != '\0';
}

static void retry_now(struct redis_link *link) {
  ev_timer_stop(link->loop, &link->retry);
  ev_timer_set(&link->retry, 0., 0.);
  ev_timer_start(link->loop, &link->retry);
}

static void schedule_retry(struct redis_link *link) {
  uint64_t wait_ms = link->backoff_ms / 2 + (uint64_t)rand_r(&link->seed) % (link->backoff_ms / 2 + 1);
  link->backoff_ms = link->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : link->backoff_ms * 2;
  ev_timer_stop(link->loop, &link->retry);
  ev_timer_set(&link->retry, (double)wait_ms / 1000., 0.);
  ev_timer_start(link->loop, &link->retry);
}

static void forget_addresses(struct redis_link *link) {
  link->found.n = link->tried = 0;
}

static bool has_more_addresses(const struct redis_link *link) {
  return link->tried < link->found.n && strcmp(link->name, link->target.at.host) == 0;
}

/* Where it is, or was tried to be: a name with the address that was in use. */
static void print_target(const struct redis_link *link, char *out, size_t size) {
  redis_url_print(&link->target, out, size);
  size_t len = strlen(out);
  if (link->tried > 0 && strcmp(link->name, link->target.at.host) == 0)
    snprintf(out + len, size - len, " at %s", link->found.addresses[link->tried - 1]);
}

/* The context is no longer the link's, whoever frees it. */
static void go_down(struct redis_link *link, const char *reason) {
  enum link_state was = link->state;
  link->context = NULL;
  link->state = LINK_WAITING;
  ev_timer_stop(link->loop, &link->connect_timeout);
  ev_timer_stop(link->loop, &link->watch);
  ev_timer_stop(link->loop, &link->drop);
  char at[400];
  print_target(link, at, sizeof at);
  const char *event = was == LINK_UP ? "redis_link_lost" : link->asking ? "sentinel_failed" : "redis_connect_failed";
  log_limited(link->log, &link->failed, LOG_LEVEL_WARN, event, F_S("link", link->options.name), F_S("redis", at),
              F_S("reason", reason));
  /* One that keeps breaking at once is not worth hurrying for. */
  if (was == LINK_UP && clock_monotonic_us() - link->up_us > BACKOFF_MAX_MS * 1000) link->backoff_ms = BACKOFF_MIN_MS;
  bool others_left =
      was != LINK_UP &&
      (has_more_addresses(link) || (by_sentinel(link) && redis_sentinel_failed(&link->sentinel, &link->options.url)));
  if (was == LINK_UP || !has_more_addresses(link)) forget_addresses(link);
  if (was == LINK_UP) redis_sentinel_lost(&link->sentinel);
  others_left ? retry_now(link) : schedule_retry(link);
  if (was == LINK_UP && link->options.on_down) link->options.on_down(link->options.arg);
}

/* The link lets go of its connection; pending callbacks fire in here. Only from the loop. */
static void abandon(struct redis_link *link, const char *reason) {
  redisAsyncContext *context = link->context;
  go_down(link, reason);
  redisAsyncFree(context);
}

static void on_disconnect(const redisAsyncContext *context, int status) {
  struct redis_link *link = context->data;
  if (!link || link->context != context) return;
  go_down(link, status == REDIS_OK || !context->errstr[0] ? "closed by Redis" : context->errstr);
}

static void on_drop(struct ev_loop *loop, ev_timer *timer, int events) {
  struct redis_link *link = timer->data;
  int done;
  (void)loop, (void)events;
  if (!link->context) return;
  if (link->state >= LINK_GREETING) redisBufferWrite(&link->context->c, &done); /* as much as the socket takes */
  char reason[sizeof link->reason];
  memcpy(reason, link->reason, sizeof reason);
  abandon(link, reason);
}

void redis_link_drop(struct redis_link *link, const char *reason) {
  if (!link->context || ev_is_active(&link->drop)) return;
  snprintf(link->reason, sizeof link->reason, "%s", reason);
  ev_timer_set(&link->drop, 0., 0.);
  ev_timer_start(link->loop, &link->drop);
}

static void on_connect_timeout(struct ev_loop *loop, ev_timer *timer, int events) {
  struct redis_link *link = timer->data;
  (void)loop, (void)events;
  if (link->state == LINK_RESOLVING) {
    go_down(link, "looking up its name takes long");
    return;
  }
  abandon(link, link->state == LINK_GREETING ? "no answer to the first commands" : "connect timed out");
}

/* A process that was stopped finds everything late: an answer may be waiting in the socket, so a late look is no
 * proof. The next one is. */
static void on_watch(struct ev_loop *loop, ev_timer *timer, int events) {
  struct redis_link *link = timer->data;
  uint64_t now_us = clock_monotonic_us();
  bool late = now_us - link->watched_us > 3 * WATCH_EVERY_MS * 1000;
  const struct request *oldest = TAILQ_FIRST(&link->sent);
  (void)loop, (void)events;
  link->watched_us = now_us;
  if (!late && oldest && now_us > oldest->deadline_us) abandon(link, "no answer in time");
}

/* ---- coming up ---- */

static void become_up(struct redis_link *link) {
  ev_timer_stop(link->loop, &link->connect_timeout);
  forget_addresses(link); /* they may change while it is up */
  link->state = LINK_UP;
  redis_sentinel_up(&link->sentinel);
  link->up_us = link->watched_us = clock_monotonic_us();
  ev_timer_again(link->loop, &link->watch);
  log_debug(link->log, "redis_link_up", F_S("link", link->options.name));
  if (link->options.on_up) link->options.on_up(link->options.arg);
}

/* What the answer to a first command must be, besides no error. NULL: nothing. A sentence: it is wrong. */
typedef const char *greeting_check(struct redis_link *, const struct redisReply *);
struct greeting {
  greeting_check *check;
};

static const char *any_answer(struct redis_link *link, const struct redisReply *reply) {
  (void)link, (void)reply;
  return NULL;
}

static const char *is_master(struct redis_link *link, const struct redisReply *reply) {
  (void)link;
  return redis_sentinel_role(reply);
}

static const char *names_master(struct redis_link *link, const struct redisReply *reply) {
  char at[320];
  const char *wrong = redis_sentinel_answer(&link->sentinel, reply);
  if (wrong) return wrong;
  redis_url_print(&(struct redis_url){.at = link->sentinel.master}, at, sizeof at);
  log_debug(link->log, "sentinel_answered", F_S("link", link->options.name), F_S("master", at));
  return NULL;
}

static const struct greeting for_any_answer = {any_answer}, for_role = {is_master}, for_address = {names_master};

static void on_greeting(redisAsyncContext *context, void *reply, void *arg) {
  struct redis_link *link = context->data;
  const struct greeting *greeting = arg;
  struct bytes error;
  if (!link || link->context != context || !reply) return; /* on_disconnect follows */
  const char *wrong = redis_reply_error(reply, &error) ? error.data : greeting->check(link, reply);
  if (wrong) {
    redis_link_drop(link, wrong);
  } else if (--link->greetings == 0 && !ev_is_active(&link->drop)) {
    link->asking ? retry_now(link) : become_up(link);
  }
}

static void say(struct redis_link *link, const struct greeting *greeting, const char *format, ...) {
  union {
    const void *in;
    void *out; /* hiredis gives it back and nothing else */
  } cast = {.in = greeting};
  va_list args;
  va_start(args, format);
  link->greetings++;
  redisvAsyncCommand(link->context, on_greeting, cast.out, format, args);
  va_end(args);
}

static void greet(struct redis_link *link) {
  const struct redis_url *url = &link->target;
  link->state = LINK_GREETING;
  if (url->login.user[0])
    say(link, &for_any_answer, "AUTH %s %s", url->login.user, url->login.password);
  else if (url->login.password[0])
    say(link, &for_any_answer, "AUTH %s", url->login.password);
  if (url->db) say(link, &for_any_answer, "SELECT %u", (unsigned)url->db);
  if (link->asking)
    say(link, &for_address, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", link->options.url.master);
  else if (by_sentinel(link))
    say(link, &for_role, "ROLE");
  if (!link->greetings) become_up(link);
}

static void on_connect(const redisAsyncContext *context, int status) {
  struct redis_link *link = context->data;
  if (!link || link->context != context) return;
  if (status != REDIS_OK) {
    go_down(link, context->errstr); /* hiredis frees the context */
    return;
  }
  if (!link->target.path[0]) redisEnableKeepAlive(&link->context->c);
  greet(link);
}

static void limit_connecting(struct redis_link *link) {
  ev_timer_stop(link->loop, &link->connect_timeout);
  ev_timer_set(&link->connect_timeout, (double)link->options.connect_timeout_ms / 1000., 0.);
  ev_timer_start(link->loop, &link->connect_timeout);
}

/* `host` is numeric, so that hiredis, which would look it up, finds it at once; NULL: the target is a unix socket. */
static void dial(struct redis_link *link, const char *host) {
  const struct redis_url *url = &link->target;
  redisAsyncContext *context = host ? redisAsyncConnect(host, url->at.port) : redisAsyncConnectUnix(url->path);
  if (!context) mem_exhausted(sizeof *context);
  if (context->err) { /* no callback will tell */
    char reason[96];
    snprintf(reason, sizeof reason, "%s", context->errstr);
    redisAsyncFree(context);
    go_down(link, reason);
    return;
  }
  link->context = context;
  link->state = LINK_CONNECTING;
  link->greetings = 0;
  context->data = link;
  redis_loop_attach(link->loop, context);
  redisAsyncSetConnectCallback(context, on_connect);
  redisAsyncSetDisconnectCallback(context, on_disconnect);
  limit_connecting(link);
}

/* What is found too late is kept for the next attempt. */
static void on_resolved(void *arg, const struct resolved *found, const char *error) {
  struct redis_link *link = arg;
  link->lookup = NULL;
  link->tried = 0;
  link->found = found ? *found : (struct resolved){0};
  if (link->state != LINK_RESOLVING) return;
  if (found) {
    dial(link, link->found.addresses[link->tried++]);
  } else {
    char reason[96];
    snprintf(reason, sizeof reason, "its name cannot be looked up: %s", error);
    go_down(link, reason);
  }
}

static void look_up(struct redis_link *link) {
  const char *host = link->target.at.host;
  link->state = LINK_RESOLVING;
  if (link->lookup && strcmp(link->name, host) != 0) {
    go_down(link, "another name is still being looked up");
    return;
  }
  if (!link->lookup) {
    snprintf(link->name, sizeof link->name, "%s", host);
    forget_addresses(link);
    link->lookup = resolve_start(link->loop, host, on_resolved, link);
  }
  if (link->lookup) {
    limit_connecting(link);
  } else {
    go_down(link, strerror(errno));
  }
}

static void connect_now(struct redis_link *link) {
  const struct redis_url *url = &link->target;
  if (by_sentinel(link)) link->asking = !redis_sentinel_target(&link->sentinel, &link->options.url, &link->target);
  if (url->path[0]) {
    dial(link, NULL);
  } else if (resolve_is_numeric(url->at.host)) {
    dial(link, url->at.host);
  } else if (has_more_addresses(link)) {
    dial(link, link->found.addresses[link->tried++]);
  } else {
    look_up(link);
  }
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events) {
  struct redis_link *link = timer->data;
  redisAsyncContext *asked = link->context; /* a Sentinel that has answered */
  (void)loop, (void)events;
  link->context = NULL;
  link->state = LINK_WAITING;
  ev_timer_stop(link->loop, &link->connect_timeout);
  ev_timer_stop(link->loop, &link->drop);
  if (asked) {
    redisAsyncFree(asked);
    forget_addresses(link); /* of the Sentinel; its name may be the master's, too */
  }
  connect_now(link);
}

/* ---- calls ---- */

static void on_refuse(struct ev_loop *loop, ev_timer *timer, int events) {
  struct redis_link *link = timer->data;
  const struct request *last = TAILQ_LAST(&link->refused, request_list);
  struct request *request;
  bool more = last != NULL;
  (void)loop, (void)events;
  while (more && (request = TAILQ_FIRST(&link->refused))) { /* those made meanwhile wait for the next turn */
    more = request != last;
    request_finish(&link->refused, request, NULL);
  }
  if (!TAILQ_EMPTY(&link->refused)) {
    ev_timer_set(&link->refuse, 0., 0.);
    ev_timer_start(link->loop, &link->refuse);
  }
}

void redis_link_refuse(struct redis_link *link, redis_link_cb *cb, void *arg) {
  struct request *request = request_new(link, cb, arg);
  TAILQ_INSERT_TAIL(&link->refused, request, entry);
  if (!ev_is_active(&link->refuse)) {
    ev_timer_set(&link->refuse, 0., 0.);
    ev_timer_start(link->loop, &link->refuse);
  }
}

static void on_reply(redisAsyncContext *context, void *reply, void *arg) {
  struct request *request = arg;
  struct redis_link *link = request->link;
  if (!link) {
    free(request);
    return;
  }
  if (!reply && link->context == context) /* hiredis is closing it, and says so to us only after this */
    go_down(link, context->errstr && context->errstr[0] ? context->errstr : "closed by Redis");
  request_finish(&link->sent, request, reply);
}

void redis_link_call_blocking(struct redis_link *link, uint64_t block_ms, size_t argc, const char **argv,
                              const size_t *argvlen, redis_link_cb *cb, void *arg) {
  if (link->state != LINK_UP) {
    redis_link_refuse(link, cb, arg);
    return;
  }
  struct request *request = request_new(link, cb, arg);
  request->deadline_us = clock_monotonic_us() + (block_ms + link->options.reply_timeout_ms) * 1000;
  if (redisAsyncCommandArgv(link->context, on_reply, request, (int)argc, argv, argvlen) == REDIS_OK) {
    TAILQ_INSERT_TAIL(&link->sent, request, entry);
  } else { /* the connection is about to end: its callback would never fire */
    TAILQ_INSERT_HEAD(&link->spare, request, entry);
    redis_link_refuse(link, cb, arg);
  }
}

void redis_link_call(struct redis_link *link, size_t argc, const char **argv, const size_t *argvlen,
                     redis_link_cb *cb, void *arg) {
  redis_link_call_blocking(link, 0, argc, argv, argvlen, cb, arg);
}

/* ---- life ---- */

bool redis_link_is_up(const struct redis_link *link) {
  return link->state == LINK_UP;
}

int redis_link_fd(const struct redis_link *link) {
  return link->state == LINK_UP ? link->context->c.fd : -1;
}

struct redis_link *redis_link_create(struct ev_loop *loop, const struct redis_link_options *options,
                                     struct log *log) {
  struct redis_link *link = xmalloc(sizeof *link);
  *link = (struct redis_link){.loop = loop,
                              .log = log,
                              .options = *options,
                              .target = options->url,
                              .backoff_ms = BACKOFF_MIN_MS,
                              .seed = (unsigned)clock_monotonic_us()};
  TAILQ_INIT(&link->sent);
  TAILQ_INIT(&link->refused);
  TAILQ_INIT(&link->spare);
  ev_timer_init(&link->retry, on_retry, 0., 0.);
  ev_timer_init(&link->connect_timeout, on_connect_timeout, 0., 0.);
  ev_timer_init(&link->watch, on_watch, 0., WATCH_EVERY_MS / 1000.);
  ev_timer_init(&link->refuse, on_refuse, 0., 0.);
  ev_timer_init(&link->drop, on_drop, 0., 0.);
  ev_timer *timers[] = {&link->retry, &link->connect_timeout, &link->watch, &link->refuse, &link->drop};
  for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) timers[i]->data = link;
  ev_timer_start(loop, &link->retry);
  return link;
}

void redis_link_destroy(struct redis_link *link) {
  struct request *request;
  ev_timer *timers[] = {&link->retry, &link->connect_timeout, &link->watch, &link->refuse, &link->drop};
  if (!link) return;
  for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) ev_timer_stop(link->loop, timers[i]);
  for (request = TAILQ_FIRST(&link->sent); request; request = TAILQ_NEXT(request, entry))
    request->link = NULL; /* freed by on_reply */
  resolve_cancel(link->lookup);
  if (link->context) {
    link->context->data = NULL;
    redisAsyncFree(link->context);
  }
  request_list_free(&link->refused);
  request_list_free(&link->spare);
  free(link);
}
