/* See tests/cost/cost.h. */
#include "tests/cost/cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cost_path *const tables[] = {cost_worker_paths, cost_gateway_paths};
#define TABLES (sizeof tables / sizeof *tables)

void cost_fail(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
  exit(1);
}

static void print_usage(FILE *out) {
  fputs("usage: cost NAME RUNS | cost --list | cost --help\n\nRuns a path so often; scripts/cost counts what it "
        "takes.\n",
        out);
  for (size_t t = 0; t < TABLES; t++)
    for (const struct cost_path *path = tables[t]; path->name; path++)
      fprintf(out, "  %-10s %s\n", path->name, path->what);
}

static void list_paths(void) {
  for (size_t t = 0; t < TABLES; t++)
    for (const struct cost_path *path = tables[t]; path->name; path++) puts(path->name);
}

static const struct cost_path *find(const char *name) {
  for (size_t t = 0; t < TABLES; t++)
    for (const struct cost_path *path = tables[t]; path->name; path++)
      if (strcmp(path->name, name) == 0) return path;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    list_paths();
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    print_usage(stdout);
    return 0;
  }
  const struct cost_path *path = argc == 3 ? find(argv[1]) : NULL;
  char *end = NULL;
  unsigned long runs = argc == 3 ? strtoul(argv[2], &end, 10) : 0;
  if (!path || *end || !runs) {
    print_usage(stderr);
    return 2;
  }
  path->run(runs);
  return 0;
}
