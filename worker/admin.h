/* What the people who run the server do to a room (Admin in proto/bus.proto): it comes through a gateway's internal
 * API, from nobody who is in the room, and is answered with Ack or Error. */
#ifndef HEYA_WORKER_ADMIN_H
#define HEYA_WORKER_ADMIN_H

#include "worker/request.h"

#define ADMIN_NOTICE_MAX 500 /* bytes */

/* Handler of an entry; false if it makes no sense. */
bool admin_apply(struct request *);

#endif
