/* The functions of struct kind, for every kind that is a script. */
#ifndef HEYA_WORKER_LUA_SCRIPT_KIND_H
#define HEYA_WORKER_LUA_SCRIPT_KIND_H

#include "worker/lua/script.h"

/* What is the same for all scripts. */
void script_kind_init(struct script *script);
/* The functions, of those that the script has. */
void script_kind_fill(struct script *script);

#endif
