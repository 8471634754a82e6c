/* The table of files and the responses built from it. */
#include "gateway/files.h"
#include "gateway/http.h"
#include "gateway/outbox.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct directory {
  char path[64];
};

static struct directory make_directory(void) {
  struct directory directory = {.path = "/tmp/heya-files-XXXXXX"};
  cr_assert_not_null(mkdtemp(directory.path));
  return directory;
}

static void put(const struct directory *directory, const char *name, const char *content) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", directory->path, name);
  FILE *file = fopen(path, "w");
  cr_assert_not_null(file);
  fputs(content, file);
  fclose(file);
}

static void make_sub(const struct directory *directory, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", directory->path, name);
  cr_assert_eq(mkdir(path, 0755), 0);
}

static void make_link(const struct directory *directory, const char *name, const char *target) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", directory->path, name);
  cr_assert_eq(symlink(target, path), 0);
}

static void remove_directory(const struct directory *directory) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", directory->path);
  cr_assert_eq(system(command), 0);
}

static const struct file *find(const struct files *files, const char *path) {
  return files_find(files, bytes_of_str(path));
}

Test(files, are_found_by_their_exact_path_and_nothing_else_is) {
  struct directory directory = make_directory();
  char error[200] = "";
  put(&directory, "index.html", "<p>");
  put(&directory, "app.js", "1");
  put(&directory, ".secret", "no");
  make_sub(&directory, "img");
  put(&directory, "img/a.png", "png");
  put(&directory, "img/index.html", "deep");
  make_sub(&directory, ".git");
  put(&directory, ".git/config", "no");
  make_link(&directory, "passwd", "/etc/passwd");
  make_link(&directory, "etc", "/etc");
  struct files *files = files_load(directory.path, 1000, error, sizeof error);
  cr_assert_not_null(files, "%s", error);
  cr_assert_eq(files_count(files), 4);
  cr_assert(bytes_equal_str(frame_bytes(find(files, "/")->body), "<p>"));
  cr_assert_eq(find(files, "/"), find(files, "/index.html"));
  cr_assert_str_eq(find(files, "/app.js")->type, "text/javascript; charset=utf-8");
  cr_assert_str_eq(find(files, "/img/a.png")->type, "image/png");
  cr_assert(bytes_equal_str(frame_bytes(find(files, "/img/")->body), "deep"));
  static const char *const absent[] = {
      "",         "app.js",       "/APP.JS", "/img",        "/./app.js", "//app.js",  "/img/../app.js",
      "/.secret", "/.git/config", "/passwd", "/etc/passwd", "/app.js/",  "/%61pp.js", "/app.js\n"};
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    cr_assert_null(find(files, absent[i]), "%s", absent[i]);
  cr_assert_null(files_find(files, bytes_of("/app.js\0x", 9)));
  char *longer = calloc(1, 2000);
  memset(longer, '/', 1999);
  cr_assert_null(find(files, longer));
  free(longer);
  cr_assert_null(files_find(NULL, bytes_of_str("/")));
  files_destroy(files);
  remove_directory(&directory);
}

Test(files, total_size_and_depth_are_bounded) {
  struct directory directory = make_directory();
  char error[200] = "";
  put(&directory, "a", "12345");
  put(&directory, "b", "12345");
  struct files *files = files_load(directory.path, 10, error, sizeof error);
  cr_assert_not_null(files);
  files_destroy(files);
  cr_assert_null(files_load(directory.path, 9, error, sizeof error));
  cr_assert_not_null(strstr(error, "9 bytes"), "%s", error);
  char path[100] = "d";
  for (int i = 0; i <= FILES_DEPTH_MAX; i++) {
    make_sub(&directory, path);
    strcat(path, "/d");
  }
  cr_assert_null(files_load(directory.path, 1000, error, sizeof error));
  cr_assert_null(files_load("/nonexistent", 1000, error, sizeof error));
  remove_directory(&directory);
}

Test(files, etag_follows_the_content) {
  struct directory directory = make_directory();
  char error[200];
  put(&directory, "a", "same");
  put(&directory, "b", "same");
  put(&directory, "c", "other");
  struct files *files = files_load(directory.path, 1000, error, sizeof error);
  const struct file *a = find(files, "/a"), *b = find(files, "/b"), *c = find(files, "/c");
  cr_assert_str_eq(a->etag, b->etag);
  cr_assert_str_neq(a->etag, c->etag);
  cr_assert_eq(strlen(a->etag), 34);
  char list[200];
  snprintf(list, sizeof list, "\"x\", W/%s", a->etag);
  cr_assert(http_etag_matches(bytes_of_str(a->etag), a->etag));
  cr_assert(http_etag_matches(bytes_of_str(list), a->etag));
  cr_assert(http_etag_matches(bytes_of_str("*"), a->etag));
  cr_assert_not(http_etag_matches(bytes_of_str(list), c->etag));
  cr_assert_not(http_etag_matches(bytes_of_str(""), a->etag));
  cr_assert_not(http_etag_matches(bytes_of(list, strlen(list) - 1), a->etag));
  files_destroy(files);
  remove_directory(&directory);
}

static void expect_line(struct buf *out, const char *line) {
  char whole[300];
  snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
  cr_assert_not_null(strstr(buf_str(out), whole), "no line %s in\n%s", line, buf_str(out));
}

Test(files, responses_carry_the_security_headers) {
  struct file file = {
      .type = "text/html; charset=utf-8", .etag = "\"e\"", .body = frame_create_raw(bytes_of_str("body"))};
  struct buf out = {0};
  http_file(&out, &file, false, true, 784111777000);
  cr_assert_eq(strncmp(buf_str(&out), "HTTP/1.1 200 OK\r\n", 17), 0);
  expect_line(&out, "Date: Sun, 06 Nov 1994 08:49:37 GMT");
  expect_line(&out, "Connection: keep-alive");
  expect_line(&out, "Content-Length: 4");
  expect_line(&out, "Content-Type: text/html; charset=utf-8");
  expect_line(&out, "ETag: \"e\"");
  expect_line(&out, "X-Content-Type-Options: nosniff");
  expect_line(&out, "Referrer-Policy: no-referrer");
  expect_line(&out,
              "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
              "data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  cr_assert_eq(memcmp(out.data + out.len - 4, "\r\n\r\n", 4), 0);
  buf_clear(&out);
  http_file(&out, &file, true, false, 0);
  cr_assert_eq(strncmp(buf_str(&out), "HTTP/1.1 304 Not Modified\r\n", 27), 0);
  cr_assert_null(strstr(buf_str(&out), "Content-Length"));
  frame_unref(file.body);
  buf_close(&out);
}

Test(files, errors_say_why_and_what_would_help) {
  struct buf out = {0};
  http_error(&out, 426, "because", false, 0);
  expect_line(&out, "Sec-WebSocket-Version: 13");
  expect_line(&out, "Connection: Upgrade, close");
  expect_line(&out, "Content-Length: 8");
  cr_assert_eq(memcmp(out.data + out.len - 12, "\r\n\r\nbecause\n", 12), 0);
  buf_clear(&out);
  http_error(&out, 503, "because", true, 0);
  expect_line(&out, "Retry-After: 5");
  expect_line(&out, "Content-Length: 8");
  cr_assert_eq(memcmp(out.data + out.len - 4, "\r\n\r\n", 4), 0, "HEAD has no body");
  buf_clear(&out);
  http_error(&out, 405, "because", false, 0);
  expect_line(&out, "Allow: GET, HEAD");
  buf_close(&out);
}
