/* Parses the failpoint spec and keeps one counter and one random sequence per entry.
 *
 * Each entry has its own sequence, so what one place draws does not depend on how often another is passed: with a
 * seed, a run is as reproducible as the order of events at each place. A new action is an enum value, a branch in
 * parse_action and a case where it acts.
 */
#include "common/failpoint.h"

#include "common/clock.h"
#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

enum failpoint_action { ACTION_DELAY, ACTION_ERROR, ACTION_CRASH };

struct failpoint {
  char name[FAILPOINT_NAME_BYTES];
  enum failpoint_action action;
  uint64_t min_us, max_us; /* of ACTION_DELAY */
  uint64_t nth;            /* of the others; from 1 */
  uint64_t hits;
  uint64_t random; /* state of the sequence */
};

struct failpoints {
  size_t count;
  struct failpoint entries[FAILPOINT_MAX];
};

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
static uint64_t draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

__attribute__((format(printf, 3, 4))) static bool refuse(char *error, size_t size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(error, size, format, args);
  va_end(args);
  return false;
}

/* Reads digits at *text and moves past them. */
static bool read_number(const char **text, uint64_t *number) {
  if (!isdigit((unsigned char)**text)) return false;
  char *end;
  errno = 0;
  *number = strtoull(*text, &end, 10);
  *text = end;
  return errno == 0;
}

static uint64_t read_unit(const char **text) {
  static const struct {
    const char *name;
    uint64_t us;
  } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    size_t len = strlen(units[i].name);
    if (strncmp(*text, units[i].name, len) == 0) {
      *text += len;
      return units[i].us;
    }
  }
  return 0;
}

/* "5ms", "0..5ms", "500us..2ms": a bound without a unit has the other's. */
static bool parse_delay(const char *text, struct failpoint *entry) {
  if (!read_number(&text, &entry->min_us)) return false;
  uint64_t min_unit = read_unit(&text), max_unit = min_unit;
  entry->max_us = entry->min_us;
  if (strncmp(text, "..", 2) == 0) {
    text += 2;
    if (!read_number(&text, &entry->max_us)) return false;
    max_unit = read_unit(&text);
    if (min_unit == 0) min_unit = max_unit;
  }
  if (*text || max_unit == 0 || entry->max_us > FAILPOINT_MAX_DELAY_US / max_unit) return false;
  if (entry->min_us > FAILPOINT_MAX_DELAY_US / min_unit) return false;
  entry->min_us *= min_unit;
  entry->max_us *= max_unit;
  return entry->min_us <= entry->max_us;
}

static bool parse_nth(const char *text, struct failpoint *entry) {
  entry->nth = 1;
  return !text || (read_number(&text, &entry->nth) && *text == '\0' && entry->nth > 0);
}

static bool parse_action(char *action, struct failpoint *entry, char *error, size_t size) {
  char *argument = strchr(action, ':');
  if (argument) *argument++ = '\0';
  if (strcmp(action, "delay") == 0) {
    entry->action = ACTION_DELAY;
    if (argument && parse_delay(argument, entry)) return true;
    return refuse(error, size, "%s: delay needs TIME or TIME..TIME, such as 0..5ms, up to a minute", entry->name);
  }
  bool fails = strcmp(action, "error") == 0;
  if (!fails && strcmp(action, "crash") != 0)
    return refuse(error, size, "%s: \"%.32s\" is none of delay, error, crash", entry->name, action);
  entry->action = fails ? ACTION_ERROR : ACTION_CRASH;
  if (parse_nth(argument, entry)) return true;
  return refuse(error, size, "%s: %s takes a number from 1", entry->name, action);
}

/* One NAME=ACTION, or seed=N. */
static bool parse_entry(struct failpoints *failpoints, char *text, uint64_t *seed, char *error, size_t size) {
  char *action = strchr(text, '=');
  if (!action || action == text) return refuse(error, size, "\"%.64s\" is not NAME=ACTION", text);
  *action++ = '\0';
  if (strlen(text) >= FAILPOINT_NAME_BYTES) return refuse(error, size, "\"%.64s...\" is too long for a name", text);
  if (strcmp(text, "seed") == 0) {
    const char *number = action;
    return (read_number(&number, seed) && *number == '\0') || refuse(error, size, "seed: takes a number");
  }
  if (failpoints->count == FAILPOINT_MAX) return refuse(error, size, "more than %d entries", FAILPOINT_MAX);
  struct failpoint *entry = &failpoints->entries[failpoints->count++];
  snprintf(entry->name, sizeof entry->name, "%s", text);
  return parse_action(action, entry, error, size);
}

bool failpoints_create(const char *spec, struct failpoints **failpoints, char *error, size_t error_size) {
  *failpoints = NULL;
  if (!spec || !*spec) return true;
  struct failpoints *made = xcalloc(1, sizeof *made);
  uint64_t seed = clock_monotonic_us() ^ (uint64_t)getpid() << 32;
  char *copy = xstrdup(spec), *rest = copy, *text;
  bool ok = true;
  while (ok && (text = strsep(&rest, ";")))
    if (*text) ok = parse_entry(made, text, &seed, error, error_size);
  free(copy);
  if (!ok) {
    failpoints_destroy(made);
    return false;
  }
  for (size_t i = 0; i < made->count; i++) made->entries[i].random = draw(&seed);
  *failpoints = made;
  return true;
}

void failpoints_destroy(struct failpoints *failpoints) {
  free(failpoints);
}

uint64_t failpoint_delay_us_on(struct failpoints *failpoints, const char *name) {
  uint64_t delay_us = 0;
  for (size_t i = 0; i < failpoints->count; i++) {
    struct failpoint *entry = &failpoints->entries[i];
    if (entry->action == ACTION_DELAY && strcmp(entry->name, name) == 0)
      delay_us += entry->min_us + draw(&entry->random) % (entry->max_us - entry->min_us + 1);
  }
  return delay_us;
}

bool failpoint_hit_on(struct failpoints *failpoints, const char *name) {
  bool fails = false;
  for (size_t i = 0; i < failpoints->count; i++) {
    struct failpoint *entry = &failpoints->entries[i];
    if (entry->action == ACTION_DELAY || strcmp(entry->name, name) != 0) continue;
    entry->hits++;
    if (entry->action == ACTION_CRASH && entry->hits == entry->nth) raise(SIGKILL);
    if (entry->action == ACTION_ERROR && entry->hits % entry->nth == 0) fails = true;
  }
  return fails;
}
