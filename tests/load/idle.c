/* The least that a command takes: one room of two, and so few commands that each meets servers with nothing else to
 * do. It is answered before the next one is due; what the processor takes to wake up is part of it. */
#include "tests/load/load.h"

bool scenario_idle(struct bench *bench) {
  static struct load load;
  load = (struct load){0};
  bool fine = load_open(&load, bench, bench->shape.rooms, bench->shape.members);
  if (fine) {
    load_run(&load, bench->shape.rate, bench->shape.warm_up_ms, bench->shape.duration_ms);
    load_report(&load);
    if (bench->dialect->acks)
      report_number(&bench->report, "request_reply_p50_ms", "command to ack, median",
                    (double)histogram_at(&load.acks, 0.5) / 1000, "ms");
  }
  load_close(&load);
  return fine;
}
