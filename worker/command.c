/* See worker/command.h. */
#include "worker/command.h"
#include "common/mem.h"
#include "proto/codec.h"
#include "proto/pb.h"
#include "worker/manage.h"
#include "worker/worker_metrics.h"

typedef Heya__V1__Error__Code code;
#define CODE(name)     HEYA__V1__ERROR__CODE__##name
#define RETRY_AFTER_MS 100

static void answer_outcome(const struct asker *asker, uint32_t number, code result, const char *message,
                           struct bytes data) {
  if (result != CODE(OK)) {
    Heya__V1__Error error = HEYA__V1__ERROR__INIT;
    error.code = result;
    if (message) error.message = pb_text(message);
    error.number = number;
    answer_error(asker, &error, HEYA__BUS__ATTACHMENT__UNCHANGED);
    return;
  }
  Heya__V1__ServerMessage wrapper = HEYA__V1__SERVER_MESSAGE__INIT;
  Heya__V1__Ack ack = HEYA__V1__ACK__INIT;
  ack.room = pb_text(asker->room);
  ack.number = number;
  ack.result = pb_bytes(data);
  wrapper.body_case = HEYA__V1__SERVER_MESSAGE__BODY_ACK;
  wrapper.ack = &ack;
  answer_send(asker, &wrapper, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

/* What is to be done: something for the kind, or `manage`. */
struct order {
  struct bytes payload;
  const Heya__V1__Manage *manage; /* NULL: for the kind */
};

static code carry_out(struct room *room, struct member *member, const struct order *order, struct kind_reply *reply) {
  if (order->manage) return manage_apply(room, member, order->manage, reply);
  return room->kind->command(room, member, order->payload, reply);
}

static void execute(const struct asker *asker, struct room *room, struct member *member, const struct order *order,
                    struct worker_metrics *metrics) {
  struct kind_reply reply = {0};
  uint32_t number = member->window.last + 1;
  code result = carry_out(room, member, order, &reply);
  struct bytes data = result == CODE(OK) ? buf_bytes(&reply.result) : (struct bytes){0};
  session_note(&member->window, result, reply.message, data);
  room_touch(room);
  answer_outcome(asker, number, result, reply.message, data);
  buf_close(&reply.result);
  metrics->commands++;
}

static void answer_again(const struct asker *asker, const struct member *member, uint32_t number,
                         struct worker_metrics *metrics) {
  const struct outcome *outcome = session_outcome(&member->window, number);
  metrics->duplicates++;
  if (!outcome) {
    answer_outcome(asker, number, CODE(OK), NULL, (struct bytes){0});
  } else {
    answer_outcome(asker, number, (code)outcome->code, outcome->message,
                   bytes_of(outcome->result, outcome->result_len));
  }
}

static void refuse_gap(const struct asker *asker, uint32_t number, uint32_t expected) {
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  error.code = CODE(GAP);
  error.number = number;
  error.expected = expected;
  answer_error(asker, &error, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

/* The number is not consumed, and may be sent again. */
static void refuse_busy(const struct asker *asker, uint32_t number) {
  Heya__V1__Error error = HEYA__V1__ERROR__INIT;
  error.code = CODE(BUSY);
  error.number = number;
  error.retry_after_ms = RETRY_AFTER_MS;
  answer_error(asker, &error, HEYA__BUS__ATTACHMENT__UNCHANGED);
}

/* ---- in a room that ticks ---- */

static void enqueue(const struct asker *asker, struct room *room, const struct member *member, uint32_t number,
                    const struct order *order) {
  struct queued item = {.number = number, .request = asker->request, .manage = order->manage != NULL};
  struct bytes payload = order->payload;
  if (order->manage && !codec_pack(&room->effects->scratch, &order->manage->base, &payload))
    mem_exhausted(payload.len);
  snprintf(item.player, sizeof item.player, "%s", member->player);
  item.payload = pb_bytes(payload).data;
  item.len = payload.len;
  if (queue_add(&room->queue, &item)) {
    room_touch(room);
  } else {
    refuse_busy(asker, number);
  }
}

/* Bytes that are no Manage, from an image, are one without a body: it is refused. */
static const Heya__V1__Manage *unpack_manage(struct room *room, const struct queued *item) {
  static const Heya__V1__Manage nothing = HEYA__V1__MANAGE__INIT;
  ProtobufCMessage *message;
  enum codec_result result = codec_unpack(&codec_limits_internal, &heya__v1__manage__descriptor,
                                          &room->effects->scratch, item->payload, item->len, &message);
  return result == CODEC_OK ? (const Heya__V1__Manage *)message : &nothing;
}

/* He waits for its answer already, and may have forgotten under which request. */
static bool is_waiting(const struct asker *asker, const struct room *room, const struct member *member,
                       uint32_t number) {
  struct queued *waiting = queue_find(&room->queue, member->player, number);
  if (waiting) waiting->request = asker->request;
  return waiting != NULL;
}

static struct asker asker_of(struct room *room, const struct member *member, uint32_t request) {
  return (struct asker){.effects = room->effects,
                        .from = member ? member->binding : (struct binding){0},
                        .request = request,
                        .room = room->id};
}

static void run_one(struct room *room, const struct queued *item, struct worker_metrics *metrics) {
  struct member *member = room_member(room, item->player);
  struct asker asker = asker_of(room, member, item->request);
  struct order order = {.payload = bytes_of(item->payload, item->len)};
  if (item->manage) order.manage = unpack_manage(room, item);
  if (member) execute(&asker, room, member, &order, metrics);
  arena_reset(&room->effects->scratch);
}

static void refuse_one(struct room *room, const struct queued *item, code why) {
  struct asker asker = asker_of(room, room_member(room, item->player), item->request);
  answer_outcome(&asker, item->number, why, NULL, (struct bytes){0});
}

void command_run_waiting(struct room *room, struct worker_metrics *metrics) {
  struct queued item;
  while (!room->completing && queue_take(&room->queue, NULL, &item)) { /* one may kick the player of the next */
    run_one(room, &item, metrics);
    free(item.payload);
  }
  command_refuse_waiting(room, NULL, CODE(ROOM_CLOSED));
}

void command_refuse_waiting(struct room *room, const char *player, code why) {
  struct queued item;
  while (queue_take(&room->queue, player, &item)) {
    refuse_one(room, &item, why);
    free(item.payload);
  }
}

/* ---- what came through the stream ---- */

void command_take(const struct asker *asker, struct room *room, struct member *member,
                  const Heya__Bus__Command *command, struct worker_metrics *metrics) {
  struct order order = {.payload = bytes_of(command->payload.data, command->payload.len), .manage = command->manage};
  uint32_t waiting = room->frames.hz ? queue_count(&room->queue, member->player) : 0;
  uint32_t next = member->window.last + waiting + 1;
  uint32_t number = command->number ? command->number : next;
  if (number > next) {
    refuse_gap(asker, number, next);
  } else if (number == next && room->frames.hz) {
    enqueue(asker, room, member, number, &order);
  } else if (number == next) {
    execute(asker, room, member, &order, metrics);
  } else if (!is_waiting(asker, room, member, number)) {
    bool known = session_judge(&member->window, number) == SESSION_DUPLICATE;
    if (known) answer_again(asker, member, number, metrics);
    if (!known) answer_outcome(asker, number, CODE(TOO_OLD), NULL, (struct bytes){0});
  }
}
