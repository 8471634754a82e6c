/* See common/resolve.h.
 *
 * A job belongs to two, the loop's side and the thread, and is freed by the one that lets go last. Nothing else is
 * shared: the thread writes its answer into the job and closes its end of a pipe, which the loop sees at the other
 * one. So it knows neither the loop nor whoever asked, and may outlive both. */
#include "common/resolve.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

struct job {
  atomic_int owners;
  atomic_bool done; /* what is below was written */
  char *host;
  int fd;    /* the thread's end of the pipe */
  int error; /* of getaddrinfo */
  int cause; /* errno, with EAI_SYSTEM */
  struct addrinfo *list;
};

struct resolve {
  struct job *job;
  struct ev_loop *loop;
  struct ev_io io; /* io.fd: the other end */
  resolve_cb *cb;
  void *arg;
};

bool resolve_is_numeric(const char *host) {
  struct in_addr v4;
  return strchr(host, ':') || inet_pton(AF_INET, host, &v4) == 1; /* no name has a colon */
}

/* ---- the job ---- */

static void job_let_go(struct job *job) {
  if (atomic_fetch_sub(&job->owners, 1) > 1) return;
  if (job->list) freeaddrinfo(job->list);
  free(job->host);
  free(job);
}

static void job_answer(struct job *job, int error, int cause) {
  job->error = error;
  job->cause = cause;
  atomic_store(&job->done, true);
  close(job->fd);
  job_let_go(job);
}

static void *job_run(void *arg) {
  struct job *job = arg;
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  int error = getaddrinfo(job->host, NULL, &hints, &job->list);
  job_answer(job, error, errno);
  return NULL;
}

/* Detached, and deaf to signals, which are the main thread's. */
static int job_start(struct job *job) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  int error = pthread_attr_init(&attributes);
  if (error) return error;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&thread, &attributes, job_run, job);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

/* ---- the loop's side ---- */

static void let_go(struct resolve *resolve) {
  ev_io_stop(resolve->loop, &resolve->io);
  close(resolve->io.fd);
  job_let_go(resolve->job);
  free(resolve);
}

static void gather(const struct addrinfo *list, struct resolved *found) {
  for (const struct addrinfo *at = list; at && found->n < RESOLVE_MAX; at = at->ai_next) {
    char *text = found->addresses[found->n];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, RESOLVE_HOST_BYTES, NULL, 0, NI_NUMERICHOST) == 0) found->n++;
  }
}

static void on_answer(struct ev_loop *loop, struct ev_io *io, int events) {
  struct resolve *resolve = io->data;
  const struct job *job = resolve->job;
  struct resolved found = {0};
  (void)loop, (void)events;
  if (!atomic_load(&job->done)) return;
  const char *error = job->error == EAI_SYSTEM ? strerror(job->cause) : gai_strerror(job->error);
  if (job->error == 0) gather(job->list, &found);
  if (job->error == 0 && found.n == 0) error = gai_strerror(EAI_NODATA);
  resolve_cb *cb = resolve->cb;
  void *arg = resolve->arg;
  let_go(resolve);
  cb(arg, found.n ? &found : NULL, found.n ? NULL : error);
}

struct resolve *resolve_start(struct ev_loop *loop, const char *host, resolve_cb *cb, void *arg) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return NULL;
  struct resolve *resolve = xmalloc(sizeof *resolve);
  *resolve = (struct resolve){.job = xcalloc(1, sizeof *resolve->job), .loop = loop, .cb = cb, .arg = arg};
  struct job *job = resolve->job;
  atomic_init(&job->owners, 2);
  atomic_init(&job->done, false);
  job->host = xstrdup(host);
  job->fd = fds[1];
  ev_io_init(&resolve->io, on_answer, fds[0], EV_READ);
  resolve->io.data = resolve;
  ev_io_start(loop, &resolve->io);
  int error = job_start(job);
  if (error) job_answer(job, EAI_SYSTEM, error); /* for the thread that is not there */
  return resolve;
}

void resolve_cancel(struct resolve *resolve) {
  if (resolve) let_go(resolve);
}
