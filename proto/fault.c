/* The table behind proto/fault.h; the names come from client.proto. */
#include "proto/fault.h"

#define CODE(name) HEYA__V1__ERROR__CODE__##name

static const struct {
  Heya__V1__Error__Code code;
  const char *text;
} texts[] = {
    {CODE(OK), ""},
    {CODE(BAD_MESSAGE), "the message cannot be decoded or has a value out of its limits"},
    {CODE(TOO_LARGE), "the message is too large"},
    {CODE(HELLO_REQUIRED), "hello must come first"},
    {CODE(ALREADY_HELLO), "hello has been said already"},
    {CODE(UNAUTHENTICATED), "the token or player id is not accepted"},
    {CODE(TOKEN_EXPIRED), "the token has expired"},
    {CODE(UNKNOWN_KIND), "there is no such kind of room"},
    {CODE(BAD_ROOM_NAME), "the room's name is not valid"},
    {CODE(NOT_IN_ROOM), "this connection is not in the room"},
    {CODE(ALREADY_IN_ROOM), "this connection is in the room already"},
    {CODE(TOO_MANY_ROOMS), "this connection is in too many rooms"},
    {CODE(RATE_LIMITED), "too many messages, slow down"},
    {CODE(BUSY), "too much to do right now, try again"},
    {CODE(ROOM_NOT_FOUND), "there is no such room"},
    {CODE(ROOM_FULL), "the room is full"},
    {CODE(ROOM_CLOSED), "the room is closed"},
    {CODE(ROOM_LOCKED), "nobody new may join the room now"},
    {CODE(GAP), "commands are missing before this one"},
    {CODE(STALE), "the session has been replaced"},
    {CODE(TOO_OLD), "the outcome of this command is no longer kept"},
    {CODE(WRONG_STATE), "not possible at this point"},
    {CODE(NOT_HOST), "only the host may do this"},
    {CODE(INVALID_ARGUMENT), "a value is not accepted"},
    {CODE(ALREADY_SUBMITTED), "a result has been submitted already"},
    {CODE(TOO_LATE), "the deadline has passed"},
    {CODE(UNKNOWN_ROUND), "this round is not the running one"},
    {CODE(NOT_A_PLAYER), "not a player of this round"},
    {CODE(INTERNAL), "a fault of the server"},
    {CODE(REPLACED), "the player came in by another connection"},
    {CODE(SLOW_CONSUMER), "messages are not read fast enough"},
    {CODE(SHUTTING_DOWN), "this gateway is shutting down"},
    {CODE(IDLE), "nothing was heard for too long"},
    {CODE(ROOM_FAILED), "the room had a fault and is closed"},
    {CODE(ROOM_LOST), "the room was lost"},
    {CODE(GATEWAY_LOST), "this gateway has lost its standing"},
    {CODE(WRONG_PASSWORD), "the room wants another password"},
    {CODE(BANNED), "the host does not want this player"},
    {CODE(SPECTATOR), "who watches has no say"},
    {CODE(NO_SUCH_MEMBER), "no such player is in the room"},
    {CODE(PLAYER_KICKED), "removed from the room"},
    {CODE(RESYNC), "events or answers may have been missed"},
    {CODE(ROLLED_BACK), "the room is back where it was saved last"},
    {CODE(TOO_MANY_CONNECTIONS), "too many connections"},
};

const char *fault_name(Heya__V1__Error__Code code) {
  const ProtobufCEnumValue *value =
      protobuf_c_enum_descriptor_get_value(&heya__v1__error__code__descriptor, (int)code);
  return value ? value->name : "UNKNOWN";
}

const char *fault_text(Heya__V1__Error__Code code) {
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (texts[i].code == code) return texts[i].text;
  return "unknown error";
}

uint16_t fault_close_code(Heya__V1__Error__Code code) {
  if (code == CODE(OK)) return 1000;
  return (int)code > 0 && (int)code < 1000 ? (uint16_t)(4000 + (int)code) : 4000;
}
