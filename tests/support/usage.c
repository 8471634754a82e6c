/* See tests/support/usage.h. What is in /proc: proc(5). */
#include "tests/support/usage.h"

#include "common/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double usage_cpu_s(pid_t pid) {
  clockid_t clock;
  struct timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

double usage_machine_cpu_s(void) {
  unsigned long long user, nice, system, idle, waiting, hard, soft;
  FILE *file = fopen("/proc/stat", "r");
  if (!file) return 0;
  int n =
      fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting, &hard, &soft);
  fclose(file);
  return n == 7 ? (double)(user + nice + system + hard + soft) / (double)sysconf(_SC_CLK_TCK) : 0;
}

/* The kilobytes after this name in a file of /proc/PID, in bytes. */
static uint64_t memory_in(pid_t pid, const char *name, const char *key) {
  char path[64], line[256];
  unsigned long long kb = 0;
  snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) == 0) kb = strtoull(line + strlen(key), NULL, 10);
  if (file) fclose(file);
  return kb * 1024;
}

uint64_t usage_memory_bytes(pid_t pid) {
  uint64_t bytes = memory_in(pid, "smaps_rollup", "Pss:");
  return bytes ? bytes : memory_in(pid, "status", "VmRSS:");
}

bool usage_read(struct usage *usage, const struct server *server) {
  char address[32];
  *usage = (struct usage){.at_us = clock_monotonic_us(), .cpu_s = usage_cpu_s(server->pid)};
  if (server->role == 'r') return true;
  snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)server->admin_port);
  http_get(&usage->metrics, address, "/metrics");
  return usage->metrics.status == 200;
}

void usage_close(struct usage *usage) {
  http_response_close(&usage->metrics);
}

double usage_cpus(const struct usage *before, const struct usage *after) {
  return (after->cpu_s - before->cpu_s) / ((double)(after->at_us - before->at_us) / 1e6);
}

/* The value after this text at the begin of a line. */
static double value_of(const struct usage *usage, const char *name) {
  size_t len = strlen(name);
  for (const char *line = usage->metrics.body; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, name, len) == 0 && line[len] == ' ') return strtod(line + len, NULL);
  }
  return 0;
}

double usage_grown(const struct usage *before, const struct usage *after, const char *name) {
  return value_of(after, name) - value_of(before, name);
}

double usage_below(const struct usage *before, const struct usage *after, const char *histogram, double fraction) {
  char name[128];
  snprintf(name, sizeof name, "%s_count", histogram);
  double wanted = usage_grown(before, after, name) * fraction;
  int len = snprintf(name, sizeof name, "%s_bucket{le=\"", histogram);
  for (const char *line = after->metrics.body; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, name, (size_t)len) != 0) continue;
    double bound = strtod(line + len, NULL);
    char bucket[160];
    snprintf(bucket, sizeof bucket, "%.*s", (int)strcspn(line, " \n"), line);
    if (usage_grown(before, after, bucket) >= wanted) return bound;
  }
  return INFINITY;
}
