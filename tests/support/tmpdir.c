/* mkdtemp and its opposite. */
#include "tests/support/tmpdir.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void tmpdir_create(struct tmpdir *dir) {
  const char *base = getenv("TMPDIR");
  int n = snprintf(dir->path, sizeof dir->path, "%s/heya-XXXXXX", base && *base ? base : "/tmp");
  cr_assert(n > 0 && (size_t)n < sizeof dir->path, "TMPDIR is too long");
  cr_assert(mkdtemp(dir->path), "cannot make a directory like %s", dir->path);
}

void tmpdir_write(const struct tmpdir *dir, const char *name, const void *data, size_t len, char *path,
                  size_t path_size) {
  int n = snprintf(path, path_size, "%s/%s", dir->path, name);
  cr_assert(n > 0 && (size_t)n < path_size);
  FILE *file = fopen(path, "w");
  cr_assert(file, "cannot write %s", path);
  size_t written = fwrite(data, 1, len, file);
  cr_assert(fclose(file) == 0 && written == len, "cannot write %s", path);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where) {
  (void)status, (void)type, (void)where;
  remove(path);
  return 0;
}

void tmpdir_remove(struct tmpdir *dir) {
  if (dir->path[0]) nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  dir->path[0] = '\0';
}
