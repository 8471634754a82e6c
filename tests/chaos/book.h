/* What was said and what was heard: every command sent, under a token of its own, and every event that any client
 * heard, in the order it heard them. In the end the two are compared (book_check).
 *
 * A token is a number that is in the command's payload, so that its event is known again. A room's events have
 * positions (incarnation, epoch, seq); the same position must be the same event for everybody.
 */
#ifndef HEYA_TESTS_CHAOS_BOOK_H
#define HEYA_TESTS_CHAOS_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of two rooms of one name the later has the higher incarnation (the time at which it was made). */
struct position {
  uint64_t incarnation, epoch, seq;
};
int position_compare(struct position a, struct position b);

enum fate {
  FATE_OPEN,    /* sent, and no answer yet */
  FATE_ACKED,   /* applied, says the room */
  FATE_REFUSED, /* not applied, says the room; its number is used up */
  FATE_UNKNOWN, /* its session ended before an answer */
};

struct token {
  uint32_t client;
  uint32_t room;
  enum fate fate;
  bool shown;        /* in a snapshot that somebody got: applied, though perhaps nobody heard the event */
  uint32_t heard_at; /* by how many different positions; filled in by book_check */
};

/* One line of a client's history. */
enum note_kind {
  NOTE_EVENT,    /* heard: token 0 is an event of another sort than a line */
  NOTE_SNAPSHOT, /* Joined with a snapshot: everything up to here is known by it */
  NOTE_RESUMED,  /* Joined without: everything up to here was known */
  NOTE_LEFT,     /* out of the room by its own wish, until the next snapshot */
};
#define BOOK_NOBODY UINT32_MAX
struct note {
  enum note_kind kind;
  struct position at;
  uint32_t token;
  uint32_t content; /* of an event: a hash of it */
  uint32_t not_for; /* of an event: the client that is not told, since it is about him; BOOK_NOBODY: all are told */
};

struct history {
  uint32_t room;
  struct note *notes;
  size_t n, cap;
};

struct book {
  struct token *tokens; /* [0] is not used */
  uint32_t n_tokens, cap_tokens;
  struct history *histories; /* of the clients */
  uint32_t n_clients, n_rooms;
};

/* n_rooms is set later, by who knows it. */
void book_open(struct book *book, uint32_t clients);
void book_close(struct book *book);

uint32_t book_token(struct book *book, uint32_t client, uint32_t room);
void book_note(struct book *book, uint32_t client, struct note note);

/* What the comparison found. Each fault is printed as it is found, the first hundred of them. */
struct book_result {
  uint64_t sent, acked, refused, unknown, open;
  uint64_t applied;      /* heard or shown */
  uint64_t lost;         /* acked, and neither heard by anybody nor shown in a snapshot */
  uint64_t doubled;      /* heard at two positions */
  uint64_t ghosts;       /* refused, and heard */
  uint64_t missed;       /* an event that a member did not hear, though nothing excuses it */
  uint64_t repeated;     /* an event that a client heard twice, or out of order; a snapshot of the past */
  uint64_t misdirected;  /* an event that a client heard though it is for the others */
  uint64_t contradicted; /* one position, two events; a number that a later event has again */
  uint64_t heard;        /* events in all histories */
  uint64_t snapshots, resumed, left;
};
struct book_result book_check(struct book *book);

#endif
