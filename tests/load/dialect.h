/* What players of a crowd say on the wire to one sort of server, and what they understand of its answers: Heya's own
 * protocol, and those of servers that it is compared with. Scenarios are the same for all of them.
 *
 * A new one is a file with its table, and a row of `dialects` and of `dialect_names`. */
#ifndef HEYA_TESTS_LOAD_DIALECT_H
#define HEYA_TESTS_LOAD_DIALECT_H

#include "common/bytes.h"
#include "tests/load/wire.h"

struct frame;
struct player;

enum heard_what {
  HEARD_NOTHING,    /* of interest */
  HEARD_WELCOME,    /* he may join a room now */
  HEARD_JOINED,     /* as he had asked for */
  HEARD_LEFT,       /* likewise */
  HEARD_LINE,       /* somebody's in his room, and his own */
  HEARD_EVENT,      /* what else happens there: of Heya only */
  HEARD_ACK,        /* of Heya only */
  HEARD_ERROR,      /* something was refused */
  HEARD_UNASKED,    /* he was put out, or seated anew */
  HEARD_UNREADABLE, /* it is none of the server's messages */
};

/* Views are into the message. */
struct heard {
  enum heard_what what;
  bool disorder;            /* a line or event comes twice or out of order, as far as the protocol numbers them */
  uint32_t code;            /* of an error: Heya's; else 0 */
  struct bytes text;        /* of a line what was said; of an error why, if that is told */
  struct bytes reply;       /* what the protocol wants to be said at once; of static storage, mostly empty */
  struct wire_message wire; /* of Heya only: the message */
};

struct dialect {
  bool text;          /* messages are text frames; else binary ones */
  bool acks;          /* each command is acknowledged */
  bool first_opens;   /* the first member of a room makes it, and the others come in when he has told its id */
  bool left_is_close; /* who leaves is hung up on */

  /* Connecting: what is to be said first, mostly the upgrade. */
  void (*greet)(struct player *player);
  /* The answer to a request before the upgrade. False: it was refused. NULL: there are no such requests. */
  bool (*answer)(struct player *player, unsigned status, struct bytes body);
  /* NULL: there the server speaks first. */
  void (*upgraded)(struct player *player);
  /* NULL: he has joined by connecting, and never hears a welcome. */
  void (*join)(struct player *player, const char *room);
  void (*leave)(struct player *player, const char *room);
  /* Makes a line as a whole frame, whose stamp is set each time it is said. */
  void (*line)(struct frame *frame, const char *room);
  /* Reads a message; sends nothing. `heard` is zeroed but for `wire`. */
  void (*hear)(struct player *player, struct bytes message, struct heard *heard);
};

enum dialect_id { DIALECT_HEYA, DIALECT_COLYSEUS, DIALECT_SOCKETIO, DIALECT_PLAIN };
extern const struct dialect *const dialects[];
extern const char *const dialect_names[]; /* NULL-terminated, for the options */

extern const struct dialect dialect_heya;     /* docs/protocol.md */
extern const struct dialect dialect_colyseus; /* Colyseus 0.18 */
extern const struct dialect dialect_socketio; /* Socket.IO 4, over WebSocket from the begin */
extern const struct dialect dialect_plain;    /* what is said goes to all, byte by byte: build/floor, peers/ws */

#endif
