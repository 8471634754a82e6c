/* The deadline of a round: the first result sets it, results count by the time of their entries, and results are decided
 * once, whoever owns the room by then and whatever his own clock says.
 *
 *   player                  a result is appended; Redis gives it its time (proto/heya.lua append, XADD)
 *   apply                   worker/kinds/live.c: on a result, on time; worker/partition.c let_time_pass before each entry
 *   ask                     worker/partition.c partition_ask_time: the owner's estimate of Redis's clock is off by a tick
 *   crash                   the next owner loads the image, in which deadline and results are
 *
 * Cut down: two players, six ticks, one crash; entries are applied and committed one by one (see ownership.pml).
 *
 * Planted mistakes: LOCAL_CLOCK (the owner's clock decides), DEADLINE_FORGOTTEN (it is not in the image). */
#define ENTRIES 12
#define TICKS   6
#define LAST    3 /* tick for a first result, so that its deadline passes in time */
#define ROUND   2 /* from the first result to the deadline */
#define TIME    2 /* else an entry is the result of player 0 or 1 */

byte entry[ENTRIES], at[ENTRIES];
byte entries = 0, done = 0, now = 0;
byte skew = 0; /* the owner's clock: ahead by so much */

byte deadline = 0, kept_deadline = 0;
bool submitted[2], kept_submitted[2];
bool decided = false, kept_decided = false, asked = false;
byte asked_at = TICKS + 1; /* it is asked once in a tick */
byte crashes = 1, decisions = 0;
bool counted[2], sent[2];
byte sent_at[2], true_deadline = 0;

inline put(what) {
  d_step { entry[entries] = what; at[entries] = now; entries++ }
}

proctype player(byte p) {
  if
  :: atomic { now <= LAST -> put(p); sent[p] = true; sent_at[p] = now;
       if
       :: !true_deadline -> true_deadline = now + ROUND
       :: else -> skip
       fi }
  :: true /* gives up */
  fi
}

proctype clock() {
end: do
  :: atomic { now < TICKS -> now++ }
  od
}

inline decide() {
  decided = true;
  decisions++;
  assert(decisions == 1);
  counted[0] = submitted[0];
  counted[1] = submitted[1];
  /* P4: exactly what Redis took in time counts. */
  assert(counted[0] == (sent[0] && sent_at[0] <= true_deadline));
  assert(counted[1] == (sent[1] && sent_at[1] <= true_deadline))
}

proctype owner() {
  byte t;
end: do
  :: atomic { /* apply */
       done < entries ->
#ifdef LOCAL_CLOCK
       t = now + skew;
#else
       t = at[done];
#endif
       if
       :: deadline && !decided && t > deadline -> decide()
       :: else -> skip
       fi;
       if
       :: entry[done] != TIME && !decided ->
            submitted[entry[done]] = true;
            if
            :: !deadline -> deadline = t + ROUND
            :: else -> skip
            fi;
            if
            :: submitted[0] && submitted[1] -> decide()
            :: else -> skip
            fi
       :: entry[done] == TIME -> asked = false
       :: else -> skip
       fi;
#ifndef DEADLINE_FORGOTTEN
       kept_deadline = deadline;
#endif
       kept_submitted[0] = submitted[0]; kept_submitted[1] = submitted[1]; kept_decided = decided;
       done++;
       t = 0
     }
  :: atomic { /* ask */ deadline && !decided && !asked && asked_at != now && now + skew > deadline -> put(TIME); asked = true; asked_at = now }
  :: atomic { /* its clock drifts */ skew == 0 -> skew = 1 }
  :: atomic { /* crash */
       crashes > 0 -> crashes--;
       deadline = kept_deadline; submitted[0] = kept_submitted[0]; submitted[1] = kept_submitted[1]; decided = kept_decided;
       asked = false; asked_at = TICKS + 1
     }
  :: atomic { /* in the end there are results if there was a result, and only then */
       timeout && now == TICKS && done == entries ->
       assert(decided == (sent[0] || sent[1]));
       break
     }
  od
}

init {
  atomic { run clock(); run owner(); run player(0); run player(1) }
}
