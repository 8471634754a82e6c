#include "tests/chaos/measure.h"
int measure(const char *name, uint32_t times, unsigned seed) {
  (void)name, (void)times, (void)seed;
  return 2;
}
