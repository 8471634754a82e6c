/* Kind `gomoku`: five in a row for two, and watchers. proto/kinds/gomoku.proto says what is said.
 *
 * The phases: WAITING for a second player, PLAYING, and OVER while both are still there, from where a rematch leads
 * back. The two members who have been in for longest play. A game begins one millisecond after the second has come,
 * by a timer: he is a member by then, and hears `started` like everybody else. When a player leaves, that is the end
 * of the pair: the other one waits, or plays against the watcher who has been in for longest.
 *
 * Each move has a deadline in stream time, so it matters to no player whether a worker was late or died. A move at
 * exactly deadline_ms counts: the timer is set one millisecond later. The clock runs on for who is away.
 */
#include "worker/kinds/gomoku.h"

#include "worker/kinds/kinds.h"
#include <string.h>

enum { TIMER_START = 1, TIMER_TURN = 2 };

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE
#define NOT_A_PLAYER     HEYA__V1__ERROR__CODE__NOT_A_PLAYER

#define WAITING HEYA__KINDS__GOMOKU__PHASE__WAITING
#define PLAYING HEYA__KINDS__GOMOKU__PHASE__PLAYING
#define OVER    HEYA__KINDS__GOMOKU__PHASE__OVER

#define REASON(name) HEYA__KINDS__GOMOKU__REASON__##name

/* ---- a turn ---- */

/* The deadline's round, for people with redis-cli, is the number of the move. */
static void turn_begin(struct room *room, struct gomoku *game) {
  if (game->turn_ms == 0) return;
  game->deadline_ms = room_time_ms(room) + game->turn_ms;
  room_deadline_show(room, game->board.move_count + 1, game->deadline_ms);
  room_timer_set(room, TIMER_TURN, game->deadline_ms + 1);
}

/* ---- a game's begin and end ---- */

static void game_begin(struct room *room, struct gomoku *game) {
  game->phase = PLAYING;
  gomoku_board_init(&game->board, game->board.size, game->board.exact);
  turn_begin(room, game);
  gomoku_send_started(room, game);
}

static struct gomoku_player player_of(const struct member *member) {
  struct gomoku_player player = {.won = 0};
  memcpy(player.player, member_player(member), strnlen(member_player(member), PLAYER_MAX));
  return player;
}

/* A new pair, if there are two. The host plays black. Nothing else leads out of WAITING. */
static void pair_begin(struct room *room, struct gomoku *game) {
  if (room_member_count(room) < 2) return;
  const struct member *host = room_host(room), *other = room_member_at(room, 0);
  if (other == host) other = room_member_at(room, 1);
  game->players[GOMOKU_BLACK] = player_of(host);
  game->players[GOMOKU_WHITE] = player_of(other);
  room_results_hide(room);
  game_begin(room, game);
}

static const char *reason_text(Heya__Kinds__Gomoku__Reason reason) {
  switch (reason) {
  case REASON(FIVE): return "five in a row";
  case REASON(RESIGNED): return "resigned";
  case REASON(TIMEOUT): return "time was up";
  case REASON(LEFT): return "left the room";
  default: return "the board is full";
  }
}

static void results_show(struct room *room, const struct gomoku *game) {
  for (enum gomoku_colour colour = GOMOKU_BLACK; colour <= GOMOKU_WHITE; colour++) {
    const struct gomoku_player *player = &game->players[colour];
    const char *how = game->winner == GOMOKU_NOBODY ? "draw" : game->winner == colour ? "won" : "lost";
    room_result_show(room, player->player, "%s (%s), %u games won", how, reason_text(game->reason), player->won);
  }
}

static void game_end(struct room *room, struct gomoku *game, Heya__Kinds__Gomoku__Reason reason,
                     enum gomoku_colour winner) {
  room_timer_cancel(room, TIMER_TURN);
  room_deadline_hide(room);
  game->deadline_ms = 0;
  game->phase = OVER;
  game->reason = reason;
  game->winner = winner;
  if (winner != GOMOKU_NOBODY) game->players[winner].won++;
  results_show(room, game);
  gomoku_send_over(room, game);
}

static void gomoku_timer(struct room *room, uint32_t id) {
  struct gomoku *game = room_state(room);
  if (id == TIMER_START) pair_begin(room, game);
  if (id == TIMER_TURN && game->phase == PLAYING)
    game_end(room, game, REASON(TIMEOUT), gomoku_other(gomoku_board_turn(&game->board)));
}

/* ---- who comes and goes ---- */

static kind_code gomoku_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  return gomoku_options_take(room, room_state(room), options, reply);
}

static kind_code gomoku_join(struct room *room, struct member *member, struct kind_reply *reply) {
  const struct gomoku *game = room_state(room);
  if (!gomoku_unpack(room, &heya__kinds__gomoku__profile__descriptor, member_profile(member), reply))
    return INVALID_ARGUMENT;
  if (game->phase == WAITING && room_member_count(room) > 0)
    room_timer_set(room, TIMER_START, room_time_ms(room) + 1);
  return OK;
}

static void gomoku_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  struct gomoku *game = room_state(room);
  if (reason == HEYA__V1__LEAVE_REASON__ENDED || game->phase == WAITING) return;
  enum gomoku_colour colour = gomoku_colour_of(game, member_player(member));
  if (colour == GOMOKU_NOBODY) return;
  if (game->phase == PLAYING) game_end(room, game, REASON(LEFT), gomoku_other(colour));
  game->phase = WAITING;
  game->players[GOMOKU_BLACK].wants_rematch = game->players[GOMOKU_WHITE].wants_rematch = false;
  if (room_member_count(room) >= 2) room_timer_set(room, TIMER_START, room_time_ms(room) + 1);
}

/* ---- commands ---- */

/* OK: this phase it is, and *colour is the member's. */
static kind_code player_check(const struct gomoku *game, const struct member *member,
                              Heya__Kinds__Gomoku__Phase phase, enum gomoku_colour *colour,
                              struct kind_reply *reply) {
  static const char *const phases[] = {
      [WAITING] = "there are no two players",
      [PLAYING] = "a game is being played",
      [OVER] = "the game is over",
  };
  *colour = gomoku_colour_of(game, member_player(member));
  if (game->phase != phase) {
    kind_refuse(reply, "%s", phases[game->phase]);
    return WRONG_STATE;
  }
  if (*colour == GOMOKU_NOBODY) {
    kind_refuse(reply, "you are watching this game");
    return NOT_A_PLAYER;
  }
  return OK;
}

static kind_code stone_place(struct gomoku_board *board, const Heya__Kinds__Gomoku__Place *place,
                             struct kind_reply *reply) {
  switch (gomoku_board_place(board, place->x, place->y)) {
  case GOMOKU_PLACED: return OK;
  case GOMOKU_TAKEN: kind_refuse(reply, "there is a stone at %u, %u", place->x, place->y); break;
  case GOMOKU_OFF_BOARD: kind_refuse(reply, "x and y are 0 to %u", board->size - 1); break;
  }
  return INVALID_ARGUMENT;
}

static kind_code place(struct room *room, struct member *member, const Heya__Kinds__Gomoku__Command *command,
                       struct kind_reply *reply) {
  struct gomoku *game = room_state(room);
  enum gomoku_colour colour;
  kind_code code = player_check(game, member, PLAYING, &colour, reply);
  if (code != OK) return code;
  if (colour != gomoku_board_turn(&game->board)) {
    kind_refuse(reply, "it is not your turn");
    return WRONG_STATE;
  }
  code = stone_place(&game->board, command->place, reply);
  if (code != OK) return code;

  struct gomoku_line line;
  bool won = gomoku_board_is_won(&game->board, &line), over = won || gomoku_board_is_full(&game->board);
  game->deadline_ms = 0;
  if (!over) turn_begin(room, game);
  gomoku_send_placed(room, game);
  if (over) game_end(room, game, won ? REASON(FIVE) : REASON(DRAW), won ? colour : GOMOKU_NOBODY);
  return OK;
}

static kind_code resign(struct room *room, struct member *member, const Heya__Kinds__Gomoku__Command *command,
                        struct kind_reply *reply) {
  (void)command;
  struct gomoku *game = room_state(room);
  enum gomoku_colour colour;
  kind_code code = player_check(game, member, PLAYING, &colour, reply);
  if (code == OK) game_end(room, game, REASON(RESIGNED), gomoku_other(colour));
  return code;
}

static void colours_swap(struct gomoku *game) {
  struct gomoku_player black = game->players[GOMOKU_BLACK];
  game->players[GOMOKU_BLACK] = game->players[GOMOKU_WHITE];
  game->players[GOMOKU_WHITE] = black;
}

static kind_code rematch(struct room *room, struct member *member, const Heya__Kinds__Gomoku__Command *command,
                         struct kind_reply *reply) {
  (void)command;
  struct gomoku *game = room_state(room);
  enum gomoku_colour colour;
  kind_code code = player_check(game, member, OVER, &colour, reply);
  if (code != OK) return code;
  struct gomoku_player *other = &game->players[gomoku_other(colour)];
  if (game->players[colour].wants_rematch) {
    kind_refuse(reply, "you have asked already");
    return WRONG_STATE;
  }
  if (!other->wants_rematch) {
    game->players[colour].wants_rematch = true;
    gomoku_send_rematch(room, member, true);
    return OK;
  }
  other->wants_rematch = false;
  colours_swap(game);
  game_begin(room, game);
  return OK;
}

static kind_code decline(struct room *room, struct member *member, const Heya__Kinds__Gomoku__Command *command,
                         struct kind_reply *reply) {
  (void)command;
  struct gomoku *game = room_state(room);
  enum gomoku_colour colour;
  kind_code code = player_check(game, member, OVER, &colour, reply);
  if (code != OK) return code;
  if (!game->players[GOMOKU_BLACK].wants_rematch && !game->players[GOMOKU_WHITE].wants_rematch) {
    kind_refuse(reply, "nobody has asked for a rematch");
    return WRONG_STATE;
  }
  game->players[GOMOKU_BLACK].wants_rematch = game->players[GOMOKU_WHITE].wants_rematch = false;
  gomoku_send_rematch(room, member, false);
  return OK;
}

/* ---- the table ---- */

typedef kind_code handler(struct room *, struct member *, const Heya__Kinds__Gomoku__Command *, struct kind_reply *);

static handler *const handlers[] = {
    [HEYA__KINDS__GOMOKU__COMMAND__BODY_PLACE] = place,
    [HEYA__KINDS__GOMOKU__COMMAND__BODY_RESIGN] = resign,
    [HEYA__KINDS__GOMOKU__COMMAND__BODY_REMATCH] = rematch,
    [HEYA__KINDS__GOMOKU__COMMAND__BODY_DECLINE] = decline,
};

static kind_code gomoku_command(struct room *room, struct member *member, struct bytes payload,
                                struct kind_reply *reply) {
  ProtobufCMessage *message = gomoku_unpack(room, &heya__kinds__gomoku__command__descriptor, payload, reply);
  if (!message) return INVALID_ARGUMENT;
  const Heya__Kinds__Gomoku__Command *command = (const Heya__Kinds__Gomoku__Command *)message;
  size_t body = (size_t)command->body_case;
  if (body >= sizeof handlers / sizeof *handlers || !handlers[body]) {
    kind_refuse(reply, "not a command of this kind");
    return INVALID_ARGUMENT;
  }
  return handlers[body](room, member, command, reply);
}

static void gomoku_describe(const struct room *room, struct describe *describe) {
  static const char *const phases[] = {[WAITING] = "waiting", [PLAYING] = "playing", [OVER] = "over"};
  const struct gomoku *game = room_state(room);
  size_t members = room_member_count(room);
  describe_property(describe, "phase", "%s", phases[game->phase]);
  describe_property(describe, "free_seats", "%d", members < 2 ? 2 - (int)members : 0);
  describe_property(describe, "size", "%u", game->board.size);
}

const struct kind kind_gomoku = {
    .abi = KIND_ABI,
    .name = "gomoku",
    .max_members = 10,
    .max_members_limit = 100,
    .max_spectators = 200,
    .empty_ms = 10 * 1000,
    .away_ms = 30 * 1000,
    .state_size = sizeof(struct gomoku),
    .open = gomoku_open,
    .join = gomoku_join,
    .leave = gomoku_leave,
    .command = gomoku_command,
    .timer = gomoku_timer,
    .save = gomoku_save,
    .load = gomoku_load,
    .snapshot = gomoku_snapshot,
    .describe = gomoku_describe,
};
