/* Promises of --kind-proto: what a file may bring, and what is refused of it. The files are beside this program. */
#include "gateway/kind_proto.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

static struct payload_registry registry;
static char error[512];

static void setup(void) {
  payload_registry_init(&registry);
}
TestSuite(kind_proto, .init = setup);

static const char *file(const char *name) {
  static char path[512];
  ssize_t len = readlink("/proc/self/exe", path, sizeof path - 64);
  cr_assert_gt(len, 0);
  path[len] = '\0';
  strcpy(strrchr(path, '/') + 1, name);
  return path;
}

static void expect_refused(const char *path, const char *why) {
  size_t before = registry.count;
  cr_assert_null(kind_proto_add(&registry, path, error, sizeof error));
  cr_assert(strstr(error, why), "%s", error);
  cr_assert(strstr(error, path), "%s", error);
  cr_assert_eq(registry.count, before);
}

Test(kind_proto, a_file_adds_the_messages_of_its_kind) {
  cr_assert_str_eq(kind_proto_add(&registry, file("words-proto.so"), error, sizeof error), "words");
  const ProtobufCMessageDescriptor *command = payload_find(&registry, "words", 5, PAYLOAD_COMMAND);
  cr_assert_str_eq(command->name, "heya.tests.words.Command");
  cr_assert_str_eq(payload_find(&registry, "words", 5, PAYLOAD_RESULT)->name, "heya.tests.words.Result");
  cr_assert_null(payload_find(&registry, "words", 5, PAYLOAD_OPTIONS));
}

Test(kind_proto, a_name_that_is_taken_is_refused) {
  cr_assert(kind_proto_add(&registry, file("words-proto.so"), error, sizeof error));
  expect_refused(file("words-proto.so"), "its name is taken");
}

Test(kind_proto, a_file_that_is_none_is_refused) {
  expect_refused("/nowhere/at/all.so", "cannot be loaded");
  expect_refused("not_here.so", "cannot be loaded");
  expect_refused("/proc/self/exe", "cannot be loaded");
  expect_refused(file("words-none.so"), "has no heya_payloads");
  expect_refused(file("words-name.so"), "its name is not a kind's name");
}
