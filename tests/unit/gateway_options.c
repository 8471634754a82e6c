/* The gateway's options: defaults, what is refused, and what becomes of them. */
#include "gateway/options.h"
#include "proto/pb.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_MAX 24

/* Parses these flags (NULL-terminated) and checks the result; returns what is refused, "" when nothing is. */
static const char *refusal(struct gateway_options *options, const char *const *flags) {
  static char error[OPTION_ERROR_BYTES];
  char *argv[FLAGS_MAX + 2] = {pb_text("heya-gateway")}, *nothing[] = {NULL};
  struct option_report report = {0};
  int argc = 1;
  for (; flags[argc - 1]; argc++) argv[argc] = pb_text(flags[argc - 1]);
  memset(options, 0, sizeof *options);
  error[0] = '\0';
  enum option_result result = option_parse(&gateway_option_set, options, argc, argv, nothing, &report);
  if (result == OPTION_OK) {
    gateway_options_check(options, error, sizeof error);
  } else {
    memcpy(error, report.error, sizeof error);
  }
  option_report_close(&report);
  return error;
}

#define REFUSAL(options, ...) refusal(options, (const char *const[]){__VA_ARGS__, NULL})

Test(gateway_options, defaults_need_only_a_key_or_dev) {
  struct gateway_options options;
  const char *error = REFUSAL(&options, "--log-level", "info");
  cr_assert(strstr(error, "--jwt-key"), "%s", error);
  option_close(&gateway_option_set, &options);
  cr_assert_str_eq(REFUSAL(&options, "--auth", "dev"), "");
  cr_assert_eq(options.server.partitions, 16);
  cr_assert_eq(options.gateway_ttl_ms, 30000);
  cr_assert_eq(options.max_message_bytes, 65536);
  cr_assert_eq(options.max_rooms, 16);
  option_close(&gateway_option_set, &options);
}

Test(gateway_options, what_makes_no_sense_is_refused_by_name) {
  const char *cases[][3] = {
      {"--listen", "localhost", "--listen"},
      {"--listen", "127.0.0.1:70000", "--listen"},
      {"--admin", "nowhere:1", "--admin"},
      {"--id", "has space", "--id"},
      {"--id", "a-name-that-is-much-longer-than-31", "--id"},
      {"--prefix", "with space:", "--prefix"},
      {"--partitions", "0", "partitions"},
      {"--redis", "foo://x", "--redis: "},
      {"--redis", "redis://a foo://x", "--redis: "},
      {"--redis", "redis://a redis://b redis://a", "--redis: number 1 and number 3 are the same"},
      {"--trusted-proxy", "10.0.0.1/8", "--trusted-proxy"},
      {"--allow-origin", "example.org", "--allow-origin"},
      {"--allow-origin", "https://example.org/path", "--allow-origin"},
      {"--ping-interval", "2m", "--ping-interval"},
      {"--waiting-bytes", "64k", "--waiting-bytes"},
      {"--failpoints", "x=y", "--failpoints: x: "},
      {"--gateway-ttl", "30", "--gateway-ttl: 30 needs a unit"},
      {"--kind-json", "No", "--kind-json: No is not a kind's name"},
      {"--kind-json", "chat", "--kind-json: chat is known already"},
      {"--kind-messages", "x", "--kind-messages: x is not NAME=PACKAGE"},
      {"--kind-messages", "x=heya.kinds.y", "is not NAME=PACKAGE"},
      {"--kind-messages", "live=heya.kinds.chat", "--kind-messages: live is known already"},
      {"--kind-messages", "a234567890123456x=heya.kinds.chat", "is not a kind's name"},
      {"--auth", "none", "auth"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct gateway_options options;
    const char *error = REFUSAL(&options, "--auth", "dev", cases[i][0], cases[i][1]);
    cr_assert(strstr(error, cases[i][2]), "%s %s: \"%s\"", cases[i][0], cases[i][1], error);
    option_close(&gateway_option_set, &options);
  }
}

Test(gateway_options, several_redis_come_one_by_one_or_with_spaces_and_keep_their_commas) {
  struct gateway_options options;
  cr_assert_str_eq(REFUSAL(&options, "--auth", "dev"), "");
  cr_assert_eq(options.server.redis.count, 1);
  option_close(&gateway_option_set, &options);
  cr_assert_str_eq(REFUSAL(&options, "--auth", "dev", "--redis", "sentinel://a,b/one", "--redis",
                           "unix:///b.sock?db=1  redis://c"),
                   "");
  cr_assert_eq(options.server.redis.count, 3);
  cr_assert_str_eq(options.server.redis.items[0], "sentinel://a,b/one");
  cr_assert_str_eq(options.server.redis.items[1], "unix:///b.sock?db=1");
  cr_assert_str_eq(options.server.redis.items[2], "redis://c");
  option_close(&gateway_option_set, &options);
}

Test(gateway_options, become_the_configs_of_the_parts) {
  struct gateway_options options;
  struct endpoint listen;
  struct cidr *trusted;
  struct listener_config listener;
  struct store_redis_options store;
  struct gateway_config gateway;
  cr_assert_str_eq(REFUSAL(&options, "--auth", "dev", "--listen", "[::1]:0", "--trusted-proxy", "10.0.0.0/8,::1",
                           "--allow-origin", "https://example.org", "--message-rate", "10", "--message-burst", "20",
                           "--id", "g7", "--partition-entries", "99"),
                   "");
  gateway_options_listener(&options, &listen, &trusted, &listener);
  cr_assert_str_eq(listener.host, "::1");
  cr_assert_eq(listener.trusted_count, 2);
  cr_assert_eq(listener.origin_count, 1);
  cr_assert_eq(listener.max_frames_per_s, 40, "far above the rate is closed, above it is answered");
  gateway_options_store(&options, &store);
  cr_assert_eq(store.limits.partition_entries, 99);
  gateway_options_gateway(&options, &gateway);
  cr_assert_str_eq(gateway.id, "g7");
  cr_assert_eq(gateway.sessions.rate_burst, 20);
  free(trusted);
  option_close(&gateway_option_set, &options);
}
