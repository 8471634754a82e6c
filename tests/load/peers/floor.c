/* build/floor PORT: the least that a room server in C can do with the libraries that Heya uses: libev, wslay, one
 * thread, rooms in an array, and no Redis, no second process, no session, no history. What Heya takes more than this
 * is the price of what it promises.
 *
 * GET /?room=NAME joins, "J" tells that it is done, "L" leaves; anything else goes to all members as it came, at
 * once. */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define ROOMS      65536 /* a power of two; more than are ever named */
#define NAME_BYTES 64
#define HEAD_BYTES 2048
#define ACCEPT_MAX 64                                     /* in a row */
#define KEY_BYTES  25                                     /* of Sec-WebSocket-Key, with the NUL */
#define GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */
#define BACKLOG    1024

struct member {
  ev_io io;
  int fd;
  bool leaving;
  struct room *room;             /* NULL: not upgraded */
  wslay_event_context_ptr ws;    /* likewise */
  struct member *next_unflushed; /* itself at the end of the list; NULL: not in it */
  size_t head_len, kept_len;
  char *head;       /* of the request, until it is upgraded */
  uint8_t kept[14]; /* the head of a frame whose payload has not been sent */
};

struct room {
  char name[NAME_BYTES]; /* "": never used. Empty ones keep their place */
  struct member **members;
  unsigned n, size;
};

struct floor {
  struct ev_loop *loop;
  ev_io listener;
  struct member *unflushed; /* who have been told something since the last flush */
  struct room *rooms;
};

/* One of each for the process: callbacks of wslay and libev are given the member only. */
static struct floor the;

/* ---- rooms ---- */

static struct room *room_named(const char *name) {
  unsigned at = 5381;
  for (const char *c = name; *c; c++) at = at * 33 + (unsigned char)*c;
  for (unsigned i = 0; i < ROOMS; i++, at++) {
    struct room *room = &the.rooms[at % ROOMS];
    if (!*room->name) snprintf(room->name, sizeof room->name, "%s", name);
    if (strcmp(room->name, name) == 0) return room;
  }
  return NULL;
}

static bool enter(struct room *room, struct member *member) {
  if (room->n == room->size) {
    unsigned size = room->size ? room->size * 2 : 4;
    struct member **members = realloc(room->members, size * sizeof(struct member *));
    if (!members) return false;
    room->members = members;
    room->size = size;
  }
  room->members[room->n++] = member;
  member->room = room;
  return true;
}

static void go(struct member *member) {
  struct room *room = member->room;
  for (unsigned i = 0; room && i < room->n; i++)
    if (room->members[i] == member) room->members[i--] = room->members[--room->n];
  member->room = NULL;
}

/* ---- members ---- */

static void member_free(struct member *member) {
  ev_io_stop(the.loop, &member->io);
  close(member->fd);
  go(member);
  if (member->ws) wslay_event_context_free(member->ws);
  free(member->head);
  free(member);
}

/* Waits for room in the socket only while something is left over. */
static void watch(struct member *member) {
  int events = EV_READ | (wslay_event_want_write(member->ws) ? EV_WRITE : 0);
  if ((member->io.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(the.loop, &member->io);
  ev_io_set(&member->io, member->fd, events);
  ev_io_start(the.loop, &member->io);
}

static void tell(struct member *member, const struct wslay_event_msg *message) {
  wslay_event_queue_msg(member->ws, message);
  if (member->next_unflushed) return;
  member->next_unflushed = the.unflushed ? the.unflushed : member;
  the.unflushed = member;
}

/* Nobody is freed here: who cannot be written to is shut down, and then read from once more. */
static void flush_all(void) {
  while (the.unflushed) {
    struct member *member = the.unflushed;
    the.unflushed = member->next_unflushed == member ? NULL : member->next_unflushed;
    member->next_unflushed = NULL;
    bool failed = wslay_event_send(member->ws) != 0;
    if (failed || (member->leaving && !wslay_event_want_write(member->ws))) shutdown(member->fd, SHUT_RDWR);
    watch(member);
  }
}

/* ---- wslay ---- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *data, size_t len, int flags, void *arg) {
  const struct member *member = arg;
  (void)flags;
  ssize_t n = recv(member->fd, data, len, 0);
  if (n > 0) return n;
  wslay_event_set_error(ws, n < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

/* wslay gives the head of a frame first: it is kept, to go out with the payload in one call. */
static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags, void *arg) {
  struct member *member = arg;
  if ((flags & WSLAY_MSG_MORE) && member->kept_len + len <= sizeof member->kept) {
    memcpy(member->kept + member->kept_len, data, len);
    member->kept_len += len;
    return (ssize_t)len;
  }
  struct iovec parts[] = {{member->kept, member->kept_len}, {(void *)(uintptr_t)data, len}};
  ssize_t n = sendmsg(member->fd, &(struct msghdr){.msg_iov = parts, .msg_iovlen = 2}, MSG_NOSIGNAL);
  size_t of_head = n < 0 ? 0 : (size_t)n < member->kept_len ? (size_t)n : member->kept_len;
  bool full = n < 0 ? errno == EAGAIN : (size_t)n <= member->kept_len;
  member->kept_len -= of_head;
  memmove(member->kept, member->kept + of_head, member->kept_len);
  if (n >= 0 && !full) return n - (ssize_t)of_head;
  wslay_event_set_error(ws, full ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

static void on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *in, void *arg) {
  struct member *member = arg;
  const struct room *room = member->room;
  struct wslay_event_msg message = {in->opcode, in->msg, in->msg_length};
  (void)ws;
  if (wslay_is_ctrl_frame(in->opcode)) return;
  if (in->msg_length == 1 && in->msg[0] == 'L') {
    uint8_t code[] = {1000 >> 8, 1000 & 255};
    member->leaving = true;
    tell(member, &(struct wslay_event_msg){WSLAY_CONNECTION_CLOSE, code, sizeof code});
    return;
  }
  for (unsigned i = 0; i < room->n; i++) tell(room->members[i], &message);
}

/* ---- the handshake ---- */

static bool upgrade(struct member *member) {
  static const struct wslay_event_callbacks callbacks = {
      .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
  char name[NAME_BYTES], key[KEY_BYTES + sizeof GUID], text[256];
  unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
  const char *key_at = strcasestr(member->head, "\r\nsec-websocket-key:");
  if (sscanf(member->head, "GET /?room=%63[^ &]", name) != 1 || !key_at ||
      sscanf(strchr(key_at, ':') + 1, " %24s", key) != 1)
    return false;
  strcat(key, GUID);
  SHA1((const unsigned char *)key, strlen(key), digest);
  EVP_EncodeBlock(accept, digest, sizeof digest);
  int len = snprintf(text, sizeof text,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     (const char *)accept);
  if (send(member->fd, text, (size_t)len, MSG_NOSIGNAL) != len) return false;
  free(member->head);
  member->head = NULL;
  struct room *room = room_named(name);
  if (!room || wslay_event_context_server_init(&member->ws, &callbacks, member) != 0) return false;
  if (!enter(room, member)) return false;
  tell(member, &(struct wslay_event_msg){WSLAY_TEXT_FRAME, (const uint8_t *)"J", 1});
  return true;
}

/* False when it is to be hung up on. */
static bool read_head(struct member *member) {
  if (!member->head) member->head = malloc(HEAD_BYTES);
  if (!member->head) return false;
  ssize_t n = recv(member->fd, member->head + member->head_len, HEAD_BYTES - 1 - member->head_len, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  member->head_len += (size_t)n;
  member->head[member->head_len] = '\0';
  if (strstr(member->head, "\r\n\r\n")) return upgrade(member);
  return member->head_len < HEAD_BYTES - 1;
}

/* ---- the loop ---- */

static void on_ready(struct ev_loop *loop, ev_io *io, int events) {
  struct member *member = io->data;
  bool fine = true;
  (void)loop;
  if (!member->ws)
    fine = read_head(member);
  else if (events & EV_READ)
    fine = wslay_event_recv(member->ws) == 0;
  if (fine && member->ws && (events & EV_WRITE)) fine = wslay_event_send(member->ws) == 0;
  flush_all();
  if (!fine || (member->ws && !wslay_event_want_read(member->ws) && !wslay_event_want_write(member->ws)))
    member_free(member);
  else if (member->ws)
    watch(member);
}

static void on_connection(struct ev_loop *loop, ev_io *io, int events) {
  (void)events;
  for (unsigned i = 0; i < ACCEPT_MAX; i++) {
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) return;
    struct member *member = calloc(1, sizeof *member);
    if (!member) {
      close(fd);
      return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    member->fd = fd;
    ev_io_init(&member->io, on_ready, fd, EV_READ);
    member->io.data = member;
    ev_io_start(loop, &member->io);
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  int port = argc == 2 ? atoi(argv[1]) : 0;
  if (port <= 0 || port > 65535) {
    fprintf(stderr, "usage: floor PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  address.sin_port = htons((uint16_t)port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0) {
    perror("floor");
    return 1;
  }
  the.loop = ev_default_loop(0);
  the.rooms = calloc(ROOMS, sizeof *the.rooms);
  if (!the.rooms) return 1;
  ev_io_init(&the.listener, on_connection, fd, EV_READ);
  ev_io_start(the.loop, &the.listener);
  ev_run(the.loop, 0);
  return 0;
}
