/* See worker/config.h. */
#include "worker/config.h"
#include "common/mem.h"
#include "proto/arena.h"
#include "proto/utf8.h"

static bool is_line(const char *text) {
  size_t len = strlen(text);
  return len <= CONFIG_TEXT_MAX && utf8_is_text(text, len, UTF8_ONE_LINE);
}

static bool has_property(const struct config *config, const char *name) {
  for (size_t i = 0; i < config->n_properties; i++) {
    if (strcmp(config->properties[i].name, name) == 0) return true;
  }
  return false;
}

static const char *take_properties(struct config *config, const Heya__V1__Config *message) {
  if (message->n_properties > CONFIG_PROPERTIES_MAX) return "config.properties: at most 8";
  for (size_t i = 0; i < message->n_properties; i++) {
    const Heya__V1__Property *property = message->properties[i];
    if (!property_name_is_valid(property->name, strlen(property->name)))
      return "config.properties: not a property's name";
    if (!property_value_is_valid(property->value, strlen(property->value))) {
      return "config.properties: a value is one line of up to 64 bytes";
    }
    if (has_property(config, property->name)) return "config.properties: a name stands twice";
    struct config_property *taken = &config->properties[config->n_properties++];
    snprintf(taken->name, sizeof taken->name, "%s", property->name);
    snprintf(taken->value, sizeof taken->value, "%s", property->value);
  }
  return NULL;
}

const char *config_take(struct config *out, const Heya__V1__Config *message, uint32_t kind_max_spectators) {
  struct config config = {.is_private = false};
  if (message) {
    if (!is_line(message->title)) return "config.title: one line of up to 64 bytes";
    if (!is_line(message->password)) return "config.password: one line of up to 64 bytes";
    if (message->max_spectators > kind_max_spectators) return "config.max_spectators: more than this kind allows";
    const char *fault = take_properties(&config, message);
    if (fault) return fault;
    snprintf(config.title, sizeof config.title, "%s", message->title);
    snprintf(config.password, sizeof config.password, "%s", message->password);
    config.is_private = message->private_;
    config.max_spectators = message->max_spectators;
  }
  *out = config;
  return NULL;
}

static void *take(struct arena *arena, size_t size) {
  void *memory = arena_alloc(arena, size);
  if (!memory) mem_exhausted(size);
  return memory;
}

Heya__V1__Config *config_to_proto(struct config *config, struct arena *arena) {
  Heya__V1__Config *message = take(arena, sizeof *message);
  heya__v1__config__init(message);
  message->title = config->title;
  message->password = config->password;
  message->private_ = config->is_private;
  message->max_spectators = config->max_spectators;
  message->n_properties = config->n_properties;
  message->properties = take(arena, (config->n_properties + 1) * sizeof *message->properties);
  for (size_t i = 0; i < config->n_properties; i++) {
    Heya__V1__Property *property = message->properties[i] = take(arena, sizeof *property);
    heya__v1__property__init(property);
    property->name = config->properties[i].name;
    property->value = config->properties[i].value;
  }
  return message;
}
