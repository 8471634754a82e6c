/* The values of options: from text to a typed field. Used by option.c alone; modules use common/option.h. */
#ifndef HEYA_COMMON_OPTION_VALUE_H
#define HEYA_COMMON_OPTION_VALUE_H

#include "common/option.h"

#define OPTION_REASON_BYTES 160

/* Stores `text` into `field`, which has the type of the row; a string there is replaced, a list grows. Returns false,
 * with what is wrong in `reason` (OPTION_REASON_BYTES long), when the text does not fit the type or its bounds. */
bool option_value_parse(const struct option_row *row, const char *text, void *field, char *reason);

void option_list_add(struct option_list *list, const char *text, size_t len);
void option_list_clear(struct option_list *list);

/* The name of the row's environment variable, cut to `size`. */
void option_env_name(const struct option_row *row, char *out, size_t size);

#endif
