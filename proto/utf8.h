/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. Every string that comes from
 * outside passes here before it is kept, compared or shown. */
#ifndef HEYA_PROTO_UTF8_H
#define HEYA_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at data[0] and returns its length, 1 to 4; 0 when it is not valid, is cut short, or len is 0.
 * `code_point` may be NULL. */
size_t utf8_next(const void *data, size_t len, uint32_t *code_point);

/* The whole is valid UTF-8. NUL counts as a character; the empty string is valid. */
bool utf8_is_valid(const void *data, size_t len);

enum utf8_breaks { UTF8_ONE_LINE, UTF8_LINES /* newline and tab are allowed */ };

/* Valid UTF-8 without control characters (U+0000-1F, U+007F-9F). */
bool utf8_is_text(const void *data, size_t len, enum utf8_breaks breaks);

/* Text on one line that shows as what it is: also without line and paragraph separators (U+2028, U+2029), controls of
 * the direction of text (U+202A-202E, U+2066-2069) and the byte order mark (U+FEFF), and not only spaces, visible or
 * of no width. The empty string is none. */
bool utf8_is_name(const void *data, size_t len);

/* The longest prefix of valid UTF-8 `data` that is at most `max` bytes and does not end within a character. */
size_t utf8_cut(const void *data, size_t len, size_t max);

#endif
