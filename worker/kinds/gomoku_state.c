/* What a `gomoku` room says, saves and loads (gomoku.h).
 *
 * The State that a newcomer is shown is also what is saved, but for the time that remains. A state that the rules
 * cannot reach does not load: the moves are made again, one by one.
 */
#include "worker/kinds/gomoku.h"

#include "proto/codec.h"
#include "proto/pb.h"
#include <string.h>

#define PLAYING HEYA__KINDS__GOMOKU__PHASE__PLAYING
#define OVER    HEYA__KINDS__GOMOKU__PHASE__OVER
#define WAITING HEYA__KINDS__GOMOKU__PHASE__WAITING

#define REASON(name) HEYA__KINDS__GOMOKU__REASON__##name

enum gomoku_colour gomoku_colour_of(const struct gomoku *game, const char *player) {
  if (player[0] == '\0') return GOMOKU_NOBODY; /* is who plays before the first game */
  for (enum gomoku_colour colour = GOMOKU_BLACK; colour <= GOMOKU_WHITE; colour++)
    if (strcmp(game->players[colour].player, player) == 0) return colour;
  return GOMOKU_NOBODY;
}

/* "" for nobody; only for packing. */
static char *name_of(const struct gomoku *game, enum gomoku_colour colour) {
  return pb_text(colour == GOMOKU_NOBODY ? "" : game->players[colour].player);
}

ProtobufCMessage *gomoku_unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                                struct kind_reply *reply) {
  ProtobufCMessage *message = NULL;
  enum codec_result result =
      codec_unpack(&codec_limits_client, descriptor, room_arena(room), bytes.data, bytes.len, &message);
  if (result != CODEC_OK) kind_refuse(reply, "%s", codec_result_text(result));
  return message;
}

static void pack(struct buf *out, const ProtobufCMessage *message) {
  out->len += protobuf_c_message_pack(message, buf_reserve(out, protobuf_c_message_get_packed_size(message)));
}

/* ---- options ---- */

static bool turn_is_sane(const Heya__Kinds__Gomoku__Options *options) {
  if (options->untimed) return options->turn_ms == 0;
  return options->turn_ms == 0 || (options->turn_ms >= GOMOKU_TURN_MS_MIN && options->turn_ms <= GOMOKU_TURN_MS_MAX);
}

kind_code gomoku_options_take(struct room *room, struct gomoku *game, struct bytes bytes, struct kind_reply *reply) {
  ProtobufCMessage *message = gomoku_unpack(room, &heya__kinds__gomoku__options__descriptor, bytes, reply);
  if (!message) return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  const Heya__Kinds__Gomoku__Options *options = (const Heya__Kinds__Gomoku__Options *)message;
  uint32_t size = options->size ? options->size : GOMOKU_SIZE_DEFAULT;
  if (size < GOMOKU_SIZE_MIN || size > GOMOKU_SIZE_MAX) {
    kind_refuse(reply, "size is 0 or %d to %d", GOMOKU_SIZE_MIN, GOMOKU_SIZE_MAX);
    return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  }
  if (!turn_is_sane(options)) {
    kind_refuse(reply, "turn_ms is 0 or %d to %d, and 0 if untimed", GOMOKU_TURN_MS_MIN, GOMOKU_TURN_MS_MAX);
    return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  }
  game->turn_ms = options->untimed ? 0 : options->turn_ms ? options->turn_ms : GOMOKU_TURN_MS_DEFAULT;
  gomoku_board_init(&game->board, size, options->exact);
  return HEYA__V1__ERROR__CODE__OK;
}

/* ---- events ---- */

static void send_all(struct room *room, const Heya__Kinds__Gomoku__Event *event) {
  struct buf out = {0};
  pack(&out, &event->base);
  room_send_all(room, buf_bytes(&out));
  buf_close(&out);
}

void gomoku_send_started(struct room *room, const struct gomoku *game) {
  Heya__Kinds__Gomoku__Started started = HEYA__KINDS__GOMOKU__STARTED__INIT;
  started.black = name_of(game, GOMOKU_BLACK);
  started.white = name_of(game, GOMOKU_WHITE);
  started.deadline_ms = game->deadline_ms;
  Heya__Kinds__Gomoku__Event event = HEYA__KINDS__GOMOKU__EVENT__INIT;
  event.body_case = HEYA__KINDS__GOMOKU__EVENT__BODY_STARTED;
  event.started = &started;
  send_all(room, &event);
}

void gomoku_send_placed(struct room *room, const struct gomoku *game) {
  struct gomoku_point at = game->board.moves[game->board.move_count - 1];
  Heya__Kinds__Gomoku__Placed placed = HEYA__KINDS__GOMOKU__PLACED__INIT;
  placed.player = name_of(game, gomoku_other(gomoku_board_turn(&game->board)));
  placed.x = at.x;
  placed.y = at.y;
  placed.deadline_ms = game->deadline_ms;
  Heya__Kinds__Gomoku__Event event = HEYA__KINDS__GOMOKU__EVENT__INIT;
  event.body_case = HEYA__KINDS__GOMOKU__EVENT__BODY_PLACED;
  event.placed = &placed;
  send_all(room, &event);
}

void gomoku_send_rematch(struct room *room, const struct member *member, bool wanted) {
  Heya__Kinds__Gomoku__RematchWanted asked = HEYA__KINDS__GOMOKU__REMATCH_WANTED__INIT;
  Heya__Kinds__Gomoku__RematchDeclined declined = HEYA__KINDS__GOMOKU__REMATCH_DECLINED__INIT;
  Heya__Kinds__Gomoku__Event event = HEYA__KINDS__GOMOKU__EVENT__INIT;
  if (wanted) {
    asked.player = pb_text(member_player(member));
    event.body_case = HEYA__KINDS__GOMOKU__EVENT__BODY_REMATCH_WANTED;
    event.rematch_wanted = &asked;
  } else {
    declined.player = pb_text(member_player(member));
    event.body_case = HEYA__KINDS__GOMOKU__EVENT__BODY_REMATCH_DECLINED;
    event.rematch_declined = &declined;
  }
  send_all(room, &event);
}

/* Points as messages, with the list that a message points to. */
struct points {
  Heya__Kinds__Gomoku__Point messages[GOMOKU_CELLS_MAX];
  Heya__Kinds__Gomoku__Point *list[GOMOKU_CELLS_MAX];
};

static Heya__Kinds__Gomoku__Point **points_of(struct points *points, const struct gomoku_point *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    heya__kinds__gomoku__point__init(&points->messages[i]);
    points->messages[i].x = from[i].x;
    points->messages[i].y = from[i].y;
    points->list[i] = &points->messages[i];
  }
  return points->list;
}

/* Points into the game and *points. */
static Heya__Kinds__Gomoku__Over over_of(const struct gomoku *game, struct points *points) {
  Heya__Kinds__Gomoku__Over over = HEYA__KINDS__GOMOKU__OVER__INIT;
  struct gomoku_line line;
  gomoku_board_is_won(&game->board, &line);
  over.winner = name_of(game, game->winner);
  over.reason = game->reason;
  over.n_line = line.count;
  over.line = points_of(points, line.points, line.count);
  return over;
}

void gomoku_send_over(struct room *room, const struct gomoku *game) {
  struct points points;
  Heya__Kinds__Gomoku__Over over = over_of(game, &points);
  Heya__Kinds__Gomoku__Event event = HEYA__KINDS__GOMOKU__EVENT__INIT;
  event.body_case = HEYA__KINDS__GOMOKU__EVENT__BODY_OVER;
  event.over = &over;
  send_all(room, &event);
}

/* ---- the state, for successors and newcomers ---- */

static enum gomoku_colour who_wants_rematch(const struct gomoku *game) {
  if (game->players[GOMOKU_BLACK].wants_rematch) return GOMOKU_BLACK;
  return game->players[GOMOKU_WHITE].wants_rematch ? GOMOKU_WHITE : GOMOKU_NOBODY;
}

static void state_pack(const struct gomoku *game, uint32_t remaining_ms, struct buf *out) {
  struct points moves, line;
  Heya__Kinds__Gomoku__Over over;
  Heya__Kinds__Gomoku__State state = HEYA__KINDS__GOMOKU__STATE__INIT;
  state.phase = game->phase;
  state.size = game->board.size;
  state.exact = game->board.exact;
  state.turn_ms = game->turn_ms;
  state.black = name_of(game, GOMOKU_BLACK);
  state.white = name_of(game, GOMOKU_WHITE);
  state.black_won = game->players[GOMOKU_BLACK].won;
  state.white_won = game->players[GOMOKU_WHITE].won;
  state.n_moves = game->board.move_count;
  state.moves = points_of(&moves, game->board.moves, game->board.move_count);
  if (game->phase == PLAYING) state.turn = name_of(game, gomoku_board_turn(&game->board));
  state.deadline_ms = game->deadline_ms;
  state.remaining_ms = remaining_ms;
  if (game->phase != PLAYING && game->players[GOMOKU_BLACK].player[0]) {
    over = over_of(game, &line);
    state.over = &over;
  }
  state.rematch_wanted = name_of(game, who_wants_rematch(game));
  pack(out, &state.base);
}

void gomoku_save(struct room *room, struct buf *out) {
  state_pack(room_state(room), 0, out);
}

void gomoku_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer; /* everybody may see the same */
  const struct gomoku *game = room_state(room);
  uint64_t now_ms = room_time_ms(room), left_ms = game->deadline_ms > now_ms ? game->deadline_ms - now_ms : 0;
  state_pack(game, left_ms < game->turn_ms ? (uint32_t)left_ms : game->turn_ms, out);
}

/* ---- loading ---- */

static bool players_load(struct gomoku *game, const Heya__Kinds__Gomoku__State *state) {
  const char *const names[] = {[GOMOKU_BLACK] = state->black, [GOMOKU_WHITE] = state->white};
  for (enum gomoku_colour colour = GOMOKU_BLACK; colour <= GOMOKU_WHITE; colour++) {
    size_t len = strlen(names[colour]);
    if (!player_is_valid(names[colour], len)) return false;
    memcpy(game->players[colour].player, names[colour], len + 1);
  }
  game->players[GOMOKU_BLACK].won = state->black_won;
  game->players[GOMOKU_WHITE].won = state->white_won;
  return strcmp(state->black, state->white) != 0;
}

/* Makes the moves again. *won: by the last one; none may follow on a win. */
static bool moves_load(struct gomoku_board *board, const Heya__Kinds__Gomoku__State *state, bool *won) {
  struct gomoku_line line;
  *won = false;
  for (size_t i = 0; i < state->n_moves; i++) {
    if (*won || gomoku_board_place(board, state->moves[i]->x, state->moves[i]->y) != GOMOKU_PLACED) return false;
    *won = gomoku_board_is_won(board, &line);
  }
  return true;
}

static bool over_load(struct gomoku *game, const Heya__Kinds__Gomoku__Over *over, bool won) {
  enum gomoku_colour next = gomoku_board_turn(&game->board);
  bool is_full = gomoku_board_is_full(&game->board), was_going_on = !won && !is_full;
  game->reason = over->reason;
  game->winner = gomoku_colour_of(game, over->winner);
  switch (over->reason) {
  case REASON(FIVE): return won && game->winner == gomoku_other(next);
  case REASON(DRAW): return !won && is_full && over->winner[0] == '\0';
  case REASON(TIMEOUT): return was_going_on && game->turn_ms && game->winner == gomoku_other(next);
  case REASON(RESIGNED): return was_going_on && game->winner != GOMOKU_NOBODY;
  case REASON(LEFT): return was_going_on && game->winner != GOMOKU_NOBODY && game->phase == WAITING;
  default: return false;
  }
}

static bool rematch_load(struct gomoku *game, const char *wanted_by) {
  if (wanted_by[0] == '\0') return true;
  enum gomoku_colour colour = gomoku_colour_of(game, wanted_by);
  if (colour == GOMOKU_NOBODY || game->phase != OVER) return false;
  game->players[colour].wants_rematch = true;
  return true;
}

/* The state of a room that has had a game, or has one. */
static bool game_load(struct gomoku *game, const Heya__Kinds__Gomoku__State *state) {
  bool won;
  if (!players_load(game, state) || !moves_load(&game->board, state, &won)) return false;
  if (!rematch_load(game, state->rematch_wanted)) return false;
  if (game->phase != PLAYING) return state->over && over_load(game, state->over, won);
  return !state->over && !won && !gomoku_board_is_full(&game->board);
}

static bool is_before_the_first_game(const Heya__Kinds__Gomoku__State *state) {
  return state->phase == WAITING && !state->black[0] && !state->white[0] && !state->n_moves && !state->over &&
         !state->rematch_wanted[0];
}

bool gomoku_load(struct room *room, struct bytes bytes) {
  struct gomoku game = {.turn_ms = 0};
  struct kind_reply nobody = {.message = ""};
  if (gomoku_options_take(room, &game, room_options(room), &nobody) != HEYA__V1__ERROR__CODE__OK) return false;
  ProtobufCMessage *message = NULL;
  if (codec_unpack(&codec_limits_internal, &heya__kinds__gomoku__state__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  const Heya__Kinds__Gomoku__State *state = (const Heya__Kinds__Gomoku__State *)message;
  game.phase = state->phase;
  game.deadline_ms = state->deadline_ms;
  if ((game.deadline_ms != 0) != (game.phase == PLAYING && game.turn_ms != 0)) return false;
  if (!is_before_the_first_game(state) && !game_load(&game, state)) return false;
  *(struct gomoku *)room_state(room) = game;
  return true;
}
