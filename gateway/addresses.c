/* A hash of counters that are above zero. */
#include "gateway/addresses.h"

#include "common/mem.h"

#include <assert.h>

#define uthash_fatal(message) mem_exhausted(0)
#include <uthash.h>

struct address_count {
  struct address address;
  uint32_t count;
  UT_hash_handle hh;
};

static struct address_count *find(const struct addresses *addresses, const struct address *address) {
  struct address_count *found;
  HASH_FIND(hh, addresses->counts, address, sizeof *address, found);
  return found;
}

bool addresses_add(struct addresses *addresses, const struct address *address, uint32_t max) {
  struct address_count *entry = find(addresses, address);
  if ((entry ? entry->count : 0) >= max) return false;
  if (!entry) {
    entry = xmalloc(sizeof *entry);
    *entry = (struct address_count){.address = *address};
    HASH_ADD(hh, addresses->counts, address, sizeof entry->address, entry);
  }
  entry->count++;
  return true;
}

void addresses_remove(struct addresses *addresses, const struct address *address) {
  struct address_count *entry = find(addresses, address);
  assert(entry);
  if (--entry->count > 0) return;
  HASH_DEL(addresses->counts, entry);
  free(entry);
}

void addresses_close(struct addresses *addresses) {
  struct address_count *entry, *next;
  HASH_ITER(hh, addresses->counts, entry, next) {
    HASH_DEL(addresses->counts, entry);
    free(entry);
  }
}
