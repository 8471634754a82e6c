/* The load generator's reading and writing by hand, compared with the generated code. */
#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/kinds/arena.pb-c.h"
#include "proto/kinds/chat.pb-c.h"
#include "tests/load/frame.h"
#include "tests/load/wire.h"
#include "tests/unit/proto_generate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static void open_arena(void) {
  arena_init(&arena, 4096, 16u << 20);
}

static void close_arena(void) {
  arena_close(&arena);
}

TestSuite(load_wire, .init = open_arena, .fini = close_arena);

static bool is(struct bytes bytes, const char *text) {
  return bytes_equal_str(bytes, text);
}

static void same_event(const Heya__V1__Event *event, const struct wire_message *read) {
  cr_assert(is(read->room, event->room));
  cr_assert_eq(read->epoch, event->epoch);
  cr_assert_eq(read->seq, event->seq);
  cr_assert_eq(read->event, (uint32_t)event->body_case);
  if (event->body_case == HEYA__V1__EVENT__BODY_PAYLOAD)
    cr_assert(bytes_equal(read->payload, bytes_of(event->payload.data, event->payload.len)));
}

static void same(const Heya__V1__ServerMessage *message, const struct wire_message *read) {
  cr_assert_eq(read->request, message->request);
  cr_assert_eq(read->body, (uint32_t)message->body_case);
  switch (message->body_case) {
  case HEYA__V1__SERVER_MESSAGE__BODY_JOINED:
    cr_assert(is(read->room, message->joined->room));
    cr_assert_eq(read->epoch, message->joined->epoch);
    cr_assert_eq(read->seq, message->joined->seq);
    cr_assert_eq(read->code, (uint32_t)message->joined->reason);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_LEFT: cr_assert(is(read->room, message->left->room)); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ACK:
    cr_assert(is(read->room, message->ack->room));
    cr_assert_eq(read->number, message->ack->number);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_ERROR:
    cr_assert(is(read->room, message->error->room));
    cr_assert(is(read->text, message->error->message));
    cr_assert_eq(read->code, (uint32_t)message->error->code);
    cr_assert_eq(read->number, message->error->number);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_EVENT: same_event(message->event, read); break;
  case HEYA__V1__SERVER_MESSAGE__BODY_DETACHED:
    cr_assert(is(read->room, message->detached->room));
    cr_assert_eq(read->code, (uint32_t)message->detached->reason);
    break;
  case HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE: cr_assert_eq(read->code, (uint32_t)message->goodbye->reason); break;
  default: break;
  }
}

Test(load_wire, reads_what_the_generated_code_writes) {
  struct generator generator = {.state = 7, .kind = "chat", .arena = &arena};
  unsigned bodies = 0;
  for (int round = 0; round < 3000; round++) {
    struct wire_message read;
    struct bytes packed;
    arena_reset(&arena);
    ProtobufCMessage *made = generate_message(&generator, &heya__v1__server_message__descriptor);
    cr_assert(codec_pack(&arena, made, &packed));
    cr_assert(wire_read(packed, &read));
    same((const Heya__V1__ServerMessage *)made, &read);
    bodies |= 1u << read.body;
  }
  cr_assert_eq(bodies & 0xffc, 0xffc, "bodies that never came: %x", ~bodies & 0xffc);
}

/* A copy of each length, so that a sanitizer sees a read beyond it. */
Test(load_wire, refuses_or_survives_what_is_cut) {
  struct generator generator = {.state = 8, .kind = "chat", .arena = &arena};
  for (int round = 0; round < 100; round++) {
    struct wire_message read;
    struct bytes packed;
    arena_reset(&arena);
    cr_assert(codec_pack(&arena, generate_message(&generator, &heya__v1__server_message__descriptor), &packed));
    for (size_t len = 0; len < packed.len && len < 300; len++) {
      char *copy = malloc(len ? len : 1);
      if (len) memcpy(copy, packed.data, len);
      wire_read(bytes_of(copy, len), &read);
      free(copy);
    }
  }
}

Test(load_wire, finds_the_fields_of_a_kind) {
  uint8_t data[256];
  struct wire_field field;
  Heya__Kinds__Chat__Line line = HEYA__KINDS__CHAT__LINE__INIT, other = line, *lines[] = {&line, &other};
  Heya__Kinds__Chat__State state = HEYA__KINDS__CHAT__STATE__INIT;
  line.text = (char[]){"one"};
  line.time_ms = UINT64_C(1) << 40;
  other.text = (char[]){"two"};
  state.n_lines = 2;
  state.lines = lines;
  struct bytes rest = bytes_of(data, heya__kinds__chat__state__pack(&state, data));
  cr_assert(wire_find(&rest, 1, &field));
  cr_assert(is(wire_bytes(field.bytes, 3), "one"));
  cr_assert_eq(wire_number(field.bytes, 4), UINT64_C(1) << 40);
  cr_assert_eq(wire_number(field.bytes, 9), 0);
  cr_assert(wire_find(&rest, 1, &field));
  cr_assert(is(wire_bytes(field.bytes, 3), "two"));
  cr_assert_not(wire_find(&rest, 1, &field));
}

/* ---- frames ---- */

static const Heya__V1__Command *command_of(const struct frame *frame, uint32_t *request) {
  ProtobufCMessage *message;
  size_t head = (frame->data[1] & 127) == 126 ? 8 : 6, len = frame->data[1] & 127;
  if (head == 8) len = (size_t)frame->data[2] << 8 | frame->data[3];
  cr_assert_eq(frame->data[0], 0x82);
  cr_assert_eq(head + len, frame->len);
  cr_assert_eq(codec_unpack(&codec_limits_client, &heya__v1__client_message__descriptor, &arena, frame->data + head,
                            len, &message),
               CODEC_OK);
  const Heya__V1__ClientMessage *said = (const Heya__V1__ClientMessage *)message;
  cr_assert_eq(said->body_case, HEYA__V1__CLIENT_MESSAGE__BODY_COMMAND);
  *request = said->request;
  return said->command;
}

Test(load_wire, a_line_is_what_it_was_set_to) {
  static const char *const rooms[] = {
      "chat/a", "chat/a-room-with-a-name-so-long-that-its-frame-needs-an-extended-length-field"};
  static const uint32_t numbers[] = {0, 1, 127, 128, 300000, UINT32_MAX};
  for (size_t i = 0; i < 12; i++) {
    struct frame frame;
    struct frame_stamp stamp = {.due_us = UINT64_C(0x123456789ab) + i, .sender = (uint32_t)i, .run = 77}, read;
    uint32_t request;
    ProtobufCMessage *payload;
    frame_say(&frame, rooms[i / 6]);
    frame_set(&frame, 5, 5);
    frame_set(&frame, numbers[5 - i % 6], numbers[i % 6]);
    frame_stamp(&frame, &stamp);
    const Heya__V1__Command *command = command_of(&frame, &request);
    cr_assert_str_eq(command->room, rooms[i / 6]);
    cr_assert_eq(command->number, numbers[i % 6]);
    cr_assert_eq(request, numbers[5 - i % 6]);
    cr_assert_eq(codec_unpack(&codec_limits_client, &heya__kinds__chat__command__descriptor, &arena,
                              command->payload.data, command->payload.len, &payload),
                 CODEC_OK);
    const char *text = ((const Heya__Kinds__Chat__Command *)payload)->say->text;
    cr_assert(frame_read_stamp(bytes_of_str(text), &read));
    cr_assert_eq(read.due_us, stamp.due_us);
    cr_assert_eq(read.sender, stamp.sender);
    cr_assert_eq(read.run, stamp.run);
  }
}

Test(load_wire, a_move_is_a_move) {
  struct frame frame;
  uint32_t request;
  ProtobufCMessage *payload;
  frame_move(&frame, "arena/x", -0.8f, 0.6f);
  frame_set(&frame, 9, 3);
  const Heya__V1__Command *command = command_of(&frame, &request);
  cr_assert_eq(command->number, 3);
  cr_assert_eq(request, 9);
  cr_assert_eq(codec_unpack(&codec_limits_client, &heya__kinds__arena__command__descriptor, &arena,
                            command->payload.data, command->payload.len, &payload),
               CODEC_OK);
  const Heya__Kinds__Arena__Command *said = (const Heya__Kinds__Arena__Command *)payload;
  cr_assert_eq(said->body_case, HEYA__KINDS__ARENA__COMMAND__BODY_MOVE);
  cr_assert_float_eq(said->move->x, -0.8f, 1e-6);
  cr_assert_float_eq(said->move->y, 0.6f, 1e-6);
}

Test(load_wire, other_text_is_no_stamp) {
  struct frame_stamp stamp;
  cr_assert_not(frame_read_stamp(bytes_of_str("hello"), &stamp));
  cr_assert_not(frame_read_stamp(bytes_of_str("0000000000000000000000000000000:"), &stamp));
  cr_assert_not(frame_read_stamp(bytes_of_str("0000000000000000/000000000000000"), &stamp));
  cr_assert_not(frame_read_stamp(bytes_of_str("000000000000000000000000000G0000"), &stamp));
  cr_assert(frame_read_stamp(bytes_of_str("0000000000000000000000000000000f"), &stamp));
  cr_assert_eq(stamp.run, 15);
}
