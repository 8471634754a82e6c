/* What rooms do to each other, whoever owns them: it travels as entries in the commit of the one that asks
 * (effects.h), so it is asked once, done once and answered once. worker/ask.c has the asking side, which kinds call.
 */
#ifndef HEYA_WORKER_ELSEWHERE_H
#define HEYA_WORKER_ELSEWHERE_H

#include "worker/request.h"

/* Handlers of entries. False if the entry makes no sense. */

/* The room is found, or made with nobody in it, and seats are kept. Said twice it does nothing more than once. */
bool elsewhere_open(struct request *);
/* All of the seats are kept, or none. */
bool elsewhere_reserve(struct request *);
/* The answer to one of these, and news of a room that this one has opened: for its kind. */
bool elsewhere_opened(struct request *);
bool elsewhere_vacancy(struct request *);

/* For an entry of these that its room cannot take any more: whoever asked is told why. False for other entries. */
bool elsewhere_refuse(struct request *, Heya__V1__Error__Code);

/* The room was touched: its lobby, if it has one, hears of free seats if their number has changed, and of its end. */
void elsewhere_tell_lobby(struct room *);

#endif
