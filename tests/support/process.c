/* fork, exec, pidfd. Everything is done by pid, and only to processes started here. */
#include "tests/support/process.h"

#include "common/mem.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void process_args_add(struct process_args *args, const char *format, ...) {
  cr_assert(args->count < PROCESS_ARGS_MAX, "too many arguments");
  va_list list;
  va_start(list, format);
  int n = vasprintf(&args->items[args->count], format, list);
  va_end(list);
  cr_assert(n >= 0);
  args->items[++args->count] = NULL;
}

void process_args_append(struct process_args *args, const char *const *items) {
  for (; items && *items; items++) process_args_add(args, "%s", *items);
}

void process_args_close(struct process_args *args) {
  for (size_t i = 0; i < args->count; i++) free(args->items[i]);
  *args = (struct process_args){0};
}

/* In the child; never returns. */
static void run(const struct process *process, const struct process_args *args, const struct process_args *env,
                pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1); /* it died before that */
  int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  int null = open("/dev/null", O_RDONLY);
  if (log < 0 || null < 0) _exit(126);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  for (int fd = 3; fd < 256; fd++) close(fd); /* nothing of the test's own is held open by a server */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (size_t i = 0; env && i < env->count; i++) putenv(env->items[i]);
  execvp(args->items[0], args->items);
  dprintf(STDERR_FILENO, "cannot run %s: %s\n", args->items[0], strerror(errno));
  _exit(127);
}

void process_start(struct process *process, const char *name, const char *dir, const struct process_args *args,
                   const struct process_args *env) {
  *process = (struct process){.pidfd = -1};
  snprintf(process->name, sizeof process->name, "%s", name);
  int n = snprintf(process->log, sizeof process->log, "%s/%s.log", dir, name);
  cr_assert(n > 0 && (size_t)n < sizeof process->log);
  for (char *c = process->log + strlen(dir); *c; c++)
    if (*c == ' ') *c = '-';
  pid_t parent = getpid(), pid = fork();
  cr_assert(pid >= 0, "cannot fork: %s", strerror(errno));
  if (pid == 0) run(process, args, env, parent);
  process->pid = pid;
  process->pidfd = pidfd_open(pid, 0);
  cr_assert(process->pidfd >= 0, "pidfd_open: %s", strerror(errno));
}

static void ended(struct process *process, int status) {
  process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  process->pid = 0;
  process->stopped = false;
  close(process->pidfd);
  process->pidfd = -1;
}

bool process_is_running(struct process *process) {
  int status;
  if (process->pid && waitpid(process->pid, &status, WNOHANG) == process->pid) ended(process, status);
  return process->pid != 0;
}

/* Calls `line` with each whole line of the log until it returns false. */
static void each_line(const struct process *process, bool (*visit)(void *arg, const char *line), void *arg) {
  FILE *file = fopen(process->log, "r");
  if (!file) return;
  char *line = NULL;
  size_t size = 0;
  ssize_t len;
  while ((len = getline(&line, &size, file)) > 0 && line[len - 1] == '\n') {
    line[len - 1] = '\0';
    if (!visit(arg, line)) break;
  }
  free(line);
  fclose(file);
}

struct search {
  struct process *process;
  const char *text;
  char *line;
  size_t size, found;
  bool ended;
};

static bool first_match(void *arg, const char *line) {
  struct search *search = arg;
  if (!strstr(line, search->text)) return true;
  search->found++;
  if (search->line) snprintf(search->line, search->size, "%s", line);
  return false;
}

static bool found_or_ended(void *arg) {
  struct search *search = arg;
  search->ended = !process_is_running(search->process); /* before reading: what it wrote last is then there */
  each_line(search->process, first_match, search);
  return search->found > 0 || search->ended;
}

bool process_wait_line(struct process *process, const char *text, uint64_t ms, char *line, size_t size) {
  struct search search = {.process = process, .text = text, .line = line, .size = size};
  wait_until(ms, found_or_ended, &search);
  return search.found > 0;
}

static bool count_match(void *arg, const char *line) {
  struct search *search = arg;
  if (strstr(line, search->text)) search->found++;
  return true;
}

size_t process_count_lines(const struct process *process, const char *text) {
  struct search search = {.text = text};
  each_line(process, count_match, &search);
  return search.found;
}

int process_wait_exit(struct process *process, uint64_t ms) {
  if (!process->pid) return process->status;
  if (!wait_readable(process->pidfd, wait_deadline(ms))) return -1;
  int status;
  cr_assert(waitpid(process->pid, &status, 0) == process->pid);
  ended(process, status);
  return process->status;
}

void process_signal(struct process *process, int signal) {
  cr_assert(process->pid, "%s has ended already", process->name);
  kill(process->pid, signal);
}

void process_stop(struct process *process) {
  process_signal(process, SIGSTOP);
  int status;
  cr_assert(waitpid(process->pid, &status, WUNTRACED) == process->pid && WIFSTOPPED(status), "%s did not stop",
            process->name);
  process->stopped = true;
}

void process_continue(struct process *process) {
  process_signal(process, SIGCONT);
  process->stopped = false;
}

void process_kill(struct process *process) {
  if (!process->pid) return;
  kill(process->pid, SIGKILL);
  process_wait_exit(process, 10000);
}

void process_print_tail(const struct process *process, size_t lines) {
  FILE *file = fopen(process->log, "r");
  if (!file) return;
  size_t total = 0, at = 0;
  int c;
  while ((c = getc(file)) != EOF) total += c == '\n';
  rewind(file);
  fprintf(stderr, "---- %s (%s%d): the last of %zu lines\n", process->name, process->pid ? "pid " : "ended with ",
          process->pid ? (int)process->pid : process->status, total);
  while ((c = getc(file)) != EOF) {
    if (at + lines >= total) putc(c, stderr);
    at += c == '\n';
  }
  fclose(file);
}
