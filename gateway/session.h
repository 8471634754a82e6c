/* The logical side of every connection: who it is, which rooms it is in, what it may ask, what it is answered.
 *
 * The gateway's main passes the network's callbacks (gateway/conn.h) on to sessions_opened, session_message and
 * session_closed. A message is decoded and dispatched by the table of gateway/requests.c; what concerns a room goes
 * to the uplink, and the room's answer comes back through the downlink. Sessions refer to connections only through
 * `struct session_output`, so that tests and simulations bring their own.
 */
#ifndef HEYA_GATEWAY_SESSION_H
#define HEYA_GATEWAY_SESSION_H

#include "common/log.h"
#include "common/store.h"
#include "gateway/attachment.h"
#include "gateway/auth.h"
#include "gateway/conn.h"
#include "gateway/limits.h"
#include "proto/arena.h"
#include "proto/client.pb-c.h"
#include "proto/names.h"
#include "proto/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

struct gateway_metrics;
struct listing;
struct ticket;
struct uplink;

#define SESSION_LISTS_MAX 4 /* unanswered list requests per connection; one more is answered BUSY */

/* How sessions reach their connections: the functions of gateway/conn.h with the same names. */
struct session_output {
  struct frame *(*frame_create)(enum conn_format, struct bytes payload);
  void (*frame_unref)(struct frame *);
  void (*send)(struct conn *, struct frame *);
  void (*close)(struct conn *, uint16_t code, const char *reason);
  void (*set_ready)(struct conn *);
};

/* Connections that are none: requests of the internal API (gateway/api.h). Their numbers begin here, where those of
 * connections never come. */
#define GUEST_FIRST (UINT64_C(1) << 62)
struct guests {
  bool (*alive)(void *arg, uint64_t number);
  void (*busy)(void *arg, uint64_t number);
  void (*deliver)(void *arg, uint64_t number, struct bytes message); /* an encoded heya.v1.ServerMessage */
  void *arg;
};

struct sessions_config {
  uint32_t max_message_bytes;      /* told to clients; the network half enforces it */
  uint32_t max_rooms;              /* per connection */
  uint32_t rate_per_s, rate_burst; /* messages of one connection; 0 per second: no limit */
};

/* All sessions of a gateway, and what they share. Fields are for the logic half (requests, listing, downlink). */
struct sessions {
  struct session *by_number; /* uthash; every session between opened and closed */
  struct store *store;       /* for the time, and for lists */
  struct uplink *uplink;
  const struct auth *auth;
  const struct payload_registry *registry;
  const struct session_output *output;
  struct sessions_config config;
  struct gateway_metrics *metrics;
  struct log *log;
  struct log_limit hello_limit;
  char gateway[64];      /* id; "" while there is none: then nobody is let in */
  bool draining;         /* nobody is let in any more */
  struct arena in;       /* a message being handled */
  struct arena out;      /* an answer being encoded */
  struct listing *lists; /* unanswered list requests, see gateway/listing.c */
  size_t n_lists;
  size_t n_scans;       /* of them with a filter or a sort */
  struct guests guests; /* alive NULL: there are none */
};

struct session {
  UT_hash_handle hh;
  struct sessions *sessions;
  uint64_t number; /* of the connection */
  struct conn *conn;
  enum conn_format format;
  bool said_hello;
  bool ended;                  /* session_end was called: nothing goes in or out any more */
  char player[PLAYER_MAX + 1]; /* "" before hello */
  char name[DISPLAY_NAME_MAX + 1];
  char instance[INSTANCE_MAX + 1]; /* of the client; "" if it says none */
  uint32_t connection;             /* of the instance's connections */
  char *path_room;                 /* owned; from /v1/<kind>/<name>, until hello; NULL: none */
  uint32_t attempts;               /* joins so far */
  uint32_t lists;                  /* unanswered list requests */
  bool scans;                      /* one of them has a filter or a sort */
  struct attachments attachments;
  struct bucket rate;
};

/* `auth`, `registry`, `output`, `metrics` and `log` outlive the sessions. `uplink` is set by the caller before the
 * first message. Destroy after the store and after every session was closed. */
struct sessions *sessions_create(struct store *, const struct sessions_config *, const struct auth *,
                                 const struct payload_registry *, const struct session_output *,
                                 struct gateway_metrics *, struct log *);
void sessions_destroy(struct sessions *);

/* ---- from the network ---- */

/* A connection was opened: the session is what the connection's data pointer should be. `number` as conn_number says;
 * it is not in use. While the gateway has no id or drains, the newcomer is told to reconnect. */
struct session *sessions_opened(struct sessions *, struct conn *, uint64_t number, const struct conn_open *);
void session_message(struct session *, struct bytes message);
/* Frees the session. Whatever it was joined to gets a `disconnected`. */
void session_closed(struct session *);

/* ---- from the logic half ---- */

/* NULL when there is none. One that has ended is still found until it is closed. */
struct session *sessions_find(struct sessions *, uint64_t number);
size_t sessions_count(const struct sessions *);

/* The uplink's entry behind this ticket was not taken: undo what was noted with it and answer BUSY. */
void sessions_busy(struct sessions *, const struct ticket *);

/* Says goodbye to everybody and closes. With `forget` their rooms are not told, because nobody may speak for this
 * gateway id any more. */
void sessions_end_all(struct sessions *, Heya__V1__Error__Code reason, bool forget);

/* Encodes, in the format of the session, and queues. Strings in `message` must be valid UTF-8. */
void session_send(struct session *, const Heya__V1__ServerMessage *);

/* The message in this format, as an encoded frame; the caller holds the reference. NULL when it does not fit the
 * arena. */
struct frame *sessions_encode(struct sessions *, enum conn_format, const Heya__V1__ServerMessage *);

/* Goodbye, then close with the code's close code. Idempotent. */
void session_end(struct session *, Heya__V1__Error__Code reason, bool reconnect);

/* What an error answer says besides its code. */
struct refusal {
  Heya__V1__Error__Code code;
  const char *text; /* NULL: the code's default */
  const char *room; /* NULL: about none */
  uint32_t number;  /* of a command */
  uint32_t retry_after_ms;
};
void session_refuse(struct session *, uint32_t request, const struct refusal *);

#endif
