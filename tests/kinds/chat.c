/* Promises of the kind `chat`. The harness checks on the way that every state survives a failover and that refusals
 * change nothing. The same promises are made by a kind in Lua: chat_lua.c compiles this file again, for that kind. */
#include "proto/kinds/chat.pb-c.h"
#include "tests/kind_harness.h"
#include "tests/kinds/messages.h"
#include "worker/kinds/kinds.h"
#include <stdio.h>

#ifndef CHAT_KIND
#define CHAT_KIND  (&kind_chat)
#define CHAT_SUITE chat
#define CHAT_SAVES_ITS_STATE_MESSAGE
#endif

#define OK               HEYA__V1__ERROR__CODE__OK
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define NOW              1700000000000u

static struct room *open_with(const Heya__Kinds__Chat__Options *options, kind_code *code) {
  struct buf bytes = packed(&options->base);
  struct room *room = harness_open(CHAT_KIND, buf_bytes(&bytes), NOW, code);
  buf_close(&bytes);
  return room;
}

static struct room *open_with_topic(const char *topic, kind_code *code) {
  Heya__Kinds__Chat__Options options = HEYA__KINDS__CHAT__OPTIONS__INIT;
  options.topic = field_text(topic);
  return open_with(&options, code);
}

static kind_code say(struct room *room, const char *player, const char *text) {
  Heya__Kinds__Chat__Say say = HEYA__KINDS__CHAT__SAY__INIT;
  Heya__Kinds__Chat__Command command = HEYA__KINDS__CHAT__COMMAND__INIT;
  say.text = field_text(text);
  command.body_case = HEYA__KINDS__CHAT__COMMAND__BODY_SAY;
  command.say = &say;
  struct buf bytes = packed(&command.base);
  kind_code code = harness_command(room, player, buf_bytes(&bytes));
  buf_close(&bytes);
  return code;
}

static struct room *room_of_three(void) {
  kind_code code;
  struct room *room = harness_open(CHAT_KIND, bytes_of(NULL, 0), NOW, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  cr_assert_eq(harness_join(room, "p2", "Bob", bytes_of(NULL, 0)), OK);
  cr_assert_eq(harness_join(room, "p3", "Cec", bytes_of(NULL, 0)), OK);
  return room;
}

static Heya__Kinds__Chat__State *state_of(struct room *room) {
  struct buf bytes = {0};
  harness_snapshot(room, "p1", &bytes);
  Heya__Kinds__Chat__State *state = unpacked(&heya__kinds__chat__state__descriptor, buf_bytes(&bytes));
  buf_close(&bytes);
  return state;
}

static size_t lines_of(struct room *room) {
  Heya__Kinds__Chat__State *state = state_of(room);
  size_t count = state->n_lines;
  heya__kinds__chat__state__free_unpacked(state, NULL);
  return count;
}

Test(CHAT_SUITE, a_line_reaches_everybody_with_its_author_and_stream_time) {
  struct room *room = room_of_three();
  harness_time(room, NOW + 77);
  cr_assert_eq(say(room, "p2", "h\xc3\xa9llo\n\tall"), OK);
  cr_assert_eq(room->event_count, 1);
  cr_assert_eq(room->events[0].receivers, 3);
  Heya__Kinds__Chat__Event *event =
      unpacked(&heya__kinds__chat__event__descriptor, buf_bytes(&room->events[0].payload));
  cr_assert_eq(event->body_case, HEYA__KINDS__CHAT__EVENT__BODY_LINE);
  cr_assert_str_eq(event->line->player, "p2");
  cr_assert_str_eq(event->line->name, "Bob");
  cr_assert_str_eq(event->line->text, "h\xc3\xa9llo\n\tall");
  cr_assert_eq(event->line->time_ms, NOW + 77);
  heya__kinds__chat__event__free_unpacked(event, NULL);
  harness_close(room);
}

Test(CHAT_SUITE, a_newcomer_is_shown_the_last_fifty_lines_oldest_first) {
  struct room *room = room_of_three();
  char text[32];
  for (int i = 0; i < 120; i++) {
    snprintf(text, sizeof text, "line %d", i);
    cr_assert_eq(say(room, i % 2 ? "p1" : "p3", text), OK);
    Heya__Kinds__Chat__State *state = state_of(room);
    size_t expected = i < 50 ? (size_t)i + 1 : 50;
    cr_assert_eq(state->n_lines, expected);
    for (size_t j = 0; j < expected; j++) {
      size_t number = (size_t)i + 1 - expected + j;
      snprintf(text, sizeof text, "line %zu", number);
      cr_assert_str_eq(state->lines[j]->text, text);
      cr_assert_str_eq(state->lines[j]->player, number % 2 ? "p1" : "p3");
    }
    heya__kinds__chat__state__free_unpacked(state, NULL);
  }
  harness_close(room);
}

Test(CHAT_SUITE, lines_stay_when_their_author_leaves) {
  struct room *room = room_of_three();
  cr_assert_eq(say(room, "p3", "bye"), OK);
  harness_leave(room, "p3", HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_eq(lines_of(room), 1);
  harness_close(room);
}

Test(CHAT_SUITE, takes_one_to_2000_bytes) {
  struct room *room = room_of_three();
  char text[2002];
  memset(text, 'x', sizeof text);
  text[2001] = '\0';
  cr_assert_eq(say(room, "p1", text), INVALID_ARGUMENT);
  cr_assert_neq(room->message[0], '\0');
  text[2000] = '\0';
  cr_assert_eq(say(room, "p1", text), OK);
  cr_assert_eq(say(room, "p1", ""), INVALID_ARGUMENT);
  cr_assert_eq(say(room, "p1", " "), OK);
  cr_assert_eq(room->event_count, 2);
  harness_close(room);
}

Test(CHAT_SUITE, refuses_what_is_not_text) {
  struct room *room = room_of_three();
  const char *const texts[] = {"\x01", "a\rb",     "\x1b[31m",     "\x7f",    "\xc2\x85",
                               "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe3\x81"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) cr_assert_eq(say(room, "p1", texts[i]), INVALID_ARGUMENT);
  cr_assert_eq(room->event_count, 0);
  cr_assert_eq(lines_of(room), 0);
  harness_close(room);
}

Test(CHAT_SUITE, refuses_commands_it_does_not_know) {
  struct room *room = room_of_three();
  const struct bytes commands[] = {
      bytes_of("", 0),              /* no body */
      bytes_of("\x12\x00", 2),      /* an unknown one */
      bytes_of("\x0a\x05hello", 2), /* cut short */
      bytes_of("\x08\x01", 2),      /* a number where a message belongs */
      bytes_of("\x0a\x05\x0a\x03"
               "a\0b",
               7), /* NUL within the text */
  };
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    cr_assert_eq(harness_command(room, "p1", commands[i]), INVALID_ARGUMENT, "%zu", i);
  harness_close(room);
}

Test(CHAT_SUITE, without_history_keeps_no_lines_and_says_them_all_the_same) {
  kind_code code;
  Heya__Kinds__Chat__Options options = HEYA__KINDS__CHAT__OPTIONS__INIT;
  options.no_history = true;
  struct room *room = open_with(&options, &code);
  cr_assert_eq(code, OK);
  cr_assert_eq(harness_join(room, "p1", "Ann", bytes_of(NULL, 0)), OK);
  size_t before = room->event_count;
  cr_assert_eq(say(room, "p1", "hi"), OK);
  cr_assert_eq(room->event_count, before + 1);
  cr_assert_eq(lines_of(room), 0);
  harness_close(room);
}

Test(CHAT_SUITE, shows_the_start_of_its_topic_in_listings) {
  kind_code code;
  char shown[PROPERTY_VALUE_MAX + 1], topic[202];
  struct room *room = open_with_topic("Tea \xe8\x8c\xb6", &code);
  cr_assert_eq(code, OK);
  cr_assert(harness_property(room, "topic", shown));
  cr_assert_str_eq(shown, "Tea \xe8\x8c\xb6");
  harness_close(room);

  memset(topic, 'x', sizeof topic);
  memcpy(topic + 62, "\xe8\x8c\xb6", 3); /* byte 64 stands within a character */
  topic[200] = '\0';
  room = open_with_topic(topic, &code);
  cr_assert_eq(code, OK);
  cr_assert(harness_property(room, "topic", shown));
  cr_assert_eq(strlen(shown), 62);
  harness_close(room);

  room = open_with_topic("", &code);
  cr_assert_eq(code, OK);
  cr_assert_not(harness_property(room, "topic", shown));
  harness_close(room);
}

Test(CHAT_SUITE, refuses_options_and_profiles_that_are_none) {
  kind_code code;
  char topic[202];
  memset(topic, 'x', sizeof topic);
  topic[201] = '\0';
  const char *const topics[] = {topic, "two\nlines", "a\tb", "\xc3"};
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
    harness_close(open_with_topic(topics[i], &code));
    cr_assert_eq(code, INVALID_ARGUMENT);
  }
  harness_close(harness_open(CHAT_KIND, bytes_of("\xff", 1), NOW, &code));
  cr_assert_eq(code, INVALID_ARGUMENT);
  struct room *room = room_of_three();
  cr_assert_eq(harness_join(room, "p4", "Dan", bytes_of("\x0a\x7f", 2)), INVALID_ARGUMENT);
  harness_close(room);
}

/* ---- hostile states ---- */

#ifdef CHAT_SAVES_ITS_STATE_MESSAGE
static bool loads_line(struct room *room, const char *player, const char *name, const char *text, size_t times) {
  Heya__Kinds__Chat__Line line = HEYA__KINDS__CHAT__LINE__INIT, *lines[60];
  Heya__Kinds__Chat__State state = HEYA__KINDS__CHAT__STATE__INIT;
  line.player = field_text(player);
  line.name = field_text(name);
  line.text = field_text(text);
  for (size_t i = 0; i < times; i++) lines[i] = &line;
  state.n_lines = times;
  state.lines = lines;
  struct buf bytes = packed(&state.base);
  bool loads = harness_would_load(room, buf_bytes(&bytes));
  buf_close(&bytes);
  return loads;
}

Test(CHAT_SUITE, loads_only_what_it_could_have_saved) {
  struct room *room = room_of_three();
  char long_text[66];
  memset(long_text, 'x', sizeof long_text);
  long_text[65] = '\0';
  cr_assert(loads_line(room, "p1", "Ann", "hi", 0));
  cr_assert(loads_line(room, "p1", "Ann", "hi", 50));
  cr_assert_not(loads_line(room, "p1", "Ann", "hi", 51));
  cr_assert_not(loads_line(room, "", "Ann", "hi", 1));
  cr_assert_not(loads_line(room, long_text, "Ann", "hi", 1));
  cr_assert_not(loads_line(room, "p1", long_text, "hi", 1));
  cr_assert_not(loads_line(room, "p1", "a\nb", "hi", 1));
  cr_assert_not(loads_line(room, "p1", "Ann", "", 1));
  cr_assert_not(loads_line(room, "p1", "Ann", "\x01", 1));
  harness_close(room);
}
#endif

Test(CHAT_SUITE, gives_up_a_room_whose_options_are_none) {
  struct room *room = room_of_three();
  buf_append_str(&room->options, "\xff");
  cr_assert_not(harness_would_load(room, bytes_of(NULL, 0)));
  buf_clear(&room->options);
  harness_close(room);
}

Test(CHAT_SUITE, survives_any_bytes_as_command_or_state) {
  struct room *room = room_of_three();
  uint64_t seed = 42;
  for (int i = 0; i < 5; i++) cr_assert_eq(say(room, "p1", "the same again"), OK);
  struct buf state = {0};
  buf_append_bytes(&state, buf_bytes(&room->saved));
  for (size_t len = 0; len < state.len; len++) harness_would_load(room, bytes_of(state.data, len));
  for (int i = 0; i < 3000; i++) {
    size_t at = dice(&seed, (uint32_t)state.len);
    unsigned char old = state.data[at];
    state.data[at] = (unsigned char)dice(&seed, 256);
    harness_would_load(room, buf_bytes(&state));
    state.data[at] = old;
    unsigned char bytes[24] = {0x0a, (unsigned char)dice(&seed, 24), 0x0a};
    for (size_t j = 3; j < sizeof bytes; j++) bytes[j] = (unsigned char)dice(&seed, 256);
    harness_command(room, "p2", bytes_of(bytes, dice(&seed, sizeof bytes)));
    harness_forget_events(room);
  }
  buf_close(&state);
  harness_close(room);
}
