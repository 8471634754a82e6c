/* What the host may do with his room, and a member with himself: the Manage of a numbered command
 * (proto/client.proto). Called by worker/command.c, as the kind is for other commands: at once, or in the room's next
 * frame. */
#ifndef HEYA_WORKER_MANAGE_H
#define HEYA_WORKER_MANAGE_H

#include "worker/room.h"

/* Does it, or says why not; the room is then as it was. The member stays, whatever becomes of others. */
kind_code manage_apply(struct room *, struct member *, const Heya__V1__Manage *, struct kind_reply *);

/* For those who may without being host. Out with a member or spectator: NO_SUCH_MEMBER if he is neither. */
kind_code manage_kick(struct room *, const char *player);
/* He may not come back either; whether he is there or not. */
kind_code manage_ban(struct room *, const char *player, struct kind_reply *);

#endif
