/* See tests/unit/fake_resolver.h. The linker prefers this getaddrinfo to libc's. */
#include "tests/unit/fake_resolver.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
  pthread_mutex_t lock;
  pthread_cond_t released;
  char addresses[256];
  bool held;
  unsigned begun, returned;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER};

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int system_resolver(const char *host, const char *service, const struct addrinfo *hints,
                           struct addrinfo **out) {
  union {
    void *in;
    resolver *out;
  } cast = {.in = dlsym(RTLD_NEXT, "getaddrinfo")};
  return cast.out(host, service, hints, out);
}

/* Each address is what libc makes of its text, so that freeaddrinfo may free it; in the order given. */
static int answer(char *addresses, const struct addrinfo *hints, struct addrinfo **out) {
  struct addrinfo **end = out;
  char *rest = addresses;
  *out = NULL;
  for (char *word; (word = strsep(&rest, " "));) {
    if (!*word) continue;
    if (system_resolver(word, NULL, hints, end) != 0) return EAI_FAIL;
    end = &(*end)->ai_next;
  }
  return *out ? 0 : EAI_NONAME;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
  static const char suffix[] = ".fake";
  size_t len = host ? strlen(host) : 0;
  if (len < sizeof suffix || strcmp(host + len - (sizeof suffix - 1), suffix) != 0)
    return system_resolver(host, service, hints, out);
  char addresses[sizeof fake.addresses];
  pthread_mutex_lock(&fake.lock);
  fake.begun++;
  while (fake.held) pthread_cond_wait(&fake.released, &fake.lock);
  fake.returned++;
  memcpy(addresses, fake.addresses, sizeof addresses);
  pthread_mutex_unlock(&fake.lock);
  return answer(addresses, hints, out);
}

void fake_resolver_says(const char *addresses) {
  pthread_mutex_lock(&fake.lock);
  snprintf(fake.addresses, sizeof fake.addresses, "%s", addresses);
  pthread_mutex_unlock(&fake.lock);
}

void fake_resolver_hold(bool hold) {
  pthread_mutex_lock(&fake.lock);
  fake.held = hold;
  pthread_cond_broadcast(&fake.released);
  pthread_mutex_unlock(&fake.lock);
}

static unsigned read_count(const unsigned *count) {
  pthread_mutex_lock(&fake.lock);
  unsigned value = *count;
  pthread_mutex_unlock(&fake.lock);
  return value;
}

unsigned fake_resolver_begun(void) {
  return read_count(&fake.begun);
}

unsigned fake_resolver_returned(void) {
  return read_count(&fake.returned);
}
