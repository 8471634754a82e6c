/* The upgrade by hand, the frames by wslay's client context. */
#include "tests/support/wsclient.h"

#include "common/mem.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define OPEN_MS  5000
#define SEND_MS  10000
#define HEAD_MAX 16384
#define KEY      "dGhlIHNhbXBsZSBub25jZQ==" /* the nonce of RFC 6455, section 1.3: nothing here is secret */
#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct received {
  struct received *next;
  struct buf message;
};

struct wsclient {
  int fd;
  enum wsclient_format format;
  wslay_event_context_ptr frames;
  struct buf early; /* what arrived together with the upgrade's answer */
  struct received *first, **last;
  bool over; /* end of file, or an error */
  uint16_t close_code;
  char close_reason[128];
  uint32_t mask;
};

static ssize_t on_read(wslay_event_context_ptr frames, uint8_t *data, size_t len, int flags, void *user) {
  (void)flags;
  struct wsclient *client = user;
  if (client->early.len) {
    size_t n = len < client->early.len ? len : client->early.len;
    memcpy(data, client->early.data, n);
    buf_consume(&client->early, n);
    return (ssize_t)n;
  }
  ssize_t n = recv(client->fd, data, len, 0);
  if (n > 0) return n;
  if (n < 0 && errno == EAGAIN) {
    wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  client->over = true;
  wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

static ssize_t on_write(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags, void *user) {
  struct wsclient *client = user;
  ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
  if (n < 0) wslay_event_set_error(frames, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
  return n;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *mask, size_t len, void *user) {
  (void)frames;
  struct wsclient *client = user;
  client->mask = client->mask * 1664525 + 1013904223;
  for (size_t i = 0; i < len; i++) mask[i] = (uint8_t)(client->mask >> (8 * (i % 4)));
  return 0;
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg, void *user) {
  (void)frames;
  struct wsclient *client = user;
  if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
    client->close_code = arg->status_code ? arg->status_code : 1005;
    size_t len = arg->msg_length > 2 ? arg->msg_length - 2 : 0;
    snprintf(client->close_reason, sizeof client->close_reason, "%.*s", (int)len, (const char *)arg->msg + 2);
  } else if (!wslay_is_ctrl_frame(arg->opcode)) {
    bool text = arg->opcode == WSLAY_TEXT_FRAME;
    cr_assert(text == (client->format == WSCLIENT_JSON), "a message of the other subprotocol's type");
    struct received *received = xcalloc(1, sizeof *received);
    buf_append(&received->message, arg->msg, arg->msg_length);
    *client->last = received;
    client->last = &received->next;
  }
}

/* Reads up to the end of the response's head; what follows it stays in client->early. */
static bool read_head(struct wsclient *client, char *head) {
  uint64_t deadline = wait_deadline(OPEN_MS);
  struct buf *in = &client->early;
  while (in->len < HEAD_MAX) {
    const char *end = strstr(buf_str(in), "\r\n\r\n");
    if (end) {
      size_t len = (size_t)(end - buf_str(in)) + 4;
      memcpy(head, in->data, len);
      head[len] = '\0';
      buf_consume(in, len);
      return true;
    }
    ssize_t n = recv(client->fd, buf_reserve(in, 4096), 4096, 0);
    if (n > 0) in->len += (size_t)n;
    if (n == 0 || (n < 0 && (errno != EAGAIN || !wait_readable(client->fd, deadline)))) break;
  }
  size_t len = in->len < HEAD_MAX ? in->len : HEAD_MAX;
  memcpy(head, buf_str(in), len);
  head[len] = '\0';
  return false;
}

/* The answer must carry the hash of our nonce and the subprotocol we asked for (RFC 6455, section 4.1). */
static void check_head(const struct wsclient *client, const char *head) {
  unsigned char hash[EVP_MAX_MD_SIZE], text[64];
  unsigned int len;
  cr_assert(EVP_Digest(KEY KEY_GUID, strlen(KEY KEY_GUID), hash, &len, EVP_sha1(), NULL) == 1);
  EVP_EncodeBlock(text, hash, (int)len);
  cr_assert(strstr(head, (const char *)text), "Sec-WebSocket-Accept is missing or wrong: %s", head);
  const char *format = client->format == WSCLIENT_JSON ? "heya.v1.json\r\n" : "heya.v1.proto\r\n";
  cr_assert(strstr(head, format), "the subprotocol was not taken up: %s", head);
}

static bool upgrade(struct wsclient *client, const char *address, const struct wsclient_options *options,
                    unsigned *status) {
  struct buf request = {0};
  char head[HEAD_MAX + 1];
  buf_printf(&request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n%s\r\n",
             options->path ? options->path : "/v1", address,
             options->format == WSCLIENT_JSON ? "heya.v1.json" : "heya.v1.proto",
             options->headers ? options->headers : "");
  bool sent = tcp_send(client->fd, buf_bytes(&request), wait_deadline(OPEN_MS));
  buf_close(&request);
  if (!sent) return false;
  bool whole = read_head(client, head);
  *status = strncmp(head, "HTTP/1.", 7) == 0 ? (unsigned)strtoul(head + 9, NULL, 10) : 0;
  if (!whole || *status != 101) return false;
  check_head(client, head);
  return true;
}

struct wsclient *wsclient_open(const char *address, const struct wsclient_options *options, unsigned *status) {
  static const struct wsclient_options none;
  static const struct wslay_event_callbacks callbacks = {.recv_callback = on_read,
                                                         .send_callback = on_write,
                                                         .genmask_callback = on_mask,
                                                         .on_msg_recv_callback = on_message};
  unsigned ignored;
  if (!options) options = &none;
  if (!status) status = &ignored;
  *status = 0;
  int fd = tcp_connect(address, options->receive_bytes);
  if (fd < 0) return NULL;
  struct wsclient *client = xmalloc(sizeof *client);
  *client = (struct wsclient){.fd = fd, .format = options->format, .mask = (uint32_t)fd};
  client->last = &client->first;
  if (!upgrade(client, address, options, status)) {
    wsclient_destroy(client);
    return NULL;
  }
  cr_assert(wslay_event_context_client_init(&client->frames, &callbacks, client) == 0);
  return client;
}

void wsclient_destroy(struct wsclient *client) {
  if (!client) return;
  close(client->fd);
  if (client->frames) wslay_event_context_free(client->frames);
  buf_close(&client->early);
  while (client->first) {
    struct received *received = client->first;
    client->first = received->next;
    buf_close(&received->message);
    free(received);
  }
  free(client);
}

/* Only sends: a client that does not read must not be made to by sending. */
static void flush(struct wsclient *client) {
  if (!client->over && wslay_event_want_write(client->frames) && wslay_event_send(client->frames) != 0)
    client->over = true;
}

static void send_as(struct wsclient *client, uint8_t opcode, struct bytes message) {
  struct wslay_event_msg queued = {.opcode = opcode, .msg = message.data, .msg_length = message.len};
  if (!client->over)
    wslay_event_queue_msg(client->frames, &queued); /* refused after a close: then there is no answer */
  flush(client);
}

void wsclient_send(struct wsclient *client, struct bytes message) {
  send_as(client, client->format == WSCLIENT_JSON ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, message);
}

void wsclient_send_text(struct wsclient *client, const char *text) {
  wsclient_send(client, bytes_of_str(text));
}

bool wsclient_send_raw(struct wsclient *client, struct bytes data) {
  uint64_t deadline = wait_deadline(SEND_MS);
  while (wslay_event_want_write(client->frames) && !client->over && wait_writable(client->fd, deadline))
    flush(client);
  return !client->over && tcp_send(client->fd, data, deadline);
}

bool wsclient_send_frame(struct wsclient *client, uint8_t head, struct bytes payload) {
  static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
  struct buf frame = {0};
  buf_append_char(&frame, (char)head);
  int length_bytes = payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8;
  buf_append_char(&frame, (char)(0x80 | (length_bytes == 0 ? (int)payload.len : length_bytes == 2 ? 126 : 127)));
  for (int i = length_bytes - 1; i >= 0; i--) buf_append_char(&frame, (char)(payload.len >> (8 * i) & 0xff));
  buf_append(&frame, mask, sizeof mask);
  const unsigned char *data = payload.data;
  for (size_t i = 0; i < payload.len; i++) buf_append_char(&frame, (char)(data[i] ^ mask[i % 4]));
  bool sent = wsclient_send_raw(client, buf_bytes(&frame));
  buf_close(&frame);
  return sent;
}

void wsclient_close(struct wsclient *client, uint16_t code) {
  wslay_event_queue_close(client->frames, code, NULL, 0);
  flush(client);
}

bool wsclient_pump(struct wsclient *client) {
  if (client->over) return false;
  if (wslay_event_want_read(client->frames)) {
    if (wslay_event_recv(client->frames) != 0) client->over = true;
  } else {
    char rest[256]; /* after the Close frame: wait for the end of the connection */
    ssize_t n = recv(client->fd, rest, sizeof rest, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) client->over = true;
  }
  flush(client);
  if (client->over && !client->close_code) client->close_code = 1006;
  return !client->over;
}

enum wsclient_result wsclient_receive(struct wsclient *client, uint64_t deadline, struct buf *message) {
  while (!client->first) {
    bool there = wsclient_pump(client);
    if (client->first) break;
    if (!there) return WSCLIENT_CLOSED;
    if (!wait_readable(client->fd, deadline)) return WSCLIENT_TIMEOUT;
  }
  struct received *received = client->first;
  client->first = received->next;
  if (!client->first) client->last = &client->first;
  *message = received->message;
  free(received);
  return WSCLIENT_MESSAGE;
}

uint16_t wsclient_wait_close(struct wsclient *client, uint64_t ms) {
  uint64_t deadline = wait_deadline(ms);
  while (wsclient_pump(client))
    if (!wait_readable(client->fd, deadline)) return 0;
  return client->close_code;
}

uint16_t wsclient_close_code(const struct wsclient *client) {
  return client->close_code;
}

const char *wsclient_close_reason(const struct wsclient *client) {
  return client->close_reason;
}

int wsclient_fd(const struct wsclient *client) {
  return client->fd;
}

bool wsclient_wants_write(const struct wsclient *client) {
  return !client->over && wslay_event_want_write(client->frames);
}
