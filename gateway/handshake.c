/* Collects a request's head, parses it, and checks it in the order in which a client would want to hear what is
 * wrong.
 */
#include "gateway/handshake.h"

#include <http_parser.h>
#include <strings.h>

/* ---- collecting ---- */

static bool refuse_head(struct handshake *handshake, uint16_t status, const char *reason) {
  handshake->bad_status = status;
  handshake->bad_reason = reason;
  return false;
}

static bool ends_with(const struct buf *buf, const char *tail, size_t len) {
  return buf->len >= len && memcmp(buf->data + buf->len - len, tail, len) == 0;
}

/* What http-parser would let pass. False when the head is bad. */
static bool take_byte(struct handshake *handshake, size_t max, unsigned char c) {
  struct buf *head = &handshake->head;
  bool after_cr = ends_with(head, "\r", 1);
  if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
    return refuse_head(handshake, 400, "a control character in the request; is this TLS on a plain port?");
  if ((c == '\n') != after_cr) return refuse_head(handshake, 400, "lines must end with CR LF");
  if ((c == ' ' || c == '\t') && (head->len == 0 || ends_with(head, "\r\n", 2)))
    return refuse_head(handshake, 400, "a line begins with white space");
  if (head->len >= max) return refuse_head(handshake, 431, "the request's headers are too large");
  buf_append_char(head, (char)c);
  if (head->len == 2 && c == '\n')
    buf_clear(head); /* RFC 9112, section 2.2: empty lines before a request are no part of it */
  else if (c == '\n')
    handshake->complete = ends_with(head, "\r\n\r\n", 4);
  else if (c != '\r')
    handshake->started = true;
  return true;
}

bool handshake_feed(struct handshake *handshake, const struct handshake_rules *rules, struct bytes in, size_t *used) {
  size_t max = rules->max_header_bytes < HANDSHAKE_BYTES_MAX ? rules->max_header_bytes : HANDSHAKE_BYTES_MAX;
  const unsigned char *data = in.data;
  size_t i = 0;
  while (i < in.len && !handshake->complete && handshake->bad_status == 0) take_byte(handshake, max, data[i++]);
  *used = i;
  return handshake->complete || handshake->bad_status != 0;
}

void handshake_reset(struct handshake *handshake) {
  buf_clear(&handshake->head);
  *handshake = (struct handshake){.head = handshake->head};
}

void handshake_close(struct handshake *handshake) {
  buf_close(&handshake->head);
  *handshake = (struct handshake){0};
}

/* ---- parsing ---- */

struct header {
  struct bytes name, value;
};

struct request {
  unsigned method, major, minor;
  uint64_t content_length;
  struct bytes target;
  struct header headers[HANDSHAKE_HEADERS_MAX];
  size_t header_count;
  bool too_many;
};

static int on_url(http_parser *parser, const char *at, size_t len) {
  struct request *request = parser->data;
  request->target = bytes_of(at, len);
  return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t len) {
  struct request *request = parser->data;
  request->too_many = request->header_count == HANDSHAKE_HEADERS_MAX;
  if (request->too_many) return 1;
  request->headers[request->header_count++] = (struct header){.name = bytes_of(at, len)};
  return 0;
}

static struct bytes trim(struct bytes text) {
  const char *at = text.data;
  while (text.len && (at[0] == ' ' || at[0] == '\t')) at++, text.len--;
  while (text.len && (at[text.len - 1] == ' ' || at[text.len - 1] == '\t')) text.len--;
  return bytes_of(at, text.len);
}

static int on_header_value(http_parser *parser, const char *at, size_t len) {
  struct request *request = parser->data;
  request->headers[request->header_count - 1].value = trim(bytes_of(at, len));
  return 0;
}

static int on_headers_complete(http_parser *parser) {
  struct request *request = parser->data;
  request->content_length = parser->content_length == UINT64_MAX ? 0 : parser->content_length;
  return 2; /* leave the parser: what follows is not its */
}

/* 0, or the status to refuse with. */
static unsigned parse(struct bytes head, struct request *request) {
  static const http_parser_settings settings = {.on_url = on_url,
                                                .on_header_field = on_header_field,
                                                .on_header_value = on_header_value,
                                                .on_headers_complete = on_headers_complete};
  http_parser parser;
  http_parser_init(&parser, HTTP_REQUEST);
  *request = (struct request){0};
  parser.data = request;
  size_t parsed = http_parser_execute(&parser, &settings, head.data, head.len);
  request->method = parser.method;
  request->major = parser.http_major;
  request->minor = parser.http_minor;
  if (request->too_many) return 431;
  if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_VERSION) return 505;
  return HTTP_PARSER_ERRNO(&parser) == HPE_OK && parsed == head.len ? 0 : 400;
}

/* ---- headers ---- */

static bool same_word(struct bytes a, const char *b) {
  return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

static size_t header_count(const struct request *request, const char *name) {
  size_t n = 0;
  for (size_t i = 0; i < request->header_count; i++) n += same_word(request->headers[i].name, name);
  return n;
}

/* The first one; data is NULL when there is none. */
static struct bytes header_value(const struct request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++)
    if (same_word(request->headers[i].name, name)) return request->headers[i].value;
  return bytes_of(NULL, 0);
}

/* Cuts the first element off a comma-separated list. False at its end. */
static bool next_element(struct bytes *list, struct bytes *element) {
  if (!list->data) return false;
  const char *at = list->data;
  const char *comma = list->len ? memchr(at, ',', list->len) : NULL;
  size_t len = comma ? (size_t)(comma - at) : list->len;
  *element = trim(bytes_of(at, len));
  *list = comma ? bytes_of(comma + 1, list->len - len - 1) : bytes_of(NULL, 0);
  return true;
}

/* Some header of this name lists the word. */
static bool header_lists(const struct request *request, const char *name, const char *word) {
  for (size_t i = 0; i < request->header_count; i++) {
    if (!same_word(request->headers[i].name, name)) continue;
    struct bytes list = request->headers[i].value, element;
    while (next_element(&list, &element))
      if (same_word(element, word)) return true;
  }
  return false;
}

/* ---- the client's address ---- */

/* Cuts the last element off. */
static bool last_element(struct bytes *list, struct bytes *element) {
  if (!list->data) return false;
  const char *at = list->data;
  size_t start = list->len;
  while (start > 0 && at[start - 1] != ',') start--;
  *element = trim(bytes_of(at + start, list->len - start));
  *list = start > 0 ? bytes_of(at, start - 1) : bytes_of(NULL, 0);
  return true;
}

/* From the right, each proxy tells who spoke to it, and is believed as long as it is one of ours. */
static void find_client(const struct request *request, const struct handshake_rules *rules,
                        const struct address *peer, char out[ADDRESS_BYTES]) {
  struct address client = *peer;
  for (size_t i = request->header_count; i-- > 0;) {
    if (!same_word(request->headers[i].name, "x-forwarded-for")) continue;
    struct bytes list = request->headers[i].value, element;
    while (cidr_any_contains(rules->trusted, rules->trusted_count, &client) && last_element(&list, &element)) {
      struct address said;
      if (!address_parse(&said, element.data, element.len)) goto found; /* whatever is left of it means nothing */
      client = said;
    }
  }
found:
  address_print(&client, out);
}

/* ---- deciding ---- */

static void refuse(struct handshake_decision *decision, unsigned status, enum gateway_refusal refusal,
                   const char *reason) {
  decision->action = HANDSHAKE_REFUSE;
  decision->status = status;
  decision->refusal = refusal;
  decision->reason = reason;
}

static void refuse_unparsed(struct handshake_decision *decision, unsigned status, const char *reason) {
  if (!reason)
    reason = status == 431   ? "too many header lines"
             : status == 505 ? "this server speaks HTTP/1.0 and HTTP/1.1"
                             : "this is not an HTTP request";
  refuse(decision, status, status == 431 ? REFUSED_TOO_LARGE : REFUSED_MALFORMED, reason);
}

static bool key_is_valid(struct bytes key) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *text = key.data;
  if (key.len != 24 || text[22] != '=' || text[23] != '=') return false;
  for (size_t i = 0; i < 22; i++)
    if (!memchr(alphabet, text[i], sizeof alphabet - 1)) return false;
  return true;
}

static bool origin_is_allowed(const struct request *request, const struct handshake_rules *rules) {
  struct bytes origin = header_value(request, "origin");
  if (!origin.data || rules->origin_count == 0) return true;
  for (size_t i = 0; i < rules->origin_count; i++)
    if (same_word(origin, rules->origins[i])) return true;
  return false;
}

/* The first of the client's that is one of ours. */
static bool choose_subprotocol(const struct request *request, enum conn_format *format) {
  for (size_t i = 0; i < request->header_count; i++) {
    if (!same_word(request->headers[i].name, "sec-websocket-protocol")) continue;
    struct bytes list = request->headers[i].value, element;
    while (next_element(&list, &element)) {
      for (*format = CONN_PROTO;; *format = CONN_JSON) {
        if (bytes_equal_str(element, http_subprotocol(*format))) return true;
        if (*format == CONN_JSON) break;
      }
    }
  }
  return false;
}

#define ENDPOINT "/v1"

static bool is_endpoint(struct bytes path) {
  size_t len = sizeof ENDPOINT - 1;
  const char *text = path.data;
  return path.len >= len && memcmp(text, ENDPOINT, len) == 0 && (path.len == len || text[len] == '/');
}

/* "" for the endpoint itself. */
static bool read_room(struct bytes path, char room[ROOM_ID_MAX + 1]) {
  struct room_id id;
  room[0] = '\0';
  if (path.len == sizeof ENDPOINT - 1) return true;
  if (!room_id_parse((const char *)path.data + sizeof ENDPOINT, path.len - sizeof ENDPOINT, &id)) return false;
  memcpy(room, id.id, sizeof id.id);
  return true;
}

static void decide_upgrade(const struct request *request, const struct handshake_rules *rules, struct bytes path,
                           struct handshake_decision *decision) {
  struct bytes key = header_value(request, "sec-websocket-key");
  bool wants = header_lists(request, "upgrade", "websocket");
  decision->action = HANDSHAKE_UPGRADE;
  if (!wants)
    refuse(decision, 426, REFUSED_VERSION, "this is a WebSocket endpoint: send Upgrade: websocket");
  else if (request->method != HTTP_GET || request->minor == 0)
    refuse(decision, 400, REFUSED_MALFORMED, "a WebSocket handshake is a GET with HTTP/1.1");
  else if (!header_lists(request, "connection", "upgrade"))
    refuse(decision, 400, REFUSED_MALFORMED, "a WebSocket handshake needs Connection: Upgrade");
  else if (header_count(request, "sec-websocket-version") > 1 || header_count(request, "sec-websocket-key") > 1 ||
           header_count(request, "origin") > 1)
    refuse(decision, 400, REFUSED_MALFORMED, "Sec-WebSocket-Version, Sec-WebSocket-Key or Origin is repeated");
  else if (!bytes_equal_str(header_value(request, "sec-websocket-version"), "13"))
    refuse(decision, 426, REFUSED_VERSION, "Sec-WebSocket-Version must be 13");
  else if (!key_is_valid(key))
    refuse(decision, 400, REFUSED_MALFORMED, "Sec-WebSocket-Key must be 16 bytes in base64");
  else if (!origin_is_allowed(request, rules))
    refuse(decision, 403, REFUSED_ORIGIN, "pages of this Origin may not connect");
  else if (!choose_subprotocol(request, &decision->format))
    refuse(decision, 400, REFUSED_SUBPROTOCOL,
           "Sec-WebSocket-Protocol must name heya.v1.proto (binary) or heya.v1.json (text)");
  else if (!read_room(path, decision->room))
    refuse(decision, 400, REFUSED_MALFORMED, "the path must be /v1 or /v1/<kind>/<room>");
  else
    http_accept_key(key, decision->accept);
}

static void decide_file(const struct request *request, struct bytes path, struct handshake_decision *decision) {
  decision->action = HANDSHAKE_FILE;
  decision->path = path;
  decision->if_none_match = header_value(request, "if-none-match");
  decision->keep_alive = request->minor == 1 && !header_lists(request, "connection", "close");
}

static void decide(const struct request *request, const struct handshake_rules *rules,
                   struct handshake_decision *decision) {
  struct bytes path = request->target;
  const char *query = path.len ? memchr(path.data, '?', path.len) : NULL;
  if (query) path.len = (size_t)(query - (const char *)path.data);
  size_t hosts = header_count(request, "host");
  if (request->major != 1 || request->minor > 1)
    refuse_unparsed(decision, 505, NULL);
  else if (request->method != HTTP_GET && request->method != HTTP_HEAD)
    refuse(decision, 405, REFUSED_MALFORMED, "only GET and HEAD are understood here");
  else if (request->content_length > 0 || header_count(request, "transfer-encoding") > 0)
    refuse(decision, 413, REFUSED_MALFORMED, "a request body is not accepted here");
  else if (hosts > 1 || (hosts == 0 && request->minor == 1))
    refuse(decision, 400, REFUSED_MALFORMED, "exactly one Host header is needed");
  else if (header_count(request, "content-length") > 1)
    refuse(decision, 400, REFUSED_MALFORMED, "Content-Length is repeated");
  else if (path.len == 0 || ((const char *)path.data)[0] != '/' || memchr(path.data, '#', path.len))
    refuse(decision, 400, REFUSED_MALFORMED, "the request's target must be a path");
  else if (is_endpoint(path))
    decide_upgrade(request, rules, path, decision);
  else if (header_lists(request, "upgrade", "websocket"))
    refuse(decision, 404, REFUSED_NOT_FOUND, "the WebSocket endpoint is /v1");
  else
    decide_file(request, path, decision);
}

void handshake_decide(const struct handshake *handshake, const struct handshake_rules *rules,
                      const struct address *peer, struct handshake_decision *decision) {
  struct request request = {0};
  *decision = (struct handshake_decision){0};
  unsigned bad = handshake->bad_status;
  if (!bad) bad = parse(buf_bytes(&handshake->head), &request);
  find_client(&request, rules, peer, decision->address);
  if (bad) {
    refuse_unparsed(decision, bad, handshake->bad_reason);
    return;
  }
  decision->head = request.method == HTTP_HEAD;
  decide(&request, rules, decision);
}
