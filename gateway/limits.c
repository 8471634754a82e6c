/* Token buckets and address ranges. Both are a few numbers and no state beyond what the caller holds. */
#include "gateway/limits.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- token bucket: tokens that are taken grow back at per_s ---- */

static uint32_t used_after(const struct bucket *bucket, uint32_t per_s, uint64_t now_us) {
  if (bucket->updated_us == 0) return 0;
  uint64_t passed_us = now_us > bucket->updated_us ? now_us - bucket->updated_us : 0;
  if (passed_us > UINT64_C(3600000000)) return 0; /* long enough for any bucket, and keeps the product small */
  uint64_t grown_milli = passed_us * per_s / 1000;
  return grown_milli >= bucket->used_milli ? 0 : bucket->used_milli - (uint32_t)grown_milli;
}

static uint32_t capacity_milli(uint32_t burst) {
  if (burst == 0) burst = 1;
  return (burst > BUCKET_MAX ? BUCKET_MAX : burst) * 1000;
}

bool bucket_take(struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_us) {
  if (per_s == 0) return true;
  uint32_t used = used_after(bucket, per_s, now_us);
  if (used + 1000 > capacity_milli(burst)) return false; /* keeps updated_us, so that no fraction is lost */
  *bucket = (struct bucket){.updated_us = now_us, .used_milli = used + 1000};
  return true;
}

uint32_t bucket_wait_ms(const struct bucket *bucket, uint32_t per_s, uint32_t burst, uint64_t now_us) {
  if (per_s == 0) return 0;
  uint32_t used = used_after(bucket, per_s, now_us);
  uint32_t capacity = capacity_milli(burst);
  if (used + 1000 <= capacity) return 0;
  return (used + 1000 - capacity + per_s - 1) / per_s; /* thousandths of tokens per milliseconds' thousandths */
}

/* ---- addresses ---- */

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool address_parse(struct address *address, const char *text, size_t len) {
  char copy[ADDRESS_BYTES];
  *address = (struct address){0};
  if (len == 0 || len >= sizeof copy || memchr(text, '\0', len)) return false;
  memcpy(copy, text, len);
  copy[len] = '\0';
  if (inet_pton(AF_INET6, copy, address->bytes) == 1) return true;
  memcpy(address->bytes, mapped_prefix, sizeof mapped_prefix);
  return inet_pton(AF_INET, copy, address->bytes + sizeof mapped_prefix) == 1;
}

void address_print(const struct address *address, char out[ADDRESS_BYTES]) {
  bool mapped = memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
  inet_ntop(mapped ? AF_INET : AF_INET6, address->bytes + (mapped ? sizeof mapped_prefix : 0), out, ADDRESS_BYTES);
}

bool cidr_parse(struct cidr *cidr, const char *text) {
  *cidr = (struct cidr){0};
  const char *slash = strchr(text, '/');
  size_t address_len = slash ? (size_t)(slash - text) : strlen(text);
  if (!address_parse(&cidr->base, text, address_len)) return false;
  unsigned written_max = memchr(text, ':', address_len) ? 128 : 32;
  unsigned bits = written_max;
  if (slash) {
    const char *digits = slash + 1;
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 3 || digits[n] != '\0' || (n > 1 && digits[0] == '0')) return false;
    bits = 0;
    for (size_t i = 0; i < n; i++) bits = bits * 10 + (unsigned)(digits[i] - '0');
    if (bits > written_max) return false;
  }
  cidr->bits = (uint8_t)(bits + 128 - written_max);
  for (unsigned bit = cidr->bits; bit < 128; bit++)
    if (cidr->base.bytes[bit / 8] & (0x80U >> (bit % 8))) return false;
  return true;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address) {
  size_t whole = cidr->bits / 8;
  if (memcmp(cidr->base.bytes, address->bytes, whole) != 0) return false;
  unsigned rest = cidr->bits % 8;
  if (rest == 0) return true;
  uint8_t mask = (uint8_t)(0xff00U >> rest);
  return ((cidr->base.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

bool cidr_any_contains(const struct cidr *cidrs, size_t count, const struct address *address) {
  for (size_t i = 0; i < count; i++)
    if (cidr_contains(&cidrs[i], address)) return true;
  return false;
}
