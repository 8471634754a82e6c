/* What servers use, around a stretch of time: see tests/load/site.h. */
#include "tests/load/site.h"

#include "common/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/usage.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- processors ---- */

void site_usage_read(const struct site *site, struct site_usage *usage) {
  *usage = (struct site_usage){.at_us = clock_monotonic_us()};
  for (unsigned i = 0; i < site->n_processes; i++) usage->cpu_s[i] = usage_cpu_s(site->processes[i].pid);
  usage->self_s = usage_cpu_s(getpid());
  usage->machine_s = usage_machine_cpu_s();
}

void site_report_cpu(const struct site *site, struct report *report, const struct site_usage *before,
                     const struct site_usage *after, double n, const char *thing) {
  double seconds = (double)(after->at_us - before->at_us) / 1e6, servers_s = 0;
  double self_s = after->self_s - before->self_s, machine_s = after->machine_s - before->machine_s;
  char text[512] = "", key[64], unit[64];
  size_t len = 0;
  json_t *each = json_object();
  for (unsigned i = 0; i < site->n_processes; i++) {
    double cpu_s = after->cpu_s[i] - before->cpu_s[i];
    if (cpu_s < 0) cpu_s = 0; /* it is no more */
    servers_s += cpu_s;
    json_object_set_new(each, site->processes[i].name, json_real(cpu_s / seconds));
    if (len < sizeof text)
      len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %.2f", i ? ", " : "", site->processes[i].name,
                              cpu_s / seconds);
  }
  double others_s = machine_s - servers_s - self_s; /* the kernel counts in ticks: a little below 0 is nobody */
  json_object_set_new(each, "generator", json_real(self_s / seconds));
  json_object_set_new(each, "others", json_real(others_s / seconds));
  report_json(report, "processors_busy", each);
  report_say(report, "  processors busy: %s%sgenerator %.2f, others %.2f", text, len ? ", " : "", self_s / seconds,
             others_s > 0 ? others_s / seconds : 0);
  if (!site->n_processes || n <= 0) return;
  snprintf(key, sizeof key, "cpu_us_per_%s", thing);
  snprintf(unit, sizeof unit, "us per %s, all servers", thing);
  report_number(report, key, "processor time", servers_s * 1e6 / n, unit);
}

/* ---- metrics ---- */

static double metric_of(const struct site *site, const struct server servers[SERVERS_MAX], const char *name) {
  double sum = 0;
  if (!site->own) return -1;
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    char address[32];
    if (servers[i].state != SERVER_UP) continue;
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)servers[i].admin_port);
    double value = http_metric(address, name);
    if (value < 0) return -1;
    sum += value;
  }
  return sum;
}

double site_worker_metric(const struct site *site, const char *name) {
  return metric_of(site, site->servers.workers, name);
}

void site_rounds_read(const struct site *site, struct site_rounds *rounds) {
  const struct server *gateways = site->servers.gateways, *workers = site->servers.workers;
  *rounds = (struct site_rounds){.appends = metric_of(site, gateways, "heya_gateway_appends_total"),
                                 .addressed = metric_of(site, gateways, "heya_gateway_delivery_entries_total"),
                                 .commits = metric_of(site, workers, "heya_worker_commits_total"),
                                 .segments = metric_of(site, workers, "heya_worker_segments_total"),
                                 .at_us = clock_monotonic_us()};
}

void site_report_rounds(struct report *report, const struct site_rounds *before, const struct site_rounds *after) {
  double seconds = (double)(after->at_us - before->at_us) / 1e6;
  if (before->appends < 0 || before->addressed < 0 || before->commits < 0 || before->segments < 0) return;
  report_json(report, "rounds",
              json_pack("{s:f, s:f, s:f, s:f}", "appends", (after->appends - before->appends) / seconds, "commits",
                        (after->commits - before->commits) / seconds, "segments",
                        (after->segments - before->segments) / seconds, "addressed",
                        (after->addressed - before->addressed) / seconds));
}

/* ---- Redis ---- */

static char *info(struct redisContext *redis, const char *section) {
  redisReply *reply = redis ? redisCommand(redis, "INFO %s", section) : NULL;
  char *text = reply && reply->str ? strdup(reply->str) : NULL;
  if (reply) freeReplyObject(reply);
  return text;
}

void site_memory_read(const struct site *site, uint64_t bytes[SITE_PROCESSES_MAX]) {
  for (unsigned i = 0; i < site->n_processes; i++) bytes[i] = usage_memory_bytes(site->processes[i].pid);
}

uint64_t site_redis_memory(const struct site *site) {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < site->n_redis; i++) {
    char *text = info(site->redis[i], "memory");
    const char *used = text ? strstr(text, "used_memory:") : NULL;
    bytes += used ? strtoull(used + strlen("used_memory:"), NULL, 10) : 0;
    free(text);
  }
  return bytes;
}

static void add_calls(struct site_calls *calls, const char *name, uint64_t n) {
  unsigned i = 0;
  while (i < calls->n && strcmp(calls->of[i].name, name) != 0) i++;
  if (i == SITE_CALLS_MAX) return;
  if (i == calls->n) snprintf(calls->of[calls->n++].name, sizeof calls->of[i].name, "%s", name);
  calls->of[i].calls += n;
}

void site_report_memory(const struct site *site, struct report *report) {
  uint64_t bytes[SITE_PROCESSES_MAX];
  json_t *each = json_object();
  site_memory_read(site, bytes);
  for (unsigned i = 0; i < site->n_processes; i++)
    json_object_set_new(each, site->processes[i].name, json_real((double)bytes[i] / (1 << 20)));
  report_json(report, "memory_mb", each);
}

void site_report_image(const struct site *site, struct report *report, const char *room) {
  long long bytes = 0;
  for (unsigned i = 0; i < site->n_redis; i++) {
    redisReply *reply = redisCommand(site->redis[i], "HSTRLEN heya:room:%s image", room);
    if (reply && reply->type == REDIS_REPLY_INTEGER) bytes += reply->integer; /* it is on one of them */
    if (reply) freeReplyObject(reply);
  }
  if (bytes) report_json(report, "image_bytes", json_integer(bytes));
}

bool site_calls_read(const struct site *site, struct site_calls *calls) {
  *calls = (struct site_calls){.n = 0};
  for (unsigned i = 0; i < site->n_redis; i++) {
    char *text = info(site->redis[i], "commandstats"), name[sizeof calls->of[0].name];
    unsigned long long n = 0;
    for (const char *line = text; line && (line = strstr(line, "cmdstat_")); line++)
      if (sscanf(line, "cmdstat_%23[^:]:calls=%llu", name, &n) == 2) add_calls(calls, name, n);
    free(text);
  }
  return calls->n > 0;
}

static uint64_t calls_of(const struct site_calls *calls, const char *name) {
  for (unsigned i = 0; i < calls->n; i++)
    if (strcmp(calls->of[i].name, name) == 0) return calls->of[i].calls;
  return 0;
}

void site_report_calls(struct report *report, const struct site_calls *before, const struct site_calls *after,
                       double n, const char *thing) {
  json_t *each = json_object();
  double all = 0, asked = 0;
  char key[64];
  for (unsigned i = 0; i < after->n; i++) {
    const char *name = after->of[i].name;
    double grown = (double)(after->of[i].calls - calls_of(before, name)) / n;
    if (grown <= 0 || strcmp(name, "info") == 0) continue;
    json_object_set_new(each, name, json_real(grown));
    all += grown;
    if (strncmp(name, "fcall", 5) == 0 || strcmp(name, "xread") == 0) asked += grown;
    if (grown >= 0.05) report_say(report, "    %-32s %10.2f", name, grown);
  }
  snprintf(key, sizeof key, "redis_calls_per_%s", thing);
  report_json(report, key, each);
  snprintf(key, sizeof key, "redis_requests_per_%s", thing);
  report_number(report, key, "of these sent to Redis (fcall, xread)", asked, thing);
  snprintf(key, sizeof key, "redis_commands_per_%s", thing);
  report_number(report, key, "and run, those in functions included", all, thing);
}
