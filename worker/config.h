/* What a room's maker and its host decide about it beside the kind's options: title, password, whether it is listed,
 * how many may watch, and properties for listings. Part of the room; owned by it. */
#ifndef HEYA_WORKER_CONFIG_H
#define HEYA_WORKER_CONFIG_H

#include "proto/client.pb-c.h"
#include "proto/names.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define CONFIG_TEXT_MAX       64 /* bytes of a title or password */
#define CONFIG_PROPERTIES_MAX 8

struct config_property {
  char name[PROPERTY_NAME_MAX + 1];
  char value[PROPERTY_VALUE_MAX + 1];
};

struct config {
  char title[CONFIG_TEXT_MAX + 1];
  char password[CONFIG_TEXT_MAX + 1]; /* "": none */
  bool is_private;
  uint32_t max_spectators; /* 0: the kind's */
  struct config_property properties[CONFIG_PROPERTIES_MAX];
  size_t n_properties;
};

/* Takes what a client sent, which is hostile, for a kind that lets so many watch. Why not, or NULL; *out is then
 * unchanged if it is not NULL. `message` NULL: all defaults. */
const char *config_take(struct config *out, const Heya__V1__Config *message, uint32_t kind_max_spectators);

/* The same as a message, in the arena; strings point into the config. */
Heya__V1__Config *config_to_proto(struct config *, struct arena *);

#endif
