/* See proto/room_config.h. */
#include "proto/room_config.h"

#include "proto/names.h"
#include "proto/utf8.h"
#include <string.h>

bool room_title_is_valid(const char *title, size_t len) {
  return len == 0 || (len <= CONFIG_TEXT_MAX && utf8_is_name(title, len));
}

static bool password_is_valid(const char *password) {
  size_t len = strlen(password);
  return len <= CONFIG_TEXT_MAX && utf8_is_text(password, len, UTF8_ONE_LINE);
}

static bool stands_before(const Heya__V1__Config *config, size_t end, const char *name) {
  for (size_t i = 0; i < end; i++) {
    if (strcmp(config->properties[i]->name, name) == 0) return true;
  }
  return false;
}

const char *room_config_fault(const Heya__V1__Config *config) {
  if (!config) return NULL;
  if (!room_title_is_valid(config->title, strlen(config->title))) return "config.title: one line of up to 64 bytes";
  if (!password_is_valid(config->password)) return "config.password: one line of up to 64 bytes";
  if (config->n_properties > CONFIG_PROPERTIES_MAX) return "config.properties: at most 8";
  for (size_t i = 0; i < config->n_properties; i++) {
    const Heya__V1__Property *property = config->properties[i];
    if (!property_name_is_valid(property->name, strlen(property->name)))
      return "config.properties: not a property's name";
    if (!property_value_is_valid(property->value, strlen(property->value)))
      return "config.properties: a value is one line of up to 64 bytes";
    if (stands_before(config, i, property->name)) return "config.properties: a name stands twice";
  }
  return NULL;
}
