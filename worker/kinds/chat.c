/* Kind `chat`: members say lines, everybody hears them, a newcomer sees the last ones. proto/kinds/chat.proto.
 *
 * The smallest whole kind, and the one to copy for a new one: check what comes in, change the state, send an event.
 * The lines are kept encoded, one after the other as in a State, which is therefore at once what is saved and what a
 * newcomer is shown: neither costs more than a copy, however often a room is saved.
 */
#include "common/buf.h"
#include "proto/codec.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/names.h"
#include "proto/pb.h"
#include "proto/utf8.h"
#include "worker/kinds/kinds.h"
#include <string.h>

#define CHAT_TEXT_MAX  2000 /* bytes */
#define CHAT_TOPIC_MAX 200  /* bytes */
#define CHAT_LINES_MAX 50   /* that a newcomer sees */

struct chat {
  struct buf lines;                    /* an encoded State: the last lines, oldest first */
  uint32_t line_bytes[CHAT_LINES_MAX]; /* how many of them each line takes, its tag included */
  size_t line_count;
  bool no_history;
  char topic[PROPERTY_VALUE_MAX + 1]; /* for listings: the start of it */
};

static ProtobufCMessage *unpack(struct room *room, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                                struct kind_reply *reply) {
  ProtobufCMessage *message = NULL;
  enum codec_result result =
      codec_unpack(&codec_limits_client, descriptor, room_arena(room), bytes.data, bytes.len, &message);
  if (result != CODEC_OK) kind_refuse(reply, "%s", codec_result_text(result));
  return message;
}

/* Appends the encoded message and returns its length. */
static size_t pack(struct buf *out, const ProtobufCMessage *message) {
  size_t len = protobuf_c_message_pack(message, buf_reserve(out, protobuf_c_message_get_packed_size(message)));
  out->len += len;
  return len;
}

/* ---- options ---- */

static bool topic_take(struct chat *chat, const char *topic) {
  size_t len = strlen(topic);
  if (len > CHAT_TOPIC_MAX || !utf8_is_text(topic, len, UTF8_ONE_LINE)) return false;
  size_t kept = utf8_cut(topic, len, PROPERTY_VALUE_MAX);
  memcpy(chat->topic, topic, kept);
  chat->topic[kept] = '\0';
  return true;
}

static kind_code options_take(struct room *room, struct bytes bytes, struct kind_reply *reply) {
  ProtobufCMessage *message = unpack(room, &heya__kinds__chat__options__descriptor, bytes, reply);
  if (!message) return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  const Heya__Kinds__Chat__Options *options = (const Heya__Kinds__Chat__Options *)message;
  struct chat *chat = room_state(room);
  chat->no_history = options->no_history;
  if (!topic_take(chat, options->topic)) {
    kind_refuse(reply, "a topic is one line of up to %d bytes", CHAT_TOPIC_MAX);
    return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  }
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code chat_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  return options_take(room, options, reply);
}

/* A profile says nothing here, but others are shown it: it must at least be one. */
static kind_code chat_join(struct room *room, struct member *member, struct kind_reply *reply) {
  bool valid = unpack(room, &heya__kinds__chat__profile__descriptor, member_profile(member), reply);
  return valid ? HEYA__V1__ERROR__CODE__OK : HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
}

static kind_code chat_profile(struct room *room, struct member *member, struct bytes profile,
                              struct kind_reply *reply) {
  (void)member;
  bool valid = unpack(room, &heya__kinds__chat__profile__descriptor, profile, reply);
  return valid ? HEYA__V1__ERROR__CODE__OK : HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
}

/* ---- lines ---- */

static bool text_is_valid(const char *text) {
  size_t len = strlen(text);
  return len >= 1 && len <= CHAT_TEXT_MAX && utf8_is_text(text, len, UTF8_LINES);
}

static void line_keep(struct chat *chat, Heya__Kinds__Chat__Line *line) {
  if (chat->line_count == CHAT_LINES_MAX) {
    buf_consume(&chat->lines, chat->line_bytes[0]);
    memmove(&chat->line_bytes[0], &chat->line_bytes[1], sizeof chat->line_bytes - sizeof chat->line_bytes[0]);
    chat->line_count--;
  }
  Heya__Kinds__Chat__State state = HEYA__KINDS__CHAT__STATE__INIT;
  state.n_lines = 1;
  state.lines = &line;
  chat->line_bytes[chat->line_count++] = (uint32_t)pack(&chat->lines, &state.base);
}

static void line_send(struct room *room, Heya__Kinds__Chat__Line *line) {
  Heya__Kinds__Chat__Event event = HEYA__KINDS__CHAT__EVENT__INIT;
  event.body_case = HEYA__KINDS__CHAT__EVENT__BODY_LINE;
  event.line = line;
  struct buf out = {0};
  pack(&out, &event.base);
  room_send_all(room, buf_bytes(&out));
  buf_close(&out);
}

static kind_code say(struct room *room, struct member *member, const Heya__Kinds__Chat__Say *say,
                     struct kind_reply *reply) {
  if (!text_is_valid(say->text)) {
    kind_refuse(reply, "a line is 1 to %d bytes of text", CHAT_TEXT_MAX);
    return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  }
  Heya__Kinds__Chat__Line line = HEYA__KINDS__CHAT__LINE__INIT;
  line.player = pb_text(member_player(member));
  line.name = pb_text(member_name(member));
  line.text = say->text;
  line.time_ms = room_time_ms(room);
  struct chat *chat = room_state(room);
  if (!chat->no_history) line_keep(chat, &line);
  line_send(room, &line);
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code chat_command(struct room *room, struct member *member, struct bytes payload,
                              struct kind_reply *reply) {
  ProtobufCMessage *message = unpack(room, &heya__kinds__chat__command__descriptor, payload, reply);
  if (!message) return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  const Heya__Kinds__Chat__Command *command = (const Heya__Kinds__Chat__Command *)message;
  switch (command->body_case) {
  case HEYA__KINDS__CHAT__COMMAND__BODY_SAY: return say(room, member, command->say, reply);
  default: kind_refuse(reply, "not a command of this kind"); return HEYA__V1__ERROR__CODE__INVALID_ARGUMENT;
  }
}

/* ---- the state, for successors and newcomers ---- */

static void chat_save(struct room *room, struct buf *out) {
  const struct chat *chat = room_state(room);
  buf_append_bytes(out, buf_bytes(&chat->lines));
}

static bool line_is_valid(const Heya__Kinds__Chat__Line *line) {
  return player_is_valid(line->player, strlen(line->player)) &&
         display_name_is_valid(line->name, strlen(line->name)) && text_is_valid(line->text);
}

static bool chat_load(struct room *room, struct bytes bytes) {
  struct kind_reply nobody = {.message = ""};
  if (options_take(room, room_options(room), &nobody) != HEYA__V1__ERROR__CODE__OK) return false;
  ProtobufCMessage *message = NULL;
  if (codec_unpack(&codec_limits_internal, &heya__kinds__chat__state__descriptor, room_arena(room), bytes.data,
                   bytes.len, &message) != CODEC_OK)
    return false;
  const Heya__Kinds__Chat__State *state = (const Heya__Kinds__Chat__State *)message;
  if (state->n_lines > CHAT_LINES_MAX) return false;
  for (size_t i = 0; i < state->n_lines; i++)
    if (!line_is_valid(state->lines[i])) return false;
  for (size_t i = 0; i < state->n_lines; i++) line_keep(room_state(room), state->lines[i]);
  return true;
}

static void chat_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  (void)viewer; /* everybody may see the same */
  chat_save(room, out);
}

static void chat_describe(const struct room *room, struct describe *describe) {
  const struct chat *chat = room_state(room);
  if (chat->topic[0]) describe_property(describe, "topic", "%s", chat->topic);
}

static void chat_close(struct room *room) {
  struct chat *chat = room_state(room);
  buf_close(&chat->lines);
}

const struct kind kind_chat = {
    .abi = KIND_ABI,
    .name = "chat",
    .max_members = 100,
    .max_members_limit = 1000,
    .max_spectators = 200,
    .empty_ms = 10 * 1000,
    .away_ms = 30 * 1000,
    .state_size = sizeof(struct chat),
    .open = chat_open,
    .join = chat_join,
    .profile = chat_profile,
    .command = chat_command,
    .save = chat_save,
    .load = chat_load,
    .snapshot = chat_snapshot,
    .describe = chat_describe,
    .close = chat_close,
};
