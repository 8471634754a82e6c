/* Limits on who may do how much: a token bucket, and address ranges (CIDR, RFC 4632 and RFC 4291).
 *
 * Pure: the caller brings the time. The listener decides with these whom to believe about X-Forwarded-For and when a
 * connection sends too many frames; sessions bound the rate of messages.
 */
#ifndef HEYA_GATEWAY_LIMITS_H
#define HEYA_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `burst` at once, and `per_s` a second in the long run. 16 bytes, for one of each kind in every connection. Rates
 * and bursts are the caller's, so that they are not stored thousands of times. */
struct bucket {
  uint64_t updated_us; /* 0: never used, full */
  uint32_t used_milli; /* thousandths of tokens taken and not grown back */
};

#define BUCKET_MAX 4000000 /* of `per_s` and of `burst` */

/* Takes one token, or returns false and takes nothing. A rate of 0 means no limit. `now_us` is monotonic and above 0;
 * a step back counts as no time. A burst of 0 is taken as 1. */
bool bucket_take(struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_us);

/* Milliseconds until bucket_take would succeed, at least 1; 0 when it would now. */
uint32_t bucket_wait_ms(const struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_us);

#define ADDRESS_BYTES 46 /* text of any IPv4 or IPv6 address, NUL included */

/* IPv4 is kept as IPv4-mapped IPv6 (::ffff:a.b.c.d), so that one comparison serves both. */
struct address {
  uint8_t bytes[16];
};

/* A numeric address without port or brackets; NUL-terminated or not. False when it is none. */
bool address_parse(struct address *address, const char *text, size_t len);

/* The shortest usual text; mapped addresses as IPv4. */
void address_print(const struct address *address, char out[ADDRESS_BYTES]);

struct cidr {
  struct address base;
  uint8_t bits; /* 0 to 128; of an IPv4 range 96 more than written */
};

/* "10.0.0.0/8", "fd00::/8", or one address. False for anything else, and for bits set beyond the prefix, which are
 * mostly a typing error. */
bool cidr_parse(struct cidr *cidr, const char *text);

bool cidr_contains(const struct cidr *cidr, const struct address *address);

/* Any of them. */
bool cidr_any_contains(const struct cidr *cidrs, size_t count, const struct address *address);

#endif
