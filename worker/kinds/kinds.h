/* The kinds that are built in. Each is one constant table in worker/kinds/<name>.c; registry.c puts them into every
 * registry. */
#ifndef HEYA_WORKER_KINDS_KINDS_H
#define HEYA_WORKER_KINDS_KINDS_H

#include "worker/kind.h"

extern const struct kind kind_chat;
extern const struct kind kind_gomoku;
extern const struct kind kind_live;
extern const struct kind kind_arena;
extern const struct kind kind_skirmish; /* the same game, lossy */
extern const struct kind kind_lobby;

#endif
