/* Parses the addresses of common/redis_url.h; called at start with an option's value. */
#include "common/redis_url.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DB_MAX        65535
#define REDIS_PORT    6379
#define SENTINEL_PORT 26379

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
static const char *parse_login(const char *at, size_t len, struct redis_login *login) {
  const char *end = memchr(at, '@', len);
  for (const char *next = end; next && (next = memchr(next + 1, '@', len - (size_t)(next + 1 - at)));) end = next;
  if (!end) return at;
  const char *colon = memchr(at, ':', (size_t)(end - at));
  const char *password = colon ? colon + 1 : at;
  if (colon && !unescape(at, (size_t)(colon - at), login->user, sizeof login->user)) return NULL;
  if (!unescape(password, (size_t)(end - password), login->password, sizeof login->password)) return NULL;
  if (!login->password[0]) return NULL;
  return end + 1;
}

static bool parse_place(const char *at, size_t len, uint32_t port, struct redis_place *place) {
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
  if (host == host_end || !unescape(host, (size_t)(host_end - host), place->host, sizeof place->host)) return false;
  if (strpbrk(place->host, " /?#@,")) return false;
  if (rest < end && (*rest != ':' || !parse_number(rest + 1, (size_t)(end - rest - 1), 65535, &port) || port == 0))
    return false;
  place->port = (uint16_t)port;
  return true;
}

static const char bad_login[] = "the user or password before '@' is empty, too long or badly escaped";

static bool parse_tcp(const char *rest, struct redis_url *url, char *error, size_t size) {
  size_t len = strcspn(rest, "/?#");
  const char *tail = rest + len;
  const char *host = parse_login(rest, len, &url->login);
  if (!host) return refuse(error, size, bad_login);
  if (!parse_place(host, (size_t)(tail - host), REDIS_PORT, &url->at))
    return refuse(error, size, "expected host[:port], for instance redis://localhost:6379");
  if (*tail == '\0' || strcmp(tail, "/") == 0) return true;
  if (*tail != '/' || !parse_number(tail + 1, strlen(tail + 1), DB_MAX, &url->db))
    return refuse(error, size, "what follows the host must be /db with the database's number");
  return true;
}

static bool parse_unix(const char *rest, struct redis_url *url, char *error, size_t size) {
  size_t len = strcspn(rest, "/");
  const char *path = parse_login(rest, len, &url->login);
  if (!path) return refuse(error, size, bad_login);
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

/* ---- sentinel:// ---- */

static bool parse_sentinels(const char *at, const char *end, struct redis_url *url) {
  for (;;) {
    size_t len = strcspn(at, ",/?#");
    if (url->n_sentinels == REDIS_SENTINELS_MAX) return false;
    if (!parse_place(at, len, SENTINEL_PORT, &url->sentinels[url->n_sentinels++])) return false;
    at += len;
    if (at >= end) return true;
    at++;
  }
}

/* What Redis Sentinel takes for a name. */
static bool parse_master(const char *at, size_t len, struct redis_url *url) {
  if (len == 0 || len >= sizeof url->master) return false;
  for (size_t i = 0; i < len; i++)
    if (!isalnum((unsigned char)at[i]) && !memchr("._-", at[i], 3)) return false;
  memcpy(url->master, at, len);
  return true;
}

/* "sentinel_user=U&sentinel_password=P", each at most once. */
static bool parse_sentinel_login(const char *query, struct redis_login *login) {
  const struct {
    const char *name;
    char *out;
    size_t size;
  } fields[] = {{"sentinel_user=", login->user, sizeof login->user},
                {"sentinel_password=", login->password, sizeof login->password}};
  while (*query) {
    size_t len = strcspn(query, "&"), i = 0, n = sizeof fields / sizeof *fields, name = 0;
    for (; i < n; i++) {
      name = strlen(fields[i].name);
      if (strncmp(query, fields[i].name, name) == 0) break;
    }
    if (i == n || fields[i].out[0] || len == name) return false;
    if (!unescape(query + name, len - name, fields[i].out, fields[i].size)) return false;
    query += len;
    if (*query == '&' && *++query == '\0') return false;
  }
  return login->password[0] != '\0';
}

static bool parse_sentinel(const char *rest, struct redis_url *url, char *error, size_t size) {
  size_t len = strcspn(rest, "/?#");
  const char *tail = rest + len, *hosts = parse_login(rest, len, &url->login);
  if (!hosts) return refuse(error, size, bad_login);
  if (!parse_sentinels(hosts, tail, url))
    return refuse(error, size, "expected host[:port],... of up to 8 Sentinels before the master's name");
  len = *tail == '/' ? strcspn(tail + 1, "/?#") : 0;
  if (!parse_master(tail + (*tail == '/'), len, url))
    return refuse(error, size, "after the Sentinels comes /NAME, the master's name of up to 63 of [A-Za-z0-9._-]");
  tail += 1 + len;
  if (*tail == '/') {
    len = strcspn(++tail, "?#");
    if (!parse_number(tail, len, DB_MAX, &url->db))
      return refuse(error, size, "what follows the master's name must be /db with the database's number");
    tail += len;
  }
  if (*tail == '\0') return true;
  if (*tail != '?' || !parse_sentinel_login(tail + 1, &url->sentinel_login))
    return refuse(error, size, "after '?' come sentinel_password=P, and sentinel_user=U& before it if they need one");
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
    ok = parse_sentinel(text + 11, out, error, error_size);
  } else if (strncmp(text, "rediss://", 9) == 0) {
    ok = refuse(error, error_size, "rediss:// (TLS) is not supported: let a proxy beside this process do it");
  } else {
    ok = refuse(error, error_size,
                "expected redis://host[:port][/db], unix:///path/to.sock or sentinel://host[:port],.../master");
  }
  if (!ok) *out = (struct redis_url){0};
  return ok;
}

/* Appends as snprintf would, cut to size. Returns the new length, at most size - 1. */
static size_t append(char *out, size_t size, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static size_t append(char *out, size_t size, size_t len, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(out + len, size - len, format, args);
  va_end(args);
  return n < 0 || (size_t)n >= size - len ? size - 1 : len + (size_t)n;
}

static size_t print_place(char *out, size_t size, size_t len, const struct redis_place *place) {
  bool numeric6 = strchr(place->host, ':') != NULL;
  return append(out, size, len, "%s%s%s:%u", numeric6 ? "[" : "", place->host, numeric6 ? "]" : "",
                (unsigned)place->port);
}

void redis_url_print(const struct redis_url *url, char *out, size_t size) {
  size_t len;
  if (url->path[0]) {
    len = append(out, size, 0, "unix://%s", url->path);
  } else if (url->master[0]) {
    len = append(out, size, 0, "sentinel://");
    for (unsigned i = 0; i < url->n_sentinels; i++) {
      if (i > 0) len = append(out, size, len, ",");
      len = print_place(out, size, len, &url->sentinels[i]);
    }
    len = append(out, size, len, "/%s", url->master);
  } else {
    len = append(out, size, 0, "redis://");
    len = print_place(out, size, len, &url->at);
  }
  if (url->db) append(out, size, len, "%s%u", url->path[0] ? "?db=" : "/", (unsigned)url->db);
}
