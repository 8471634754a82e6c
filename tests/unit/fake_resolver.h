/* Stands in for the system's resolver in the unit tests: names that end in ".fake" are answered as the test says, all
 * others as ever. */
#ifndef HEYA_TESTS_UNIT_FAKE_RESOLVER_H
#define HEYA_TESTS_UNIT_FAKE_RESOLVER_H

#include <stdbool.h>

/* The answer of all look-ups from now on: numeric IPv4 addresses with blanks between them, or "" for no such name. */
void fake_resolver_says(const char *addresses);
/* While held, look-ups do not return. */
void fake_resolver_hold(bool hold);
/* How many were begun, and have returned. */
unsigned fake_resolver_begun(void);
unsigned fake_resolver_returned(void);

#endif
