/* Notices that another process of the deployment has died, long before its lease runs out.
 *
 * The kernel closes a dead process's sockets. So we hold a TCP connection to the admin port of every peer; when it
 * ends and a new one is refused, nobody listens there any more, and the owner of this object is told, once. A peer
 * that cannot be reached, is slow, or never was reached, is not judged: its lease decides.
 *
 * Whoever listens at a peer's address need not be the peer: one on another machine may have given a loopback address,
 * or one that others use behind a router. So each connection begins with a GET of /healthz, and only an answer with
 * the peer's own id in its ADMIN_ID_HEADER (common/admin.h) counts. Runs in the caller's libev loop.
 */
#ifndef HEYA_COMMON_PEERS_H
#define HEYA_COMMON_PEERS_H

#include "common/log.h"
#include <stddef.h>

struct ev_loop;
struct peers;

#define PEER_ID_BYTES 64

/* What is watched. `what` is the caller's own, e.g. worker or gateway. */
struct peer_name {
  const char *id;
  const char *address; /* HOST:PORT as in common/endpoint.h; anything else is not watched */
  int what;
};

/* `dead` is called from the loop; it may call peers_update but not peers_destroy. */
struct peers *peers_create(struct ev_loop *loop, void (*dead)(void *arg, int what, const char *id), void *arg,
                           struct log *log);
void peers_destroy(struct peers *peers);

/* These are the peers now: new ones are connected to, those that are missing are forgotten. Copied. */
void peers_update(struct peers *peers, const struct peer_name *names, size_t n);

/* How many of them are held a connection to: they answered, and their death would be noticed. */
size_t peers_connected(const struct peers *peers);

#endif
