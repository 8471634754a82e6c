/* What players of other servers than Heya say and hear; on the wire as those servers have it. */
#include "tests/load/crowd.h"

#include <criterion/criterion.h>
#include <string.h>

#define STAMP "0123456789abcdef0123456789abcdef"

static struct heard hear(const struct dialect *dialect, struct bytes message) {
  static const struct crowd_events events = {0};
  static struct crowd crowd = {.events = &events};
  struct player player = {.crowd = &crowd};
  struct heard heard = {0};
  dialect->hear(&player, message, &heard);
  return heard;
}

#define HEAR(dialect, text) hear(dialect, bytes_of(text, sizeof(text) - 1))

/* The text that the server would see in a line's frame, for as long as it has no mask. */
static void says(const struct dialect *dialect, uint8_t opcode, const char *expected, size_t len) {
  struct frame frame;
  struct frame_stamp stamp = {.due_us = 0x0123456789abcdef, .sender = 0x01234567, .run = 0x89abcdef};
  dialect->line(&frame, "chat/any");
  frame_stamp(&frame, &stamp);
  frame_set(&frame, 7, 9); /* changes nothing */
  struct bytes whole = frame_bytes(&frame);
  const uint8_t *data = whole.data;
  cr_assert_eq(whole.len, len + 6);
  cr_assert_eq(data[0], 0x80 | opcode);
  cr_assert_eq(data[1], 0x80 | len);
  cr_assert_eq(memcmp(data + 2, "\0\0\0\0", 4), 0);
  cr_assert_eq(memcmp(data + 6, expected, len), 0);
}

#define SAYS(dialect, opcode, text) says(dialect, opcode, text, sizeof(text) - 1)

static void is_line(struct heard heard) {
  cr_assert_eq(heard.what, HEARD_LINE);
  cr_assert(bytes_equal_str(heard.text, STAMP));
}

Test(dialect, names_and_tables_fit) {
  size_t n = 0;
  while (dialect_names[n]) n++;
  cr_assert_eq(n, DIALECT_PLAIN + 1);
  cr_assert_str_eq(dialect_names[DIALECT_COLYSEUS], "colyseus");
  cr_assert_eq(dialects[DIALECT_COLYSEUS], &dialect_colyseus);
}

Test(dialect, colyseus) {
  SAYS(&dialect_colyseus, 2, "\x0d\xa1m\xd9\x20" STAMP);
  is_line(HEAR(&dialect_colyseus, "\x0d\xa1m\xd9\x20" STAMP));
  struct heard joined = HEAR(&dialect_colyseus, "\x0a\x09"
                                                "token"
                                                "\x00");
  cr_assert_eq(joined.what, HEARD_JOINED);
  cr_assert(bytes_equal_str(joined.reply, "\x0a"));
  cr_assert_eq(HEAR(&dialect_colyseus, "\x0b").what, HEARD_ERROR);
  cr_assert_eq(HEAR(&dialect_colyseus, "\x0e\x01").what, HEARD_NOTHING);
  cr_assert_eq(HEAR(&dialect_colyseus, "\x0d\xa1q\xd9\x20").what, HEARD_UNREADABLE);
  cr_assert_eq(HEAR(&dialect_colyseus, "\x0d").what, HEARD_UNREADABLE);
  cr_assert_eq(HEAR(&dialect_colyseus, "").what, HEARD_UNREADABLE);
}

Test(dialect, socketio) {
  SAYS(&dialect_socketio, 1, "42[\"m\",\"" STAMP "\"]");
  is_line(HEAR(&dialect_socketio, "42[\"m\",\"" STAMP "\"]"));
  cr_assert(bytes_equal_str(HEAR(&dialect_socketio, "0{\"sid\":\"x\"}").reply, "40"));
  cr_assert(bytes_equal_str(HEAR(&dialect_socketio, "2").reply, "3"));
  cr_assert_eq(HEAR(&dialect_socketio, "2").what, HEARD_NOTHING);
  cr_assert_eq(HEAR(&dialect_socketio, "40{\"sid\":\"x\"}").what, HEARD_WELCOME);
  cr_assert_eq(HEAR(&dialect_socketio, "431[]").what, HEARD_JOINED);
  cr_assert_eq(HEAR(&dialect_socketio, "432[]").what, HEARD_LEFT);
  cr_assert_eq(HEAR(&dialect_socketio, "44{\"message\":\"no\"}").what, HEARD_ERROR);
  cr_assert_eq(HEAR(&dialect_socketio, "42[\"q\"]").what, HEARD_UNREADABLE);
  cr_assert_eq(HEAR(&dialect_socketio, "4").what, HEARD_UNREADABLE);
  cr_assert_eq(HEAR(&dialect_socketio, "").what, HEARD_UNREADABLE);
}

Test(dialect, plain) {
  SAYS(&dialect_plain, 1, STAMP);
  is_line(HEAR(&dialect_plain, STAMP));
  cr_assert_eq(HEAR(&dialect_plain, "J").what, HEARD_JOINED);
}
