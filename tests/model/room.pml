/* The life of a room: made by a join, left, cut off from, empty, revived by a join, deleted by its owner after a grace, or by
 * Redis after a longer one when nobody owns it.
 *
 *   client                  docs/protocol.md: join, leave, or a connection that breaks and a join by another one
 *   gateway (DISC)          gateway/session.c: says that a connection is gone, as late as it likes
 *   clock                   Redis's clock; entries carry it in their ids
 *   apply                   worker/apply.c take_first_seat, seat_again, apply_leave, apply_disconnected; room_settle
 *   ask, TIME               worker/partition.c partition_ask_time, let_time_pass: the owner's timers run on the stream's time
 *   keys_expire             PEXPIREAT of the room's keys, proto/heya.lua write_room
 *   crash                   the next owner loads what is in Redis, worker/partition.c partition_load
 *
 * Cut down: entries are applied and committed one by one, since ownership.pml shows that commits of several are one step and
 * happen once; two clients, one of which comes back by a second connection, four ticks, one crash. An away member's seat is kept for good, since
 * giving it up is a leave.
 *
 * Planted mistakes: DELETE_WITHOUT_RECHECK (when the grace is over, nobody looks whether somebody is in), DISCONNECT_OF_ANY
 * (which connection is gone does not matter), NEVER_ASKED (the owner's timer does not fire). */
#define ENTRIES 9
#define TICKS   4
#define GRACE   1
#define MARGIN  1
#define NONE    0

mtype = {JOIN, LEAVE, DISC, TIME};
mtype kind[ENTRIES];
byte who[ENTRIES], conn[ENTRIES], at[ENTRIES];
byte entries = 0, done = 0, now = 0;

/* The owner's memory, and Redis's keys. */
byte inc = NONE, seat[2], expire_at = 0, incs = 0;
byte kept_inc = NONE, kept_seat[2], kept_expire = 0;
bool asked = false;
byte crashes = 1;

/* What clients know. */
byte is_in[2];     /* in which incarnation; NONE: not in a room */
byte live_conn[2]; /* by which connection */
byte answered[2];  /* the connection whose join, or leave, was answered last */
bool left[2];
byte gone[2]; /* a connection whose end is still to be said */
byte finished = 0;

inline put(k, c, n) {
  d_step {
    kind[entries] = k; who[entries] = c; conn[entries] = n; at[entries] = now;
    entries++
  }
}

proctype client(byte c; bool returns) {
  atomic { entries < ENTRIES -> put(JOIN, c, 1); live_conn[c] = 1 }
  if
  :: atomic { answered[c] == 1 && entries < ENTRIES -> put(LEAVE, c, 1) }
     left[c]
  :: atomic { live_conn[c] = 0; is_in[c] = NONE; gone[c] = 1 } /* at any moment, answered or not */
  fi;
  if
  :: returns ->
       atomic { entries < ENTRIES -> put(JOIN, c, 2); live_conn[c] = 2; left[c] = false }
       answered[c] == 2;
       if
       :: atomic { entries < ENTRIES -> put(LEAVE, c, 2) }
          left[c]
       :: true
       fi
  :: !returns
  fi;
  atomic { finished++ }
}

proctype gateway() {
end: do
  :: atomic { gone[0] && entries < ENTRIES -> put(DISC, 0, gone[0]); gone[0] = 0 }
  :: atomic { gone[1] && entries < ENTRIES -> put(DISC, 1, gone[1]); gone[1] = 0 }
  od
}

proctype clock() {
end: do
  :: atomic { now < TICKS -> now++ }
  :: atomic { /* keys_expire */
       kept_inc && kept_expire && now >= kept_expire + MARGIN ->
       kept_inc = NONE; kept_seat[0] = 0; kept_seat[1] = 0; kept_expire = 0
     }
  od
}

/* After every entry: is it empty, and since when? Then all of it is written, whole. */
inline settle(time) {
  if
  :: inc && !seat[0] && !seat[1] && !expire_at -> expire_at = time + GRACE
#ifndef DELETE_WITHOUT_RECHECK
  :: inc && (seat[0] || seat[1]) -> expire_at = 0
#endif
  :: else -> skip
  fi;
  if
  :: inc && expire_at && time >= expire_at -> inc = NONE; expire_at = 0; seat[0] = 0; seat[1] = 0
  :: else -> skip
  fi;
  kept_inc = inc; kept_seat[0] = seat[0]; kept_seat[1] = seat[1]; kept_expire = expire_at
}

proctype owner() {
  byte c, n, t;
end: do
  :: atomic { /* apply */
       done < entries ->
       c = who[done]; n = conn[done]; t = at[done];
       if
       :: kind[done] == JOIN ->
            if
            :: inc && expire_at && t >= expire_at -> inc = NONE; expire_at = 0; seat[0] = 0; seat[1] = 0 /* its time was over */
            :: else -> skip
            fi;
            if
            :: inc == NONE -> incs++; inc = incs
            :: else -> skip
            fi;
            seat[c] = n;
            if
            :: live_conn[c] == n -> is_in[c] = inc; answered[c] = n
            :: else -> skip
            fi;
            /* P3: who are in a room of this name are in the same one. */
            assert(!(is_in[0] && is_in[1] && is_in[0] != is_in[1]))
       :: kind[done] == LEAVE ->
            if
            :: seat[c] == n -> seat[c] = 0
            :: else -> skip
            fi;
            is_in[c] = NONE;
            left[c] = true
       :: kind[done] == DISC ->
#ifdef DISCONNECT_OF_ANY
            seat[c] = 0
#else
            if
            :: seat[c] == n -> seat[c] = 0 /* away for longer than the room waits: as if left */
            :: else -> skip
            fi
#endif
       :: else -> asked = false
       fi;
       settle(t);
       /* A client that was answered, and whose connection lives, has its seat. */
       assert(!(is_in[0] && live_conn[0] && answered[0] == live_conn[0]) || (seat[0] && inc == is_in[0]));
       assert(!(is_in[1] && live_conn[1] && answered[1] == live_conn[1]) || (seat[1] && inc == is_in[1]));
       done++;
       c = 0; n = 0; t = 0
     }
#ifndef NEVER_ASKED
  :: atomic { /* ask */ inc && expire_at && now >= expire_at && !asked && done == entries && entries < ENTRIES -> put(TIME, 0, 0); asked = true }
#endif
  :: atomic { /* crash */
       crashes > 0 -> crashes--;
       inc = kept_inc; seat[0] = kept_seat[0]; seat[1] = kept_seat[1]; expire_at = kept_expire; asked = false
     }
  :: atomic { /* P5: in the end nothing is left of a room that nobody is in */
       finished == 2 && now == TICKS && done == entries && !gone[0] && !gone[1] && timeout ->
       assert(seat[0] || seat[1] || (!inc && !kept_inc) || expire_at > TICKS);
       break
     }
  od
}

init {
  atomic { run clock(); run gateway(); run owner(); run client(0, true); run client(1, false) }
}
