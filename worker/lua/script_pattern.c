/* A backtracking matcher. Positions are indexes; `p` is where in the pattern, `s` where in the subject. */
#include "worker/lua/script_pattern.h"

#include <ctype.h>
#include <string.h>

#define FAILED ((size_t)-1)

/* Besides not matching, a walk may end because of what is in `fault` or because the steps are spent: `over`. */
struct walk {
  struct pattern *m;
  const unsigned char *text, *subject;
  size_t text_len, subject_len;
  bool over;
};

static size_t match(struct walk *w, size_t s, size_t p);

static size_t wrong(struct walk *w, const char *fault) {
  if (!w->over) w->m->fault = fault;
  w->over = true;
  return FAILED;
}

static bool step(struct walk *w) {
  if (w->m->steps == 0) w->over = true;
  if (!w->over) w->m->steps--;
  return !w->over;
}

/* ---- single characters ---- */

static bool is_of_class(unsigned char c, unsigned char class) {
  bool in;
  switch (tolower(class)) {
  case 'a': in = isalpha(c); break;
  case 'c': in = iscntrl(c); break;
  case 'd': in = isdigit(c); break;
  case 'g': in = isgraph(c); break;
  case 'l': in = islower(c); break;
  case 'p': in = ispunct(c); break;
  case 's': in = isspace(c); break;
  case 'u': in = isupper(c); break;
  case 'w': in = isalnum(c); break;
  case 'x': in = isxdigit(c); break;
  case 'z': in = c == 0; break;
  default: return class == c;
  }
  return in != (isupper(class) != 0);
}

/* The index behind the item (a character, class or set) at p; FAILED if it does not end. */
static size_t item_end(struct walk *w, size_t p) {
  if (w->text[p] == '%') return p + 1 < w->text_len ? p + 2 : wrong(w, "malformed pattern (ends with '%')");
  if (w->text[p] != '[') return p + 1;
  p += p + 1 < w->text_len && w->text[p + 1] == '^' ? 2 : 1;
  for (bool first = true; p < w->text_len; first = false) {
    if (w->text[p] == ']' && !first) return p + 1;
    p += w->text[p] == '%' ? 2 : 1;
  }
  return wrong(w, "malformed pattern (missing ']')");
}

/* `p` is at "[", `end` behind its "]". */
static bool is_in_set(const struct walk *w, unsigned char c, size_t p, size_t end) {
  bool negated = w->text[++p] == '^';
  if (negated) p++;
  for (end--; p < end; p++) {
    if (w->text[p] == '%') {
      if (is_of_class(c, w->text[++p])) return !negated;
    } else if (p + 2 < end && w->text[p + 1] == '-') {
      if (w->text[p] <= c && c <= w->text[p + 2]) return !negated;
      p += 2;
    } else if (w->text[p] == c) {
      return !negated;
    }
  }
  return negated;
}

/* A long set costs more than the one step that the walk takes anyway. */
static bool matches_one(struct walk *w, size_t s, size_t p, size_t end) {
  if (s >= w->subject_len) return false;
  unsigned char c = w->subject[s];
  switch (w->text[p]) {
  case '.': return true;
  case '%': return is_of_class(c, w->text[p + 1]);
  case '[':
    for (size_t i = p + 8; i < end; i += 8) step(w);
    return is_in_set(w, c, p, end);
  default: return w->text[p] == c;
  }
}

/* ---- repetitions; `rest` is the pattern behind them ---- */

static size_t match_most(struct walk *w, size_t s, size_t p, size_t end, size_t least) {
  size_t n = 0;
  while (matches_one(w, s + n, p, end) && step(w)) n++;
  while (n >= least && !w->over) {
    size_t found = match(w, s + n, end + 1);
    if (found != FAILED || n == 0) return found;
    n--;
  }
  return FAILED;
}

static size_t match_least(struct walk *w, size_t s, size_t p, size_t end) {
  for (;;) {
    size_t found = match(w, s, end + 1);
    if (found != FAILED || w->over || !matches_one(w, s, p, end)) return found;
    s++;
  }
}

static size_t match_maybe(struct walk *w, size_t s, size_t p, size_t end) {
  if (matches_one(w, s, p, end)) {
    size_t found = match(w, s + 1, end + 1);
    if (found != FAILED || w->over) return found;
  }
  return match(w, s, end + 1);
}

/* ---- captures ---- */

static size_t open_capture(struct walk *w, size_t s, size_t p) {
  struct pattern *m = w->m;
  bool position = p + 1 < w->text_len && w->text[p + 1] == ')';
  if (m->n_captures == PATTERN_CAPTURES_MAX) return wrong(w, "too many captures");
  m->captures[m->n_captures++] =
      (struct pattern_capture){.from = s, .what = position ? CAPTURE_POSITION : CAPTURE_OPEN};
  size_t found = match(w, s, p + (position ? 2 : 1));
  if (found == FAILED) m->n_captures--;
  return found;
}

static size_t close_capture(struct walk *w, size_t s, size_t p) {
  struct pattern *m = w->m;
  size_t i = m->n_captures;
  while (i > 0 && m->captures[i - 1].what != CAPTURE_OPEN) i--;
  if (i == 0) return wrong(w, "invalid pattern capture");
  struct pattern_capture *capture = &m->captures[i - 1];
  capture->what = CAPTURE_TEXT;
  capture->len = s - capture->from;
  size_t found = match(w, s, p + 1);
  if (found == FAILED) capture->what = CAPTURE_OPEN;
  return found;
}

/* %1: the same text again. */
static size_t match_back(struct walk *w, size_t s, size_t p) {
  size_t index = (size_t)(w->text[p + 1] - '1');
  if (index >= w->m->n_captures || w->m->captures[index].what == CAPTURE_OPEN)
    return wrong(w, "invalid capture index");
  const struct pattern_capture *capture = &w->m->captures[index];
  size_t len = capture->len;
  if (capture->what == CAPTURE_POSITION) return FAILED;
  for (size_t i = 0; i < len / 64; i++) step(w);
  if (w->over || w->subject_len - s < len || memcmp(w->subject + s, w->subject + capture->from, len) != 0)
    return FAILED;
  return match(w, s + len, p + 2);
}

/* ---- %b and %f ---- */

static size_t match_balance(struct walk *w, size_t s, size_t p) {
  if (p + 3 >= w->text_len) return wrong(w, "unbalanced pattern");
  unsigned char opening = w->text[p + 2], closing = w->text[p + 3];
  if (s >= w->subject_len || w->subject[s] != opening) return FAILED;
  size_t open = 1;
  while (++s < w->subject_len && step(w)) {
    if (w->subject[s] == closing) {
      if (--open == 0) return match(w, s + 1, p + 4);
    } else if (w->subject[s] == opening) {
      open++;
    }
  }
  return FAILED;
}

static size_t match_frontier(struct walk *w, size_t s, size_t p) {
  if (p + 2 >= w->text_len || w->text[p + 2] != '[') return wrong(w, "missing '[' after '%f' in pattern");
  size_t end = item_end(w, p + 2);
  if (end == FAILED) return FAILED;
  unsigned char before = s > 0 ? w->subject[s - 1] : 0, here = s < w->subject_len ? w->subject[s] : 0;
  if (is_in_set(w, before, p + 2, end) || !is_in_set(w, here, p + 2, end)) return FAILED;
  return match(w, s, end);
}

/* ---- the whole ---- */

/* What begins with "%" and is more than a class; *taken says whether it was one. */
static size_t match_special(struct walk *w, size_t s, size_t p, bool *taken) {
  unsigned char what = p + 1 < w->text_len ? w->text[p + 1] : 0;
  *taken = true;
  if (what == 'b') return match_balance(w, s, p);
  if (what == 'f') return match_frontier(w, s, p);
  if (what == '0') return wrong(w, "invalid capture index");
  if (what >= '1' && what <= '9') return match_back(w, s, p);
  *taken = false;
  return FAILED;
}

static size_t match_here(struct walk *w, size_t s, size_t p) {
  while (step(w)) {
    if (p == w->text_len) return s;
    bool taken;
    size_t found;
    switch (w->text[p]) {
    case '(': return open_capture(w, s, p);
    case ')': return close_capture(w, s, p);
    case '$':
      if (p + 1 == w->text_len) return s == w->subject_len ? s : FAILED;
      break;
    case '%':
      found = match_special(w, s, p, &taken);
      if (taken) return found;
      break;
    default: break;
    }
    size_t end = item_end(w, p);
    if (end == FAILED) return FAILED;
    switch (end < w->text_len ? w->text[end] : 0) {
    case '*': return match_most(w, s, p, end, 0);
    case '+': return match_most(w, s, p, end, 1);
    case '-': return match_least(w, s, p, end);
    case '?': return match_maybe(w, s, p, end);
    default: break;
    }
    if (!matches_one(w, s, p, end)) return FAILED;
    s++;
    p = end;
  }
  return FAILED;
}

static size_t match(struct walk *w, size_t s, size_t p) {
  if (w->m->depth == PATTERN_DEPTH_MAX) return wrong(w, "pattern too complex");
  w->m->depth++;
  size_t found = match_here(w, s, p);
  w->m->depth--;
  return found;
}

static enum pattern_found finish(struct pattern *m, size_t from, size_t end) {
  m->from = from;
  m->end = end;
  for (size_t i = 0; i < m->n_captures; i++) {
    if (m->captures[i].what != CAPTURE_OPEN) continue;
    m->fault = "unfinished capture";
    return PATTERN_WRONG;
  }
  return PATTERN_FOUND;
}

enum pattern_found pattern_find(struct pattern *m, size_t from) {
  struct walk walk = {.m = m,
                      .text = m->text.len ? m->text.data : (const void *)"",
                      .subject = m->subject.len ? m->subject.data : (const void *)"",
                      .text_len = m->text.len,
                      .subject_len = m->subject.len};
  bool anchored = walk.text_len > 0 && walk.text[0] == '^';
  m->fault = walk.text_len > PATTERN_MAX ? "pattern too long" : NULL;
  m->depth = 0;
  if (m->fault) return PATTERN_WRONG;
  for (size_t s = from; s <= walk.subject_len; s++) {
    m->n_captures = 0;
    size_t end = match(&walk, s, anchored ? 1 : 0);
    if (walk.over) return m->fault ? PATTERN_WRONG : PATTERN_SPENT;
    if (end != FAILED) return finish(m, s, end);
    if (anchored) break;
  }
  return PATTERN_NONE;
}
