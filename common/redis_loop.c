/* See common/redis_loop.h. The prepare watcher runs before each poll, and after those of the program, which have a
 * higher priority. */
#include "common/redis_loop.h"

#include "common/mem.h"

#include <stdbool.h>
#include <stdlib.h>

struct redis_loop {
  redisAsyncContext *context;
  struct ev_loop *loop;
  ev_io read, write;
  ev_prepare flush;
  bool waiting;  /* something is to be sent */
  bool flushing; /* now: what is asked for meanwhile is that the socket be waited for */
};

static void on_read(struct ev_loop *loop, ev_io *io, int events) {
  struct redis_loop *self = io->data;
  (void)loop, (void)events;
  redisAsyncHandleRead(self->context);
}

static void on_write(struct ev_loop *loop, ev_io *io, int events) {
  struct redis_loop *self = io->data;
  (void)loop, (void)events;
  redisAsyncHandleWrite(self->context);
}

static void on_flush(struct ev_loop *loop, ev_prepare *prepare, int events) {
  struct redis_loop *self = prepare->data;
  (void)loop, (void)events;
  if (!self->waiting || ev_is_active(&self->write)) return;
  self->waiting = false;
  self->flushing = true;
  redisAsyncHandleWrite(self->context); /* may free it, and so this */
}

static void add_read(void *arg) {
  struct redis_loop *self = arg;
  ev_io_start(self->loop, &self->read);
}

static void del_read(void *arg) {
  struct redis_loop *self = arg;
  ev_io_stop(self->loop, &self->read);
}

/* Asked for by each call, and by hiredis itself when a write did not take all. A socket that is connecting says that
 * it is connected by becoming writable. */
static void add_write(void *arg) {
  struct redis_loop *self = arg;
  if (self->flushing || !(self->context->c.flags & REDIS_CONNECTED)) {
    ev_io_start(self->loop, &self->write);
  } else {
    self->waiting = true;
  }
  self->flushing = false;
}

static void del_write(void *arg) {
  struct redis_loop *self = arg;
  self->waiting = self->flushing = false;
  ev_io_stop(self->loop, &self->write);
}

static void cleanup(void *arg) {
  struct redis_loop *self = arg;
  ev_io_stop(self->loop, &self->read);
  ev_io_stop(self->loop, &self->write);
  ev_ref(self->loop);
  ev_prepare_stop(self->loop, &self->flush);
  free(self);
}

void redis_loop_attach(struct ev_loop *loop, redisAsyncContext *context) {
  struct redis_loop *self = xcalloc(1, sizeof *self);
  self->context = context;
  self->loop = loop;
  ev_io_init(&self->read, on_read, context->c.fd, EV_READ);
  ev_io_init(&self->write, on_write, context->c.fd, EV_WRITE);
  ev_prepare_init(&self->flush, on_flush);
  ev_set_priority(&self->flush, EV_MINPRI);
  self->read.data = self->write.data = self->flush.data = self;
  ev_prepare_start(loop, &self->flush);
  ev_unref(loop); /* it keeps no loop alive */
  context->ev.addRead = add_read;
  context->ev.delRead = del_read;
  context->ev.addWrite = add_write;
  context->ev.delWrite = del_write;
  context->ev.cleanup = cleanup;
  context->ev.data = self;
}
