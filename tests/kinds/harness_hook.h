/* For tests of the harness itself: a complaint that is expected ends the process, which is a child of the test's. */
#ifndef HEYA_TESTS_KINDS_HARNESS_HOOK_H
#define HEYA_TESTS_KINDS_HARNESS_HOOK_H

extern int harness_complaints; /* where a complaint is written to; -1: it fails the test */

#endif
