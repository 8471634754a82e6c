/* Kind `live`: rounds of a rhythm game, whose results go out together. proto/kinds/live.proto says what is said.
 *
 * One round: the host starts it, which freezes its players and locks the room; each submits once; the first result
 * sets the deadline. The round ends when nobody is left to wait for (each player has submitted or left), or when the
 * deadline has passed, and then who has not submitted has forfeited. All of it in stream time, so it matters to no
 * player whether a worker was late or died. A result at exactly deadline_ms counts: the timer is set one millisecond
 * later.
 *
 * Before the first result there is no deadline, since only the players know how long the song is. A round in which
 * nobody ever submits holds only those who sit in it: who disconnects leaves when his seat's time is over, who is
 * connected may leave, and with the last player the round ends.
 */
#include "worker/kinds/live.h"

#include "proto/codec.h"
#include "worker/kinds/kinds.h"
#include <string.h>

enum { TIMER_DEADLINE = 1 };

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT

static ProtobufCMessage *unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                                struct kind_reply *reply) {
  ProtobufCMessage *message = NULL;
  enum codec_result result =
      codec_unpack(&codec_limits_client, descriptor, room_arena(room), bytes.data, bytes.len, &message);
  if (result != CODEC_OK) kind_refuse(reply, "%s", codec_result_text(result));
  return message;
}

static void send_all(struct room *room, const Heya__Kinds__Live__Event *event) {
  struct buf out = {0};
  live_pack(&out, &event->base);
  room_send_all(room, buf_bytes(&out));
  buf_close(&out);
}

static kind_code refuse_song(struct kind_reply *reply) {
  kind_refuse(reply, "live_id is 1 or more");
  return INVALID_ARGUMENT;
}

/* ---- opening and joining ---- */

static kind_code live_open(struct room *room, struct bytes bytes, struct kind_reply *reply) {
  ProtobufCMessage *message = unpack(room, &heya__kinds__live__options__descriptor, bytes, reply);
  if (!message) return INVALID_ARGUMENT;
  const Heya__Kinds__Live__Options *options = (const Heya__Kinds__Live__Options *)message;
  uint32_t deadline_ms = options->deadline_ms ? options->deadline_ms : LIVE_DEADLINE_MS_DEFAULT;
  if (!live_deadline_is_sane(deadline_ms)) {
    kind_refuse(reply, "deadline_ms is 0 or %d to %d", LIVE_DEADLINE_MS_MIN, LIVE_DEADLINE_MS_MAX);
    return INVALID_ARGUMENT;
  }
  struct live *live = room_state(room);
  live->live_id = options->live_id;
  live->deadline_ms = deadline_ms;
  return OK;
}

/* Any card will do, and a difficulty that is not known cannot be unpacked. */
static kind_code live_join(struct room *room, struct member *member, struct kind_reply *reply) {
  bool valid = unpack(room, &heya__kinds__live__profile__descriptor, member_profile(member), reply);
  return valid ? OK : INVALID_ARGUMENT;
}

static kind_code live_profile(struct room *room, struct member *member, struct bytes profile,
                              struct kind_reply *reply) {
  (void)member;
  return unpack(room, &heya__kinds__live__profile__descriptor, profile, reply) ? OK : INVALID_ARGUMENT;
}

/* ---- the end of a round ---- */

static void forfeits_show(struct room *room, const struct live_round *round) {
  for (uint32_t i = 0; i < round->seat_count; i++)
    if (!round->seats[i].submitted) room_result_show(room, round->seats[i].player, "0 points, forfeited");
}

static void results_send(struct room *room, struct live_round *round) {
  struct live_results results;
  live_results_of(round, &results);
  Heya__Kinds__Live__Event event = HEYA__KINDS__LIVE__EVENT__INIT;
  event.body_case = HEYA__KINDS__LIVE__EVENT__BODY_RESULTS;
  event.results = &results.message;
  send_all(room, &event);
}

static void round_end(struct room *room, struct live *live) {
  room_timer_cancel(room, TIMER_DEADLINE);
  room_deadline_hide(room);
  live->last = live->running;
  live->running = (struct live_round){.number = 0};
  forfeits_show(room, &live->last);
  results_send(room, &live->last);
  room_lock(room, false);
}

static void live_timer(struct room *room, uint32_t id) {
  struct live *live = room_state(room);
  if (id == TIMER_DEADLINE && live->running.number) round_end(room, live);
}

static void live_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  struct live *live = room_state(room);
  if (reason == HEYA__V1__LEAVE_REASON__ENDED) return; /* the room is over, and the round with it */
  struct live_seat *seat = live_seat_find(&live->running, member_player(member));
  if (!seat) return;
  seat->left = true;
  if (live_round_is_settled(&live->running)) round_end(room, live);
}

/* ---- a result ---- */

/* A result for the round that ended last, which may have come a moment too late. */
static kind_code submit_to_last(struct live *live, const char *player) {
  const struct live_seat *seat = live_seat_find(&live->last, player);
  if (!seat) return HEYA__V1__ERROR__CODE__NOT_A_PLAYER;
  return seat->submitted ? HEYA__V1__ERROR__CODE__ALREADY_SUBMITTED : HEYA__V1__ERROR__CODE__TOO_LATE;
}

/* OK: he may submit to the running round, now. */
static kind_code submit_check(struct room *room, struct live *live, const char *player, uint32_t round) {
  if (round == 0) return HEYA__V1__ERROR__CODE__UNKNOWN_ROUND;
  if (round == live->last.number) return submit_to_last(live, player);
  if (round != live->running.number) return HEYA__V1__ERROR__CODE__UNKNOWN_ROUND;
  const struct live_seat *seat = live_seat_find(&live->running, player);
  if (!seat) return HEYA__V1__ERROR__CODE__NOT_A_PLAYER;
  if (seat->submitted) return HEYA__V1__ERROR__CODE__ALREADY_SUBMITTED;
  bool passed = live->running.deadline_ms && room_time_ms(room) > live->running.deadline_ms;
  return seat->left || passed ? HEYA__V1__ERROR__CODE__TOO_LATE : OK;
}

static void deadline_start(struct room *room, struct live *live) {
  live->running.deadline_ms = room_time_ms(room) + live->deadline_ms;
  room_deadline_show(room, live->running.number, live->running.deadline_ms);
  room_timer_set(room, TIMER_DEADLINE, live->running.deadline_ms + 1);
}

static void submitted_send(struct room *room, const struct live *live, struct live_seat *seat) {
  Heya__Kinds__Live__Submitted submitted = HEYA__KINDS__LIVE__SUBMITTED__INIT;
  submitted.round = live->running.number;
  submitted.player = seat->player;
  submitted.deadline_ms = live->running.deadline_ms;
  submitted.remaining_ms = (uint32_t)(live->running.deadline_ms - room_time_ms(room));
  Heya__Kinds__Live__Event event = HEYA__KINDS__LIVE__EVENT__INIT;
  event.body_case = HEYA__KINDS__LIVE__EVENT__BODY_SUBMITTED;
  event.submitted = &submitted;
  send_all(room, &event);
}

static kind_code submit(struct room *room, struct member *member, const Heya__Kinds__Live__Command *command,
                        struct kind_reply *reply) {
  struct live *live = room_state(room);
  const Heya__Kinds__Live__Submit *result = command->submit;
  kind_code code = submit_check(room, live, member_player(member), result->round);
  if (code != OK) return code;
  struct live_judge judge = live_judge_of(result->judge);
  if (!live_score_is_sane(result->score, &judge)) {
    kind_refuse(reply, "a score is at most %d, and its notes at most %d", LIVE_SCORE_MAX, LIVE_NOTES_MAX);
    return INVALID_ARGUMENT;
  }

  struct live_seat *seat = live_seat_find(&live->running, member_player(member));
  seat->submitted = true;
  seat->score = result->score;
  seat->judge = judge;
  if (!live->running.deadline_ms) deadline_start(room, live);
  room_result_show(room, seat->player, "%u points: %u perfect, %u great, %u good, %u bad, %u miss", seat->score,
                   judge.perfect, judge.great, judge.good, judge.bad, judge.miss);
  submitted_send(room, live, seat);
  if (live_round_is_settled(&live->running)) round_end(room, live);
  return OK;
}

/* ---- what the host does ---- */

static kind_code host_while_waiting(struct room *room, const struct member *member) {
  const struct live *live = room_state(room);
  if (room_host(room) != member) return HEYA__V1__ERROR__CODE__NOT_HOST;
  return live->running.number ? HEYA__V1__ERROR__CODE__WRONG_STATE : OK;
}

static void copy_text(char *to, size_t size, const char *from) {
  size_t len = strnlen(from, size - 1);
  memcpy(to, from, len);
  to[len] = '\0';
}

static struct live_round round_make(struct room *room, const struct live *live) {
  struct live_round round = {.number = live->last.number + 1, .live_id = live->live_id};
  for (size_t i = 0; i < room_member_count(room) && i < LIVE_PLAYERS_MAX; i++) {
    const struct member *member = room_member_at(room, i);
    struct live_seat *seat = &round.seats[round.seat_count++];
    copy_text(seat->player, sizeof seat->player, member_player(member));
    copy_text(seat->name, sizeof seat->name, member_name(member));
  }
  return round;
}

static kind_code start(struct room *room, struct member *member, const Heya__Kinds__Live__Command *command,
                       struct kind_reply *reply) {
  (void)command;
  struct live *live = room_state(room);
  kind_code code = host_while_waiting(room, member);
  if (code != OK) return code;
  if (live->live_id == 0) {
    kind_refuse(reply, "choose a song first");
    return HEYA__V1__ERROR__CODE__WRONG_STATE;
  }
  if (live->last.number == UINT32_MAX) {
    kind_refuse(reply, "this room has played its last round");
    return HEYA__V1__ERROR__CODE__WRONG_STATE;
  }
  live->running = round_make(room, live);
  room_lock(room, true);
  room_results_hide(room);

  char *players[LIVE_PLAYERS_MAX];
  for (uint32_t i = 0; i < live->running.seat_count; i++) players[i] = live->running.seats[i].player;
  Heya__Kinds__Live__Started started = HEYA__KINDS__LIVE__STARTED__INIT;
  started.round = live->running.number;
  started.live_id = live->running.live_id;
  started.n_players = live->running.seat_count;
  started.players = players;
  Heya__Kinds__Live__Event event = HEYA__KINDS__LIVE__EVENT__INIT;
  event.body_case = HEYA__KINDS__LIVE__EVENT__BODY_STARTED;
  event.started = &started;
  send_all(room, &event);
  return OK;
}

static kind_code choose(struct room *room, struct member *member, const Heya__Kinds__Live__Command *command,
                        struct kind_reply *reply) {
  struct live *live = room_state(room);
  kind_code code = host_while_waiting(room, member);
  if (code != OK) return code;
  if (command->choose->live_id == 0) return refuse_song(reply);
  live->live_id = command->choose->live_id;

  Heya__Kinds__Live__Options options = HEYA__KINDS__LIVE__OPTIONS__INIT;
  options.live_id = live->live_id;
  options.deadline_ms = live->deadline_ms;
  struct buf out = {0};
  live_pack(&out, &options.base);
  room_set_options(room, buf_bytes(&out));
  buf_close(&out);

  Heya__Kinds__Live__Chosen chosen = HEYA__KINDS__LIVE__CHOSEN__INIT;
  chosen.live_id = live->live_id;
  Heya__Kinds__Live__Event event = HEYA__KINDS__LIVE__EVENT__INIT;
  event.body_case = HEYA__KINDS__LIVE__EVENT__BODY_CHOSEN;
  event.chosen = &chosen;
  send_all(room, &event);
  return OK;
}

static kind_code dissolve(struct room *room, struct member *member, const Heya__Kinds__Live__Command *command,
                          struct kind_reply *reply) {
  (void)command, (void)reply;
  kind_code code = host_while_waiting(room, member);
  if (code == OK) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  return code;
}

/* ---- the table ---- */

typedef kind_code handler(struct room *, struct member *, const Heya__Kinds__Live__Command *, struct kind_reply *);

static handler *const handlers[] = {
    [HEYA__KINDS__LIVE__COMMAND__BODY_START] = start,
    [HEYA__KINDS__LIVE__COMMAND__BODY_SUBMIT] = submit,
    [HEYA__KINDS__LIVE__COMMAND__BODY_CHOOSE] = choose,
    [HEYA__KINDS__LIVE__COMMAND__BODY_DISSOLVE] = dissolve,
};

static kind_code live_command(struct room *room, struct member *member, struct bytes payload,
                              struct kind_reply *reply) {
  ProtobufCMessage *message = unpack(room, &heya__kinds__live__command__descriptor, payload, reply);
  if (!message) return INVALID_ARGUMENT;
  const Heya__Kinds__Live__Command *command = (const Heya__Kinds__Live__Command *)message;
  size_t body = (size_t)command->body_case;
  if (body >= sizeof handlers / sizeof *handlers || !handlers[body]) {
    kind_refuse(reply, "not a command of this kind");
    return INVALID_ARGUMENT;
  }
  return handlers[body](room, member, command, reply);
}

static void live_describe(const struct room *room, struct describe *describe) {
  const struct live *live = room_state(room);
  uint32_t round = live->running.number ? live->running.number : live->last.number;
  describe_property(describe, "live_id", "%u", live->live_id);
  describe_property(describe, "phase", "%s", live->running.number ? "playing" : "waiting");
  describe_property(describe, "round", "%u", round);
}

const struct kind kind_live = {
    .abi = KIND_ABI,
    .name = "live",
    .max_members = LIVE_PLAYERS_MAX,
    .max_members_limit = LIVE_PLAYERS_MAX,
    .max_spectators = 100,
    .empty_ms = 10 * 1000,
    .away_ms = 30 * 1000,
    .state_size = sizeof(struct live),
    .open = live_open,
    .join = live_join,
    .profile = live_profile,
    .leave = live_leave,
    .command = live_command,
    .timer = live_timer,
    .save = live_save,
    .load = live_load,
    .snapshot = live_snapshot,
    .describe = live_describe,
};
