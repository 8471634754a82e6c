/* A hiredis connection in a libev loop, for connections that are called all the time. Beside hiredis's own adapter:
 * what is to be sent goes out at the end of the loop's turn, all of it in one write, and not after a wait for a
 * socket that is writable nearly always; that saves two changes of the poll set and one poll for each turn that calls
 * Redis. */
#ifndef HEYA_COMMON_REDIS_LOOP_H
#define HEYA_COMMON_REDIS_LOOP_H

#include <ev.h>
#include <hiredis/async.h>

/* Until hiredis frees the context. Out of memory ends the process. */
void redis_loop_attach(struct ev_loop *loop, redisAsyncContext *context);

#endif
