/* See worker/config.h. */
#include "worker/config.h"
#include "common/mem.h"
#include "proto/arena.h"
#include <stdio.h>
#include <string.h>

static void take_properties(struct config *config, const Heya__V1__Config *message) {
  for (size_t i = 0; i < message->n_properties; i++) {
    struct config_property *taken = &config->properties[config->n_properties++];
    snprintf(taken->name, sizeof taken->name, "%s", message->properties[i]->name);
    snprintf(taken->value, sizeof taken->value, "%s", message->properties[i]->value);
  }
}

const char *config_take(struct config *out, const Heya__V1__Config *message, uint32_t max_spectators) {
  struct config config = {.is_private = false};
  const char *fault = room_config_fault(message);
  if (fault) return fault;
  if (message) {
    if (message->max_spectators > max_spectators) return "config.max_spectators: more than this kind allows";
    snprintf(config.title, sizeof config.title, "%s", message->title);
    snprintf(config.password, sizeof config.password, "%s", message->password);
    config.is_private = message->private_;
    config.max_spectators = message->max_spectators;
    take_properties(&config, message);
  }
  *out = config;
  return NULL;
}

static bool has_property(const struct config *config, const char *name) {
  for (size_t i = 0; i < config->n_properties; i++) {
    if (strcmp(config->properties[i].name, name) == 0) return true;
  }
  return false;
}

bool config_has_names_of(const struct config *config, const struct config *other) {
  for (size_t i = 0; i < other->n_properties; i++) {
    if (!has_property(config, other->properties[i].name)) return false;
  }
  return true;
}

static void *take(struct arena *arena, size_t size) {
  void *memory = arena_alloc(arena, size);
  if (!memory) mem_exhausted(size);
  return memory;
}

Heya__V1__Property **config_properties(struct config *config, struct arena *arena) {
  Heya__V1__Property **properties = take(arena, (config->n_properties + 1) * sizeof *properties);
  for (size_t i = 0; i < config->n_properties; i++) {
    Heya__V1__Property *property = properties[i] = take(arena, sizeof *property);
    heya__v1__property__init(property);
    property->name = config->properties[i].name;
    property->value = config->properties[i].value;
  }
  return properties;
}

Heya__V1__Config *config_to_proto(struct config *config, struct arena *arena) {
  Heya__V1__Config *message = take(arena, sizeof *message);
  heya__v1__config__init(message);
  message->title = config->title;
  message->password = config->password;
  message->private_ = config->is_private;
  message->max_spectators = config->max_spectators;
  message->n_properties = config->n_properties;
  message->properties = config_properties(config, arena);
  return message;
}
