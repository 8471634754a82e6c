/* A short array; the oldest events leave from its front when a commit has written them. */
#include "worker/backlog.h"
#include "common/mem.h"

static void event_close(struct backlog_event *event) {
  free(event->to);
  free(event->message);
}

void backlog_close(struct backlog *backlog) {
  for (size_t i = 0; i < backlog->n; i++) event_close(&backlog->events[i]);
  free(backlog->events);
  *backlog = (struct backlog){0};
}

void backlog_add(struct backlog *backlog, uint64_t epoch, uint64_t seq, char *to, void *message, size_t len) {
  if (backlog->n == backlog->cap) {
    backlog->cap = backlog->cap ? 2 * backlog->cap : 8;
    backlog->events = xrealloc(backlog->events, backlog->cap * sizeof *backlog->events);
  }
  backlog->events[backlog->n++] =
      (struct backlog_event){.epoch = epoch, .seq = seq, .to = to, .message = message, .len = len};
  backlog->unwritten++;
  backlog->bytes += len;
}

void backlog_written(struct backlog *backlog) {
  size_t old = 0;
  backlog->unwritten = 0;
  while (backlog->n - old > BACKLOG_EVENTS_MAX || backlog->bytes > BACKLOG_BYTES_MAX) {
    backlog->bytes -= backlog->events[old].len;
    event_close(&backlog->events[old++]);
  }
  if (old == 0) return;
  backlog->n -= old;
  memmove(backlog->events, backlog->events + old, backlog->n * sizeof *backlog->events);
}

bool backlog_since(const struct backlog *backlog, uint64_t epoch, uint64_t seq, size_t *first) {
  if (backlog->n == 0 || seq == UINT64_MAX) return false;
  const struct backlog_event *oldest = &backlog->events[0], *newest = &backlog->events[backlog->n - 1];
  if (seq + 1 < oldest->seq || seq > newest->seq) return false;
  *first = (size_t)(seq + 1 - oldest->seq);
  /* The event itself, if it is still here, or the one behind it, must be of that epoch: then the number was not given
   * twice. */
  const struct backlog_event *witness = &backlog->events[*first ? *first - 1 : 0];
  return witness->epoch == epoch;
}

static bool is_listed(const char *to, const char *player) {
  size_t len = strlen(player);
  for (const char *name = strchr(to, '\n'); name; name = strchr(name, '\n')) {
    name++;
    if (strncmp(name, player, len) == 0 && (name[len] == '\n' || name[len] == '\0')) return true;
  }
  return false;
}

bool backlog_is_for(const struct backlog_event *event, const char *player) {
  switch (event->to ? event->to[0] : '*') {
  case '=': return is_listed(event->to, player);
  case '!': return !is_listed(event->to, player);
  default: return true;
  }
}
