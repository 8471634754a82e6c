/* See tests/integration/comeback.h. */
#include "tests/integration/comeback.h"

#include "proto/pb.h"
#include "tests/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct place place_of(const Heya__V1__Joined *joined) {
  struct place place = {.epoch = joined->epoch, .seq = joined->seq};
  snprintf(place.session, sizeof place.session, "%s", joined->session);
  snprintf(place.incarnation, sizeof place.incarnation, "%s", joined->incarnation);
  return place;
}

void follow(struct place *place, const struct player *player) {
  for (size_t i = 0; i < player->log_count; i++) {
    const Heya__V1__ServerMessage *message = player->log[i].message;
    if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_EVENT) {
      place->epoch = message->event->epoch;
      place->seq = message->event->seq;
    } else if (message->body_case == HEYA__V1__SERVER_MESSAGE__BODY_ACK && message->ack->number > place->answered) {
      place->answered = message->ack->number;
    }
  }
}

uint32_t send_resume(struct player *player, const char *room, const struct place *place) {
  Heya__V1__Resume resume = HEYA__V1__RESUME__INIT;
  Heya__V1__Join join = HEYA__V1__JOIN__INIT;
  Heya__V1__ClientMessage message = HEYA__V1__CLIENT_MESSAGE__INIT;
  resume.session = pb_text(place->session);
  resume.incarnation = pb_text(place->incarnation);
  resume.epoch = place->epoch;
  resume.seq = place->seq;
  resume.answered = place->answered;
  join.room = pb_text(room);
  join.resume = &resume;
  message.body_case = HEYA__V1__CLIENT_MESSAGE__BODY_JOIN;
  message.join = &join;
  return player_send(player, &message);
}

static bool is_over(void *arg) {
  return !player_pump(arg);
}

void expect_sent_away(struct cluster *cluster, struct player *player) {
  cr_assert(wait_until(20000, is_over, player), "%s is not sent away", player->name);
  const Heya__V1__ServerMessage *last = player->log[player->log_count - 1].message;
  cr_assert_eq(last->body_case, HEYA__V1__SERVER_MESSAGE__BODY_GOODBYE);
  cr_assert_eq(last->goodbye->reason, CODE(GATEWAY_LOST));
  cr_assert(last->goodbye->reconnect);
  for (unsigned i = 0; i < 2; i++) cluster_await_gateway(cluster, i);
}

size_t times_heard(const struct player *player, const char *text) {
  size_t times = 0;
  for (size_t i = 0; i < player->log_count; i++) {
    const Heya__Kinds__Chat__Event *chat = player->log[i].chat;
    if (chat && chat->body_case == HEYA__KINDS__CHAT__EVENT__BODY_LINE) times += !strcmp(chat->line->text, text);
  }
  return times;
}

uint32_t say(struct player *player, const char *room, uint32_t number, const char *text) {
  struct player_payload payload;
  return player_send_command(player, room, number, player_say_payload(&payload, text));
}
