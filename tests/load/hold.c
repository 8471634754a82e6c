/* What a member costs who does nothing: memory of all processes before anybody comes and after all have been in for a
 * while, and the processor time that so many silent members take. Only fresh servers say something: those that have
 * held more before have kept memory for them. */
#include "tests/load/crowd.h"

#include <inttypes.h>
#include <string.h>

static double kb(uint64_t before, uint64_t after, uint32_t n) {
  return ((double)after - (double)before) / 1024 / n;
}

static void report_memory(struct bench *bench, const uint64_t *before, const uint64_t *after, uint32_t n) {
  const struct site *site = &bench->site;
  json_t *each = json_object();
  double all = 0;
  for (unsigned i = 0; i < site->n_processes; i++) {
    double grown = kb(before[i], after[i], n);
    json_object_set_new(each, site->processes[i].name, json_real(grown));
    report_say(&bench->report, "    %-32s %10.2f KB, of %.1f MB", site->processes[i].name, grown,
               (double)after[i] / (1 << 20));
    all += grown;
  }
  report_json(&bench->report, "kb_per_member_of", each);
  if (site->n_processes) report_number(&bench->report, "kb_per_member", "memory per member", all, "KB, all servers");
}

bool scenario_hold(struct bench *bench) {
  static const struct crowd_events events = {0};
  const struct shape *shape = &bench->shape;
  uint64_t before[SITE_PROCESSES_MAX], after[SITE_PROCESSES_MAX];
  struct site_usage usage[2];
  struct crowd crowd;
  site_memory_read(&bench->site, before);
  uint64_t redis_before = site_redis_memory(&bench->site);
  crowd_open(&crowd, bench, "chat", shape->rooms, shape->members, &events, NULL);
  bool fine = crowd_enter(&crowd);
  if (fine) {
    report_number(&bench->report, "connections", "connections", crowd.n, "");
    report_number(&bench->report, "entered_s", "all in their rooms after", (double)crowd.entered_us / 1e6, "s");
    site_usage_read(&bench->site, &usage[0]);
    bench_until(bench, (double)shape->duration_ms / 1000, NULL, NULL);
    site_usage_read(&bench->site, &usage[1]);
    site_memory_read(&bench->site, after);
    report_memory(bench, before, after, crowd.n);
    site_report_memory(&bench->site, &bench->report);
    uint64_t redis_after = site_redis_memory(&bench->site);
    if (redis_after)
      report_number(&bench->report, "redis_kb_per_member", "of it data in Redis (used_memory)",
                    kb(redis_before, redis_after, crowd.n), "KB");
    site_report_cpu(&bench->site, &bench->report, &usage[0], &usage[1], 0, "");
    crowd_report_trouble(&crowd);
  }
  crowd_close(&crowd);
  return fine;
}
