/* See tests/load/dialect.h. */
#include "tests/load/dialect.h"

#include <stddef.h>

const struct dialect *const dialects[] = {[DIALECT_HEYA] = &dialect_heya,
                                          [DIALECT_COLYSEUS] = &dialect_colyseus,
                                          [DIALECT_SOCKETIO] = &dialect_socketio,
                                          [DIALECT_PLAIN] = &dialect_plain};

const char *const dialect_names[] = {[DIALECT_HEYA] = "heya",
                                     [DIALECT_COLYSEUS] = "colyseus",
                                     [DIALECT_SOCKETIO] = "socketio",
                                     [DIALECT_PLAIN] = "plain",
                                     NULL};
