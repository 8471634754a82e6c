/* Responses as text. */
#include "gateway/http.h"

#include "gateway/files.h"
#include "gateway/outbox.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

static const struct {
  unsigned status;
  const char *text;
  const char *header; /* that this status asks for, or "" */
} statuses[] = {
    {101, "Switching Protocols", ""},
    {200, "OK", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", ""},
    {403, "Forbidden", ""},
    {404, "Not Found", ""},
    {405, "Method Not Allowed", "Allow: GET, HEAD\r\n"},
    {408, "Request Timeout", ""},
    {413, "Content Too Large", ""},
    {426, "Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
    {429, "Too Many Requests", "Retry-After: 5\r\n"},
    {431, "Request Header Fields Too Large", ""},
    {503, "Service Unavailable", "Retry-After: 5\r\n"},
    {505, "HTTP Version Not Supported", ""},
};

/* Nothing but this server's own scripts and styles: the pages in --www need no more, and whatever a player manages to
 * put into one cannot load anything. */
static const char security_headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

const char *http_status_text(unsigned status) {
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status) return statuses[i].text;
  return "Error";
}

static const char *status_header(unsigned status) {
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
    if (statuses[i].status == status) return statuses[i].header;
  return "";
}

void http_accept_key(struct bytes key, char accept[HTTP_ACCEPT_BYTES]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  struct buf text = {0};
  unsigned char digest[EVP_MAX_MD_SIZE];
  buf_append_bytes(&text, key);
  buf_append_str(&text, guid);
  if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha1(), NULL) != 1) abort();
  EVP_EncodeBlock((unsigned char *)accept, digest, 20);
  buf_close(&text);
}

const char *http_subprotocol(enum conn_format format) {
  return format == CONN_JSON ? "heya.v1.json" : "heya.v1.proto";
}

void http_switching(struct buf *out, const char *accept, enum conn_format format) {
  buf_printf(out,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
             accept, http_subprotocol(format));
}

static void begin(struct buf *out, unsigned status, bool keep_alive, uint64_t wall_ms) {
  char date[40];
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm); /* the process keeps the C locale */
  buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: %s%s\r\n%s", status, http_status_text(status), date,
             status == 426 ? "Upgrade, " : "", keep_alive ? "keep-alive" : "close", security_headers);
}

void http_error(struct buf *out, unsigned status, const char *text, bool head, uint64_t wall_ms) {
  begin(out, status, false, wall_ms);
  buf_printf(out,
             "%sCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
             status_header(status), strlen(text) + 1);
  if (!head) buf_printf(out, "%s\n", text);
}

void http_file(struct buf *out, const struct file *file, bool not_modified, bool keep_alive, uint64_t wall_ms) {
  begin(out, not_modified ? 304 : 200, keep_alive, wall_ms);
  buf_printf(out, "Cache-Control: no-cache\r\nETag: %s\r\n", file->etag);
  if (!not_modified)
    buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", file->type, frame_bytes(file->body).len);
  buf_append_str(out, "\r\n");
}

bool http_etag_matches(struct bytes if_none_match, const char *etag) {
  const char *at = if_none_match.data;
  size_t left = if_none_match.len, etag_len = strlen(etag);
  if (bytes_equal_str(if_none_match, "*")) return true;
  /* An ETag of ours holds no quote or comma inside, so each quoted string can be compared where it begins. */
  for (; left >= etag_len; at++, left--)
    if (*at == '"' && memcmp(at, etag, etag_len) == 0) return true;
  return false;
}
