/* Names for the store's results; see common/store.h. */
#include "common/store.h"

const char *store_result_name(enum store_result result) {
  static const char *const names[] = {
      [STORE_OK] = "ok",     [STORE_LOST] = "lost",     [STORE_GONE] = "gone",     [STORE_DENIED] = "denied",
      [STORE_FULL] = "full", [STORE_FAILED] = "failed", [STORE_BROKEN] = "broken",
  };
  return (unsigned)result < sizeof names / sizeof *names ? names[result] : "unknown";
}
