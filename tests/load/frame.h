/* A command as a whole WebSocket frame, made once and sent again and again: only its request, its number and its text
 * change, and these have a fixed place. Numbers are written in five bytes whatever they are, which a varint may. */
#ifndef HEYA_TESTS_LOAD_FRAME_H
#define HEYA_TESTS_LOAD_FRAME_H

#include "common/bytes.h"

#include <stdint.h>

#define FRAME_MAX        192
#define FRAME_TEXT_BYTES 32 /* as the line of a chat */

struct frame {
  uint16_t len, request_at, number_at, text_at; /* 0: it has none */
  uint8_t data[FRAME_MAX];
};

/* A line in a chat, of FRAME_TEXT_BYTES. */
void frame_say(struct frame *frame, const char *room);
/* A move in an arena. */
void frame_move(struct frame *frame, const char *room, float x, float y);

/* A line of FRAME_TEXT_BYTES between two constants, as other servers than Heya have it; without request and number.
 */
void frame_line(struct frame *frame, bool text, struct bytes before, struct bytes after);

/* The request is echoed in the answer. Nothing, for a frame without. */
void frame_set(struct frame *frame, uint32_t request, uint32_t number);

/* What a line tells: when it was due, whose it is, and in which run, so that one that comes too late is not taken for
 * another. Written as hexadecimal text. */
struct frame_stamp {
  uint64_t due_us;
  uint32_t sender, run;
};
void frame_stamp(struct frame *frame, const struct frame_stamp *stamp);
/* False when that is not such a text. */
bool frame_read_stamp(struct bytes text, struct frame_stamp *stamp);

static inline struct bytes frame_bytes(const struct frame *frame) {
  return bytes_of(frame->data, frame->len);
}

#endif
