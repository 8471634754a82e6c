/* The ledger kind; see tests/sim/ledger.h. */
#include "tests/sim/ledger.h"

#include "tests/sim/poison.h"
#include "worker/kinds/kinds.h"
#include "worker/room.h"

#define OK      HEYA__V1__ERROR__CODE__OK
#define INVALID HEYA__V1__ERROR__CODE__INVALID_ARGUMENT

/* ---- bytes ---- */

void ledger_encode(const struct ledger_command *command, uint8_t out[LEDGER_COMMAND_BYTES]) {
  out[0] = command->op;
  out[1] = command->argument;
  memcpy(out + 2, &command->token, sizeof command->token);
}

bool ledger_decode(struct bytes bytes, struct ledger_command *command) {
  const uint8_t *in = bytes.data;
  if (bytes.len != LEDGER_COMMAND_BYTES || in[0] >= LEDGER_OPS) return false;
  *command = (struct ledger_command){.op = in[0], .argument = in[1]};
  memcpy(&command->token, in + 2, sizeof command->token);
  return true;
}

#define HEAD_BYTES offsetof(struct ledger, tokens)

bool ledger_read(struct bytes bytes, struct ledger *ledger) {
  if (bytes.len < HEAD_BYTES) return false;
  memcpy(ledger, bytes.data, HEAD_BYTES);
  size_t len = ledger->n * sizeof ledger->tokens[0];
  if (ledger->n > LEDGER_MAX || bytes.len != HEAD_BYTES + len) return false;
  memcpy(ledger->tokens, (const char *)bytes.data + HEAD_BYTES, len);
  return true;
}

/* ---- to the run it belongs to ---- */

struct sim_kind {
  struct kind kind; /* first: a room's kind is one of these */
  struct sim *sim;
};

/* In each call into the kind. */
static struct sim *called(const struct room *room) {
  struct sim *sim = ((const struct sim_kind *)(const void *)room->kind)->sim;
  poison_call(sim, room->id);
  return sim;
}

static void strike_if(struct sim *sim, const struct ledger *ledger, enum poison when) {
  if (ledger->poison == when) poison_strike(sim, ledger->culprit);
}

/* ---- state ---- */

static void write_state(const struct ledger *ledger, struct buf *out) {
  buf_append(out, ledger, HEAD_BYTES + ledger->n * sizeof ledger->tokens[0]);
}

static void save(struct room *room, struct buf *out) {
  strike_if(called(room), room_state(room), POISON_SAVE);
  write_state(room_state(room), out);
}

static bool load(struct room *room, struct bytes bytes) {
  struct sim *sim = called(room);
  bool sound = ledger_read(bytes, room_state(room));
  if (sound) strike_if(sim, room_state(room), POISON_LOAD);
  return sound;
}

static void snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer;
  called(room);
  write_state(room_state(room), out);
}

/* ---- the game ---- */

static kind_code open_room(struct room *room, struct bytes options, struct kind_reply *reply) {
  struct ledger *ledger = room_state(room);
  (void)options, (void)reply;
  called(room);
  ledger->frames.empty = 1;
  return OK;
}

static void on_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  struct ledger *ledger = room_state(room);
  (void)member, (void)reason;
  called(room);
  if (room_member_count(room) == 0) ledger->frames.empty = 1;
}

static bool on_tick(struct room *room, const struct kind_tick *tick) {
  return ledger_tick(called(room), room, room_state(room), tick);
}

static void set_timer(struct room *room, struct ledger *ledger, uint8_t argument) {
  for (uint32_t id = 0; id < LEDGER_TIMERS; id++) {
    if (ledger->due_ms[id]) continue;
    ledger->due_ms[id] = room_time_ms(room) + 1 + argument * 8u;
    ledger->set++;
    room_timer_set(room, id, ledger->due_ms[id]);
    return;
  }
}

static void on_timer(struct room *room, uint32_t id) {
  struct ledger *ledger = room_state(room);
  uint8_t event[2] = {0xff, (uint8_t)id};
  strike_if(called(room), ledger, POISON_TIMER);
  ledger->due_ms[id] = 0;
  ledger->fired++;
  room_send_all(room, bytes_of(event, sizeof event));
}

static void take_poison(struct room *room, struct ledger *ledger, const struct ledger_command *command) {
  enum poison poison = command->argument % POISONS;
  if (ledger->poison && poison != POISON_APPLY) return; /* one is enough */
  ledger->poison = poison;
  ledger->culprit = command->token;
  if (ledger->poison == POISON_TIMER) set_timer(room, ledger, (uint8_t)command->token);
}

static void tell(struct room *room, struct member *member, const struct ledger_command *command, struct bytes event) {
  switch (room->kind->lossy ? LEDGER_ALL : command->op) { /* whom it is for no log says: see oracle_lossy.c */
  case LEDGER_EXCEPT: room_send_except(room, member, event); break;
  case LEDGER_ONE:
    room_send_one(room, room_member_at(room, command->argument % room_member_count(room)), event);
    break;
  case LEDGER_SILENT: break;
  default: room_send_all(room, event);
  }
}

static kind_code on_command(struct room *room, struct member *member, struct bytes payload,
                            struct kind_reply *reply) {
  struct ledger *ledger = room_state(room);
  struct ledger_command command;
  struct sim *sim = called(room);
  if (!ledger_decode(payload, &command)) return INVALID;
  if (command.op == LEDGER_REFUSE) {
    kind_refuse(reply, "refused %u", command.argument);
    return INVALID;
  }
  if (ledger->n == LEDGER_MAX) return HEYA__V1__ERROR__CODE__WRONG_STATE;
  ledger->tokens[ledger->n++] = command.token;
  buf_append(&reply->result, &ledger->n, sizeof ledger->n);
  if (command.op == LEDGER_POISON) take_poison(room, ledger, &command);
  strike_if(sim, ledger, POISON_APPLY);
  if (command.op == LEDGER_TIMER) set_timer(room, ledger, command.argument);
  if (command.op == LEDGER_RUN && room_tick_hz(room)) ledger->frames.left += command.argument % 8;
  tell(room, member, &command, payload);
  if (command.op == LEDGER_CLOSE) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  return OK;
}

static const struct kind ledger_kind = {
    .abi = KIND_ABI,
    .name = LEDGER_KIND,
    .max_members = 8,
    .max_members_limit = 8,
    .max_spectators = SIM_WATCHERS,
    .empty_ms = SIM_EMPTY_MS,
    .away_ms = SIM_AWAY_MS,
    .state_size = sizeof(struct ledger),
    .open = open_room,
    .leave = on_leave,
    .command = on_command,
    .tick = on_tick,
    .timer = on_timer,
    .save = save,
    .load = load,
    .snapshot = snapshot,
};

static void add(struct sim *sim, struct kind_registry *registry, const struct kind *kind) {
  if (kind_registry_add(registry, kind) != KIND_ADDED) sim_fail(sim, "refused", "kind %s is not taken", kind->name);
}

static struct kind *add_ledger(struct sim *sim, struct kind_registry *registry, const char *name) {
  struct sim_kind *ledger = sim_alloc(sim, sizeof *ledger);
  *ledger = (struct sim_kind){.kind = ledger_kind, .sim = sim};
  ledger->kind.name = name;
  add(sim, registry, &ledger->kind);
  return &ledger->kind;
}

const struct kind_registry *ledger_kinds(struct sim *sim) {
  if (sim->kinds) return sim->kinds;
  struct kind_registry *registry = sim_alloc(sim, sizeof *registry);
  struct kind *live = sim_alloc(sim, sizeof *live), *lobby = sim_alloc(sim, sizeof *lobby);
  *live = kind_live;
  *lobby = kind_lobby;
  lobby->empty_ms = SIM_EMPTY_MS;
  lobby->away_ms = SIM_AWAY_MS;
  lobby->max_spectators = SIM_WATCHERS;
  live->empty_ms = SIM_EMPTY_MS;
  live->away_ms = SIM_AWAY_MS;
  live->max_spectators = SIM_WATCHERS;
  add(sim, registry, live);
  add(sim, registry, lobby);
  add_ledger(sim, registry, LEDGER_KIND);
  add_ledger(sim, registry, LEDGER_TICK_KIND)->tick_hz = sim->plan.tick_hz;
  struct kind *lossy = add_ledger(sim, registry, LEDGER_LOSSY_KIND);
  lossy->tick_hz = sim->plan.tick_hz;
  lossy->lossy = true;
  sim->kinds = registry;
  return registry;
}
