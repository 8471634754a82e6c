/* Between the servers and Redis: passes bytes on both ways, and resets connections when told to, with some of the
 * bytes under way already passed on and some not. */
#ifndef HEYA_TESTS_CHAOS_PROXY_H
#define HEYA_TESTS_CHAOS_PROXY_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct proxy;

/* Listens on a free port of loopback, *port, and connects to a unix socket. NULL when it cannot. */
struct proxy *proxy_create(struct ev_loop *loop, const char *redis_path, unsigned seed, uint16_t *port);
void proxy_destroy(struct proxy *proxy);

/* Breaks each connection with this probability; returns how many. In turns: at once; when Redis answers next, whose
 * answer is thrown away; somewhere within the next request; somewhere within the next answer. */
unsigned proxy_reset(struct proxy *proxy, double probability);

#endif
