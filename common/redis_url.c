/* Parses the addresses of common/redis_url.h; called at start with an option's value. */
#include "common/redis_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DB_MAX 65535

static bool refuse(char *error, size_t size, const char *why) {
  snprintf(error, size, "%s", why);
  return false;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Copies with %XX replaced; false when it does not fit, or holds a broken escape, a NUL or a control character. */
static bool unescape(const char *from, size_t len, char *out, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    int c = (unsigned char)from[i];
    if (c == '%') {
      if (i + 2 >= len || hex(from[i + 1]) < 0 || hex(from[i + 2]) < 0) return false;
      c = hex(from[i + 1]) * 16 + hex(from[i + 2]);
      i += 2;
    }
    if (c < ' ' || c == 127 || n + 1 >= size) return false;
    out[n++] = (char)c;
  }
  out[n] = '\0';
  return true;
}

static bool parse_number(const char *text, size_t len, uint32_t max, uint32_t *out) {
  uint32_t value = 0;
  if (len == 0 || len > 6) return false;
  for (size_t i = 0; i < len; i++) {
    if (!isdigit((unsigned char)text[i])) return false;
    value = value * 10 + (uint32_t)(text[i] - '0');
  }
  *out = value;
  return value <= max;
}

/* "[user:]password@" before the host. Returns what follows it, NULL if it is wrong. */
static const char *parse_login(const char *at, size_t len, struct redis_url *url) {
  const char *end = memchr(at, '@', len);
  for (const char *next = end; next && (next = memchr(next + 1, '@', len - (size_t)(next + 1 - at)));) end = next;
  if (!end) return at;
  const char *colon = memchr(at, ':', (size_t)(end - at));
  const char *password = colon ? colon + 1 : at;
  if (colon && !unescape(at, (size_t)(colon - at), url->user, sizeof url->user)) return NULL;
  if (!unescape(password, (size_t)(end - password), url->password, sizeof url->password)) return NULL;
  if (!url->password[0]) return NULL;
  return end + 1;
}

static bool parse_host(const char *at, size_t len, struct redis_url *url) {
  const char *end = at + len, *host = at, *host_end = NULL, *rest;
  if (len && *at == '[') {
    host = at + 1;
    host_end = memchr(host, ']', len - 1);
    if (!host_end) return false;
    rest = host_end + 1;
  } else {
    host_end = memchr(at, ':', len);
    if (!host_end) host_end = end;
    rest = host_end;
  }
  if (host == host_end || !unescape(host, (size_t)(host_end - host), url->host, sizeof url->host)) return false;
  if (strpbrk(url->host, " /?#@")) return false;
  uint32_t port = 6379;
  if (rest < end && (*rest != ':' || !parse_number(rest + 1, (size_t)(end - rest - 1), 65535, &port) || port == 0))
    return false;
  url->port = (uint16_t)port;
  return true;
}

static bool parse_tcp(const char *rest, struct redis_url *url, char *error, size_t size) {
  size_t len = strcspn(rest, "/?#");
  const char *tail = rest + len;
  const char *host = parse_login(rest, len, url);
  if (!host) return refuse(error, size, "the user or password before '@' is empty, too long or badly escaped");
  if (!parse_host(host, (size_t)(tail - host), url))
    return refuse(error, size, "expected host[:port], for instance redis://localhost:6379");
  if (*tail == '\0' || strcmp(tail, "/") == 0) return true;
  if (*tail != '/' || !parse_number(tail + 1, strlen(tail + 1), DB_MAX, &url->db))
    return refuse(error, size, "what follows the host must be /db with the database's number");
  return true;
}

static bool parse_unix(const char *rest, struct redis_url *url, char *error, size_t size) {
  size_t len = strcspn(rest, "/");
  const char *path = parse_login(rest, len, url);
  if (!path) return refuse(error, size, "the user or password before '@' is empty, too long or badly escaped");
  if (*path != '/') return refuse(error, size, "a unix socket needs an absolute path: unix:///path/to.sock");
  len = strcspn(path, "?");
  if (!unescape(path, len, url->path, sizeof url->path))
    return refuse(error, size, "the path of the unix socket is badly escaped or longer than 107 bytes");
  const char *query = path + len;
  if (*query == '\0') return true;
  if (strncmp(query, "?db=", 4) != 0 || !parse_number(query + 4, strlen(query + 4), DB_MAX, &url->db))
    return refuse(error, size, "what follows the path must be ?db=N with the database's number");
  return true;
}

bool redis_url_parse(const char *text, struct redis_url *out, char *error, size_t error_size) {
  bool ok;
  *out = (struct redis_url){0};
  if (strncmp(text, "redis://", 8) == 0) {
    ok = parse_tcp(text + 8, out, error, error_size);
  } else if (strncmp(text, "unix://", 7) == 0) {
    ok = parse_unix(text + 7, out, error, error_size);
  } else if (strncmp(text, "sentinel://", 11) == 0) {
    ok = refuse(error, error_size, "sentinel:// is not supported");
  } else if (strncmp(text, "rediss://", 9) == 0) {
    ok = refuse(error, error_size, "rediss:// (TLS) is not supported");
  } else {
    ok = refuse(error, error_size, "expected redis://host[:port][/db] or unix:///path/to.sock");
  }
  if (!ok) *out = (struct redis_url){0};
  return ok;
}

void redis_url_print(const struct redis_url *url, char *out, size_t size) {
  char db[16] = "";
  if (url->db) snprintf(db, sizeof db, "%s%u", url->path[0] ? "?db=" : "/", (unsigned)url->db);
  if (url->path[0])
    snprintf(out, size, "unix://%s%s", url->path, db);
  else if (strchr(url->host, ':'))
    snprintf(out, size, "redis://[%s]:%u%s", url->host, (unsigned)url->port, db);
  else
    snprintf(out, size, "redis://%s:%u%s", url->host, (unsigned)url->port, db);
}
