/* See common/shared_object.h. The handler says a text that was made before, and goes away. */
#include "common/shared_object.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define N_SIGNALS (sizeof signals / sizeof *signals)

static struct sigaction before[N_SIGNALS];
static char words[512];

static void stop_listening(void) {
  for (size_t i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
}

/* What the processor raised comes again by itself, at the same instruction. */
static void on_crash(int number, siginfo_t *info, void *context) {
  (void)context;
  ssize_t said = write(STDERR_FILENO, words, strlen(words));
  (void)said;
  stop_listening();
  if (info->si_code <= 0) raise(number);
}

static void listen_for_crash(const char *path) {
  struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
  snprintf(words, sizeof words, "%s: %.400s crashes while it is loaded\n", program_invocation_short_name, path);
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &action, &before[i]);
}

void *shared_object_open(const char *path, int mode, char *error, size_t error_size) {
  char here[4096];
  snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
  listen_for_crash(path);
  void *object = dlopen(here, mode);
  if (object) return object;
  stop_listening();
  snprintf(error, error_size, "%s: cannot be loaded: %s", path, dlerror());
  return NULL;
}

void shared_object_keep(void) {
  stop_listening();
}

void shared_object_drop(void *object) {
  dlclose(object);
  stop_listening();
}
