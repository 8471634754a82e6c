/* Which commands of a session were applied, and what they were answered: the heart of "exactly once".
 *
 * A session's commands are numbered 1, 2, 3. Only last + 1 is new. The outcomes of the last WINDOW numbers are known,
 * so that a command that is sent again gets its original answer; a client has at most WINDOW unanswered commands.
 * Plain successes take no memory: what is not noted was OK. The window is part of the room's image.
 */
#ifndef HEYA_WORKER_SESSION_WINDOW_H
#define HEYA_WORKER_SESSION_WINDOW_H

#include "common/bytes.h"
#include <stdint.h>

#define SESSION_WINDOW 64

/* An answer that was not a plain OK. */
struct outcome {
  uint32_t number;
  uint32_t code; /* heya.v1.Error.Code */
  char *message; /* owned; "" if none */
  void *result;  /* owned; NULL if none */
  size_t result_len;
};

/* Zero-initialised: a new session. */
struct session_window {
  uint32_t last;         /* number applied last */
  struct outcome *noted; /* by growing number, all in (last - SESSION_WINDOW, last] */
  uint32_t n_noted, cap_noted;
};

enum session_verdict {
  SESSION_NEXT,      /* apply it */
  SESSION_DUPLICATE, /* it was applied: answer session_outcome again */
  SESSION_GAP,       /* last + 1 is missing */
  SESSION_TOO_OLD,   /* it was applied, and its outcome is forgotten */
};
enum session_verdict session_judge(const struct session_window *, uint32_t number);

/* NULL: a plain OK. Only for a SESSION_DUPLICATE. */
const struct outcome *session_outcome(const struct session_window *, uint32_t number);

/* The command last + 1 is applied, with this outcome; message and result are copied. */
void session_note(struct session_window *, uint32_t code, const char *message, struct bytes result);

/* For loading: puts back an outcome; false unless numbers grow and lie within the window that ends at `last`. */
bool session_restore(struct session_window *, uint32_t number, uint32_t code, const char *message,
                     struct bytes result);

/* Forgets everything: a new session of the same member, or its end. */
void session_reset(struct session_window *);

/* A new session of a client that does not know of it yet: what he sends before he does has numbers of the old one,
 * and must not be taken for the first commands of this one. So its numbers go on behind all that the old one can have
 * had since the window was saved. */
#define SESSION_LEAP (1u << 20)
void session_leap(struct session_window *);

#endif
