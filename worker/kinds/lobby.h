/* What a `lobby` room knows, and what its files share; nobody else includes it.
 *
 *   lobby.c         the table: commands, who comes and goes
 *   lobby_list.c    who waits, who was matched, which rooms there are: plain lists
 *   lobby_quick.c   a seat in an open room, or in a new one
 *   lobby_gather.c  groups of about the same skill (lobby_match.h finds them)
 *   lobby_state.c   what it says, saves and loads
 *
 * A player is in at most one ticket or match. A ticket waits; a match has asked a room for seats under a token
 * (until_ms 0), and after the answer its players are told, and are held to it until their seats are given up.
 * Everything is in the state, and an answer comes exactly once: so whatever dies in between, nobody is matched twice
 * or forgotten.
 */
#ifndef HEYA_WORKER_KINDS_LOBBY_H
#define HEYA_WORKER_KINDS_LOBBY_H

#include "common/buf.h"
#include "proto/kinds/lobby.pb-c.h"
#include "proto/names.h"
#include "worker/kind.h"

#define LOBBY_KEEP_MS 10000 /* a seat, from when the room has it */
/* A room that has not answered somebody who has been here for so long may never do so: it is on a Redis that is away,
 * or one that has forgotten the question with its last second. */
#define LOBBY_PATIENCE_MS 60000
#define LOBBY_GATHER_MS   10   /* after somebody came; who comes together is looked at together */
#define LOBBY_AGAIN_MS    1000 /* while anybody waits: ranges grow, and who was away may be back */
#define LOBBY_SIZE_MAX    64   /* of a group */
#define LOBBY_MEMBERS_MAX 1000 /* of a room that is asked for */
#define LOBBY_OPTIONS_MAX 1024 /* bytes */
#define LOBBY_MODE_MAX    64   /* bytes */
/* Rooms that are known; beyond it full ones are forgotten, then empty ones, and if there is none people wait. */
#define LOBBY_ROOMS_MAX 1000

enum { LOBBY_TIMER_MATCH = 1 };

struct lobby_ticket {
  char kind[KIND_MAX + 1];
  char mode[LOBBY_MODE_MAX + 1];
  uint32_t size; /* players of a group, or of quick: members of the room */
  bool quick;
  bool fresh; /* of quick: not to a room that is there */
  struct buf options;
  char (*players)[PLAYER_MAX + 1]; /* owned */
  size_t n_players;
  int32_t skill; /* the rest is not of quick */
  uint32_t range, widen_per_s;
  uint64_t since_ms;
};

struct lobby_match {
  struct lobby_ticket ticket; /* of a group: the one who has waited for longest, with the players of all */
  char room[ROOM_ID_MAX + 1];
  uint64_t token;
  uint64_t until_ms; /* 0: the room has not answered */
  bool opens;        /* it is made for this match */
};

/* A room that quick has opened. */
struct lobby_room {
  char id[ROOM_ID_MAX + 1];
  char mode[LOBBY_MODE_MAX + 1];
  uint32_t size;
  uint32_t told;      /* free seats, as it has said last */
  uint32_t under_way; /* seats that it was asked for since; as many matches without an answer */
};

struct lobby {
  uint64_t tokens;
  uint64_t match_at_ms; /* when the timer is set; 0: it is not */
  struct lobby_room *rooms;
  size_t n_rooms, cap_rooms;
  struct lobby_ticket *tickets; /* in the order in which they came */
  size_t n_tickets, cap_tickets;
  struct lobby_match *matches;
  size_t n_matches, cap_matches;
};

/* ---- lobby_list.c ---- */

void lobby_close_lists(struct lobby *);

void lobby_ticket_add_player(struct lobby_ticket *, const char *player);
bool lobby_ticket_has(const struct lobby_ticket *, const char *player);
void lobby_ticket_close(struct lobby_ticket *);
/* Takes it over. The pointer is valid until the next one is added. */
struct lobby_ticket *lobby_add_ticket(struct lobby *, struct lobby_ticket);
/* Takes the nth out; it is the caller's. */
struct lobby_ticket lobby_take_ticket(struct lobby *, size_t nth);
/* Which one he is in; n_tickets: none. */
size_t lobby_find_ticket(const struct lobby *, const char *player);

/* Likewise. */
struct lobby_match *lobby_add_match(struct lobby *, struct lobby_match);
struct lobby_match lobby_take_match(struct lobby *, size_t nth);
/* The one that he is held to at this time; NULL: none. */
struct lobby_match *lobby_find_match(const struct lobby *, const char *player, uint64_t now_ms);
void lobby_drop_match(struct lobby *, struct lobby_match *);
/* The one that waits for this answer; n_matches: none. */
size_t lobby_find_token(const struct lobby *, uint64_t token);
/* Those that nobody is held to any more. */
void lobby_drop_old_matches(struct lobby *, uint64_t now_ms);
/* Those who were told of this room, which is no more. */
void lobby_drop_matches_of(struct lobby *, const char *room);

struct lobby_room *lobby_add_room(struct lobby *, const char *id); /* NULL: there are too many */
struct lobby_room *lobby_find_room(const struct lobby *, const char *id);
void lobby_drop_room(struct lobby *, const char *id);
uint32_t lobby_room_free(const struct lobby_room *);

/* ---- lobby_quick.c ---- */

/* Asks for seats for those of quick who wait. */
void lobby_place(struct room *, struct lobby *);
/* The room has answered a match of quick, which is the caller's no more. */
void lobby_placed(struct room *, struct lobby *, struct lobby_match, kind_code);

/* ---- lobby_gather.c ---- */

void lobby_gather_soon(struct room *, struct lobby *);
/* Groups of those who wait; then again, while anybody does. */
void lobby_gather(struct room *, struct lobby *);

/* ---- lobby_state.c ---- */

void lobby_send_queued(struct room *, const struct lobby_ticket *);
/* To those of its players who are members. */
void lobby_send_matched(struct room *, const struct lobby_match *);
void lobby_send_matched_to(struct room *, const struct lobby_match *, struct member *);
void lobby_send_cancelled(struct room *, const struct lobby_ticket *, const char *player, bool left);
void lobby_send_failed(struct room *, const struct lobby_ticket *, kind_code);

/* Reads a client's message; NULL, with the reason in the reply, if it is none. */
ProtobufCMessage *lobby_unpack(struct room *, const ProtobufCMessageDescriptor *, struct bytes, struct kind_reply *);

/* These are functions of the kind's table. */
void lobby_save(struct room *, struct buf *out);
bool lobby_load(struct room *, struct bytes);
void lobby_snapshot(struct room *, const struct member *viewer, struct buf *out);

#endif
