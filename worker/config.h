/* What a room's maker and its host decide about it beside the kind's options: title, password, whether it is listed,
 * how many may watch, and properties for listings. Part of the room; owned by it. */
#ifndef HEYA_WORKER_CONFIG_H
#define HEYA_WORKER_CONFIG_H

#include "proto/client.pb-c.h"
#include "proto/names.h"
#include "proto/room_config.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct config_property {
  char name[PROPERTY_NAME_MAX + 1];
  char value[PROPERTY_VALUE_MAX + 1];
};

/* Zero-initialised: all defaults. */
struct config {
  char title[CONFIG_TEXT_MAX + 1];
  char password[CONFIG_TEXT_MAX + 1]; /* "": none */
  bool is_private;
  uint32_t max_spectators; /* 0: the kind's */
  struct config_property properties[CONFIG_PROPERTIES_MAX];
  size_t n_properties;
};

/* Takes what a client or an image says, which is hostile, of a room that lets so many watch. Why not, or NULL; *out
 * is changed only if it is NULL. `message` NULL: all defaults. */
const char *config_take(struct config *out, const Heya__V1__Config *message, uint32_t max_spectators);

/* Whether it describes every property that the other does, by name. */
bool config_has_names_of(const struct config *, const struct config *other);

/* The same as a message, in the arena; strings point into the config. */
Heya__V1__Config *config_to_proto(struct config *, struct arena *);

/* The properties alone, config->n_properties of them. */
Heya__V1__Property **config_properties(struct config *, struct arena *);

#endif
