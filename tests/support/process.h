/* A real server as a child process: started, watched through its log, signalled and waited for by pid.
 *
 * Its standard output and error go to one file. It dies with the test process whatever becomes of that one
 * (PR_SET_PDEATHSIG), so nothing is left behind by a test that crashes.
 */
#ifndef HEYA_TESTS_SUPPORT_PROCESS_H
#define HEYA_TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_ARGS_MAX 96

/* An argument list, or a list of NAME=VALUE for the environment. Zero-initialised it is empty. */
struct process_args {
  char *items[PROCESS_ARGS_MAX + 1]; /* owned; NULL-terminated */
  size_t count;
};
void process_args_add(struct process_args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a NULL-terminated list; NULL is an empty one. */
void process_args_append(struct process_args *args, const char *const *items);
void process_args_close(struct process_args *args);

struct process {
  char name[32]; /* for messages, such as "worker 1" */
  char log[160]; /* path of the file with its output */
  pid_t pid;     /* 0: not started, or already waited for */
  int pidfd;     /* readable when it has ended */
  bool stopped;  /* by process_stop */
  int status;    /* once it ended: the exit code, or 128 + the signal that ended it */
};

/* Runs args->items[0] (looked up in PATH when it has no slash) with `env` added to this process's environment; `env`
 * may be NULL. The log is <dir>/<name>.log with spaces as dashes, appended to. Fails the test when it cannot fork; a
 * program that is missing shows as exit code 127. */
void process_start(struct process *process, const char *name, const char *dir, const struct process_args *args,
                   const struct process_args *env);

bool process_is_running(struct process *process);

/* Waits for a line that contains `text` and copies the first such line, cut to `size`. False when the deadline passed
 * or the process ended without writing it. `line` may be NULL. */
bool process_wait_line(struct process *process, const char *text, uint64_t ms, char *line, size_t size);

/* How many lines of the log contain `text`. */
size_t process_count_lines(const struct process *process, const char *text);

/* Waits for the end; the exit code, or 128 + signal. -1 when it did not end in time. */
int process_wait_exit(struct process *process, uint64_t ms);

void process_signal(struct process *process, int signal);
/* SIGSTOP, returning when it has really stopped; and SIGCONT. */
void process_stop(struct process *process);
void process_continue(struct process *process);
/* SIGKILL, and wait. Harmless when it has ended. */
void process_kill(struct process *process);

/* Prints the last lines of its log to stderr. */
void process_print_tail(const struct process *process, size_t lines);

#endif
