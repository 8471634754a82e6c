/* Kinds `arena` and `skirmish`: fighters run and strike, ten times a second. proto/kinds/arena.proto.
 *
 * The model for a game with frames. A command only says what a fighter wants, or does what happens at an instant (a
 * strike); everything that goes on by itself happens in `tick`. All numbers are integers and nothing is left to
 * chance, so whoever goes on after a crash goes on with the same game. What members are told per frame is the
 * difference to what they were told before (arena_view.c), so a frame in which nobody moves costs nothing and is not
 * even saved.
 *
 * Frames that nobody could run are lost: the world stands still meanwhile, but cooldowns, which count frames, go on.
 */
#include "worker/kinds/arena.h"

#include "proto/codec.h"
#include "proto/pb.h"
#include <math.h>
#include <string.h>

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE

static ProtobufCMessage *unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                                struct kind_reply *reply) {
  ProtobufCMessage *message = NULL;
  enum codec_result result =
      codec_unpack(&codec_limits_client, descriptor, room_arena(room), bytes.data, bytes.len, &message);
  if (result != CODEC_OK) kind_refuse(reply, "%s", codec_result_text(result));
  return message;
}

struct arena_fighter *arena_find(struct arena_game *game, const char *player) {
  for (uint32_t i = 0; i < game->fighter_count; i++)
    if (strcmp(game->fighters[i].player, player) == 0) return &game->fighters[i];
  return NULL;
}

bool arena_is_within(const struct arena_figure *a, const struct arena_figure *b, uint32_t distance) {
  int64_t x = (int64_t)a->x - b->x, y = (int64_t)a->y - b->y;
  return x * x + y * y <= (int64_t)distance * distance;
}

/* ---- options ---- */

/* A field of the options, with its default in place of 0. */
static bool option_take(uint32_t *field, uint32_t fallback, uint32_t most) {
  if (*field == 0) *field = fallback;
  return *field <= most;
}

bool arena_options_take(struct room *room, struct bytes bytes, struct kind_reply *reply) {
  struct arena_game *game = room_state(room);
  ProtobufCMessage *message = unpack(room, &heya__kinds__arena__options__descriptor, bytes, reply);
  if (!message) return false;
  Heya__Kinds__Arena__Options options = *(const Heya__Kinds__Arena__Options *)message;
  bool sane = option_take(&options.tick_hz, room_kind(room)->tick_hz, 60) && option_take(&options.width, 50, 1000) &&
              option_take(&options.height, 50, 1000) && option_take(&options.sight, 0, 2000) &&
              option_take(&options.max_hp, 100, 1000) && option_take(&options.cooldown, 5, 600);
  if (!sane) {
    kind_refuse(reply, "tick_hz is at most 60, width, height and max_hp 1000, sight 2000, cooldown 600");
    return false;
  }
  options.base.n_unknown_fields = 0; /* they are in the arena, which ends with this call */
  options.base.unknown_fields = NULL;
  game->options = options;
  return true;
}

static kind_code arena_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  if (!arena_options_take(room, options, reply)) return INVALID_ARGUMENT;
  const struct arena_game *game = room_state(room);
  room_set_tick_hz(room, game->options.tick_hz);
  return OK;
}

/* ---- coming and going ---- */

/* The next of a sequence of places that is the same in every room of this size and looks scattered: multiples of the
 * golden ratio, and of its like for two dimensions, modulo 1. */
static void spawn(struct arena_game *game, struct arena_fighter *fighter) {
  uint64_t n = ++game->spawned;
  uint64_t x = n * UINT64_C(3242174889) & UINT32_MAX, y = n * UINT64_C(2447445414) & UINT32_MAX;
  fighter->now.x = (uint32_t)(x * game->options.width * ARENA_UNIT >> 32);
  fighter->now.y = (uint32_t)(y * game->options.height * ARENA_UNIT >> 32);
  fighter->now.hp = game->options.max_hp;
  fighter->run_x = fighter->run_y = 0;
}

static kind_code arena_join(struct room *room, struct member *member, struct kind_reply *reply) {
  struct arena_game *game = room_state(room);
  if (!unpack(room, &heya__kinds__arena__profile__descriptor, member_profile(member), reply)) return INVALID_ARGUMENT;
  if (game->fighter_count == ARENA_FIGHTERS_MAX) return HEYA__V1__ERROR__CODE__ROOM_FULL;
  struct arena_fighter *fighter = &game->fighters[game->fighter_count++];
  *fighter = (struct arena_fighter){.score = 0};
  memcpy(fighter->player, member_player(member), strlen(member_player(member)));
  spawn(game, fighter);
  return OK;
}

/* The others need no word of it from here: the room itself tells them. */
static void arena_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  struct arena_game *game = room_state(room);
  struct arena_fighter *fighter = arena_find(game, member_player(member));
  (void)reason;
  size_t behind = (size_t)(&game->fighters[game->fighter_count--] - (fighter + 1));
  memmove(fighter, fighter + 1, behind * sizeof *fighter);
}

/* ---- commands ---- */

/* A vector of at most length 1 becomes a velocity, and with it an integer: the one place with floating point. */
static bool velocity_of(const Heya__Kinds__Arena__Move *move, int32_t *x, int32_t *y) {
  double length = sqrt((double)move->x * move->x + (double)move->y * move->y);
  if (!isfinite(length) || length > 1e6) return false;
  double speed = length > 1 ? ARENA_SPEED / length : ARENA_SPEED;
  *x = (int32_t)(move->x * speed);
  *y = (int32_t)(move->y * speed);
  return true;
}

static kind_code move(struct room *room, struct arena_fighter *fighter, const Heya__Kinds__Arena__Command *command,
                      struct kind_reply *reply) {
  int32_t x, y;
  (void)room;
  if (!velocity_of(command->move, &x, &y)) {
    kind_refuse(reply, "a direction is two finite numbers");
    return INVALID_ARGUMENT;
  }
  if (fighter->now.hp == 0) return WRONG_STATE;
  fighter->run_x = x;
  fighter->run_y = y;
  return OK;
}

static void tell_attack(struct room *room, struct arena_fighter *fighter, struct arena_fighter *target, bool hit) {
  Heya__Kinds__Arena__Event event = HEYA__KINDS__ARENA__EVENT__INIT;
  Heya__Kinds__Arena__Attacked attacked = HEYA__KINDS__ARENA__ATTACKED__INIT;
  attacked.player = fighter->player;
  attacked.target = target->player;
  attacked.hit = hit;
  attacked.hp = target->now.hp;
  event.body_case = HEYA__KINDS__ARENA__EVENT__BODY_ATTACKED;
  event.attacked = &attacked;
  arena_send(room, &event, fighter, target);
}

static void die(struct room *room, struct arena_fighter *fighter, struct arena_fighter *killer) {
  Heya__Kinds__Arena__Event event = HEYA__KINDS__ARENA__EVENT__INIT;
  Heya__Kinds__Arena__Died died = HEYA__KINDS__ARENA__DIED__INIT;
  fighter->run_x = fighter->run_y = 0;
  died.player = fighter->player;
  died.by = killer->player;
  died.score = ++killer->score;
  event.body_case = HEYA__KINDS__ARENA__EVENT__BODY_DIED;
  event.died = &died;
  arena_send(room, &event, killer, fighter);
}

static void reply_hit(struct kind_reply *reply, bool hit) {
  Heya__Kinds__Arena__Result result = HEYA__KINDS__ARENA__RESULT__INIT;
  result.hit = hit;
  arena_pack(&reply->result, &result.base);
}

/* Where everybody was at the end of the last frame decides: that is what the attacker saw. */
static kind_code attack(struct room *room, struct arena_fighter *fighter, const Heya__Kinds__Arena__Command *command,
                        struct kind_reply *reply) {
  struct arena_game *game = room_state(room);
  struct arena_fighter *target = arena_find(game, command->attack->target);
  if (!target || target == fighter) {
    kind_refuse(reply, "there is no such target");
    return INVALID_ARGUMENT;
  }
  if (fighter->now.hp == 0 || room_frame(room) < fighter->ready_frame) {
    kind_refuse(reply, fighter->now.hp ? "too early" : "dead fighters do not strike");
    return WRONG_STATE;
  }
  bool hit = target->now.hp && arena_is_within(&fighter->now, &target->now, ARENA_REACH);
  fighter->ready_frame = room_frame(room) + game->options.cooldown;
  if (hit) target->now.hp -= target->now.hp < ARENA_DAMAGE ? target->now.hp : ARENA_DAMAGE;
  tell_attack(room, fighter, target, hit);
  if (hit && target->now.hp == 0) die(room, target, fighter);
  reply_hit(reply, hit);
  return OK;
}

static kind_code respawn(struct room *room, struct arena_fighter *fighter, const Heya__Kinds__Arena__Command *command,
                         struct kind_reply *reply) {
  Heya__Kinds__Arena__Event event = HEYA__KINDS__ARENA__EVENT__INIT;
  Heya__Kinds__Arena__Respawned respawned = HEYA__KINDS__ARENA__RESPAWNED__INIT;
  (void)command;
  if (fighter->now.hp) {
    kind_refuse(reply, "he is alive");
    return WRONG_STATE;
  }
  spawn(room_state(room), fighter);
  respawned.player = fighter->player;
  respawned.x = fighter->now.x;
  respawned.y = fighter->now.y;
  event.body_case = HEYA__KINDS__ARENA__EVENT__BODY_RESPAWNED;
  event.respawned = &respawned;
  arena_send(room, &event, fighter, fighter);
  return OK;
}

typedef kind_code handler(struct room *, struct arena_fighter *, const Heya__Kinds__Arena__Command *,
                          struct kind_reply *);

static handler *const handlers[] = {
    [HEYA__KINDS__ARENA__COMMAND__BODY_MOVE] = move,
    [HEYA__KINDS__ARENA__COMMAND__BODY_ATTACK] = attack,
    [HEYA__KINDS__ARENA__COMMAND__BODY_RESPAWN] = respawn,
};

static kind_code arena_command(struct room *room, struct member *member, struct bytes payload,
                               struct kind_reply *reply) {
  ProtobufCMessage *message = unpack(room, &heya__kinds__arena__command__descriptor, payload, reply);
  if (!message) return INVALID_ARGUMENT;
  const Heya__Kinds__Arena__Command *command = (const Heya__Kinds__Arena__Command *)message;
  size_t body = (size_t)command->body_case;
  if (body >= sizeof handlers / sizeof *handlers || !handlers[body]) {
    kind_refuse(reply, "not a command of this kind");
    return INVALID_ARGUMENT;
  }
  return handlers[body](room, arena_find(room_state(room), member_player(member)), command, reply);
}

/* ---- frames ---- */

/* How far one gets in this frame. Over the frames of a second that adds up to exactly the velocity, at any rate. */
static int32_t step_of(int32_t velocity, uint64_t frame, uint32_t hz) {
  int64_t i = (int64_t)(frame % hz);
  return (int32_t)(velocity * (i + 1) / hz - velocity * i / hz);
}

static uint32_t moved(uint32_t from, int32_t step, uint32_t units) {
  int64_t to = (int64_t)from + step, end = (int64_t)units * ARENA_UNIT;
  return (uint32_t)(to < 0 ? 0 : to > end ? end : to);
}

static bool arena_tick(struct room *room, const struct kind_tick *frame) {
  struct arena_game *game = room_state(room);
  const Heya__Kinds__Arena__Options *options = &game->options;
  for (uint32_t i = 0; i < game->fighter_count; i++) {
    struct arena_fighter *fighter = &game->fighters[i];
    int32_t x = step_of(fighter->run_x, frame->frame, options->tick_hz);
    int32_t y = step_of(fighter->run_y, frame->frame, options->tick_hz);
    fighter->now.x = moved(fighter->now.x, x, options->width);
    fighter->now.y = moved(fighter->now.y, y, options->height);
  }
  return arena_show_frame(room, frame->frame);
}

static void arena_describe(const struct room *room, struct describe *describe) {
  const struct arena_game *game = room_state(room);
  describe_property(describe, "size", "%ux%u", game->options.width, game->options.height);
  describe_property(describe, "tick_hz", "%u", game->options.tick_hz);
}

/* The two are one game, and differ in what a crash costs; room_kind tells them apart, if anybody wants to know. */
#define ARENA                                                                                                        \
  .abi = KIND_ABI, .max_members = 16, .max_members_limit = ARENA_FIGHTERS_MAX, .empty_ms = 10 * 1000,                \
  .away_ms = 30 * 1000, .tick_hz = 10, .state_size = sizeof(struct arena_game), .open = arena_open,                  \
  .join = arena_join, .leave = arena_leave, .command = arena_command, .tick = arena_tick, .save = arena_save,        \
  .load = arena_load, .snapshot = arena_snapshot, .describe = arena_describe

const struct kind kind_arena = {ARENA, .name = "arena"};
const struct kind kind_skirmish = {ARENA, .name = "skirmish", .lossy = true};
