/* Very many players in rooms of the same size, one connection each, spread over the gateways; and whatever happens to
 * them that should not. What they do is a scenario's: it gives the callbacks. How it is said to the servers is their
 * dialect's. */
#ifndef HEYA_TESTS_LOAD_CROWD_H
#define HEYA_TESTS_LOAD_CROWD_H

#include "common/bytes.h"
#include "tests/load/bench.h"
#include "tests/load/dialect.h"
#include "tests/load/frame.h"

#define CROWD_ROOM_BYTES   48
#define CROWD_PLAYER_BYTES 32
#define CROWD_ID_BYTES     64
#define CROWD_CODES        64

struct crowd;
struct ws;

enum player_state { PLAYER_OUT, PLAYER_CONNECTING, PLAYER_WELCOME, PLAYER_JOINING, PLAYER_IN, PLAYER_LEAVING };

struct player {
  struct crowd *crowd;
  struct ws *ws; /* NULL: not connected */
  uint32_t index, room;
  enum player_state state;
  uint32_t number;     /* of the last command in this session */
  uint32_t acked;      /* highest; what was said after it may be said again */
  uint64_t epoch, seq; /* of the last event */
};

/* Any may be NULL. A player may be dropped in one. */
struct crowd_events {
  void (*welcome)(struct player *); /* NULL: he joins his room. Else crowd_enter ends when all are welcome */
  void (*joined)(struct player *);
  void (*left)(struct player *);
  void (*line)(struct player *, struct bytes text);            /* what somebody in his room has said */
  void (*ack)(struct player *, uint32_t request);              /* of Heya only, as what follows */
  void (*event)(struct player *, const struct wire_message *); /* of any kind; lines too, if nobody listens to them */
};

/* What should not have happened, since crowd_open or crowd_forgive. */
struct trouble {
  uint64_t errors, codes[CROWD_CODES]; /* answers, by code; larger ones count as 0 */
  uint64_t lost;                       /* connections */
  uint64_t unasked;                    /* Joined, Detached or Goodbye that nobody asked for */
  uint64_t disorder;                   /* events twice or out of order */
  uint64_t unreadable;                 /* messages */
  char first[128];                     /* of errors: what the server said */
};

struct crowd {
  struct bench *bench;
  const struct dialect *dialect;
  const char *kind;
  const struct crowd_events *events;
  void *arg;                   /* the scenario's */
  struct bytes options;        /* of the rooms; as long as the crowd */
  struct player *players;      /* owned */
  char (*ids)[CROWD_ID_BYTES]; /* of rooms, in dialects where the server makes them up; owned */
  bool any_room;               /* who comes takes any place there is, in such a dialect */
  uint32_t n, members;         /* players; of them in each room */
  uint32_t tag, serial;        /* in all names */
  uint32_t in, next;           /* while entering: who have arrived, who connects next */
  uint64_t entered_us;         /* how long it took */
  struct trouble trouble;
};

/* Nobody is connected yet. Players 0 to members - 1 are those of room 0, and so on. */
void crowd_open(struct crowd *crowd, struct bench *bench, const char *kind, uint32_t rooms, uint32_t members,
                const struct crowd_events *events, void *arg);
/* Everybody connects, and joins his room. False when somebody does not get in; it is in the report then. */
bool crowd_enter(struct crowd *crowd);
/* Everybody hangs up. Harmless twice, and on a zeroed one. */
void crowd_close(struct crowd *crowd);

/* Names for logs and joins. */
void crowd_room(const struct crowd *crowd, uint32_t room, char out[CROWD_ROOM_BYTES]);
void crowd_player(const struct player *player, char out[CROWD_PLAYER_BYTES]);

/* One at a time, for scenarios in which players come and go. */
void player_connect(struct player *player);
void player_join(struct player *player, const char *room);
void player_leave(struct player *player, const char *room);
void player_hang_up(struct player *player);
/* A message of his dialect. Nothing when he is not connected, which is counted already. */
void player_say(struct player *player, struct bytes message);
/* With the next number of his session; the request is echoed in the ack. */
void player_send(struct player *player, struct frame *frame, uint32_t request);
/* The same, to Heya only, for a payload of a few bytes, packed anew. */
void player_command(struct player *player, const char *room, uint32_t request, struct bytes payload);

/* How much went wrong, of everything. */
uint64_t crowd_trouble(const struct crowd *crowd);
/* Reports it as wrong. */
void crowd_report_trouble(const struct crowd *crowd);
/* Forgets it, and lets everybody count on from his last acknowledged command: after a load that was too much. */
void crowd_forgive(struct crowd *crowd);

#endif
