/* Clients without sockets: connections (struct conn) that keep what they are sent, and the session_output that leads
 * to them. For tests of sessions and of what is built on them; not to be used together with real connections.
 */
#ifndef HEYA_TESTS_FAKE_CLIENTS_H
#define HEYA_TESTS_FAKE_CLIENTS_H

#include "gateway/session.h"

#include <stdarg.h>

#define FAKE_HEARD_MAX 256

struct fake_client {
  uint64_t number;
  enum conn_format format;
  struct session *session; /* NULL once closed */
  struct frame *heard[FAKE_HEARD_MAX];
  size_t n_heard, n_read;
  bool ready;
  unsigned closes;               /* calls of close */
  uint16_t close_code;           /* of the first one */
  Heya__V1__ServerMessage *last; /* what fake_client_hear gave; owned */
};

extern const struct session_output fake_output;

/* Opens a connection of the next number. `room`: from the path, or NULL. */
struct fake_client *fake_client_open(struct sessions *, enum conn_format, const char *room);
/* The network's `closed`. Idempotent. */
void fake_client_close(struct fake_client *);
void fake_client_free(struct fake_client *);

/* Sends a message as the client. */
void fake_client_say(struct fake_client *, const Heya__V1__ClientMessage *);
void fake_client_say_text(struct fake_client *, const char *text);

/* Shorthands for messages with this request number. */
void fake_client_hello(struct fake_client *, uint32_t request, const char *player);
void fake_client_join(struct fake_client *, uint32_t request, const char *room, bool create);
void fake_client_leave(struct fake_client *, uint32_t request, const char *room);
void fake_client_command(struct fake_client *, uint32_t request, const char *room, uint32_t number,
                         const char *payload);

/* The next message heard, decoded (binary clients); NULL when there is none. Valid until the next call. */
const Heya__V1__ServerMessage *fake_client_hear(struct fake_client *);
/* The next message as text (JSON clients); NULL when there is none. */
const char *fake_client_hear_text(struct fake_client *);
/* The next message must be an Error with this code and request. */
const Heya__V1__Error *fake_client_hears_error(struct fake_client *, uint32_t request, Heya__V1__Error__Code);
/* It has heard nothing that it has not read. */
bool fake_client_silent(const struct fake_client *);

/* How many frames were made and not freed yet, and how many were made at all, by everybody in this process. */
size_t fake_frames_alive(void);
size_t fake_frames_made(void);

#endif
