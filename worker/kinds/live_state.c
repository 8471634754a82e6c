/* The messages that hold a `live` room's state: what is saved for its next owner, and what members are shown.
 *
 * Called through the kind's table, and by live.c for the Results event. What is loaded is as hostile as anything else
 * from Redis: live_load accepts only states that the rules in live.c can reach.
 */
#include "worker/kinds/live.h"

#include "proto/codec.h"
#include "proto/kinds/saved.pb-c.h"
#include <string.h>

/* ---- the state's own rules ---- */

struct live_seat *live_seat_find(struct live_round *round, const char *player) {
  for (uint32_t i = 0; i < round->seat_count; i++)
    if (strcmp(round->seats[i].player, player) == 0) return &round->seats[i];
  return NULL;
}

bool live_round_is_settled(const struct live_round *round) {
  for (uint32_t i = 0; i < round->seat_count; i++)
    if (!round->seats[i].submitted && !round->seats[i].left) return false;
  return true;
}

bool live_score_is_sane(uint32_t score, const struct live_judge *judge) {
  uint64_t notes = (uint64_t)judge->perfect + judge->great + judge->good + judge->bad + judge->miss;
  return score <= LIVE_SCORE_MAX && notes <= LIVE_NOTES_MAX;
}

bool live_deadline_is_sane(uint32_t deadline_ms) {
  return deadline_ms >= LIVE_DEADLINE_MS_MIN && deadline_ms <= LIVE_DEADLINE_MS_MAX;
}

/* ---- messages from the state ---- */

void live_pack(struct buf *out, const ProtobufCMessage *message) {
  size_t len = protobuf_c_message_get_packed_size(message);
  out->len += protobuf_c_message_pack(message, buf_reserve(out, len));
}

struct live_judge live_judge_of(const Heya__Kinds__Live__Judge *judge) {
  if (!judge) return (struct live_judge){.perfect = 0};
  return (struct live_judge){
      .perfect = judge->perfect, .great = judge->great, .good = judge->good, .bad = judge->bad, .miss = judge->miss};
}

static Heya__Kinds__Live__Judge judge_message(const struct live_judge *judge) {
  Heya__Kinds__Live__Judge message = HEYA__KINDS__LIVE__JUDGE__INIT;
  message.perfect = judge->perfect;
  message.great = judge->great;
  message.good = judge->good;
  message.bad = judge->bad;
  message.miss = judge->miss;
  return message;
}

void live_results_of(struct live_round *round, struct live_results *results) {
  heya__kinds__live__results__init(&results->message);
  results->message.round = round->number;
  results->message.live_id = round->live_id;
  results->message.n_scores = round->seat_count;
  results->message.scores = results->list;
  for (uint32_t i = 0; i < round->seat_count; i++) {
    struct live_seat *seat = &round->seats[i];
    Heya__Kinds__Live__Score *score = results->list[i] = &results->scores[i];
    heya__kinds__live__score__init(score);
    results->judges[i] = judge_message(&seat->judge);
    score->player = seat->player;
    score->name = seat->name;
    score->score = seat->score;
    score->judge = seat->submitted ? &results->judges[i] : NULL;
    score->forfeited = !seat->submitted;
  }
}

void live_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer; /* everybody may see the same: scores only of the round that has ended */
  struct live *live = room_state(room);
  char *players[LIVE_PLAYERS_MAX], *submitted[LIVE_PLAYERS_MAX];
  struct live_results results;
  Heya__Kinds__Live__State state = HEYA__KINDS__LIVE__STATE__INIT;
  state.phase = live->running.number ? HEYA__KINDS__LIVE__PHASE__PLAYING : HEYA__KINDS__LIVE__PHASE__WAITING;
  state.round = live->running.number ? live->running.number : live->last.number;
  state.live_id = live->live_id;
  state.players = players;
  state.submitted = submitted;
  for (uint32_t i = 0; i < live->running.seat_count; i++) {
    struct live_seat *seat = &live->running.seats[i];
    players[state.n_players++] = seat->player;
    if (seat->submitted) submitted[state.n_submitted++] = seat->player;
  }
  state.deadline_ms = live->running.deadline_ms;
  if (live->last.number) {
    live_results_of(&live->last, &results);
    state.results = &results.message;
  }
  live_pack(out, &state.base);
}

/* ---- saving ---- */

/* As struct live_results: one round's messages, pointing into themselves and the round. */
struct saved_round {
  Heya__Kinds__Saved__Round message;
  Heya__Kinds__Saved__Seat *list[LIVE_PLAYERS_MAX];
  Heya__Kinds__Saved__Seat seats[LIVE_PLAYERS_MAX];
  Heya__Kinds__Live__Judge judges[LIVE_PLAYERS_MAX];
};

static Heya__Kinds__Saved__Round *saved_round_of(struct live_round *round, struct saved_round *saved) {
  if (!round->number) return NULL;
  heya__kinds__saved__round__init(&saved->message);
  saved->message.number = round->number;
  saved->message.live_id = round->live_id;
  saved->message.deadline_ms = round->deadline_ms;
  saved->message.n_seats = round->seat_count;
  saved->message.seats = saved->list;
  for (uint32_t i = 0; i < round->seat_count; i++) {
    struct live_seat *seat = &round->seats[i];
    Heya__Kinds__Saved__Seat *message = saved->list[i] = &saved->seats[i];
    heya__kinds__saved__seat__init(message);
    saved->judges[i] = judge_message(&seat->judge);
    message->player = seat->player;
    message->name = seat->name;
    message->submitted = seat->submitted;
    message->left = seat->left;
    message->score = seat->score;
    message->judge = seat->submitted ? &saved->judges[i] : NULL;
  }
  return &saved->message;
}

void live_save(struct room *room, struct buf *out) {
  struct live *live = room_state(room);
  struct saved_round running, last;
  Heya__Kinds__Saved__Live message = HEYA__KINDS__SAVED__LIVE__INIT;
  message.live_id = live->live_id;
  message.deadline_ms = live->deadline_ms;
  message.running = saved_round_of(&live->running, &running);
  message.last = saved_round_of(&live->last, &last);
  live_pack(out, &message.base);
}

/* ---- loading ---- */

static bool seat_load(struct live_seat *seat, const Heya__Kinds__Saved__Seat *saved) {
  size_t player_len = strlen(saved->player), name_len = strlen(saved->name);
  if (!player_is_valid(saved->player, player_len) || !display_name_is_valid(saved->name, name_len)) return false;
  struct live_judge judge = live_judge_of(saved->judge);
  if (!live_score_is_sane(saved->score, &judge)) return false;
  if (saved->submitted != (saved->judge != NULL) || (!saved->submitted && saved->score)) return false;
  *seat =
      (struct live_seat){.submitted = saved->submitted, .left = saved->left, .score = saved->score, .judge = judge};
  memcpy(seat->player, saved->player, player_len);
  memcpy(seat->name, saved->name, name_len);
  return true;
}

/* `saved` may be NULL: there is no such round. */
static bool round_load(struct live_round *round, const Heya__Kinds__Saved__Round *saved) {
  *round = (struct live_round){.number = 0};
  if (!saved) return true;
  if (!saved->number || !saved->live_id || saved->n_seats < 1 || saved->n_seats > LIVE_PLAYERS_MAX) return false;
  bool any_submitted = false;
  for (size_t i = 0; i < saved->n_seats; i++) {
    if (live_seat_find(round, saved->seats[i]->player)) return false;
    if (!seat_load(&round->seats[i], saved->seats[i])) return false;
    round->seat_count++;
    any_submitted |= round->seats[i].submitted;
  }
  round->number = saved->number;
  round->live_id = saved->live_id;
  round->deadline_ms = saved->deadline_ms;
  return any_submitted == (round->deadline_ms != 0);
}

bool live_load(struct room *room, struct bytes bytes) {
  ProtobufCMessage *message = NULL;
  if (codec_unpack(&codec_limits_internal, &heya__kinds__saved__live__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  const Heya__Kinds__Saved__Live *saved = (const Heya__Kinds__Saved__Live *)message;
  if (!live_deadline_is_sane(saved->deadline_ms)) return false;
  struct live live = {.live_id = saved->live_id, .deadline_ms = saved->deadline_ms};
  if (!round_load(&live.running, saved->running) || !round_load(&live.last, saved->last)) return false;
  if (live.running.number) {
    if (live.running.number - 1 != live.last.number || live.running.live_id != live.live_id) return false;
    if (live_round_is_settled(&live.running)) return false;
  }
  *(struct live *)room_state(room) = live;
  return true;
}
