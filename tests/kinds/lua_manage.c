/* Promises of kinds in Lua that have a say in profiles, and in what the host does. */
#include "proto/pb.h"
#include "tests/kinds/lua_table.h"

#define OK               HEYA__V1__ERROR__CODE__OK
#define INTERNAL         HEYA__V1__ERROR__CODE__INTERNAL
#define INVALID_ARGUMENT HEYA__V1__ERROR__CODE__INVALID_ARGUMENT
#define WRONG_STATE      HEYA__V1__ERROR__CODE__WRONG_STATE

/* ---- profiles ---- */

#define LEVELS                                                                                                       \
  "command = function() end, profile = function(room, member, profile)\n"                                            \
  "  room.state.changes = (room.state.changes or 0) + 1\n"                                                           \
  "  if profile.fail then error('on purpose') end\n"                                                                 \
  "  if type(profile.level) ~= 'number' or profile.level < member.profile.level then\n"                              \
  "    return nil, 'INVALID_ARGUMENT', 'a level only rises'\n"                                                       \
  "  end\n"                                                                                                          \
  "  room:send_all({ from = member.profile.level, to = profile.level, who = member.player })\n"                      \
  "end"

static kind_code give_profile(struct room *room, const char *json) {
  return harness_profile(room, "p1", bytes_of_str(json));
}

Test(lua_manage, a_profile_is_checked_against_the_one_before) {
  struct room *room = lua_room(LEVELS);
  cr_assert_eq(give_profile(room, "{\"level\":9}"), OK, "%s", lua_log());
  cr_assert_str_eq(lua_event(room), "{\"from\":7,\"to\":9,\"who\":\"p1\"}");
  cr_assert_eq(give_profile(room, "{\"level\":8}"), INVALID_ARGUMENT);
  cr_assert_str_eq(room->message, "a level only rises");
  cr_assert_eq(give_profile(room, "{}"), INVALID_ARGUMENT);
  cr_assert_eq(give_profile(room, "{"), INVALID_ARGUMENT);
  cr_assert_eq(give_profile(room, "{\"fail\":true}"), INTERNAL);
  cr_assert_eq(give_profile(room, "{\"level\":10}"), OK);
  cr_assert_str_eq(lua_event(room), "{\"from\":9,\"to\":10,\"who\":\"p1\"}");
  cr_assert_str_eq(lua_state(room), "{\"changes\":2}");
  harness_close(room);
}

Test(lua_manage, without_the_function_profiles_do_not_change) {
  struct room *room = lua_room("command = function() end");
  cr_assert_null(room->kind->profile);
  cr_assert_null(room->kind->manage);
  cr_assert_eq(give_profile(room, "{\"level\":9}"), INVALID_ARGUMENT);
  harness_close(room);
}

/* ---- the host ---- */

/* Shows what it was given, and forbids some of it. */
#define HOST                                                                                                         \
  "command = function() end, manage = function(room, host, action)\n"                                                \
  "  room.state.n = (room.state.n or 0) + 1\n"                                                                       \
  "  if action.kick == 'p2' then return nil, 'WRONG_STATE', 'he plays' end\n"                                        \
  "  if action.ban == 'p2' then error('on purpose') end\n"                                                           \
  "  if action.unban == 'p2' then return nil, 'NO_SUCH_MEMBER' end\n"                                                \
  "  action.by = host.player\n"                                                                                      \
  "  room:send_all(action)\n"                                                                                        \
  "end"

static Heya__V1__Manage about(Heya__V1__Manage__BodyCase what, const char *player) {
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  manage.body_case = what;
  manage.kick = pb_text(player); /* kick, ban, unban and host share their place in the union */
  return manage;
}

Test(lua_manage, the_host_s_actions_are_seen_as_the_messages_they_are) {
  struct room *room = lua_room(HOST);
  Heya__V1__Manage manage = HEYA__V1__MANAGE__INIT;
  Heya__V1__Change change = HEYA__V1__CHANGE__INIT;
  Heya__V1__Config config = HEYA__V1__CONFIG__INIT;
  Heya__V1__Property property = HEYA__V1__PROPERTY__INIT, *properties[] = {&property};
  manage.body_case = HEYA__V1__MANAGE__BODY_LOCK;
  manage.lock = true;
  cr_assert_eq(harness_manage(room, &manage), OK, "%s", lua_log());
  cr_assert_str_eq(lua_event(room), "{\"by\":\"p1\",\"lock\":true}");
  manage.lock = false;
  cr_assert_eq(harness_manage(room, &manage), OK);
  cr_assert_str_eq(lua_event(room), "{\"by\":\"p1\",\"lock\":false}");
  manage = about(HEYA__V1__MANAGE__BODY_HOST, "p2");
  cr_assert_eq(harness_manage(room, &manage), OK);
  cr_assert_str_eq(lua_event(room), "{\"by\":\"p1\",\"host\":\"p2\"}");
  manage.body_case = HEYA__V1__MANAGE__BODY_CHANGE;
  manage.change = &change;
  change.max_members = 5;
  cr_assert_eq(harness_manage(room, &manage), OK);
  cr_assert_str_eq(lua_event(room), "{\"by\":\"p1\",\"change\":{\"max_members\":5}}");
  change.config = &config;
  config.title = pb_text("tea");
  config.properties = properties;
  config.n_properties = 1;
  property.name = pb_text("mood");
  property.value = pb_text("calm");
  cr_assert_eq(harness_manage(room, &manage), OK, "%s", lua_log());
  cr_assert_not_null(
      strstr(lua_event(room), "\"properties\":[{\"name\":\"mood\",\"value\":\"calm\"}],\"title\":\"tea\""), "%s",
      lua_event(room));
  cr_assert_str_eq(lua_state(room), "{\"n\":5}");
  harness_close(room);
}

Test(lua_manage, the_host_s_actions_can_be_forbidden) {
  struct room *room = lua_room(HOST);
  Heya__V1__Manage manage = about(HEYA__V1__MANAGE__BODY_KICK, "p2");
  cr_assert_eq(harness_manage(room, &manage), WRONG_STATE);
  cr_assert_str_eq(room->message, "he plays");
  manage = about(HEYA__V1__MANAGE__BODY_BAN, "p2");
  cr_assert_eq(harness_manage(room, &manage), INTERNAL);
  cr_assert_not_null(strstr(lua_log(), "call=manage error="), "%s", lua_log());
  manage = about(HEYA__V1__MANAGE__BODY_UNBAN, "p2");
  cr_assert_eq(harness_manage(room, &manage), HEYA__V1__ERROR__CODE__NO_SUCH_MEMBER);
  cr_assert_eq(room->event_count, 0);
  cr_assert_str_eq(lua_state(room), "{}");
  manage = about(HEYA__V1__MANAGE__BODY_KICK, "px");
  cr_assert_eq(harness_manage(room, &manage), OK);
  harness_close(room);
}

/* ---- results of players who have left ---- */

Test(lua_manage, a_result_stays_to_be_shown_of_who_has_left) {
  struct room *room = lua_room("command = function(room) room:result_show('p2', '5 points') end");
  harness_leave(room, "p2", HEYA__V1__LEAVE_REASON__ASKED);
  cr_assert_eq(lua_give(room, "p1", "{}"), OK, "%s", lua_log());
  cr_assert_str_eq(harness_result_of(room, "p2"), "5 points");
  harness_close(room);
}
