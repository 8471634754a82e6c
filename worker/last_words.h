/* The last words of a worker that dies in a kind's code: which room it was in, and at which entry, told to Redis
 * before anybody notices the death, so that the next owner closes that room instead of dying of it too.
 *
 * A handler for the signals of a crash (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) runs on a stack of its own, sends
 * one command on a connection that is kept for nothing else (one to each shard), writes a line to standard error, and
 * lets the signal do what it would have done: core file and exit status are as without it. Outside of a kind's code
 * nothing is said; nor when the connection is not up. A process that is killed (SIGKILL) says nothing: see
 * worker/caution.h.
 */
#ifndef HEYA_WORKER_LAST_WORDS_H
#define HEYA_WORKER_LAST_WORDS_H

#include "common/log.h"
#include "common/option.h"
#include "worker/scene.h"

#include <stdbool.h>
#include <stddef.h>

struct ev_loop;
struct last_words;

/* One in a process, since signals are the process's. `redis` are the URLs of the shards, in order: what is said of a
 * partition goes to its own. Everything must outlive it but the texts. NULL with a sentence in `error` if a URL is
 * none. */
struct last_words *last_words_open(struct ev_loop *loop, const struct option_list *redis, const char *prefix,
                                   const char *worker, const struct scene *scene, struct log *log, char *error,
                                   size_t error_size);
/* Signals do again what they did before. NULL is harmless. */
void last_words_close(struct last_words *words);

/* ---- for tests: the parts without a loop ---- */

/* Long enough for any prefix, worker id and room. */
#define LAST_WORDS_MAX 512

/* What is the same whenever it is said. */
struct last_words_head {
  char text[LAST_WORDS_MAX];
  size_t len;
  char worker[64];
};
void last_words_prepare(struct last_words_head *head, const char *prefix, const char *worker);
/* The command as bytes for Redis. Safe in a signal handler. Returns the length, 0 if it does not fit. */
size_t last_words_format(const struct last_words_head *head, const struct scene *scene, char out[LAST_WORDS_MAX]);

#endif
