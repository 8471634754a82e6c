/* One line per event, for people (logfmt text) or for collectors (JSON objects).
 *
 *   log_info(log, "partition_claimed", F_U("partition", p), F_U("epoch", epoch), F_S("owner", worker));
 *
 *   time=2026-01-31T12:00:00.000Z level=info process="worker w-abc" event=partition_claimed partition=3 epoch=7 ...
 *
 * An event is a fixed snake_case word chosen by the programmer; what varies goes into fields. Every string value is
 * escaped: control characters, quotes, text direction marks; invalid UTF-8 becomes U+FFFD. A line is at most
 * LOG_LINE_BYTES long, values and then whole fields being cut to fit, and is written with one write(2), so lines of
 * several processes on one pipe do not mix.
 *
 * Logging never waits: a line that the descriptor cannot take at once is lost, and the next line that gets through
 * says `lost=N`. The process ignores SIGPIPE. A NULL log swallows everything, so a unit under test needs none.
 *
 * What a client can trigger at will goes through log_limited, which bounds it per second.
 */
#ifndef HEYA_COMMON_LOG_H
#define HEYA_COMMON_LOG_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE_BYTES  4096 /* newline included; what a pipe takes in one piece (PIPE_BUF) */
#define LOG_VALUE_BYTES 1024 /* of a string value as written; a longer one is cut there and ends in "..." */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log {
  enum log_level level; /* lines below it are not written */
  enum log_format format;
  int fd;           /* not owned */
  char process[64]; /* such as "worker w-abc" */
  uint64_t lost;    /* lines the descriptor refused since the last line that got through */
};

enum log_field_type {
  LOG_FIELD_END,
  LOG_FIELD_STRING,
  LOG_FIELD_U64,
  LOG_FIELD_I64,
  LOG_FIELD_DOUBLE,
  LOG_FIELD_BOOL
};

struct log_field {
  const char *key; /* a literal in snake_case */
  enum log_field_type type;
  union {
    struct bytes string; /* copied before the call returns */
    uint64_t u64;
    int64_t i64;
    double number;
    bool boolean;
  } value;
};

/* Bounds one event per second. Lives beside the code that logs the event; zero-initialised it is ready. */
struct log_limit {
  uint32_t per_second; /* 0 means LOG_LIMIT_DEFAULT */
  uint32_t written;    /* in this second */
  uint64_t second;     /* of the monotonic clock */
  uint64_t suppressed; /* not written since the last line; said as `suppressed=N` by the next one */
};
#define LOG_LIMIT_DEFAULT 5

/* `process` is copied, cut to the field's size. */
void log_init(struct log *log, int fd, enum log_level level, enum log_format format, const char *process);

/* Fields. F_S takes a NUL-terminated string (NULL is logged as an empty value), F_B any bytes. */
#define F_S(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STRING, .value.string = bytes_of_str(v)})
#define F_B(k, data, len)                                                                                            \
  ((struct log_field){.key = (k), .type = LOG_FIELD_STRING, .value.string = bytes_of((data), (len))})
#define F_BYTES(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_STRING, .value.string = (v)})
#define F_U(k, v)     ((struct log_field){.key = (k), .type = LOG_FIELD_U64, .value.u64 = (v)})
#define F_I(k, v)     ((struct log_field){.key = (k), .type = LOG_FIELD_I64, .value.i64 = (v)})
#define F_D(k, v)     ((struct log_field){.key = (k), .type = LOG_FIELD_DOUBLE, .value.number = (v)})
#define F_BOOL(k, v)  ((struct log_field){.key = (k), .type = LOG_FIELD_BOOL, .value.boolean = (v)})
#define F_END         ((struct log_field){.type = LOG_FIELD_END})

/* log_info(log, event, fields...): the fields may be none; they are not evaluated when the level is off. */
#define log_debug(log, ...) LOG_AT(log, LOG_LEVEL_DEBUG, __VA_ARGS__, F_END)
#define log_info(log, ...)  LOG_AT(log, LOG_LEVEL_INFO, __VA_ARGS__, F_END)
#define log_warn(log, ...)  LOG_AT(log, LOG_LEVEL_WARN, __VA_ARGS__, F_END)
#define log_error(log, ...) LOG_AT(log, LOG_LEVEL_ERROR, __VA_ARGS__, F_END)

/* log_event(log, level, event, fields...): the same with the level as a value. */
#define log_event(log, level, ...) LOG_AT(log, level, __VA_ARGS__, F_END)

/* log_limited(log, limit, level, event, fields...): at most limit->per_second lines a second. */
#define log_limited(log, limit, level, ...) LOG_AT_LIMITED(log, limit, level, __VA_ARGS__, F_END)

/* Writes how many lines `limit` is still holding back, as `event` with `suppressed=N`, if any. For a slow timer or
 * the end of the process, so that the count of a burst that was followed by silence is said too. */
void log_limit_flush(struct log *log, struct log_limit *limit, enum log_level level, const char *event);

static inline bool log_wants(const struct log *log, enum log_level level) {
  return log && level >= log->level;
}

/* The names "debug", "info", "warn", "error" and "text", "json", in the order of the enums, NULL-terminated: they are
 * the choices of the options --log-level and --log-format (common/option.h). */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

/* The machinery behind the macros. `fields` ends with F_END. */
void log_write(struct log *log, enum log_level level, const char *event, const struct log_field *fields);
void log_write_limited(struct log *log, struct log_limit *limit, enum log_level level, const char *event,
                       const struct log_field *fields);
#define LOG_AT(log, level, event, ...)                                                                               \
  (log_wants((log), (level)) ? log_write((log), (level), (event), (const struct log_field[]){__VA_ARGS__}) : (void)0)
#define LOG_AT_LIMITED(log, limit, level, event, ...)                                                                \
  (log_wants((log), (level))                                                                                         \
       ? log_write_limited((log), (limit), (level), (event), (const struct log_field[]){__VA_ARGS__})                \
       : (void)0)

#endif
