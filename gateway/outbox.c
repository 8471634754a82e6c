/* Shared frames and the ring that queues them. The ring starts inside the struct, moves to the heap when it grows and
 * comes back when it is empty, so an idle connection holds no memory beyond its struct.
 */
#include "gateway/outbox.h"

#include "common/mem.h"
#include "proto/utf8.h"

#include <assert.h>

/* ---- frames ---- */

struct frame {
  uint32_t refs;
  uint32_t len;
  unsigned char data[];
};

#define HEADER_MAX    10
#define CONTROL_MAX   125
#define OPCODE_TEXT   0x1
#define OPCODE_BINARY 0x2
#define FIN           0x80

/* RFC 6455, section 5.2: unmasked, since it is from a server; the shortest length that fits. */
static size_t write_header(unsigned char header[HEADER_MAX], unsigned opcode, size_t payload_len) {
  header[0] = (unsigned char)(FIN | opcode);
  size_t extra = payload_len < 126 ? 0 : payload_len < 65536 ? 2 : 8;
  header[1] = (unsigned char)(extra == 0 ? payload_len : extra == 2 ? 126 : 127);
  for (size_t i = 0; i < extra; i++) header[2 + i] = (unsigned char)(payload_len >> (8 * (extra - 1 - i)));
  return 2 + extra;
}

static struct frame *create(struct bytes header, struct bytes payload) {
  assert(payload.len < UINT32_MAX - HEADER_MAX);
  struct frame *frame = xmalloc(sizeof *frame + header.len + payload.len);
  frame->refs = 1;
  frame->len = (uint32_t)(header.len + payload.len);
  if (header.len) memcpy(frame->data, header.data, header.len);
  if (payload.len) memcpy(frame->data + header.len, payload.data, payload.len);
  return frame;
}

static struct frame *create_with_header(unsigned opcode, struct bytes payload) {
  unsigned char header[HEADER_MAX];
  size_t len = write_header(header, opcode, payload.len);
  return create(bytes_of(header, len), payload);
}

struct frame *frame_create(enum conn_format format, struct bytes payload) {
  return create_with_header(format == CONN_JSON ? OPCODE_TEXT : OPCODE_BINARY, payload);
}

struct frame *frame_create_raw(struct bytes bytes) {
  return create(bytes_of(NULL, 0), bytes);
}

struct frame *frame_create_control(enum frame_control opcode, struct bytes payload) {
  assert(payload.len <= CONTROL_MAX);
  return create_with_header(opcode, payload);
}

struct frame *frame_create_close(uint16_t code, const char *reason) {
  if (code == 0) return frame_create_control(FRAME_CLOSE, bytes_of(NULL, 0));
  unsigned char payload[CONTROL_MAX] = {(unsigned char)(code >> 8), (unsigned char)code};
  struct bytes text = bytes_of_str(reason);
  if (text.len) {
    text.len = utf8_cut(text.data, text.len, sizeof payload - 2);
    memcpy(payload + 2, text.data, text.len);
  }
  return frame_create_control(FRAME_CLOSE, bytes_of(payload, 2 + text.len));
}

struct bytes frame_bytes(const struct frame *frame) {
  return bytes_of(frame->data, frame->len);
}

struct frame *frame_ref(struct frame *frame) {
  frame->refs++;
  return frame;
}

void frame_unref(struct frame *frame) {
  if (--frame->refs == 0) free(frame);
}

/* ---- the ring ---- */

static struct frame **slot(struct outbox *outbox, uint32_t index) {
  if (outbox->many) return &outbox->many[(outbox->head + index) & (outbox->capacity - 1)];
  return &outbox->few[(outbox->head + index) % OUTBOX_INLINE];
}

static struct frame *peek(const struct outbox *outbox, uint32_t index) {
  if (outbox->many) return outbox->many[(outbox->head + index) & (outbox->capacity - 1)];
  return outbox->few[(outbox->head + index) % OUTBOX_INLINE];
}

static void grow(struct outbox *outbox) {
  uint32_t capacity = outbox->many ? outbox->capacity * 2 : OUTBOX_INLINE * 2;
  struct frame **ring = xmalloc(capacity * sizeof(struct frame *));
  for (uint32_t i = 0; i < outbox->count; i++) ring[i] = peek(outbox, i);
  free(outbox->many);
  outbox->many = ring;
  outbox->capacity = capacity;
  outbox->head = 0;
}

void outbox_push(struct outbox *outbox, struct frame *frame) {
  if (frame->len == 0) return; /* nothing of it could ever be sent */
  if (outbox->count == (outbox->many ? outbox->capacity : OUTBOX_INLINE)) grow(outbox);
  *slot(outbox, outbox->count++) = frame_ref(frame);
  outbox->bytes += frame->len;
}

size_t outbox_fill(const struct outbox *outbox, struct iovec *iov, size_t max) {
  size_t n = 0;
  for (; n < outbox->count && n < max; n++) {
    struct frame *frame = peek(outbox, (uint32_t)n);
    size_t skip = n == 0 ? outbox->head_sent : 0;
    iov[n] = (struct iovec){.iov_base = frame->data + skip, .iov_len = frame->len - skip};
  }
  return n;
}

static void pop(struct outbox *outbox) {
  struct frame *frame = peek(outbox, 0);
  outbox->head = outbox->many ? (outbox->head + 1) & (outbox->capacity - 1) : (outbox->head + 1) % OUTBOX_INLINE;
  outbox->count--;
  outbox->head_sent = 0;
  frame_unref(frame);
}

void outbox_advance(struct outbox *outbox, size_t sent) {
  assert(sent <= outbox->bytes);
  outbox->bytes -= sent;
  while (sent > 0) {
    size_t left = peek(outbox, 0)->len - outbox->head_sent;
    if (sent < left) {
      outbox->head_sent += sent;
      break;
    }
    sent -= left;
    pop(outbox);
  }
  if (outbox->count == 0) outbox_close(outbox);
}

void outbox_drop(struct outbox *outbox) {
  uint32_t keep = outbox->head_sent > 0 ? 1 : 0;
  while (outbox->count > keep) {
    struct frame *last = peek(outbox, --outbox->count);
    outbox->bytes -= last->len;
    frame_unref(last);
  }
  if (outbox->count == 0) outbox_close(outbox);
}

void outbox_close(struct outbox *outbox) {
  while (outbox->count > 0) pop(outbox);
  free(outbox->many);
  *outbox = (struct outbox){0};
}
