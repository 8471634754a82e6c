/* A directory of a test's own, below $TMPDIR or /tmp. */
#ifndef HEYA_TESTS_SUPPORT_TMPDIR_H
#define HEYA_TESTS_SUPPORT_TMPDIR_H

#include <stddef.h>

#define TMPDIR_PATH_MAX 96 /* short enough for a unix socket's path below it */

struct tmpdir {
  char path[TMPDIR_PATH_MAX]; /* "" after tmpdir_remove */
};

/* Makes the directory; fails the test when it cannot. */
void tmpdir_create(struct tmpdir *dir);

/* Writes a small file in it and gives its path in `path`. */
void tmpdir_write(const struct tmpdir *dir, const char *name, const void *data, size_t len, char *path,
                  size_t path_size);

/* Removes it with all that is in it. Harmless twice. */
void tmpdir_remove(struct tmpdir *dir);

#endif
