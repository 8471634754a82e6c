/* Frames on the wire and the queue that sends them piece by piece. */
#include "common/buf.h"
#include "gateway/outbox.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct bytes payload_of(unsigned char *space, size_t len) {
  for (size_t i = 0; i < len; i++) space[i] = (unsigned char)(i * 31 + len);
  return bytes_of(space, len);
}

Test(outbox, frame_header_has_the_shortest_length) {
  static const struct {
    size_t len;
    size_t header_len;
    unsigned char header[10];
  } cases[] = {{0, 2, {0x82, 0}},
               {125, 2, {0x82, 125}},
               {126, 4, {0x82, 126, 0, 126}},
               {65535, 4, {0x82, 126, 0xff, 0xff}},
               {65536, 10, {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}}};
  unsigned char *space = malloc(70000);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct frame *frame = frame_create(CONN_PROTO, payload_of(space, cases[i].len));
    struct bytes bytes = frame_bytes(frame);
    cr_assert_eq(bytes.len, cases[i].header_len + cases[i].len);
    cr_assert_eq(memcmp(bytes.data, cases[i].header, cases[i].header_len), 0);
    cr_assert_eq(memcmp((const char *)bytes.data + cases[i].header_len, space, cases[i].len), 0);
    frame_unref(frame);
  }
  free(space);
  struct frame *text = frame_create(CONN_JSON, bytes_of_str("{}"));
  cr_assert(bytes_equal_str(frame_bytes(text), "\x81\x02{}"));
  frame_unref(text);
}

Test(outbox, close_frames_cut_the_reason_between_characters) {
  struct frame *plain = frame_create_close(4041, "SLOW");
  cr_assert(bytes_equal(frame_bytes(plain), bytes_of("\x88\x06\x0f\xc9SLOW", 8)));
  frame_unref(plain);
  struct frame *empty = frame_create_close(0, NULL);
  cr_assert(bytes_equal(frame_bytes(empty), bytes_of("\x88\x00", 2)));
  frame_unref(empty);
  char reason[200];
  memset(reason, 'a', 122);
  memcpy(reason + 122, "\xc3\xa9 tail", 8);
  struct frame *cut = frame_create_close(1000, reason);
  cr_assert_eq(frame_bytes(cut).len, 2 + 2 + 122);
  frame_unref(cut);
}

/* Takes what the outbox offers, at most `step` bytes at a time. */
static void drain(struct outbox *outbox, size_t step, struct buf *out) {
  struct iovec iov[3];
  while (!outbox_is_empty(outbox)) {
    size_t n = outbox_fill(outbox, iov, 3), taken = 0;
    cr_assert(n > 0);
    for (size_t i = 0; i < n && taken < step; i++) {
      size_t piece = iov[i].iov_len < step - taken ? iov[i].iov_len : step - taken;
      buf_append(out, iov[i].iov_base, piece);
      taken += piece;
    }
    outbox_advance(outbox, taken);
  }
}

Test(outbox, every_size_of_write_sends_the_same_bytes) {
  unsigned char space[300];
  for (size_t step = 1; step < 400; step += step < 20 ? 1 : 37) {
    struct outbox outbox = {0};
    struct buf expected = {0}, sent = {0};
    for (size_t len = 0; len < 40; len++) {
      struct frame *frame = frame_create(CONN_PROTO, payload_of(space, len * 7));
      outbox_push(&outbox, frame);
      buf_append_bytes(&expected, frame_bytes(frame));
      frame_unref(frame);
      if (len % 5 == 0) { /* the ring also moves while it is being emptied */
        struct iovec iov;
        cr_assert_eq(outbox_fill(&outbox, &iov, 1), 1);
        buf_append(&sent, iov.iov_base, 1);
        outbox_advance(&outbox, 1);
      }
    }
    cr_assert_eq(outbox.bytes + sent.len, expected.len);
    drain(&outbox, step, &sent);
    cr_assert(bytes_equal(buf_bytes(&sent), buf_bytes(&expected)), "step %zu", step);
    cr_assert_eq(outbox.bytes, 0);
    cr_assert_null(outbox.many, "an empty outbox holds no memory");
    buf_close(&expected);
    buf_close(&sent);
  }
}

Test(outbox, a_frame_lives_as_long_as_its_last_receiver) {
  struct outbox boxes[3] = {0};
  struct frame *frame = frame_create(CONN_JSON, bytes_of_str("shared"));
  for (size_t i = 0; i < 3; i++) outbox_push(&boxes[i], frame);
  frame_unref(frame);
  outbox_close(&boxes[0]);
  outbox_drop(&boxes[1]);
  struct buf sent = {0};
  drain(&boxes[2], 3, &sent);
  cr_assert(bytes_equal_str(buf_bytes(&sent), "\x81\x06shared"));
  buf_close(&sent);
}

Test(outbox, drop_keeps_the_frame_that_is_partly_sent) {
  struct outbox outbox = {0};
  struct buf sent = {0};
  for (int i = 0; i < 9; i++) {
    struct frame *frame = frame_create_raw(bytes_of_str("0123456789"));
    outbox_push(&outbox, frame);
    frame_unref(frame);
  }
  outbox_advance(&outbox, 13);
  outbox_drop(&outbox);
  cr_assert_eq(outbox.bytes, 7);
  struct frame *last = frame_create_raw(bytes_of_str("bye"));
  outbox_push(&outbox, last);
  frame_unref(last);
  drain(&outbox, 1, &sent);
  cr_assert(bytes_equal_str(buf_bytes(&sent), "3456789bye"));
  buf_close(&sent);
}

Test(outbox, drop_of_unsent_frames_leaves_nothing) {
  struct outbox outbox = {0};
  struct frame *frame = frame_create_raw(bytes_of_str("0123456789"));
  outbox_push(&outbox, frame);
  frame_unref(frame);
  outbox_drop(&outbox);
  cr_assert(outbox_is_empty(&outbox));
  cr_assert_eq(outbox.bytes, 0);
  outbox_close(&outbox);
}
