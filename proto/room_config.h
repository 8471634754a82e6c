/* What of a Config (proto/client.proto) can be judged without the room's kind: lengths, text, names. Gateways check
 * with it what clients send, workers check it again. Pure. */
#ifndef HEYA_PROTO_ROOM_CONFIG_H
#define HEYA_PROTO_ROOM_CONFIG_H

#include "proto/client.pb-c.h"
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_TEXT_MAX       64 /* bytes of a title or password */
#define CONFIG_PROPERTIES_MAX 8

/* Which field is out of its limits, and why, for people; NULL: none is. `config` NULL is sound. */
const char *room_config_fault(const Heya__V1__Config *config);

/* One line of up to CONFIG_TEXT_MAX bytes that shows as what it is; may be empty. */
bool room_title_is_valid(const char *title, size_t len);

#endif
