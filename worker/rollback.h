/* A lossy room whose owner died: it goes on from where it was saved last, and its members are told so. */
#ifndef HEYA_WORKER_ROLLBACK_H
#define HEYA_WORKER_ROLLBACK_H

#include "worker/room.h"

/* Right after loading. Every member gets a new session, since the numbers of the old one may be ahead of what is
 * known here; who is connected is told ROLLED_BACK, with a snapshot and the number that his next command is to have.
 */
void rollback_tell(struct room *);

#endif
