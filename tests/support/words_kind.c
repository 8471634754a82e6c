/* Kind `words`: who says one, says it to all. For tests of kinds in shared objects, as build/words.so, with its
 * messages, and as build/words-proto.so with nothing else. It uses what such a kind uses: functions of the worker,
 * data of the codec. */
#include "proto/codec.h"
#include "proto/payload.h"
#include "proto/pb.h"
#include "tests/support/words.pb-c.h"
#include "worker/kind.h"

#ifndef WORDS_NAME
#define WORDS_NAME "words"
#endif

extern const struct payload_kind heya_payloads;
const struct payload_kind heya_payloads = {
    .name = WORDS_NAME,
    .messages = {[PAYLOAD_COMMAND] = &heya__tests__words__command__descriptor,
                 [PAYLOAD_EVENT] = &heya__tests__words__event__descriptor,
                 [PAYLOAD_STATE] = &heya__tests__words__state__descriptor,
                 [PAYLOAD_RESULT] = &heya__tests__words__result__descriptor},
};

#ifndef WORDS_PROTO_ONLY

struct words {
  uint32_t count;
};

static void pack(struct buf *out, const ProtobufCMessage *message) {
  out->len += protobuf_c_message_pack(message, buf_reserve(out, protobuf_c_message_get_packed_size(message)));
}

static kind_code words_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code words_command(struct room *room, struct member *member, struct bytes payload,
                               struct kind_reply *reply) {
  struct words *words = room_state(room);
  ProtobufCMessage *message;
  enum codec_result decoded = codec_unpack(&codec_limits_client, &heya__tests__words__command__descriptor,
                                           room_arena(room), payload.data, payload.len, &message);
  if (decoded != CODEC_OK) return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  Heya__Tests__Words__Event event = HEYA__TESTS__WORDS__EVENT__INIT;
  Heya__Tests__Words__Result result = HEYA__TESTS__WORDS__RESULT__INIT;
  struct buf out = {0};
  event.player = pb_text(member_player(member));
  event.text = ((const Heya__Tests__Words__Command *)message)->text;
  result.count = ++words->count;
  pack(&out, &event.base);
  pack(&reply->result, &result.base);
  room_send_all(room, buf_bytes(&out));
  buf_close(&out);
  return HEYA__V1__ERROR__CODE__OK;
}

static void words_save(struct room *room, struct buf *out) {
  const struct words *words = room_state(room);
  Heya__Tests__Words__State state = HEYA__TESTS__WORDS__STATE__INIT;
  state.count = words->count;
  pack(out, &state.base);
}

static bool words_load(struct room *room, struct bytes bytes) {
  struct words *words = room_state(room);
  ProtobufCMessage *message;
  if (codec_unpack(&codec_limits_internal, &heya__tests__words__state__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  words->count = ((const Heya__Tests__Words__State *)message)->count;
  return true;
}

static void words_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer;
  words_save(room, out);
}

extern const struct kind heya_kind;
const struct kind heya_kind = {
    .abi = KIND_ABI,
    .name = WORDS_NAME,
    .max_members = 8,
    .max_members_limit = 8,
    .empty_ms = 10000,
    .away_ms = 30000,
    .state_size = sizeof(struct words),
    .open = words_open,
    .command = words_command,
    .save = words_save,
    .load = words_load,
    .snapshot = words_snapshot,
};

#endif
