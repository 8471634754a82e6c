/* The last events of a room: those that the next commit writes to its log, and before them those that a member who
 * comes back may have missed.
 *
 * Events of a room are numbered without holes over all epochs, so "everything after number n" can be answered
 * exactly, or not at all. The epoch guards against numbers that were given twice, when Redis had lost the end of an
 * older epoch. What a new owner has not seen itself it does not have: then the answer is "not at all", and the member
 * gets a snapshot.
 */
#ifndef HEYA_WORKER_BACKLOG_H
#define HEYA_WORKER_BACKLOG_H

#include "common/bytes.h"
#include <stdbool.h>
#include <stdint.h>

#define BACKLOG_EVENTS_MAX 64 /* that are kept when they are written */
#define BACKLOG_BYTES_MAX  16384

struct backlog_event {
  uint64_t epoch, seq;
  char *to;      /* owned; for whom, see common/commit.h; NULL: for everybody */
  void *message; /* owned; an encoded heya.v1.ServerMessage */
  size_t len;
};

/* Zero-initialised it is empty. */
struct backlog {
  struct backlog_event *events; /* oldest first */
  size_t n, cap;
  size_t unwritten; /* so many of the newest are not in a commit yet */
  size_t bytes;
};

void backlog_close(struct backlog *);
/* Takes `to` and the message over: both are freed. */
void backlog_add(struct backlog *, uint64_t epoch, uint64_t seq, char *to, void *message, size_t len);
/* All of them are in a commit: from now on only the newest are kept. */
void backlog_written(struct backlog *);

/* Whether everything after event `seq` of `epoch` is here; *first is then the index of the first such event. */
bool backlog_since(const struct backlog *, uint64_t epoch, uint64_t seq, size_t *first);

/* Whether it is for this player. */
bool backlog_is_for(const struct backlog_event *, const char *player);

#endif
