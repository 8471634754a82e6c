/* See tests/load/schedule.h. */
#include "tests/load/schedule.h"

uint64_t schedule_next_us(const struct schedule *schedule) {
  uint64_t due_us = schedule->begin_us + (uint64_t)((double)schedule->taken * 1e6 / schedule->rate);
  return due_us < schedule->end_us ? due_us : SCHEDULE_OVER;
}

bool schedule_take(struct schedule *schedule, uint64_t now_us, uint64_t *due_us) {
  uint64_t next_us = schedule_next_us(schedule);
  if (next_us == SCHEDULE_OVER || next_us > now_us) return false;
  *due_us = next_us;
  schedule->taken++;
  return true;
}
