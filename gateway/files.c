/* Walks a directory once and keeps what it finds, sorted by path. */
#include "gateway/files.h"

#include "common/buf.h"
#include "common/mem.h"
#include "gateway/outbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

struct files {
  struct file *rows; /* sorted by path */
  size_t count, capacity;
};

struct loader {
  struct files *files;
  uint64_t bytes_left;
  uint64_t max_bytes;
  char *error;
  size_t error_size;
};

static const struct {
  const char *extension, *type;
} media_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/plain; charset=utf-8"},
    {".proto", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
    {".mp3", "audio/mpeg"},
    {".ogg", "audio/ogg"},
};

static const char *media_type(const char *path) {
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof media_types / sizeof media_types[0]; i++)
    if (strcmp(dot, media_types[i].extension) == 0) return media_types[i].type;
  return "application/octet-stream";
}

static void make_etag(struct bytes content, char etag[FILES_ETAG_BYTES]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  if (EVP_Digest(content.data, content.len, digest, NULL, EVP_sha256(), NULL) != 1) abort();
  etag[0] = '"';
  for (size_t i = 0; i < 16; i++) snprintf(etag + 1 + 2 * i, 3, "%02x", digest[i]);
  memcpy(etag + 33, "\"", 2);
}

static bool fail(struct loader *loader, const char *path, const char *why) {
  snprintf(loader->error, loader->error_size, "%s: %s", path, why);
  return false;
}

static void keep(struct files *files, const char *path, struct bytes content) {
  if (files->count == files->capacity) {
    files->capacity = files->capacity ? files->capacity * 2 : 16;
    files->rows = xrealloc(files->rows, files->capacity * sizeof files->rows[0]);
  }
  struct file *file = &files->rows[files->count++];
  *file = (struct file){.path = xstrdup(path), .type = media_type(path), .body = frame_create_raw(content)};
  make_etag(content, file->etag);
}

/* The size was checked, but the file may be growing: what is read is bounded again. */
static bool read_file(struct loader *loader, int fd, const char *path) {
  struct buf content = {0};
  bool ok = true;
  for (;;) {
    ssize_t got = read(fd, buf_reserve(&content, 65536), 65536);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ok = fail(loader, path, strerror(errno));
    if (got <= 0) break;
    content.len += (size_t)got;
    if (content.len > loader->bytes_left) {
      snprintf(loader->error, loader->error_size, "%s: the files are larger than %llu bytes together", path,
               (unsigned long long)loader->max_bytes);
      ok = false;
      break;
    }
  }
  if (ok) {
    loader->bytes_left -= content.len;
    keep(loader->files, path, buf_bytes(&content));
  }
  buf_close(&content);
  return ok;
}

static bool walk(struct loader *loader, int directory_fd, const char *path, unsigned depth);

static bool take_entry(struct loader *loader, int directory_fd, const char *path, const char *name, unsigned depth) {
  if (name[0] == '.') return true;
  char whole[FILES_PATH_BYTES];
  int len = snprintf(whole, sizeof whole, "%s/%s", path, name);
  if (len < 0 || (size_t)len >= sizeof whole) return fail(loader, path, "a path in it is too long");
  int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && (errno == ELOOP || errno == ENXIO)) return true; /* a symbolic link, a socket */
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    fail(loader, whole, strerror(errno));
    if (fd >= 0) close(fd);
    return false;
  }
  if (S_ISDIR(status.st_mode)) return walk(loader, fd, whole, depth + 1);
  bool ok = true;
  if (S_ISREG(status.st_mode))
    ok = loader->files->count < FILES_MAX ? read_file(loader, fd, whole) : fail(loader, whole, "too many files");
  close(fd);
  return ok;
}

/* Takes over `directory_fd`. */
static bool walk(struct loader *loader, int directory_fd, const char *path, unsigned depth) {
  DIR *directory = depth <= FILES_DEPTH_MAX ? fdopendir(directory_fd) : NULL;
  if (!directory) {
    close(directory_fd);
    return fail(loader, path, depth <= FILES_DEPTH_MAX ? strerror(errno) : "too many directories inside each other");
  }
  bool ok = true;
  const struct dirent *entry;
  while (ok && (entry = readdir(directory))) ok = take_entry(loader, directory_fd, path, entry->d_name, depth);
  closedir(directory);
  return ok;
}

static int compare(const void *a, const void *b) {
  const struct file *left = a, *right = b;
  return strcmp(left->path, right->path);
}

struct files *files_load(const char *directory, uint64_t max_bytes, char *error, size_t error_size) {
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    snprintf(error, error_size, "%s: %s", directory, strerror(errno));
    return NULL;
  }
  struct files *files = xcalloc(1, sizeof *files);
  struct loader loader = {
      .files = files, .bytes_left = max_bytes, .max_bytes = max_bytes, .error = error, .error_size = error_size};
  if (!walk(&loader, fd, "", 0)) {
    files_destroy(files);
    return NULL;
  }
  if (files->count) qsort(files->rows, files->count, sizeof files->rows[0], compare);
  return files;
}

void files_destroy(struct files *files) {
  if (!files) return;
  for (size_t i = 0; i < files->count; i++) {
    free(files->rows[i].path);
    frame_unref(files->rows[i].body);
  }
  free(files->rows);
  free(files);
}

const struct file *files_find(const struct files *files, struct bytes path) {
  static const char index_name[] = "index.html";
  char key[FILES_PATH_BYTES + sizeof index_name];
  if (!files || files->count == 0 || path.len == 0 || path.len >= FILES_PATH_BYTES) return NULL;
  if (memchr(path.data, '\0', path.len)) return NULL;
  memcpy(key, path.data, path.len);
  key[path.len] = '\0';
  if (key[path.len - 1] == '/') memcpy(key + path.len, index_name, sizeof index_name);
  struct file wanted = {.path = key};
  return bsearch(&wanted, files->rows, files->count, sizeof files->rows[0], compare);
}

size_t files_count(const struct files *files) {
  return files ? files->count : 0;
}
