/* Frames into messages, on wslay's frame layer.
 *
 * The frame layer and not wslay's event layer, because that one takes memory for the length a frame claims before its
 * bytes come, copies every message into a chunk of its own, and checks the text of a Close only when it comes in one
 * piece. Here a message in one frame is handed out from where wslay unmasked it when it fits its buffer.
 */
#include "gateway/ws.h"

#include "common/buf.h"
#include "common/mem.h"
#include "proto/utf8.h"

#include <wslay/wslay.h>

#define CONTROL_MAX   125
#define HEADER_BYTES  6    /* with the masking key, without an extended length */
#define KEPT_CAPACITY 8192 /* a larger assembly buffer is freed when the reader goes back */

struct ws_reader {
  wslay_frame_context_ptr frames;
  struct bytes input;     /* given and not yet taken by wslay */
  uint64_t incomplete;    /* bytes given, without those of complete frames; 0 between two frames */
  struct buf message;     /* data frames so far */
  struct buf control;     /* a control frame so far; it may stand between the fragments of a message */
  bool in_frame;          /* some of a frame has been seen, but not its end */
  bool in_message;        /* a fragment has come, but not the last one */
  uint8_t opcode;         /* of the frame */
  uint64_t payload_left;  /* of the frame */
  struct ws_reader *next; /* in the pool */
};

struct ws_pool {
  uint32_t max_message_bytes;
  size_t spare_max, spare_count;
  struct ws_reader *spare;
  size_t in_use;
};

/* What one ws_feed knows. */
struct feed {
  struct ws_pool *pool;
  struct ws_reader *reader;
  enum conn_format format;
  const struct ws_events *events;
  void *arg;
};

/* ---- the pool ---- */

static ssize_t give_input(uint8_t *out, size_t len, int flags, void *arg) {
  struct ws_reader *reader = arg;
  (void)flags;
  size_t n = len < reader->input.len ? len : reader->input.len;
  if (n) memcpy(out, reader->input.data, n);
  reader->input = bytes_of((const unsigned char *)reader->input.data + n, reader->input.len - n);
  return (ssize_t)n;
}

static struct ws_reader *reader_create(void) {
  static const struct wslay_frame_callbacks callbacks = {.recv_callback = give_input};
  struct ws_reader *reader = xcalloc(1, sizeof *reader);
  if (wslay_frame_context_init(&reader->frames, &callbacks, reader) != 0) mem_exhausted(sizeof *reader);
  return reader;
}

static void reader_destroy(struct ws_reader *reader) {
  wslay_frame_context_free(reader->frames);
  buf_close(&reader->message);
  buf_close(&reader->control);
  free(reader);
}

struct ws_pool *ws_pool_create(uint32_t max_message_bytes, size_t spare) {
  struct ws_pool *pool = xmalloc(sizeof *pool);
  *pool = (struct ws_pool){.max_message_bytes = max_message_bytes, .spare_max = spare};
  return pool;
}

void ws_pool_destroy(struct ws_pool *pool) {
  if (!pool) return;
  while (pool->spare) {
    struct ws_reader *reader = pool->spare;
    pool->spare = reader->next;
    reader_destroy(reader);
  }
  free(pool);
}

size_t ws_pool_in_use(const struct ws_pool *pool) {
  return pool->in_use;
}

static struct ws_reader *borrow(struct ws_pool *pool) {
  pool->in_use++;
  if (!pool->spare) return reader_create();
  struct ws_reader *reader = pool->spare;
  pool->spare = reader->next;
  pool->spare_count--;
  return reader;
}

/* Between two frames wslay's context is as new, and so is the rest. */
static void give_back(struct ws_pool *pool, struct ws_reader *reader) {
  pool->in_use--;
  if (pool->spare_count >= pool->spare_max) {
    reader_destroy(reader);
    return;
  }
  if (reader->message.cap > KEPT_CAPACITY) buf_close(&reader->message);
  reader->next = pool->spare;
  pool->spare = reader;
  pool->spare_count++;
}

void ws_close(struct ws_pool *pool, struct ws *ws) {
  if (!ws->reader) return;
  pool->in_use--;
  reader_destroy(ws->reader); /* in the middle of something: not worth cleaning */
  ws->reader = NULL;
}

/* ---- frames ---- */

static enum ws_result go_on(bool yes) {
  return yes ? WS_OK : WS_STOPPED;
}

/* The header of a frame is complete. */
static enum ws_result begin_frame(struct feed *feed, const struct wslay_frame_iocb *frame) {
  struct ws_reader *reader = feed->reader;
  reader->in_frame = true;
  reader->opcode = frame->opcode;
  reader->payload_left = frame->payload_length;
  if (!feed->events->frame(feed->arg)) return WS_STOPPED;
  if (frame->rsv != 0 || !frame->mask) return WS_BAD_PROTOCOL;
  switch (frame->opcode) {
  case WSLAY_CONNECTION_CLOSE:
  case WSLAY_PING:
  case WSLAY_PONG: return frame->payload_length <= CONTROL_MAX ? WS_OK : WS_BAD_PROTOCOL;
  case WSLAY_CONTINUATION_FRAME:
    if (!reader->in_message) return WS_BAD_PROTOCOL;
    break;
  case WSLAY_TEXT_FRAME:
  case WSLAY_BINARY_FRAME:
    if (reader->in_message) return WS_BAD_PROTOCOL;
    if ((frame->opcode == WSLAY_TEXT_FRAME) != (feed->format == CONN_JSON)) return WS_BAD_TYPE;
    break;
  default: return WS_BAD_PROTOCOL;
  }
  reader->in_message = true;
  return frame->payload_length <= feed->pool->max_message_bytes - reader->message.len ? WS_OK : WS_TOO_LARGE;
}

/* RFC 6455, section 7.4, and the registry it made: 1014 came later. */
static bool close_code_is_valid(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum ws_result end_close(struct feed *feed, struct bytes payload) {
  const unsigned char *data = payload.data;
  unsigned code = 0;
  if (payload.len == 1) return WS_BAD_PROTOCOL;
  if (payload.len >= 2) {
    code = (unsigned)data[0] << 8 | data[1];
    if (!close_code_is_valid(code)) return WS_BAD_PROTOCOL;
    if (!utf8_is_valid(data + 2, payload.len - 2)) return WS_BAD_UTF8;
  }
  feed->events->close(feed->arg, (uint16_t)code);
  return WS_STOPPED;
}

static enum ws_result end_message(struct feed *feed, struct bytes message) {
  if (feed->format == CONN_JSON && !utf8_is_valid(message.data, message.len)) return WS_BAD_UTF8;
  return go_on(feed->events->message(feed->arg, message));
}

/* `last` is the last piece of the payload, or all of it. */
static enum ws_result end_frame(struct feed *feed, bool fin, struct bytes last) {
  struct ws_reader *reader = feed->reader;
  bool control = wslay_is_ctrl_frame(reader->opcode);
  struct buf *collected = control ? &reader->control : &reader->message;
  bool in_one_piece = collected->len == 0 && (control || fin);
  if (!in_one_piece) buf_append_bytes(collected, last);
  reader->in_frame = false;
  if (!control && !fin) return WS_OK;

  struct bytes whole = in_one_piece ? last : buf_bytes(collected);
  if (!control) reader->in_message = false;
  enum ws_result result;
  switch (reader->opcode) {
  case WSLAY_CONNECTION_CLOSE: result = end_close(feed, whole); break;
  case WSLAY_PING: result = go_on(feed->events->ping(feed->arg, whole)); break;
  case WSLAY_PONG: result = go_on(feed->events->pong(feed->arg, whole)); break;
  default: result = end_message(feed, whole); break;
  }
  buf_clear(collected);
  return result;
}

/* wslay refuses lengths that are not in their shortest form, so the header's size follows from the length. */
static uint64_t frame_bytes_on_wire(uint64_t payload_length) {
  return HEADER_BYTES + (payload_length < 126 ? 0 : payload_length < 65536 ? 2 : 8) + payload_length;
}

/* One piece of a frame, as wslay gives it: all of the payload, or what there is of it. */
static enum ws_result take_piece(struct feed *feed, const struct wslay_frame_iocb *piece) {
  struct ws_reader *reader = feed->reader;
  if (!reader->in_frame) {
    enum ws_result result = begin_frame(feed, piece);
    if (result != WS_OK) return result;
  }
  struct bytes data = bytes_of(piece->data, piece->data_length);
  reader->payload_left -= data.len;
  if (reader->payload_left > 0) {
    buf_append_bytes(wslay_is_ctrl_frame(reader->opcode) ? &reader->control : &reader->message, data);
    return WS_OK;
  }
  reader->incomplete -= frame_bytes_on_wire(piece->payload_length);
  return end_frame(feed, piece->fin, data);
}

enum ws_result ws_feed(struct ws_pool *pool, struct ws *ws, enum conn_format format, struct bytes in,
                       const struct ws_events *events, void *arg) {
  if (in.len == 0) return WS_OK;
  if (!ws->reader) ws->reader = borrow(pool);
  struct feed feed = {.pool = pool, .reader = ws->reader, .format = format, .events = events, .arg = arg};
  feed.reader->input = in;
  feed.reader->incomplete += in.len;
  for (;;) {
    struct wslay_frame_iocb piece = {0};
    ssize_t got = wslay_frame_recv(feed.reader->frames, &piece);
    if (got == WSLAY_ERR_WANT_READ) break;
    if (got < 0) return WS_BAD_PROTOCOL;
    enum ws_result result = take_piece(&feed, &piece);
    if (result != WS_OK) return result;
  }
  if (feed.reader->incomplete == 0 && !feed.reader->in_message) {
    give_back(pool, feed.reader);
    ws->reader = NULL;
  }
  return WS_OK;
}
