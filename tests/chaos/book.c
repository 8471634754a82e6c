/* See tests/chaos/book.h. */
#include "tests/chaos/book.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define FAULTS_PRINTED 100

int position_compare(struct position a, struct position b) {
  if (a.incarnation != b.incarnation) return a.incarnation < b.incarnation ? -1 : 1;
  if (a.epoch != b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.seq < b.seq ? -1 : a.seq > b.seq;
}

void book_open(struct book *book, uint32_t clients) {
  *book = (struct book){.n_clients = clients, .n_tokens = 1};
  book->histories = xcalloc(clients, sizeof *book->histories);
}

void book_close(struct book *book) {
  for (uint32_t i = 0; i < book->n_clients; i++) free(book->histories[i].notes);
  free(book->histories);
  free(book->tokens);
}

uint32_t book_token(struct book *book, uint32_t client, uint32_t room) {
  if (book->n_tokens >= book->cap_tokens) {
    book->cap_tokens = book->cap_tokens ? book->cap_tokens * 2 : 4096;
    book->tokens = xrealloc(book->tokens, book->cap_tokens * sizeof *book->tokens);
  }
  book->tokens[book->n_tokens] = (struct token){.client = client, .room = room};
  return book->n_tokens++;
}

void book_note(struct book *book, uint32_t client, struct note note) {
  struct history *history = &book->histories[client];
  if (history->n == history->cap) {
    history->cap = history->cap ? history->cap * 2 : 256;
    history->notes = xrealloc(history->notes, history->cap * sizeof *history->notes);
  }
  history->notes[history->n++] = note;
}

/* ---- checking ---- */

/* An event of a room, as all its members together know it. */
struct fact {
  struct position at;
  uint32_t token, content, not_for;
};

struct check {
  struct book *book;
  struct book_result result;
  unsigned printed;
  struct fact *facts; /* of the room under check, by position */
  size_t n_facts, cap_facts;
};

static void fault(struct check *check, uint64_t *count, const char *what, uint32_t room, uint32_t client,
                  struct position at, uint32_t token) {
  ++*count;
  if (check->printed++ >= FAULTS_PRINTED) return;
  printf("FAULT %s: room %" PRIu32 " client %" PRIu32 " at (%" PRIu64 ", %" PRIu64 ", %" PRIu64 ") command %" PRIu32
         "\n",
         what, room, client, at.incarnation, at.epoch, at.seq, token);
}

static int compare_facts(const void *a, const void *b) {
  const struct fact *x = a, *y = b;
  int order = position_compare(x->at, y->at);
  return order ? order : x->content < y->content ? -1 : x->content > y->content;
}

static void collect(struct check *check, const struct history *history) {
  for (size_t i = 0; i < history->n; i++) {
    const struct note *note = &history->notes[i];
    if (note->kind != NOTE_EVENT) continue;
    if (check->n_facts == check->cap_facts) {
      check->cap_facts = check->cap_facts ? check->cap_facts * 2 : 4096;
      check->facts = xrealloc(check->facts, check->cap_facts * sizeof *check->facts);
    }
    check->facts[check->n_facts++] = (struct fact){note->at, note->token, note->content, note->not_for};
  }
}

/* Every fact once; two at one position, and one at two, are faults. Numbers of a room grow over its epochs. */
static void settle_facts(struct check *check, uint32_t room) {
  size_t n = 0;
  if (check->n_facts) qsort(check->facts, check->n_facts, sizeof *check->facts, compare_facts);
  for (size_t i = 0; i < check->n_facts; i++) {
    struct fact fact = check->facts[i];
    const struct fact *last = n ? &check->facts[n - 1] : NULL;
    if (last && compare_facts(&fact, last) == 0) continue;
    if (last && position_compare(fact.at, last->at) == 0)
      fault(check, &check->result.contradicted, "two events under one number", room, 0, fact.at, fact.token);
    else if (last && fact.at.incarnation == last->at.incarnation && fact.at.seq <= last->at.seq)
      fault(check, &check->result.contradicted, "a number that was given before", room, 0, fact.at, fact.token);
    struct token *token = &check->book->tokens[fact.token];
    if (fact.token && token->heard_at++)
      fault(check, &check->result.doubled, "applied twice", room, token->client, fact.at, fact.token);
    check->facts[n++] = fact;
  }
  check->n_facts = n;
}

/* Walks a history beside the facts: what lies between two notes and is not heard must be behind a snapshot. */
static void compare(struct check *check, uint32_t room, uint32_t client, const struct history *history) {
  struct position last = {0};
  bool present = false;
  size_t next = 0;
  for (size_t i = 0; i < history->n; i++) {
    const struct note *note = &history->notes[i];
    check->result.heard += note->kind == NOTE_EVENT;
    check->result.snapshots += note->kind == NOTE_SNAPSHOT;
    check->result.resumed += note->kind == NOTE_RESUMED;
    check->result.left += note->kind == NOTE_LEFT;
    if (note->kind == NOTE_LEFT) {
      present = false;
      continue;
    }
    int order = position_compare(note->at, last);
    if (note->kind == NOTE_EVENT && order <= 0)
      fault(check, &check->result.repeated, "heard twice or out of order", room, client, note->at, note->token);
    if (note->kind == NOTE_EVENT && note->not_for == client)
      fault(check, &check->result.misdirected, "heard what is for the others", room, client, note->at, 0);
    if (note->kind == NOTE_RESUMED && order != 0)
      fault(check, &check->result.repeated, "resumed elsewhere", room, client, note->at, 0);
    if (note->kind == NOTE_SNAPSHOT && order < 0)
      fault(check, &check->result.repeated, "a snapshot of the past", room, client, note->at, 0);
    for (; next < check->n_facts && position_compare(check->facts[next].at, note->at) <= 0; next++) {
      const struct fact *fact = &check->facts[next];
      bool is_it = note->kind == NOTE_EVENT && position_compare(fact->at, note->at) == 0;
      if (present && !is_it && note->kind != NOTE_SNAPSHOT && fact->not_for != client)
        fault(check, &check->result.missed, "missed", room, client, fact->at, fact->token);
    }
    present = true;
    if (order > 0) last = note->at;
  }
  /* Everybody is back in the end, so nothing may follow. */
  for (; present && next < check->n_facts; next++)
    if (check->facts[next].not_for != client)
      fault(check, &check->result.missed, "missed at the end", room, client, check->facts[next].at,
            check->facts[next].token);
}

static void judge_tokens(struct check *check) {
  struct book_result *result = &check->result;
  for (uint32_t i = 1; i < check->book->n_tokens; i++) {
    const struct token *token = &check->book->tokens[i];
    result->sent++;
    bool applied = token->heard_at || token->shown;
    result->applied += applied;
    result->acked += token->fate == FATE_ACKED;
    result->refused += token->fate == FATE_REFUSED;
    result->unknown += token->fate == FATE_UNKNOWN;
    result->open += token->fate == FATE_OPEN;
    struct position nowhere = {0};
    if (token->fate == FATE_ACKED && !applied)
      fault(check, &result->lost, "acknowledged and lost", token->room, token->client, nowhere, i);
    if (token->fate == FATE_REFUSED && applied)
      fault(check, &result->ghosts, "refused and applied", token->room, token->client, nowhere, i);
  }
}

struct book_result book_check(struct book *book) {
  struct check check = {.book = book};
  for (uint32_t i = 1; i < book->n_tokens; i++) book->tokens[i].heard_at = 0;
  for (uint32_t room = 0; room < book->n_rooms; room++) {
    check.n_facts = 0;
    for (uint32_t i = 0; i < book->n_clients; i++)
      if (book->histories[i].room == room) collect(&check, &book->histories[i]);
    settle_facts(&check, room);
    for (uint32_t i = 0; i < book->n_clients; i++)
      if (book->histories[i].room == room) compare(&check, room, i, &book->histories[i]);
  }
  judge_tokens(&check);
  free(check.facts);
  return check.result;
}
