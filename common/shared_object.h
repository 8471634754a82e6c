/* Code from a file that somebody else wrote (dlopen(3)): kinds, and the messages of kinds. It runs with all rights of
 * the process, and some of it runs as soon as it is loaded. */
#ifndef HEYA_COMMON_SHARED_OBJECT_H
#define HEYA_COMMON_SHARED_OBJECT_H

#include <stddef.h>

/* Loads this path, also one without a slash: nothing is searched. `mode` is dlopen's. NULL with a sentence in `error`
 * that names the file. From now until one of the two below is called, a crash of the process says on standard error
 * which file it was loading, and is then what it would have been; so the file's tables can be looked at meanwhile. */
void *shared_object_open(const char *path, int mode, char *error, size_t error_size);
void shared_object_keep(void);
void shared_object_drop(void *object); /* unloads it */

#endif
