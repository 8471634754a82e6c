/* The internal API: HTTP with JSON on the admin port, for the operator's own services and for scripts/heyactl.
 * docs/internal-api.md says what can be asked.
 *
 * A request that concerns a room becomes an entry of its partition, under a number of its own (GUEST_FIRST and up),
 * and is answered by the room's owner through this gateway's stream, like a client. One that nobody answers in time
 * gets 504; it may have been done all the same, so what makes something has a key and can be asked again.
 */
#ifndef HEYA_GATEWAY_API_H
#define HEYA_GATEWAY_API_H

#include "common/admin.h"
#include "gateway/jwt.h"
#include "gateway/session.h"

/* Requests that wait for an answer; one more gets 503. Half of the connections that an admin port has, so that the
 * other half is there for /readyz and /metrics. */
#define API_PENDING_MAX 128
#define API_TIMEOUT_US  5000000
#define API_TOKEN_MIN   16 /* bytes */
#define API_TOKEN_MAX   512
#define API_KEEP_MS     60000 /* a member's seat, if the request does not say */
#define API_TICKET_S    600   /* how long a token for hello is good */
#define API_NEVER       UINT64_MAX

struct api;

/* Reads the token; NULL with one line in `error` if that cannot be used. Sessions, key and log outlive it. The key
 * may be of any algorithm; only HS256 can sign. NULL: none. Becomes the guest of the sessions. */
struct api *api_create(const char *token_file, struct sessions *, const struct jwt_key *, struct log *, char *error,
                       size_t error_size);
/* After the admin server, which then hears no more answers. */
void api_destroy(struct api *);

/* Any request below /v1/. Answers it, or will. */
void api_serve(struct api *, const struct admin_request *, struct admin_response *);

/* To be called once per loop turn, before the gateway's: tells those who have waited for too long. In how many
 * microseconds to be called again at the latest, or API_NEVER. */
uint64_t api_turn(struct api *);

#endif
