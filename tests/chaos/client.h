/* A client as an SDK would be (docs/protocol.md): one room, numbered commands of which the unanswered are kept, a
 * connection to any gateway that is lost and made anew, and the resuming of the session. Everything it sends and
 * hears goes into the book; everything else that happens to it is counted.
 *
 * Members of a chat say lines, and leave at times to join anew; those of a chat of two so often and for so long that
 * it stands empty and ends. Members of a live room play rounds: the host starts, most submit, and some give up.
 */
#ifndef HEYA_TESTS_CHAOS_CLIENT_H
#define HEYA_TESTS_CHAOS_CLIENT_H

#include "tests/chaos/book.h"
#include "tests/chaos/rounds.h"
#include "tests/support/ws.h"

#include "proto/client.pb-c.h"

#define PENDING_MAX 64
#define PLAYERS_MAX 4 /* of a live room */
#define CODES       64

enum client_state {
  CLIENT_WAITING, /* for the time to connect */
  CLIENT_CONNECTING,
  CLIENT_JOINING, /* hello and join are sent */
  CLIENT_IN,
  CLIENT_LEAVING, /* leave is sent; if the connection is lost first, that counts as having left */
};

struct command {
  uint32_t number, token;
  uint64_t first_us, sent_us; /* when it was sent for the first time, and last */
  uint32_t round, score;      /* of a submit; else a line, or with start the start of a round */
  bool start;
};

struct swarm;

struct client {
  struct swarm *swarm;
  uint32_t index, room, room_size;
  char name[16], room_id[32];
  bool live;
  enum client_state state;
  struct ws *ws;
  unsigned gateway; /* index of the one it is connected to */
  ev_timer connect, act, watch;
  uint64_t since_us; /* in this state */
  unsigned failures; /* connects in a row */
  bool joined_once;
  uint32_t connections; /* so far */
  char session[64], incarnation[64];
  struct position at, line_at; /* of the last event, and of the last line */
  uint32_t answered, next_number;
  struct command pending[PENDING_MAX]; /* by growing number */
  unsigned n_pending;
  bool resend_waits; /* `act` will send all of them again */
  uint64_t heard_us; /* the last event or answer of its room */
  uint64_t acked_us; /* the last ack */
  uint64_t lost_us;  /* since when it has no connection; 0: it has */
  /* of a live room */
  char host[16];
  bool playing, through;
  uint32_t round;
};

/* What happens to all of them. */
struct swarm_counters {
  uint64_t connects, reconnects, resumes, snapshots, sessions_lost, goodbyes, detached, timeouts, bad_messages,
      leaves;
  uint64_t errors[CODES]; /* by heya.v1.Error.Code */
  uint64_t detached_by[CODES];
  uint64_t acks, ack_us_sum;
};

/* Told of things a measurement waits for; any may be NULL. */
struct swarm_watch {
  void (*event)(void *arg, struct client *);
  void (*ack)(void *arg, struct client *, uint64_t took_us);
  void (*back)(void *arg, struct client *, uint64_t away_us); /* joined again after a lost connection */
  void *arg;
};

struct swarm {
  struct ev_loop *loop;
  struct book *book;
  struct rounds *rounds;
  struct client *clients;
  uint32_t n_clients, n_rooms;
  uint32_t room_size; /* 0: from 2 to 8, and up to 4 in live ones */
  uint32_t n_live;    /* the first n_live rooms are live ones */
  bool leaving;       /* chatters leave and join anew */
  double rate;        /* commands a second of a client */
  bool quiet;         /* say nothing new, only end the running rounds */
  unsigned seed;
  struct swarm_counters count;
  struct swarm_watch watch;
  /* The port of a gateway for this client, 0 when there is none now; *index says which. */
  uint16_t (*gateway)(void *arg, struct client *, unsigned *index);
  void *gateway_arg;
};

/* Rooms are filled in order. `rounds`, `book` and the gateway callback are set before. */
void swarm_start(struct swarm *swarm, struct ev_loop *loop, uint32_t n_clients);
void swarm_stop(struct swarm *swarm);
/* How many are in their room, and how many commands are unanswered. */
uint32_t swarm_in(const struct swarm *swarm);
uint32_t swarm_pending(const struct swarm *swarm);
uint64_t swarm_unexplained(const struct swarm *swarm);
/* Prints the errors that clients were told, and which of them nothing excuses. */
void swarm_print_errors(const struct swarm *swarm);

#endif
