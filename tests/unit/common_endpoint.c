/* HOST:PORT: what is one, what is none, and that printing gives it back. */
#include "common/endpoint.h"

#include <criterion/criterion.h>

Test(endpoint, addresses_with_a_port_are_taken) {
  const struct {
    const char *text, *host;
    uint16_t port;
    const char *printed;
  } rows[] = {
      {"127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"},
      {"0.0.0.0:0", "0.0.0.0", 0, "0.0.0.0:0"},
      {":65535", "0.0.0.0", 65535, "0.0.0.0:65535"},
      {"[::1]:1", "::1", 1, "[::1]:1"},
      {"[2001:db8::8a2e:370:7334]:443", "2001:db8::8a2e:370:7334", 443, "[2001:db8::8a2e:370:7334]:443"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct endpoint endpoint;
    char printed[ENDPOINT_BYTES];
    cr_assert(endpoint_parse(rows[i].text, &endpoint), "%s", rows[i].text);
    cr_assert_str_eq(endpoint.host, rows[i].host);
    cr_assert_eq(endpoint.port, rows[i].port);
    endpoint_print(&endpoint, printed);
    cr_assert_str_eq(printed, rows[i].printed);
  }
}

Test(endpoint, anything_else_is_refused) {
  const char *rows[] = {"",
                        "127.0.0.1",
                        "127.0.0.1:",
                        "127.0.0.1:65536",
                        "127.0.0.1:-1",
                        "127.0.0.1:80x",
                        "::1:80",
                        "[::1]",
                        "[]:80",
                        "localhost:80",
                        "1.2.3:80",
                        "[127.0.0.1:80",
                        "host name:1",
                        "127.0.0.1:000080",
                        "127.0.0.1: 80",
                        "[::1]x:80"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct endpoint endpoint;
    cr_assert_not(endpoint_parse(rows[i], &endpoint), "%s", rows[i]);
  }
}
