/* Options of a program, described by tables: flags, environment, config file, defaults, `--help` and the example
 * file.
 *
 * A module that has options keeps a struct for their values and, beside it, the rows that describe them:
 *
 *   struct limits_options { uint64_t frame_bytes; uint64_t idle_ms; bool strict; };
 *   const struct option_row limits_option_rows[] = {
 *       {.name = "max-frame", .type = OPTION_BYTES, .offset = offsetof(struct limits_options, frame_bytes),
 *        .fallback = "64k", .min = 128, .max = 1 << 20, .help = "largest frame taken from a client"},
 *       ...};
 *
 * The program embeds that struct in its own and lists the tables with `base = offsetof(struct gateway_options,
 * limits)`. A value comes from the strongest source that names it: flag > environment > config file > fallback.
 *
 *   flag         --max-frame 64k   --max-frame=64k   --strict   --no-strict   --strict=yes
 *   environment  HEYA_MAX_FRAME=64k   HEYA_STRICT=no
 *   file         max-frame = 64k      (--config FILE or HEYA_CONFIG; a line beginning with # is a comment; a name
 *                                      stands there once, unless it is a list)
 *
 * Every value given is checked, also one that a stronger source overrides. Nothing here writes to a descriptor
 * or exits.
 */
#ifndef HEYA_COMMON_OPTION_H
#define HEYA_COMMON_OPTION_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
  OPTION_STRING, /* char *, owned; NULL without fallback and not given */
  OPTION_BOOL,   /* bool; text true/false, yes/no, on/off, 1/0; a bare flag is true */
  OPTION_U64,    /* uint64_t; decimal */
  OPTION_BYTES,  /* uint64_t; a number with k, m or g for the powers of 1024, or nothing */
  OPTION_MS,     /* uint64_t, in milliseconds; a number with ms, s, m or h; only 0 needs none */
  OPTION_US,     /* uint64_t, in microseconds; a number with us, ms or s; likewise */
  OPTION_CHOICE, /* an enum, or int: the index of the text in `choices` */
  OPTION_LIST,   /* struct option_list; given several times, and each time several values split at commas */
  OPTION_WORDS   /* the same, split at spaces: for values with commas in them */
};

struct option_list {
  char **items; /* owned, as are its strings */
  size_t count;
};

struct option_row {
  const char *name; /* "max-frame": as a flag without dashes */
  enum option_type type;
  size_t offset;              /* of the value inside the struct that the table's base points at */
  const char *fallback;       /* the default as a user would write it; NULL: zero, false, NULL, empty */
  uint64_t min, max;          /* of numbers, sizes and times, inclusive; max 0 means no bound */
  const char *const *choices; /* of OPTION_CHOICE, NULL-terminated */
  const char *env;            /* full name of the environment variable; NULL: HEYA_ and the name in capitals */
  const char *help;           /* one line, no full stop */
};

struct option_table {
  const char *section; /* heading in --help and in the example file */
  const struct option_row *rows;
  size_t count;
  size_t base; /* where this module's struct sits inside the program's config struct */
};

struct option_set {
  const char *program; /* "heya-gateway" */
  const char *version;
  const char *summary; /* one sentence for --help */
  const struct option_table *tables;
  size_t count;
};

enum option_result {
  OPTION_OK,      /* config is filled */
  OPTION_HELP,    /* --help or -h was given: print option_print_help */
  OPTION_VERSION, /* --version: print program and version */
  OPTION_PRINT,   /* --print-config: print option_print_example */
  OPTION_REFUSED  /* report->error says which option, where it came from and why */
};

#define OPTION_ERROR_BYTES 512

struct option_report {
  char error[OPTION_ERROR_BYTES];
  struct option_list unknown_env; /* names of HEYA_* variables that no row knows: worth a warning, not a refusal,
                                     since Kubernetes adds some for its services */
};

static inline bool option_type_is_list(enum option_type type) {
  return type == OPTION_LIST || type == OPTION_WORDS;
}

/* Fills `config`, which is the program's struct, zeroed by the caller. `argv[0]` is skipped; `envp` is
 * NULL-terminated "NAME=value", as environ. Close config and report afterwards whatever the result: a refused parse
 * may have stored some values. Both are independent of argv, envp and the file. */
enum option_result option_parse(const struct option_set *set, void *config, int argc, char *const *argv,
                                char *const *envp, struct option_report *report);

/* Stores every fallback in a zeroed config: what option_parse does with no flags, environment and file. For tests. */
void option_defaults(const struct option_set *set, void *config);

/* Frees the strings and lists of `config` and zeroes them; the other values stay. Harmless twice. */
void option_close(const struct option_set *set, void *config);
void option_report_close(struct option_report *report);

/* Appends the text of --help: usage, then every row by section, with its default. */
void option_print_help(const struct option_set *set, struct buf *out);

/* Appends a config file in which every option stands, commented out, with its help and default. */
void option_print_example(const struct option_set *set, struct buf *out);

#endif
