/* A player's program: an SDK that follows docs/protocol.md, with somebody restless at the keys. It holds one
 * connection to any gateway and a few places, each of which is a room it is in, or wants to be in.
 *
 *   client.c        connecting, what is heard, what the player does next
 *   place.c         one room: join, resume, numbered commands, leave
 *   place_joined.c  it is let in, or the room has gone back
 *   place_hears.c   answers and events
 *   place_lobby.c   of a lobby, and being sent elsewhere by it
 */
#ifndef HEYA_TESTS_SIM_CLIENT_H
#define HEYA_TESTS_SIM_CLIENT_H

#include "tests/sim/oracle.h"
#include "tests/sim/wire.h"

#define CLIENT_PLACES   2
#define CLIENT_UNSENT   8  /* unanswered commands of a place at most */
#define CLIENT_COMMANDS 70 /* of a client's life */

enum place_state {
  PLACE_OUT,
  PLACE_JOINING, /* asked, or waiting for a connection to ask by */
  PLACE_IN,
  PLACE_LEAVING,
};

/* A command that is not answered. */
struct unanswered {
  uint64_t token;
  uint32_t number;
  uint32_t score; /* of a submit; else 0 */
  uint32_t request;
  struct bytes payload;
  bool plain; /* of the ledger kind */
};

struct place {
  struct sim_client *client;
  enum place_state state;
  char room[ROOM_ID_MAX + 1]; /* "" until a create is answered */
  char key[24];               /* of a create; else "" */
  bool create;                /* join makes it */
  bool watching;              /* joins to watch; what is said then is refused, and so it is typed */
  bool typing;                /* the room numbers the commands, and nothing is sent again */
  char session[48], incarnation[48];
  struct oracle_life *life; /* while IN, LEAVING, or resuming */
  uint64_t epoch, seq;      /* of the last event */
  size_t position;          /* behind it, among the oracle's; see place_position */
  uint32_t answered, next;  /* command numbers */
  struct unanswered unanswered[CLIENT_UNSENT];
  size_t n_unanswered;
  uint32_t request;        /* of the join or leave that is asked */
  uint32_t resent_request; /* answers to earlier requests say nothing new about gaps */
  bool asked;              /* the join is on its way on this connection */
  bool then_leave;         /* at once, when in */
  bool has_seat;           /* the room keeps one for it, at the first join */
  bool resend_waits;       /* a gateway was busy: sent again soon, whatever else is said */
  uint32_t resend_from;    /* the lowest number of those */
  uint32_t acked_place;    /* the highest place in the ledger that was acknowledged here */
  uint32_t acked_number;   /* of the command acknowledged last in this session; 0: none */
  uint32_t acked_at;       /* and its place */
  uint64_t frame;          /* the last one that spoke */
  uint32_t round;          /* live: started last */
  uint32_t played;         /* the last one that began while in */
  bool playing;
};

struct sim_client {
  struct sim *sim;
  char name[16];
  char player[16];
  bool gone;            /* for good */
  bool leaving;         /* for good, when out of every place */
  struct wire *wire;    /* NULL: none */
  uint64_t wire_number; /* counts connections */
  bool welcomed;
  uint32_t requests;
  uint32_t commands;             /* left to say */
  uint32_t keys;                 /* made for creates */
  char wanted[ROOM_ID_MAX + 1];  /* a lobby has sent it there; "": none has, or it has gone */
  char sent_to[ROOM_ID_MAX + 1]; /* before that */
  uint64_t wanted_until_ms;      /* so long its seat is kept, about */
  char left[ROOM_ID_MAX + 1];    /* the last room that it was out of, */
  uint64_t left_ms;              /* then */
  struct place places[CLIENT_PLACES];
};

void clients_begin(struct sim *);
/* Its network breaks. */
void client_cut(struct sim_client *);
/* The player has had enough: not a word more. */
void client_give_up(struct sim_client *);
/* The end of the evening: politely or not. */
void client_go(struct sim_client *);
/* Nothing is owed to it. */
bool client_is_content(const struct sim_client *);
void client_explain(const struct sim_client *, char *out, size_t size);

bool client_has_twin(const struct sim_client *);

/* ---- between client.c and place.c ---- */

uint32_t client_say(struct sim_client *, Heya__V1__ClientMessage *); /* its request number */
/* It will do what it has to do for this place, as soon as it is connected. */
void place_go_on(struct place *);
void place_enter(struct place *, const char *room, bool create, bool watch);
void place_create(struct place *);
void place_leave(struct place *);
void place_command(struct place *);
/* What is in flight is lost, what can be resumed is kept. */
void place_disconnected(struct place *);
void place_hears(struct place *, const Heya__V1__ServerMessage *, struct bytes);
/* ---- between the files of a place ---- */

struct sim *place_sim(const struct place *);
bool place_is_live(const struct place *);
bool place_is_lobby(const struct place *);
struct bytes place_lobby_command(struct place *);
void place_lobby_shown(struct place *, struct bytes state);
void place_lobby_hears(struct place *, const Heya__V1__Event *);
/* Its join is refused. */
void place_check_seat(const struct place *, Heya__V1__Error__Code);
void place_forget_commands(struct place *);
/* What is not answered, from this number on. */
void place_send_from(struct place *, uint32_t number);
/* What a gateway was too busy for. */
void place_again_later(struct place *, uint32_t after_ms);
void place_be_out(struct place *, const char *why);
/* The room had a fault. What was not answered may have been applied before, and will not be any more. */
void place_hear_of_failure(struct place *, const char *room);
void place_on_joined(struct place *, const Heya__V1__ServerMessage *, struct bytes);
/* For whom events are that it hears: its player, or NULL, who watches. */
const char *place_audience(const struct place *);
/* Behind the last event that it knows. */
size_t place_position(const struct place *);
/* Whether the message is about this place. */
bool place_is_meant(const struct place *, const Heya__V1__ServerMessage *);

#endif
