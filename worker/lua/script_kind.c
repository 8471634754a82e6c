/* See worker/lua/script_kind.h. Each function makes a call (script_call.h) of what it is given. */
#include "worker/lua/script_kind.h"
#include "worker/lua/script_call.h"

#define OK HEYA__V1__ERROR__CODE__OK

/* Calls that nobody waits for: so many failing in a row close the room, since it cannot go on without them. */
#define FAILURES_MAX   5
#define TIMER_RETRY_MS 1000

static struct script_call call_of(struct room *room, enum script_function function) {
  return (struct script_call){
      .script = room_kind(room)->data, .self = room_state(room), .room = room, .function = function};
}

/* Runs a call that somebody waits for. */
static kind_code ask(struct script_call *call, struct kind_reply *reply) {
  kind_code code = script_call_run(call);
  if (code != OK && call->message[0]) kind_refuse(reply, "%s", call->message);
  return code;
}

/* Runs one that nobody waits for; true if it succeeded. */
static bool tell(struct script_call *call) {
  struct script_room *self = call->self;
  if (script_call_run(call) == OK) {
    self->failures = 0;
    return true;
  }
  if (++self->failures >= FAILURES_MAX || !self->vm.L) room_complete(call->room, HEYA__V1__CLOSE_REASON__FAILED);
  return false;
}

/* ---- the table ---- */

/* The room and the time decide it: FNV-1a (64 bit). */
static uint64_t seed_of(const struct room *room) {
  uint64_t hash = 0xcbf29ce484222325u, now_ms = room_time_ms(room);
  for (const char *c = room_id(room); *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
  for (int i = 0; i < 8; i++) hash = (hash ^ ((now_ms >> (8 * i)) & 0xff)) * 0x100000001b3u;
  return hash;
}

static kind_code script_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  struct script_call call = call_of(room, SCRIPT_OPEN);
  script_room_seed(call.self, seed_of(room));
  call.payload = options;
  kind_code code = ask(&call, reply);
  script_call_close(&call);
  return code;
}

static kind_code script_join(struct room *room, struct member *member, struct kind_reply *reply) {
  struct script_call call = call_of(room, SCRIPT_JOIN);
  call.member = member;
  call.payload = member_profile(member);
  kind_code code = ask(&call, reply);
  script_call_close(&call);
  return code;
}

static void script_leave(struct room *room, struct member *member, Heya__V1__LeaveReason reason) {
  struct script_call call = call_of(room, SCRIPT_LEAVE);
  call.member = member;
  call.number = (uint32_t)reason;
  tell(&call);
  script_call_close(&call);
}

static kind_code script_command(struct room *room, struct member *member, struct bytes payload,
                                struct kind_reply *reply) {
  struct script_call call = call_of(room, SCRIPT_COMMAND);
  call.member = member;
  call.payload = payload;
  kind_code code = ask(&call, reply);
  if (code == OK) buf_append_bytes(&reply->result, buf_bytes(&call.result));
  script_call_close(&call);
  return code;
}

static kind_code script_profile(struct room *room, struct member *member, struct bytes profile,
                                struct kind_reply *reply) {
  struct script_call call = call_of(room, SCRIPT_PROFILE);
  call.member = member;
  call.payload = profile;
  kind_code code = ask(&call, reply);
  script_call_close(&call);
  return code;
}

static kind_code script_manage(struct room *room, struct member *host, const Heya__V1__Manage *manage,
                               struct kind_reply *reply) {
  struct script_call call = call_of(room, SCRIPT_MANAGE);
  call.member = host;
  call.manage = manage;
  kind_code code = ask(&call, reply);
  script_call_close(&call);
  return code;
}

static void script_opened(struct room *room, uint64_t token, const char *id, kind_code answer) {
  struct script_call call = call_of(room, SCRIPT_OPENED);
  call.token = token;
  call.other = id;
  call.answer = answer;
  tell(&call);
  script_call_close(&call);
}

static void script_vacancy(struct room *room, const char *id, uint32_t free_seats, bool ended) {
  struct script_call call = call_of(room, SCRIPT_VACANCY);
  call.other = id;
  call.number = free_seats;
  call.ended = ended;
  tell(&call);
  script_call_close(&call);
}

static bool script_tick(struct room *room, const struct kind_tick *tick) {
  struct script_call call = call_of(room, SCRIPT_TICK);
  call.tick = tick;
  bool changed = tell(&call) && call.changed;
  script_call_close(&call);
  return changed;
}

/* One that fails is tried again: without it the game might stand still for ever. */
static void script_timer(struct room *room, uint32_t id) {
  struct script_call call = call_of(room, SCRIPT_TIMER);
  call.number = id;
  if (!tell(&call)) room_timer_set(room, id, room_time_ms(room) + TIMER_RETRY_MS);
  script_call_close(&call);
}

static void script_save(struct room *room, struct buf *out) {
  const struct script_room *self = room_state(room);
  buf_append_bytes(out, buf_bytes(&self->image));
}

static bool script_load_image(struct room *room, struct bytes state) {
  struct script_room *self = room_state(room);
  buf_append_bytes(&self->image, state);
  return script_room_start(room_kind(room)->data, self, room);
}

static void script_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  struct script_call call = call_of(room, SCRIPT_SNAPSHOT);
  call.member = viewer ? room_member(room, member_player(viewer)) : NULL;
  if (script_call_run(&call) == OK) buf_append_bytes(out, buf_bytes(&call.result));
  script_call_close(&call);
}

static void script_describe(const struct room *room, struct describe *describe) {
  const struct script_room *self = room_state(room);
  struct script_call call = call_of(self->room, SCRIPT_DESCRIBE);
  script_call_run(&call);
  const char *at = (const char *)call.properties.data, *end = at ? at + call.properties.len : NULL;
  while (at != end) {
    const char *name = at, *value = name + strlen(name) + 1;
    describe_property(describe, name, "%s", value);
    at = value + strlen(value) + 1;
  }
  script_call_close(&call);
}

static void script_close(struct room *room) {
  struct script_room *self = room_state(room);
  script_vm_close(&self->vm);
  buf_close(&self->image);
}

void script_kind_init(struct script *script) {
  script->kind = (struct kind){.abi = KIND_ABI,
                               .name = script->name,
                               .state_size = sizeof(struct script_room),
                               .data = script,
                               .open = script_open,
                               .join = script_join,
                               .command = script_command,
                               .save = script_save,
                               .load = script_load_image,
                               .snapshot = script_snapshot,
                               .close = script_close};
}

void script_kind_fill(struct script *script) {
  if (script->has[SCRIPT_LEAVE]) script->kind.leave = script_leave;
  if (script->has[SCRIPT_PROFILE]) script->kind.profile = script_profile;
  if (script->has[SCRIPT_MANAGE]) script->kind.manage = script_manage;
  if (script->has[SCRIPT_OPENED]) script->kind.opened = script_opened;
  if (script->has[SCRIPT_VACANCY]) script->kind.vacancy = script_vacancy;
  if (script->has[SCRIPT_TICK]) script->kind.tick = script_tick;
  if (script->has[SCRIPT_TIMER]) script->kind.timer = script_timer;
  if (script->has[SCRIPT_DESCRIBE]) script->kind.describe = script_describe;
}
