/* A player in a room: his seat, which connection speaks for him, and his session. Keyed by player id, never by a
 * connection. Owned by the room. */
#ifndef HEYA_WORKER_MEMBER_H
#define HEYA_WORKER_MEMBER_H

#include "common/buf.h"
#include "proto/client.pb-c.h"
#include "proto/names.h"
#include "worker/effects.h"
#include "worker/session_window.h"
#include <uthash.h>

#define SESSION_ID_MAX 48

struct member {
  char player[PLAYER_MAX + 1];
  char name[DISPLAY_NAME_MAX + 1];
  struct buf profile;           /* encoded Profile of the kind */
  char session[SESSION_ID_MAX]; /* id and index of the join that made it */
  struct session_window window;
  struct binding binding;          /* outlet NULL while away */
  char instance[INSTANCE_MAX + 1]; /* the client that came last; "" if it says none */
  uint32_t connection;             /* and which of its connections that was */
  uint64_t away_until_ms;          /* 0 while connected */
  bool line_changed;               /* his line in heya:room:<id>:members is to be written */
  UT_hash_handle hh;               /* in room->by_player */
};

struct member *member_create(const char *player, const char *name, struct bytes profile);
/* Unbinds first. */
void member_destroy(struct member *);

/* Binds him to a connection (ending an earlier binding without a word), at this stream time. */
void member_bind(struct member *, struct binding, uint64_t time_ms);
void member_unbind(struct member *);

/* Whether this very join of this very connection speaks for him. */
bool member_is_bound_to(const struct member *, struct binding);

/* Which client he came by. */
void member_note_client(struct member *, const char *instance, uint32_t connection);
/* Whether the same client has come by a newer connection than this one. */
bool member_has_newer_client(const struct member *, const char *instance, uint32_t connection);

/* As clients see him. The strings belong to the member. */
Heya__V1__Member member_to_proto(struct member *);

#endif
