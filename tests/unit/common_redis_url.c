/* Promises of the parser of Redis addresses. */
#include "common/redis_url.h"

#include <criterion/criterion.h>
#include <string.h>

static struct redis_url parse(const char *text) {
  struct redis_url url;
  char error[128] = "";
  cr_assert(redis_url_parse(text, &url, error, sizeof error), "%s: %s", text, error);
  return url;
}

static void refuse(const char *text, const char *because) {
  struct redis_url url;
  char error[128] = "";
  cr_assert_not(redis_url_parse(text, &url, error, sizeof error), "%s", text);
  cr_assert(strstr(error, because), "%s: %s", text, error);
  cr_assert(url.at.host[0] == '\0' && url.path[0] == '\0' && url.login.password[0] == '\0', "%s", text);
  cr_assert(url.n_sentinels == 0 && url.master[0] == '\0' && url.sentinel_login.password[0] == '\0', "%s", text);
}

Test(redis_url, reads_host_port_and_database) {
  struct redis_url url = parse("redis://localhost");
  cr_assert_str_eq(url.at.host, "localhost");
  cr_assert_eq(url.at.port, 6379);
  cr_assert_eq(url.db, 0);
  url = parse("redis://10.0.0.7:7000/3");
  cr_assert_str_eq(url.at.host, "10.0.0.7");
  cr_assert_eq(url.at.port, 7000);
  cr_assert_eq(url.db, 3);
  url = parse("redis://[::1]:7000/");
  cr_assert_str_eq(url.at.host, "::1");
  cr_assert_eq(url.at.port, 7000);
}

Test(redis_url, reads_user_and_password_with_escapes) {
  struct redis_url url = parse("redis://heya:p%40ss%3A%2f@host:1/2");
  cr_assert_str_eq(url.login.user, "heya");
  cr_assert_str_eq(url.login.password, "p@ss:/");
  cr_assert_str_eq(url.at.host, "host");
  url = parse("redis://secret@host");
  cr_assert_str_eq(url.login.user, "");
  cr_assert_str_eq(url.login.password, "secret");
  url = parse("redis://:a@b@host");
  cr_assert_str_eq(url.login.password, "a@b");
}

Test(redis_url, reads_unix_sockets) {
  struct redis_url url = parse("unix:///run/redis.sock");
  cr_assert_str_eq(url.path, "/run/redis.sock");
  cr_assert_str_eq(url.at.host, "");
  url = parse("unix://u:p@/run/a%20b.sock?db=9");
  cr_assert_str_eq(url.path, "/run/a b.sock");
  cr_assert_str_eq(url.login.user, "u");
  cr_assert_str_eq(url.login.password, "p");
  cr_assert_eq(url.db, 9);
}

Test(redis_url, reads_sentinels) {
  struct redis_url url = parse("sentinel://a/main");
  cr_assert_eq(url.n_sentinels, 1);
  cr_assert_str_eq(url.sentinels[0].host, "a");
  cr_assert_eq(url.sentinels[0].port, 26379);
  cr_assert_str_eq(url.master, "main");
  cr_assert_str_eq(url.at.host, "");
  url = parse("sentinel://heya:p%2Cw@a:1,[::1]:2,10.0.0.1/my-master_1.x/3?sentinel_user=s&sentinel_password=q%26");
  cr_assert_eq(url.n_sentinels, 3);
  cr_assert_str_eq(url.sentinels[1].host, "::1");
  cr_assert_eq(url.sentinels[1].port, 2);
  cr_assert_str_eq(url.sentinels[2].host, "10.0.0.1");
  cr_assert_str_eq(url.master, "my-master_1.x");
  cr_assert_eq(url.db, 3);
  cr_assert_str_eq(url.login.user, "heya");
  cr_assert_str_eq(url.login.password, "p,w");
  cr_assert_str_eq(url.sentinel_login.user, "s");
  cr_assert_str_eq(url.sentinel_login.password, "q&");
  cr_assert_str_eq(parse("sentinel://a,b/m?sentinel_password=only").sentinel_login.user, "");
}

Test(redis_url, refuses_sentinels_that_cannot_be_asked) {
  refuse("sentinel://", "Sentinels");
  refuse("sentinel:///main", "Sentinels");
  refuse("sentinel://a,/main", "Sentinels");
  refuse("sentinel://a,b:0/main", "Sentinels");
  refuse("sentinel://1,2,3,4,5,6,7,8,9/main", "up to 8");
  refuse("sentinel://a,b", "name");
  refuse("sentinel://a,b/", "name");
  refuse("sentinel://a,b/ma%20in", "name");
  refuse("sentinel://a,b?sentinel_password=x", "name");
  refuse("sentinel://a/main/", "number");
  refuse("sentinel://a/main/x", "number");
  refuse("sentinel://a/main?", "sentinel_password");
  refuse("sentinel://a/main?password=x", "sentinel_password");
  refuse("sentinel://a/main?sentinel_user=x", "sentinel_password");
  refuse("sentinel://a/main?sentinel_password=x&", "sentinel_password");
  refuse("sentinel://a/main?sentinel_password=x&sentinel_password=y", "sentinel_password");
  refuse("sentinel://a/main#x", "sentinel_password");
  refuse("sentinel://user:@a/main", "'@'");
  char text[128] = "sentinel://a/";
  memset(text + strlen(text), 'm', 64);
  refuse(text, "up to 63");
}

Test(redis_url, refuses_what_it_cannot_mean) {
  refuse("", "redis://");
  refuse("localhost:6379", "redis://");
  refuse("rediss://host", "TLS");
  refuse("redis://", "host");
  refuse("redis://:7000", "host");
  refuse("redis://host:0", "host");
  refuse("redis://host:65536", "host");
  refuse("redis://host:", "host");
  refuse("redis://host:12x", "host");
  refuse("redis://[::1", "host");
  refuse("redis://[::1]7", "host");
  refuse("redis://host/x", "number");
  refuse("redis://host/-1", "number");
  refuse("redis://host/1/2", "number");
  refuse("redis://host?db=1", "/db");
  refuse("redis://user:@host", "'@'");
  refuse("redis://a%2@host", "'@'");
  refuse("redis://a%00b@host", "'@'");
  refuse("redis://ho\nst", "host");
  refuse("unix://relative.sock", "absolute");
  refuse("unix://", "absolute");
  refuse("unix:///a?db=x", "?db=N");
  char text[400];
  memset(text, 'x', sizeof text);
  memcpy(text, "unix:///", 8);
  text[8 + 108] = '\0';
  refuse(text, "107 bytes");
  memset(text, 'x', sizeof text);
  memcpy(text, "redis://", 8);
  text[8 + 256] = '\0';
  refuse(text, "host");
}

Test(redis_url, never_shows_the_password) {
  const char *texts[] = {"redis://u:secret@host:1x", "redis://u:secret%@host", "unix://secret@x",
                         "redis://u:secret@h/q", "sentinel://u:secret@a/main?sentinel_password=secret%"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct redis_url url;
    char error[128];
    cr_assert_not(redis_url_parse(texts[i], &url, error, sizeof error));
    cr_assert_null(strstr(error, "secret"), "%s", error);
  }
  struct redis_url url = parse("redis://u:secret@host/2");
  char shown[64];
  redis_url_print(&url, shown, sizeof shown);
  cr_assert_str_eq(shown, "redis://host:6379/2");
  url = parse("sentinel://u:secret@a,b:7/main/2?sentinel_password=secret");
  redis_url_print(&url, shown, sizeof shown);
  cr_assert_str_eq(shown, "sentinel://a:26379,b:7/main/2");
  memset(shown, 'x', sizeof shown);
  redis_url_print(&url, shown, 20);
  cr_assert_str_eq(shown, "sentinel://a:26379,");
}

Test(redis_url, prints_what_it_would_parse_again) {
  const char *texts[] = {"redis://[::1]:7000", "redis://h:1/4", "unix:///a/b.sock", "unix:///a?db=3"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct redis_url url = parse(texts[i]);
    char shown[64];
    redis_url_print(&url, shown, sizeof shown);
    cr_assert_str_eq(shown, texts[i]);
  }
}
