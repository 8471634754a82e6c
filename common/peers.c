/* One connection per peer:
 *
 *   IDLE -> CONNECTING -> ASKING -> UP    it listens at its address, and has said that it is the one
 *     UP -> CONNECTING                    the connection ended (the peer closes an idle one): a new one is begun
 *           CONNECTING -> DEAD            it is refused, and the one before was to the peer: nobody listens any more
 *           CONNECTING, ASKING -> IDLE    not reached, or somebody else answers; tried again at a later update
 *
 * A peer is `known` from its answer on, for as long as it can be reached. Only a known one is ever dead.
 */
#include "common/peers.h"
#include "common/admin.h"
#include "common/endpoint.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* New connections begun at once, from one update to the next, to a peer that ends them. */
#define MAX_CHECKS 8

#define HEAD_BYTES 1024 /* of an answer; a longer one is not ours */

static const char question[] = "GET /healthz HTTP/1.1\r\nHost: peer\r\n\r\n";

enum state { IDLE, CONNECTING, ASKING, UP, DEAD };

struct peer {
  struct peers *peers;
  struct peer *next;
  char id[PEER_ID_BYTES];
  char address[ENDPOINT_BYTES];
  int what;
  enum state state;
  bool known;      /* it answered at its address, and was reached there ever since */
  unsigned checks; /* since the last update */
  bool named;      /* in the update that is going on */
  struct ev_io io; /* io.fd -1: no socket */
  size_t head_len; /* while ASKING */
  char head[HEAD_BYTES + 1];
};

struct peers {
  struct ev_loop *loop;
  struct log *log;
  void (*dead)(void *arg, int what, const char *id);
  void *arg;
  struct peer *list;
};

static void hang_up(struct peer *peer) {
  if (peer->io.fd < 0) return;
  ev_io_stop(peer->peers->loop, &peer->io);
  close(peer->io.fd);
  peer->io.fd = -1;
}

static void report_dead(struct peer *peer) {
  char id[PEER_ID_BYTES];
  memcpy(id, peer->id, sizeof id);
  hang_up(peer);
  peer->state = DEAD;
  log_warn(peer->peers->log, "peer_dead", F_S("peer", id), F_S("address", peer->address));
  peer->peers->dead(peer->peers->arg, peer->what, id);
}

static socklen_t make_address(const char *text, struct sockaddr_storage *out) {
  struct endpoint endpoint;
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
  memset(out, 0, sizeof *out);
  if (!endpoint_parse(text, &endpoint) || endpoint.port == 0) return 0;
  if (inet_pton(AF_INET, endpoint.host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, endpoint.host, &v6->sin6_addr) != 1) return 0;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  return sizeof *v6;
}

/* Begins to connect; 0, or the error of one that failed at once. */
static int dial(struct peer *peer) {
  struct sockaddr_storage address;
  socklen_t len = make_address(peer->address, &address);
  if (len == 0) return EINVAL;
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  if (connect(fd, (const struct sockaddr *)&address, len) != 0 && errno != EINPROGRESS) {
    int error = errno;
    close(fd);
    return error;
  }
  ev_io_set(&peer->io, fd, EV_WRITE);
  ev_io_start(peer->peers->loop, &peer->io);
  return 0;
}

static void start(struct peer *peer);

static void give_up(struct peer *peer) {
  hang_up(peer);
  peer->state = IDLE;
  peer->known = false;
}

/* The connection ended: is there anybody? */
static void check(struct peer *peer) {
  hang_up(peer);
  if (!peer->known || peer->checks++ >= MAX_CHECKS) {
    give_up(peer);
  } else {
    start(peer);
  }
}

/* Nothing was reached. Only a refusal after a connection says that the peer is dead. A reset says nothing yet: a
 * process that ends may close our old connection first and its listening socket, in whose queue the new one waits,
 * after it. */
static void connecting_failed(struct peer *peer, int error) {
  hang_up(peer);
  if (peer->known && error == ECONNREFUSED) {
    report_dead(peer);
  } else if (error == ECONNRESET) {
    check(peer);
  } else {
    give_up(peer);
  }
}

static void start(struct peer *peer) {
  peer->state = CONNECTING;
  int error = dial(peer);
  if (error) connecting_failed(peer, error);
}

static void on_connected(struct peer *peer) {
  int error = 0;
  socklen_t len = sizeof error;
  if (getsockopt(peer->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
  if (error) {
    connecting_failed(peer, error);
    return;
  }
  if (send(peer->io.fd, question, sizeof question - 1, MSG_NOSIGNAL) != (ssize_t)sizeof question - 1) {
    check(peer); /* an empty buffer takes it whole: the connection has ended already */
    return;
  }
  peer->state = ASKING;
  peer->head_len = 0;
  ev_io_stop(peer->peers->loop, &peer->io);
  ev_io_set(&peer->io, peer->io.fd, EV_READ);
  ev_io_start(peer->peers->loop, &peer->io);
}

/* The head of an answer is complete: is it of this peer? */
static bool is_of(const struct peer *peer) {
  char line[sizeof "\r\n" ADMIN_ID_HEADER ": \r\n" + PEER_ID_BYTES];
  snprintf(line, sizeof line, "\r\n%s: %s\r\n", ADMIN_ID_HEADER, peer->id);
  return strcasestr(peer->head, line) != NULL;
}

static void on_answer(struct peer *peer) {
  peer->head[peer->head_len] = '\0';
  char *end = strstr(peer->head, "\r\n\r\n");
  bool complete = end != NULL;
  if (end) end[2] = '\0';
  if (complete && is_of(peer)) {
    peer->state = UP;
    peer->known = true;
  } else if (complete || peer->head_len == HEAD_BYTES) {
    give_up(peer);
  }
}

/* Once it has answered, nothing more is expected. */
static void on_readable(struct peer *peer) {
  char ignored[256];
  bool asking = peer->state == ASKING;
  char *to = asking ? peer->head + peer->head_len : ignored;
  ssize_t n = recv(peer->io.fd, to, asking ? HEAD_BYTES - peer->head_len : sizeof ignored, 0);
  if (n > 0 && asking) {
    peer->head_len += (size_t)n;
    on_answer(peer);
  } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    check(peer);
  }
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int events) {
  struct peer *peer = io->data;
  (void)loop;
  (void)events;
  if (peer->state == CONNECTING) {
    on_connected(peer);
  } else {
    on_readable(peer);
  }
}

struct peers *peers_create(struct ev_loop *loop, void (*dead)(void *arg, int what, const char *id), void *arg,
                           struct log *log) {
  struct peers *peers = xcalloc(1, sizeof *peers);
  *peers = (struct peers){.loop = loop, .log = log, .dead = dead, .arg = arg};
  return peers;
}

static void forget(struct peer **link) {
  struct peer *peer = *link;
  *link = peer->next;
  hang_up(peer);
  free(peer);
}

void peers_destroy(struct peers *peers) {
  if (!peers) return;
  while (peers->list) forget(&peers->list);
  free(peers);
}

static struct peer *find(const struct peers *peers, const struct peer_name *name) {
  for (struct peer *peer = peers->list; peer; peer = peer->next) {
    if (peer->what == name->what && strcmp(peer->id, name->id) == 0) return peer;
  }
  return NULL;
}

static struct peer *add(struct peers *peers, const struct peer_name *name) {
  struct peer *peer = xcalloc(1, sizeof *peer);
  *peer = (struct peer){.peers = peers, .next = peers->list, .what = name->what};
  snprintf(peer->id, sizeof peer->id, "%s", name->id);
  snprintf(peer->address, sizeof peer->address, "%s", name->address);
  ev_io_init(&peer->io, on_io, -1, 0);
  peer->io.data = peer;
  return peers->list = peer;
}

void peers_update(struct peers *peers, const struct peer_name *names, size_t n) {
  for (struct peer *peer = peers->list; peer; peer = peer->next) peer->named = false;
  for (size_t i = 0; i < n; i++) {
    struct endpoint endpoint;
    if (strlen(names[i].id) >= PEER_ID_BYTES || !endpoint_parse(names[i].address, &endpoint)) continue;
    struct peer *peer = find(peers, &names[i]);
    if (!peer) peer = add(peers, &names[i]);
    peer->named = true;
  }
  for (struct peer **link = &peers->list; *link;) {
    if ((*link)->named) {
      link = &(*link)->next;
    } else {
      forget(link);
    }
  }
  for (struct peer *peer = peers->list; peer; peer = peer->next) {
    peer->checks = 0;
    if (peer->state == IDLE) start(peer);
  }
}

size_t peers_connected(const struct peers *peers) {
  size_t n = 0;
  for (const struct peer *peer = peers->list; peer; peer = peer->next) n += peer->known;
  return n;
}
