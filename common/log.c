/* Formats one event into one line on the stack and writes it.
 *
 * A field that does not fit is taken back whole and the line says truncated=true, so JSON stays JSON. A new field
 * type is a value of enum log_field_type, a macro in the header and a case in put_value.
 */
#include "common/log.h"

#include "common/clock.h"

#include <assert.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_RESERVE 64 /* kept free for truncated, lost and the end of the line */

const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};
const char *const log_format_names[] = {"text", "json", NULL};

/* The line being built. `full` is sticky; what was cut is taken back by resetting len and full. */
struct line {
  char text[LOG_LINE_BYTES];
  size_t len;
  size_t limit; /* bytes that may be used now */
  enum log_format format;
  bool full;
};

void log_init(struct log *log, int fd, enum log_level level, enum log_format format, const char *process) {
  *log = (struct log){.level = level, .format = format, .fd = fd};
  snprintf(log->process, sizeof log->process, "%s", process ? process : "");
}

static void put(struct line *line, const char *text, size_t len) {
  if (line->full || len > line->limit - line->len) {
    line->full = true;
    return;
  }
  memcpy(line->text + line->len, text, len);
  line->len += len;
}

static void put_str(struct line *line, const char *text) {
  put(line, text, strlen(text));
}

/* Reads one character of UTF-8 (RFC 3629, section 4) and returns its length, or 0 if the bytes do not begin with one.
 */
static size_t read_utf8(const unsigned char *text, size_t len, uint32_t *code) {
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char first = text[0];
  size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
  if (size == 0 || size > len) return 0;
  *code = size == 1 ? first : first & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
    *code = *code << 6 | (text[i] & 0x3fu);
  }
  bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
  return *code < smallest[size] || *code > 0x10ffff || surrogate ? 0 : size;
}

/* Control characters, and the marks that break lines or turn the direction of text on a terminal. */
static bool is_unsafe(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void put_character(struct line *line, uint32_t code, const char *text, size_t len) {
  char escape[8];
  if (code == '"' || code == '\\') {
    escape[0] = '\\';
    escape[1] = (char)code;
    put(line, escape, 2);
  } else if (code == '\n' || code == '\t' || code == '\r') {
    put_str(line, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
  } else if (is_unsafe(code)) {
    snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff);
    put_str(line, escape);
  } else {
    put(line, text, len);
  }
}

static void put_quoted(struct line *line, struct bytes value) {
  const unsigned char *text = value.data;
  size_t at = 0;
  put_str(line, "\"");
  for (size_t start = line->len; at < value.len && line->len - start < LOG_VALUE_BYTES;) {
    uint32_t code = 0;
    size_t size = read_utf8(text + at, value.len - at, &code);
    if (size)
      put_character(line, code, (const char *)text + at, size);
    else
      put_str(line, "\xef\xbf\xbd");
    at += size ? size : 1;
    if (line->full) return;
  }
  put_str(line, at < value.len ? "...\"" : "\"");
}

/* logfmt leaves a word bare when nobody can mistake where it ends. */
static bool is_bare(struct bytes value) {
  const unsigned char *text = value.data;
  for (size_t i = 0; i < value.len; i++)
    if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '=' || text[i] == '\\') return false;
  return value.len > 0 && value.len <= LOG_VALUE_BYTES;
}

static void put_string(struct line *line, struct bytes value) {
  if (line->format == LOG_FORMAT_TEXT && is_bare(value))
    put(line, value.data, value.len);
  else
    put_quoted(line, value);
}

static void put_value(struct line *line, const struct log_field *field) {
  char number[32];
  int len = 0;
  switch (field->type) {
  case LOG_FIELD_STRING: put_string(line, field->value.string); break;
  case LOG_FIELD_U64: len = snprintf(number, sizeof number, "%llu", (unsigned long long)field->value.u64); break;
  case LOG_FIELD_I64: len = snprintf(number, sizeof number, "%lld", (long long)field->value.i64); break;
  case LOG_FIELD_DOUBLE: /* JSON has no infinity and no NaN */
    if (isfinite(field->value.number))
      len = snprintf(number, sizeof number, "%.9g", field->value.number);
    else
      put_str(line, "null");
    break;
  case LOG_FIELD_BOOL: put_str(line, field->value.boolean ? "true" : "false"); break;
  case LOG_FIELD_END: break;
  }
  if (len > 0) put(line, number, (size_t)len);
}

/* Appends one key and value, whole or not at all. */
static bool put_field(struct line *line, const struct log_field *field) {
  size_t before = line->len;
  bool json = line->format == LOG_FORMAT_JSON;
  if (line->len) put_str(line, json ? "," : " ");
  if (json) put_str(line, line->len ? "\"" : "{\"");
  put_str(line, field->key);
  put_str(line, json ? "\":" : "=");
  put_value(line, field);
  if (!line->full) return true;
  line->len = before;
  line->full = false;
  return false;
}

static void format_time(char *out, size_t size, uint64_t wall_ms) {
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out + len, size - len, ".%03uZ", (unsigned)(wall_ms % 1000));
}

/* True when the whole line went out. A descriptor that is not ready now loses the line: a pipe that polls writable
 * takes PIPE_BUF bytes without blocking, which is why a line is no longer. */
static bool write_line(int fd, const struct line *line) {
  struct pollfd ready = {.fd = fd, .events = POLLOUT};
  if (poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return false;
  return write(fd, line->text, line->len) == (ssize_t)line->len;
}

static void write_event(struct log *log, enum log_level level, const char *event, const struct log_field *fields,
                        uint64_t suppressed) {
  char now[40];
  struct line line = {.format = log->format, .limit = LOG_LINE_BYTES - LINE_RESERVE};
  format_time(now, sizeof now, clock_wall_ms());
  const struct log_field head[] = {F_S("time", now), F_S("level", log_level_names[level]),
                                   F_S("process", log->process), F_S("event", event)};
  for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) put_field(&line, &head[i]);
  if (suppressed) put_field(&line, &F_U("suppressed", suppressed));
  bool whole = true;
  for (; whole && fields->type != LOG_FIELD_END; fields++) whole = put_field(&line, fields);

  line.limit = LOG_LINE_BYTES;
  if (!whole) put_field(&line, &F_BOOL("truncated", true));
  if (log->lost) put_field(&line, &F_U("lost", log->lost));
  put_str(&line, line.format == LOG_FORMAT_JSON ? "}\n" : "\n");
  assert(!line.full);
  log->lost = write_line(log->fd, &line) ? 0 : log->lost + 1;
}

void log_write(struct log *log, enum log_level level, const char *event, const struct log_field *fields) {
  write_event(log, level, event, fields, 0);
}

void log_write_limited(struct log *log, struct log_limit *limit, enum log_level level, const char *event,
                       const struct log_field *fields) {
  uint64_t second = clock_monotonic_us() / 1000000;
  if (second != limit->second) {
    limit->second = second;
    limit->written = 0;
  }
  if (limit->written >= (limit->per_second ? limit->per_second : LOG_LIMIT_DEFAULT)) {
    limit->suppressed++;
    return;
  }
  limit->written++;
  write_event(log, level, event, fields, limit->suppressed);
  limit->suppressed = 0;
}

void log_limit_flush(struct log *log, struct log_limit *limit, enum log_level level, const char *event) {
  if (!log_wants(log, level) || limit->suppressed == 0) return;
  write_event(log, level, event, &F_END, limit->suppressed);
  limit->suppressed = 0;
}
