/* Kind `poison`: an ordinary little room that crashes its worker when asked to. For tests, as build/poison.so.
 *
 * A command's payload is a word. Most words are echoed to all members, with a number: "3 hello". These are not:
 *   crash   reads through NULL            overflow   never returns from itself, until the stack ends
 *   abort   fails an assertion            kill       is killed, as by the system for its memory: no last words
 *   save    crashes when it is saved      later      crashes in a timer, 20 ms later
 *   killer  is killed when it is loaded   closing    crashes when its memory is freed
 *   hang    waits and never ends                spin      computes and never ends
 * A player named "crasher" crashes it by joining.
 */
#include "worker/kind.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef POISON_ABI
#define POISON_ABI KIND_ABI
#endif
#define LATER_MS 20

#ifdef POISON_LOAD
__attribute__((constructor)) static void fail_to_load(void) {
  abort();
}
#endif

struct poison {
  uint32_t count; /* words so far */
  bool crash_in_save, kill_in_load, crash_in_close;
};

static void crash(void) {
  volatile int *volatile nothing = NULL;
  *nothing = 1;
}

static uint32_t overflow(volatile uint32_t depth) {
  volatile char much[4096] = {0};
  return depth ? overflow(depth + 1) + (uint32_t)much[depth % sizeof much] : 0;
}

static void spin(void) {
  for (volatile unsigned turns = 0;; turns++) continue;
}

static kind_code poison_open(struct room *room, struct bytes options, struct kind_reply *reply) {
  (void)room, (void)options, (void)reply;
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code poison_join(struct room *room, struct member *member, struct kind_reply *reply) {
  (void)room, (void)reply;
  if (strcmp(member_player(member), "crasher") == 0) crash();
  return HEYA__V1__ERROR__CODE__OK;
}

static kind_code poison_command(struct room *room, struct member *member, struct bytes payload,
                                struct kind_reply *reply) {
  struct poison *poison = room_state(room);
  char text[128];
  (void)member, (void)reply;
  if (bytes_equal_str(payload, "crash")) crash();
  if (bytes_equal_str(payload, "abort")) abort();
  if (bytes_equal_str(payload, "overflow")) overflow(1);
  if (bytes_equal_str(payload, "kill")) raise(SIGKILL);
  while (bytes_equal_str(payload, "hang")) pause();
  if (bytes_equal_str(payload, "spin")) spin();
  if (bytes_equal_str(payload, "later")) room_timer_set(room, 1, room_time_ms(room) + LATER_MS);
  poison->crash_in_save |= bytes_equal_str(payload, "save");
  poison->kill_in_load |= bytes_equal_str(payload, "killer");
  poison->crash_in_close |= bytes_equal_str(payload, "closing");
  poison->count++;
  int len = snprintf(text, sizeof text, "%u %.*s", (unsigned)poison->count,
                     (int)(payload.len > 64 ? 64 : payload.len), (const char *)payload.data);
  room_send_all(room, bytes_of(text, (size_t)len));
  return HEYA__V1__ERROR__CODE__OK;
}

static void poison_timer(struct room *room, uint32_t id) {
  (void)room, (void)id;
  crash();
}

static void poison_save(struct room *room, struct buf *out) {
  const struct poison *poison = room_state(room);
  if (poison->crash_in_save) crash();
  buf_append(out, poison, sizeof *poison);
}

static bool poison_load(struct room *room, struct bytes state) {
  struct poison *poison = room_state(room);
  if (state.len != sizeof *poison) return false;
  memcpy(poison, state.data, sizeof *poison);
  if (poison->kill_in_load) raise(SIGKILL);
  return true;
}

static void poison_snapshot(struct room *room, const struct member *viewer, struct buf *out) {
  const struct poison *poison = room_state(room);
  (void)viewer;
  buf_printf(out, "%u", (unsigned)poison->count);
}

static void poison_close(struct room *room) {
  const struct poison *poison = room_state(room);
  if (poison->crash_in_close) crash();
}

extern const struct kind heya_kind;
const struct kind heya_kind = {
    .abi = POISON_ABI,
    .name = "poison",
    .max_members = 8,
    .max_members_limit = 8,
    .empty_ms = 10000,
    .away_ms = 30000,
    .state_size = sizeof(struct poison),
    .open = poison_open,
    .join = poison_join,
    .command = poison_command,
    .timer = poison_timer,
    .save = poison_save,
    .load = poison_load,
    .snapshot = poison_snapshot,
    .close = poison_close,
};
