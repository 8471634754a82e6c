/* What a `gomoku` room knows, shared by its flow (gomoku.c) and its messages (gomoku_state.c); nobody else includes
 * it.
 *
 * A plain value without pointers. Whose turn it is and the winning line are not kept: the board tells. Options are
 * not saved with the state: the room has them.
 */
#ifndef HEYA_WORKER_KINDS_GOMOKU_H
#define HEYA_WORKER_KINDS_GOMOKU_H

#include "common/buf.h"
#include "proto/kinds/gomoku.pb-c.h"
#include "proto/names.h"
#include "worker/kind.h"
#include "worker/kinds/gomoku_board.h"

#define GOMOKU_SIZE_DEFAULT    15
#define GOMOKU_TURN_MS_DEFAULT 30000
#define GOMOKU_TURN_MS_MIN     1000
#define GOMOKU_TURN_MS_MAX     3600000

struct gomoku_player {
  char player[PLAYER_MAX + 1]; /* empty before the first game */
  uint32_t won;                /* games of this pair */
  bool wants_rematch;          /* only in OVER, and only one of the two */
};

struct gomoku {
  uint32_t turn_ms;          /* 0: no timer */
  struct gomoku_board board; /* of the running game, or of the last one */
  Heya__Kinds__Gomoku__Phase phase;
  struct gomoku_player players[2]; /* of that game, by colour; in WAITING at least one of them has left */
  uint64_t deadline_ms;      /* the last stream time at which the player to move may; 0: not PLAYING, no timer */
  enum gomoku_colour winner; /* of the last game, GOMOKU_NOBODY: a draw; of no meaning while PLAYING */
  Heya__Kinds__Gomoku__Reason reason; /* likewise */
};

/* GOMOKU_NOBODY if he is neither player. */
enum gomoku_colour gomoku_colour_of(const struct gomoku *game, const char *player);

/* The room's options, hostile, as settings of an empty board; the rest of *game stays. */
kind_code gomoku_options_take(struct room *room, struct gomoku *game, struct bytes bytes, struct kind_reply *reply);

/* Events, to everybody in the room. */
void gomoku_send_started(struct room *room, const struct gomoku *game);
void gomoku_send_placed(struct room *room, const struct gomoku *game); /* the last stone */
void gomoku_send_over(struct room *room, const struct gomoku *game);
void gomoku_send_rematch(struct room *room, const struct member *member, bool wanted); /* or declined */

/* Reads a client's message; NULL, with the reason in the reply, if it is none. */
ProtobufCMessage *gomoku_unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                                struct kind_reply *reply);

/* These are the functions of the kind's table. */
void gomoku_save(struct room *room, struct buf *out);
bool gomoku_load(struct room *room, struct bytes bytes);
void gomoku_snapshot(struct room *room, const struct member *viewer, struct buf *out);

#endif
