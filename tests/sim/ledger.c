/* The ledger kind; see tests/sim/ledger.h. */
#include "tests/sim/ledger.h"

#include "worker/kinds/kinds.h"

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

static void save(struct room *room, struct buf *out) {
  const struct ledger *ledger = room_state(room);
  buf_append(out, ledger, HEAD_BYTES + ledger->n * sizeof ledger->tokens[0]);
}

static bool load(struct room *room, struct bytes bytes) {
  return ledger_read(bytes, room_state(room));
}

static void snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer;
  save(room, out);
}

/* ---- the game ---- */

static kind_code open_room(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return OK;
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
  ledger->due_ms[id] = 0;
  ledger->fired++;
  room_send_all(room, bytes_of(event, sizeof event));
}

static void tell(struct room *room, struct member *member, const struct ledger_command *command, struct bytes event) {
  switch (command->op) {
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
  if (!ledger_decode(payload, &command)) return INVALID;
  if (command.op == LEDGER_REFUSE) {
    kind_refuse(reply, "refused %u", command.argument);
    return INVALID;
  }
  if (ledger->n == LEDGER_MAX) return HEYA__V1__ERROR__CODE__WRONG_STATE;
  ledger->tokens[ledger->n++] = command.token;
  buf_append(&reply->result, &ledger->n, sizeof ledger->n);
  if (command.op == LEDGER_TIMER) set_timer(room, ledger, command.argument);
  tell(room, member, &command, payload);
  if (command.op == LEDGER_CLOSE) room_complete(room, HEYA__V1__CLOSE_REASON__DISBANDED);
  return OK;
}

static const struct kind ledger_kind = {
    .abi = KIND_ABI,
    .name = LEDGER_KIND,
    .max_members = 8,
    .max_members_limit = 8,
    .empty_ms = SIM_EMPTY_MS,
    .away_ms = SIM_AWAY_MS,
    .state_size = sizeof(struct ledger),
    .open = open_room,
    .command = on_command,
    .timer = on_timer,
    .save = save,
    .load = load,
    .snapshot = snapshot,
};

const struct kind_registry *ledger_kinds(struct sim *sim) {
  if (sim->kinds) return sim->kinds;
  struct kind_registry *registry = sim_alloc(sim, sizeof *registry);
  struct kind *live = sim_alloc(sim, sizeof *live);
  *live = kind_live;
  live->empty_ms = SIM_EMPTY_MS;
  live->away_ms = SIM_AWAY_MS;
  if (kind_registry_add(registry, &ledger_kind) != KIND_ADDED || kind_registry_add(registry, live) != KIND_ADDED) {
    sim_fail(sim, "refused", "the kinds are not taken");
  }
  sim->kinds = registry;
  return registry;
}
