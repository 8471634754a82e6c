/* One chat room with very many members: each line is a thousand deliveries. */
#include "tests/load/load.h"

bool scenario_chat1000(struct bench *bench) {
  static struct load load;
  load = (struct load){0};
  bool fine = load_open(&load, bench, bench->shape.rooms, bench->shape.members);
  if (fine) {
    report_number(&bench->report, "rate", "rate", bench->shape.rate, "commands/s");
    load_run(&load, bench->shape.rate, bench->shape.warm_up_ms, bench->shape.duration_ms);
    load_report(&load);
  }
  load_close(&load);
  return fine;
}
