/* See tests/load/frame.h. The generated code packs the message with values that no other part of it has; where they
 * stand is where they are replaced later. */
#include "tests/load/frame.h"

#include "proto/client.pb-c.h"
#include "proto/kinds/arena.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "proto/pb.h"

#include <assert.h>
#include <string.h>

#define REQUEST 0xfedcba98u
#define NUMBER  0xf0e1d2c3u

#define HEAD_MAX 8 /* two bytes, two of length, the mask */
#define TEXT     1 /* opcodes */
#define BINARY   2

static void put_varint(uint8_t out[5], uint32_t value) {
  for (unsigned i = 0; i < 4; i++, value >>= 7) out[i] = (uint8_t)(0x80 | (value & 127));
  out[4] = (uint8_t)value;
}

static uint16_t find(const struct frame *frame, const void *what, size_t len) {
  const uint8_t *found = memmem(frame->data, frame->len, what, len);
  assert(found);
  return (uint16_t)(found - frame->data);
}

/* A whole frame, masked with zero. Returns where its payload goes. */
static uint8_t *begin(struct frame *frame, uint8_t opcode, size_t len) {
  size_t head = len < 126 ? 6 : HEAD_MAX;
  assert(head + len <= FRAME_MAX);
  *frame = (struct frame){.len = (uint16_t)(head + len), .data = {(uint8_t)(0x80 | opcode)}};
  frame->data[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
  if (len >= 126) {
    frame->data[2] = (uint8_t)(len >> 8);
    frame->data[3] = (uint8_t)len;
  }
  return frame->data + head;
}

static void build(struct frame *frame, const char *room, struct bytes payload) {
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  Heya__V1__Command command = HEYA__V1__COMMAND__INIT;
  uint8_t varint[5];
  command.room = pb_text(room);
  command.number = NUMBER;
  command.payload = pb_bytes(payload);
  message.request = REQUEST;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND;
  message.command = &command;
  heya__v1__client_message__pack(&message, begin(frame, BINARY, heya__v1__client_message__get_packed_size(&message)));
  put_varint(varint, REQUEST);
  frame->request_at = find(frame, varint, sizeof varint);
  put_varint(varint, NUMBER);
  frame->number_at = find(frame, varint, sizeof varint);
}

void frame_say(struct frame *frame, const char *room) {
  Heya__Kinds__Chat__Command line = HEYA__KINDS__CHAT__COMMAND__INIT;
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  char text[FRAME_TEXT_BYTES + 1];
  uint8_t payload[64];
  memset(text, '#', FRAME_TEXT_BYTES); /* no name of a room has one */
  text[FRAME_TEXT_BYTES] = '\0';
  say.text = text;
  line.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  line.say = &say;
  build(frame, room, bytes_of(payload, heya__kinds__chat__command__pack(&line, payload)));
  frame->text_at = find(frame, text, FRAME_TEXT_BYTES);
}

void frame_move(struct frame *frame, const char *room, float x, float y) {
  Heya__Kinds__Arena__Command command = HEYA__KINDS__ARENA__COMMAND__INIT;
  Heya__Kinds__Arena__Move move = HEYA__KINDS__ARENA__MOVE__INIT;
  uint8_t payload[32];
  move.x = x;
  move.y = y;
  command.body_case = HEYA__KINDS__ARENA__COMMAND__BODY_MOVE;
  command.move = &move;
  build(frame, room, bytes_of(payload, heya__kinds__arena__command__pack(&command, payload)));
}

void frame_line(struct frame *frame, bool text, struct bytes before, struct bytes after) {
  uint8_t *payload = begin(frame, text ? TEXT : BINARY, before.len + FRAME_TEXT_BYTES + after.len);
  if (before.len) memcpy(payload, before.data, before.len);
  memset(payload + before.len, '#', FRAME_TEXT_BYTES);
  if (after.len) memcpy(payload + before.len + FRAME_TEXT_BYTES, after.data, after.len);
  frame->text_at = (uint16_t)(payload + before.len - frame->data);
}

void frame_set(struct frame *frame, uint32_t request, uint32_t number) {
  if (!frame->number_at) return;
  put_varint(frame->data + frame->request_at, request);
  put_varint(frame->data + frame->number_at, number);
}

/* ---- stamps ---- */

static void put_hex(uint8_t *out, uint64_t value, unsigned digits) {
  static const char hex[] = "0123456789abcdef";
  for (unsigned i = digits; i-- > 0; value >>= 4) out[i] = (uint8_t)hex[value & 15];
}

/* One more than the digit is worth; 0: it is none. Every delivery has 32 of them to read. */
static const uint8_t digits[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static bool take_hex(const uint8_t *in, unsigned n, uint64_t *value) {
  uint64_t sum = 0;
  bool fine = true;
  for (unsigned i = 0; i < n; i++) {
    uint8_t digit = digits[in[i]];
    fine &= digit != 0;
    sum = sum << 4 | (uint64_t)(uint8_t)(digit - 1);
  }
  *value = sum;
  return fine;
}

void frame_stamp(struct frame *frame, const struct frame_stamp *stamp) {
  uint8_t *text = frame->data + frame->text_at;
  put_hex(text, stamp->due_us, 16);
  put_hex(text + 16, stamp->sender, 8);
  put_hex(text + 24, stamp->run, 8);
}

bool frame_read_stamp(struct bytes text, struct frame_stamp *stamp) {
  const uint8_t *data = text.data;
  uint64_t sender, run;
  if (text.len != FRAME_TEXT_BYTES || !take_hex(data, 16, &stamp->due_us) || !take_hex(data + 16, 8, &sender) ||
      !take_hex(data + 24, 8, &run))
    return false;
  stamp->sender = (uint32_t)sender;
  stamp->run = (uint32_t)run;
  return true;
}
