/* Host names to addresses, without holding the loop.
 *
 * The only file that asks the system's resolver, which knows /etc/hosts, DNS and whatever else the machine is set up
 * with, and has no call that does not block. So each look-up runs in a thread of its own, which shares nothing with
 * this one but the look-up. How long it takes is the resolver's business (with a silent DNS server 5 s or more): who
 * has no more patience cancels, and the thread ends by itself, later, without anybody hearing of it.
 */
#ifndef HEYA_COMMON_RESOLVE_H
#define HEYA_COMMON_RESOLVE_H

#include <stdbool.h>

struct ev_loop;
struct resolve; /* one look-up under way */

#define RESOLVE_MAX        8  /* addresses of a name; more are left out */
#define RESOLVE_HOST_BYTES 64 /* of one, as text; with the interface of a link-local one: fe80::1%eth0 */

struct resolved {
  char addresses[RESOLVE_MAX][RESOLVE_HOST_BYTES]; /* numeric, the best one first (RFC 6724) */
  unsigned n;                                      /* not 0 */
};

/* Once, from the loop, and not if cancelled. Either `found`, which is valid during the call, or a phrase in `error`.
 * The look-up is over: it must not be cancelled any more. */
typedef void resolve_cb(void *arg, const struct resolved *found, const char *error);

/* True for what needs no look-up. */
bool resolve_is_numeric(const char *host);

/* NULL with errno when descriptors have run out. */
struct resolve *resolve_start(struct ev_loop *loop, const char *host, resolve_cb *cb, void *arg);

/* The callback will not fire. NULL is harmless. */
void resolve_cancel(struct resolve *resolve);

#endif
