/* Promises of a room's configuration as it comes from outside: what is out of its limits is named. */
#include "proto/pb.h"
#include "proto/room_config.h"

#include <criterion/criterion.h>
#include <string.h>

static bool is_sound(const char *title, const char *password) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  config.title = pb_text(title);
  config.password = pb_text(password);
  return room_config_fault(&config) == NULL;
}

static bool has_sound_property(const char *name, const char *value) {
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property property = HEYA__V1__PROPERTY__INIT, *list[] = {&property};
  property.name = pb_text(name);
  property.value = pb_text(value);
  config.properties = list;
  config.n_properties = 1;
  return room_config_fault(&config) == NULL;
}

Test(room_config, none_is_sound) {
  cr_assert_null(room_config_fault(NULL));
  cr_assert(is_sound("", ""));
}

Test(room_config, titles_and_passwords_are_lines_of_up_to_64_bytes) {
  char text[66] = {0};
  memset(text, 'x', 64);
  cr_assert(is_sound(text, text));
  text[64] = 'x';
  cr_assert_not(is_sound(text, ""));
  cr_assert_not(is_sound("", text));
  cr_assert_not(is_sound("a\nb", ""));
  cr_assert_not(is_sound("", "a\nb"));
  cr_assert_not(is_sound("\xff", ""));
  cr_assert_not(is_sound("", "\xff"));
  cr_assert_not(is_sound("a\xe2\x80\xae"
                         "b",
                         ""),
                "a title that turns the direction of text");
  cr_assert(is_sound("", "  "));
}

Test(room_config, properties_have_names_and_short_values) {
  char value[66] = {0};
  memset(value, 'x', 64);
  cr_assert(has_sound_property("region", value));
  value[64] = 'x';
  cr_assert_not(has_sound_property("region", value));
  cr_assert_not(has_sound_property("region", "\n"));
  cr_assert_not(has_sound_property("Region", "eu"));
  cr_assert_not(has_sound_property("", "eu"));
}

Test(room_config, no_property_stands_twice_and_there_are_at_most_8) {
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property properties[9], *list[9];
  for (size_t i = 0; i < 9; i++) {
    list[i] = &properties[i];
    heya__v1__property__init(list[i]);
    list[i]->name = pb_text(names[i]);
  }
  config.properties = list;
  config.n_properties = 8;
  cr_assert_null(room_config_fault(&config));
  config.n_properties = 9;
  cr_assert(room_config_fault(&config));
  config.n_properties = 8;
  list[7]->name = pb_text("a");
  cr_assert(room_config_fault(&config));
}
