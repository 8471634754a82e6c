/* WebSocket frames in: whole, split at every byte, one byte at a time; and everything that is wrong with them. */
#include "common/buf.h"
#include "gateway/ws.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE 70000

/* Everything the callbacks were told, as text: "M(hello)" for a message, P, O, C for ping, pong, close. */
struct heard {
  struct buf text;
  int frames, frame_limit;
  bool stop_at_message;
};

static bool heard_frame(void *arg) {
  struct heard *heard = arg;
  heard->frames++;
  return heard->frame_limit == 0 || heard->frames <= heard->frame_limit;
}

static bool note(struct heard *heard, char what, struct bytes payload) {
  buf_printf(&heard->text, "%c(", what);
  if (payload.len > 40)
    buf_printf(&heard->text, "%zu", payload.len);
  else
    buf_append_bytes(&heard->text, payload);
  buf_append_char(&heard->text, ')');
  return true;
}

static bool heard_message(void *arg, struct bytes message) {
  note(arg, 'M', message);
  return !((struct heard *)arg)->stop_at_message;
}

static bool heard_ping(void *arg, struct bytes payload) {
  return note(arg, 'P', payload);
}

static bool heard_pong(void *arg, struct bytes payload) {
  return note(arg, 'O', payload);
}

static bool heard_close(void *arg, uint16_t code) {
  buf_printf(&((struct heard *)arg)->text, "C(%u)", code);
  return false;
}

static const struct ws_events events = {
    .frame = heard_frame, .message = heard_message, .ping = heard_ping, .pong = heard_pong, .close = heard_close};

/* Appends a masked frame; first is the first byte of the header. */
static void add_frame(struct buf *out, unsigned first, const void *payload, size_t len) {
  static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
  buf_append_char(out, (char)first);
  if (len < 126) {
    buf_append_char(out, (char)(0x80 | len));
  } else {
    size_t extra = len < 65536 ? 2 : 8;
    buf_append_char(out, (char)(extra == 2 ? 0xfe : 0xff));
    for (size_t i = 0; i < extra; i++) buf_append_char(out, (char)(len >> (8 * (extra - 1 - i))));
  }
  buf_append(out, mask, 4);
  for (size_t i = 0; i < len; i++) buf_append_char(out, (char)(((const unsigned char *)payload)[i] ^ mask[i % 4]));
}

static void add_text(struct buf *out, unsigned first, const char *payload) {
  add_frame(out, first, payload, strlen(payload));
}

struct outcome {
  enum ws_result result;
  char heard[400];
  size_t in_use; /* of the pool, after all was fed */
};

static void run_pieces(struct bytes in, enum conn_format format, size_t first, size_t step, struct outcome *outcome) {
  struct ws_pool *pool = ws_pool_create(MAX_MESSAGE, 2);
  struct ws ws = {0};
  struct heard heard = {0};
  *outcome = (struct outcome){0};
  for (size_t at = 0; at < in.len && outcome->result == WS_OK;) {
    size_t n = at == 0 && first ? first : step;
    if (n > in.len - at) n = in.len - at;
    /* exactly as much memory as there are bytes, so that reading beyond them is seen */
    void *copy = memcpy(malloc(n), (const char *)in.data + at, n);
    outcome->result = ws_feed(pool, &ws, format, bytes_of(copy, n), &events, &heard);
    free(copy);
    at += n;
  }
  outcome->in_use = ws_pool_in_use(pool);
  snprintf(outcome->heard, sizeof outcome->heard, "%s", buf_str(&heard.text));
  ws_close(pool, &ws);
  cr_assert_eq(ws_pool_in_use(pool), 0);
  ws_pool_destroy(pool);
  buf_close(&heard.text);
}

/* Whole, split at every byte, one byte at a time: always the same. Frees `in`. */
static void expect(struct buf *in, enum conn_format format, enum ws_result result, const char *heard) {
  struct outcome outcome;
  struct bytes bytes = buf_bytes(in);
  run_pieces(bytes, format, 0, bytes.len, &outcome);
  cr_assert_eq(outcome.result, result, "result %d, expected %d for %s", (int)outcome.result, (int)result, heard);
  cr_assert_str_eq(outcome.heard, heard);
  if (result == WS_OK) cr_assert_eq(outcome.in_use, 0, "an idle connection owns no parser");
  for (size_t split = 1; split < bytes.len && bytes.len < 2000; split++) {
    run_pieces(bytes, format, split, bytes.len, &outcome);
    cr_assert_eq(outcome.result, result, "split at %zu", split);
    cr_assert_str_eq(outcome.heard, heard, "split at %zu: %s", split, outcome.heard);
  }
  run_pieces(bytes, format, 0, 1, &outcome);
  cr_assert_eq(outcome.result, result);
  cr_assert_str_eq(outcome.heard, heard);
  if (result == WS_OK) cr_assert_eq(outcome.in_use, 0);
  buf_close(in);
}

Test(ws, messages_come_out_as_they_went_in) {
  struct buf in = {0};
  add_text(&in, 0x82, "hello");
  add_text(&in, 0x82, "");
  add_text(&in, 0x82, "again");
  expect(&in, CONN_PROTO, WS_OK, "M(hello)M()M(again)");
}

Test(ws, fragments_are_joined_and_control_frames_between_them_are_heard_first) {
  struct buf in = {0};
  add_text(&in, 0x01, "con");
  add_text(&in, 0x89, "are you there");
  add_text(&in, 0x00, "");
  add_text(&in, 0x8a, "");
  add_text(&in, 0x00, "cat");
  add_text(&in, 0x80, "enated");
  add_text(&in, 0x81, "next");
  expect(&in, CONN_JSON, WS_OK, "P(are you there)O()M(concatenated)M(next)");
}

Test(ws, long_messages_of_every_length_form) {
  static const size_t lengths[] = {125, 126, 127, 4090, 4096, 5000, 65535, 65536, MAX_MESSAGE};
  static unsigned char payload[MAX_MESSAGE];
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    struct buf in = {0};
    char expected[40];
    add_frame(&in, 0x82, payload, lengths[i]);
    add_text(&in, 0x89, "p");
    snprintf(expected, sizeof expected, "M(%zu)P(p)", lengths[i]);
    expect(&in, CONN_PROTO, WS_OK, expected);
  }
}

Test(ws, an_incomplete_message_keeps_its_parser_and_only_that) {
  struct ws_pool *pool = ws_pool_create(MAX_MESSAGE, 1);
  struct heard heard = {0};
  struct ws a = {0}, b = {0};
  struct buf in = {0};
  add_text(&in, 0x02, "half");
  cr_assert_eq(ws_feed(pool, &a, CONN_PROTO, buf_bytes(&in), &events, &heard), WS_OK);
  cr_assert_eq(ws_pool_in_use(pool), 1);
  cr_assert_eq(ws_feed(pool, &b, CONN_PROTO, bytes_of("\x82", 1), &events, &heard), WS_OK);
  cr_assert_eq(ws_pool_in_use(pool), 2);
  buf_clear(&in);
  add_text(&in, 0x80, "whole");
  cr_assert_eq(ws_feed(pool, &a, CONN_PROTO, buf_bytes(&in), &events, &heard), WS_OK);
  cr_assert_eq(ws_pool_in_use(pool), 1);
  cr_assert_str_eq(buf_str(&heard.text), "M(halfwhole)");
  ws_close(pool, &b);
  cr_assert_eq(ws_pool_in_use(pool), 0);
  ws_pool_destroy(pool);
  buf_close(&in);
  buf_close(&heard.text);
}

Test(ws, a_claimed_length_takes_no_memory_before_its_bytes_come) {
  struct ws_pool *pool = ws_pool_create(1U << 30, 1);
  struct heard heard = {0};
  struct ws ws = {0};
  cr_assert_eq(ws_feed(pool, &ws, CONN_PROTO, bytes_of("\x82\xff\0\0\0\0\x3f\0\0\0abcdx", 15), &events, &heard),
               WS_OK);
  ws_close(pool, &ws);
  ws_pool_destroy(pool);
}

Test(ws, close_is_told_with_its_code_and_ends_everything) {
  struct buf in = {0};
  add_frame(&in, 0x88, "\x03\xe8gr\xc3\xbc\xc3\x9f", 8);
  add_text(&in, 0x82, "too late");
  expect(&in, CONN_PROTO, WS_STOPPED, "C(1000)");
  add_text(&in, 0x88, "");
  expect(&in, CONN_PROTO, WS_STOPPED, "C(0)");
  add_frame(&in, 0x88, "\x0f\xa0", 2);
  expect(&in, CONN_PROTO, WS_STOPPED, "C(4000)");
}

Test(ws, close_with_a_bad_payload_is_an_error) {
  struct buf in = {0};
  static const unsigned bad_codes[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
  add_frame(&in, 0x88, "\x03", 1);
  expect(&in, CONN_PROTO, WS_BAD_PROTOCOL, "");
  for (size_t i = 0; i < sizeof bad_codes / sizeof bad_codes[0]; i++) {
    unsigned char payload[2] = {(unsigned char)(bad_codes[i] >> 8), (unsigned char)bad_codes[i]};
    add_frame(&in, 0x88, payload, 2);
    expect(&in, CONN_PROTO, WS_BAD_PROTOCOL, "");
  }
  add_frame(&in, 0x88, "\x03\xe8\xff", 3);
  expect(&in, CONN_PROTO, WS_BAD_UTF8, "");
}

/* Raw bytes that are refused as 1002; each a frame with at least one byte of payload, so that all is known. */
Test(ws, frames_against_the_protocol_are_refused) {
  static const struct {
    const char *what, *bytes;
    size_t len;
  } cases[] = {{"unmasked", "\x82\x01x", 3},
               {"unmasked ping", "\x89\x01x", 3},
               {"reserved bit 1", "\xc2\x81----x", 7},
               {"reserved bit 3", "\x92\x81----x", 7},
               {"opcode 3", "\x83\x81----x", 7},
               {"opcode 11", "\x8b\x81----x", 7},
               {"continuation of nothing", "\x80\x81----x", 7},
               {"fragmented ping", "\x09\x81----x", 7},
               {"ping of 126 bytes", "\x89\xfe\x00\x7e----x", 9},
               {"16 bits for 125", "\x82\xfe\x00\x7d----x", 9},
               {"64 bits for 65535", "\x82\xff\0\0\0\0\0\0\xff\xff----x", 15},
               {"length with its top bit", "\x82\xff\x80\0\0\0\0\0\xff\xff----x", 15},
               {"message inside a message", "\x02\x81----x\x82\x81----y", 14}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct buf in = {0};
    buf_append(&in, cases[i].bytes, cases[i].len);
    expect(&in, CONN_PROTO, WS_BAD_PROTOCOL, "");
  }
}

Test(ws, text_and_binary_belong_to_their_subprotocols) {
  struct buf in = {0};
  add_text(&in, 0x81, "{}");
  expect(&in, CONN_PROTO, WS_BAD_TYPE, "");
  add_text(&in, 0x82, "x");
  expect(&in, CONN_JSON, WS_BAD_TYPE, "");
}

Test(ws, text_must_be_utf8_also_across_fragments) {
  struct buf in = {0};
  add_text(&in, 0x01, "\xe9\x83");
  add_text(&in, 0x80, "\xa8\xe5\xb1\x8b");
  expect(&in, CONN_JSON, WS_OK, "M(部屋)");
  add_text(&in, 0x81, "ok");
  add_text(&in, 0x81, "\xed\xa0\x80");
  expect(&in, CONN_JSON, WS_BAD_UTF8, "M(ok)");
  add_text(&in, 0x81, "\xe9\x83");
  expect(&in, CONN_JSON, WS_BAD_UTF8, "");
  add_text(&in, 0x82, "\xff\xfe");
  expect(&in, CONN_PROTO, WS_OK, "M(\xff\xfe)");
}

Test(ws, oversize_is_refused_in_one_frame_and_in_many) {
  static unsigned char payload[MAX_MESSAGE + 1];
  struct buf in = {0};
  add_frame(&in, 0x82, payload, MAX_MESSAGE + 1);
  expect(&in, CONN_PROTO, WS_TOO_LARGE, "");
  add_frame(&in, 0x02, payload, 40000);
  add_text(&in, 0x89, "ping");
  add_frame(&in, 0x80, payload, 30001);
  expect(&in, CONN_PROTO, WS_TOO_LARGE, "P(ping)");
  buf_append(&in, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff----x", 15);
  expect(&in, CONN_PROTO, WS_TOO_LARGE, "");
}

Test(ws, callbacks_can_stop_it) {
  struct ws_pool *pool = ws_pool_create(MAX_MESSAGE, 1);
  struct ws ws = {0};
  struct heard heard = {.stop_at_message = true};
  struct buf in = {0};
  add_text(&in, 0x82, "one");
  add_text(&in, 0x82, "two");
  cr_assert_eq(ws_feed(pool, &ws, CONN_PROTO, buf_bytes(&in), &events, &heard), WS_STOPPED);
  cr_assert_str_eq(buf_str(&heard.text), "M(one)");
  ws_close(pool, &ws);
  buf_clear(&heard.text);
  heard = (struct heard){.text = heard.text, .frame_limit = 1};
  cr_assert_eq(ws_feed(pool, &ws, CONN_PROTO, buf_bytes(&in), &events, &heard), WS_STOPPED);
  cr_assert_str_eq(buf_str(&heard.text), "M(one)");
  ws_close(pool, &ws);
  ws_pool_destroy(pool);
  buf_close(&in);
  buf_close(&heard.text);
}
