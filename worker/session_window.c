/* A short array of the outcomes that were not plain successes; mostly empty. */
#include "worker/session_window.h"
#include "common/mem.h"

enum session_verdict session_judge(const struct session_window *window, uint32_t number) {
  if (number == window->last + 1) return SESSION_NEXT;
  if (number > window->last) return SESSION_GAP;
  return window->last - number < SESSION_WINDOW ? SESSION_DUPLICATE : SESSION_TOO_OLD;
}

const struct outcome *session_outcome(const struct session_window *window, uint32_t number) {
  for (uint32_t i = 0; i < window->n_noted; i++) {
    if (window->noted[i].number == number) return &window->noted[i];
  }
  return NULL;
}

static void outcome_close(struct outcome *outcome) {
  free(outcome->message);
  free(outcome->result);
}

static void append(struct session_window *window, uint32_t number, uint32_t code, const char *message,
                   struct bytes result) {
  if (window->n_noted == window->cap_noted) {
    window->cap_noted = window->cap_noted ? 2 * window->cap_noted : 4;
    window->noted = xrealloc(window->noted, window->cap_noted * sizeof *window->noted);
  }
  window->noted[window->n_noted++] = (struct outcome){
      .number = number,
      .code = code,
      .message = xstrdup(message),
      .result = result.len ? xmemdup(result.data, result.len) : NULL,
      .result_len = result.len,
  };
}

static void drop_old(struct session_window *window) {
  uint32_t old = 0;
  while (old < window->n_noted && window->last - window->noted[old].number >= SESSION_WINDOW) {
    outcome_close(&window->noted[old++]);
  }
  if (old == 0) return;
  window->n_noted -= old;
  memmove(window->noted, window->noted + old, window->n_noted * sizeof *window->noted);
}

void session_note(struct session_window *window, uint32_t code, const char *message, struct bytes result) {
  window->last++;
  drop_old(window);
  if (code != 0 || result.len) append(window, window->last, code, message, result);
}

bool session_restore(struct session_window *window, uint32_t number, uint32_t code, const char *message,
                     struct bytes result) {
  uint32_t before = window->n_noted ? window->noted[window->n_noted - 1].number : 0;
  if (number <= before || number > window->last || window->last - number >= SESSION_WINDOW) return false;
  append(window, number, code, message, result);
  return true;
}

void session_reset(struct session_window *window) {
  for (uint32_t i = 0; i < window->n_noted; i++) outcome_close(&window->noted[i]);
  free(window->noted);
  *window = (struct session_window){0};
}

void session_leap(struct session_window *window) {
  uint32_t last = window->last < UINT32_MAX - 2 * SESSION_LEAP ? window->last + SESSION_LEAP : 0; /* from the start */
  session_reset(window);
  window->last = last;
}
