/* heya.v1.Error.Code for people: names, default texts, and the close code of a WebSocket that ends with one.
 *
 * A new code is a line in client.proto and one in fault.c's table; the test fails while one is missing.
 */
#ifndef HEYA_PROTO_FAULT_H
#define HEYA_PROTO_FAULT_H

#include "proto/client.pb-c.h"

#include <stdint.h>

/* "ROOM_FULL"; "UNKNOWN" for a number without a name. Static. */
const char *fault_name(Heya__V1__Error__Code code);

/* One short English sentence without a full stop, used as Error.message when there is nothing better to say; "" for
 * OK, "unknown error" for a number without a text. Static. */
const char *fault_text(Heya__V1__Error__Code code);

/* The close code (RFC 6455, section 7.4) for a connection ended with this reason: 4000 + code, 1000 for OK. The
 * reason in the close frame is fault_name. Faults of the WebSocket itself have their own codes, 1002 and so on. */
uint16_t fault_close_code(Heya__V1__Error__Code code);

#endif
