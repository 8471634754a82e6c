/* A commit as a transaction: it writes only where the function would have written, though it does not look.
 *
 *   FUNCTION, EXEC, CLAIM   proto/heya.lua commit and claim; what is between MULTI and EXEC
 *   WATCH, GET, UNWATCH     common/store_redis_fence.c watch, store_fence_watch
 *   known, fence, asked     common/store_redis_commit.c is_known, note_owned; struct store_known, struct store_fence
 *   rival                   another worker that claims the partition, or another partition that changes hands
 *
 * One worker, one partition. Commands of its connection are read in order, and what others do comes between any two of them;
 * answers come in order. When the connection breaks, what was not read is lost, and so are answers.
 *
 * Planted mistakes: UNTOUCHED (a claim leaves heya:owners as it is), ANY_ANSWER (an answer about an earlier watch is believed),
 * KNOWN_FOR_EVER (what was seen once is not compared), UNWATCHED (nobody watches again after EXEC), READ_FIRST (the value is
 * read before it is watched), KEPT (a new connection knows what the old one knew). */
#define FUNCTION 1
#define EXEC     2
#define WATCH    3
#define GET      4
#define UNWATCH  5
#define CLAIM    6

#define CHANGES 4 /* of owners, all together */
#define BREAKS  1

chan up = [12] of { byte, byte };   /* command, epoch */
chan down = [8] of { byte, byte }; /* which command is answered, with what: 0 is no */

/* Redis */
bool mine = true, watched = false, dirty = false;
byte epoch = 1, owners = 1, changes = 0;

inline change() {
  changes++;
#ifndef UNTOUCHED
  owners++;
  dirty = dirty || watched
#endif
}

proctype redis() {
  byte what, e;
end: do
  :: atomic { up?what, e ->
       if
       :: what == FUNCTION ->
            if
            :: mine && epoch == e -> down!FUNCTION, owners
            :: else -> down!FUNCTION, 0
            fi
       :: what == EXEC ->
            if
            :: dirty -> down!EXEC, 0
            :: else -> assert(mine && epoch == e); down!EXEC, 1
            fi;
            watched = false; dirty = false
       :: what == WATCH -> watched = true
       :: what == GET -> down!GET, owners
       :: what == UNWATCH -> watched = false; dirty = false
       :: what == CLAIM ->
            if
            :: !mine && changes < CHANGES -> mine = true; epoch++; change(); down!CLAIM, epoch
            :: else -> down!CLAIM, 0
            fi
       fi;
       what = 0; e = 0 }
  od
}

proctype rival() {
end: do
  :: atomic { changes < CHANGES && mine -> mine = false; epoch++; change() }
  :: atomic { changes < CHANGES -> change() /* another partition */ }
  od
}

/* The worker */
byte own = 1; /* epoch in which it believes to be the owner; 0: it does not */
byte known = 0, known_epoch = 0, fence = 0, asked = 0, breaks = BREAKS;
bool committing = false, claiming = false;

inline watch() {
  fence = 0; asked++;
#ifdef READ_FIRST
  up!GET, 0; up!WATCH, 0
#else
#ifndef UNWATCHED
  up!WATCH, 0;
#endif
  up!GET, 0
#endif
}

inline watch_anew() {
  up!UNWATCH, 0;
  fence = 0; asked++;
#ifdef READ_FIRST
  up!GET, 0; up!WATCH, 0
#else
  up!WATCH, 0; up!GET, 0
#endif
}

proctype worker() {
  byte what, with;
end: do
  :: atomic { /* commit */
       own && !committing -> committing = true;
       if
#ifdef KNOWN_FOR_EVER
       :: known && fence && known_epoch == own -> up!EXEC, own; watch()
       :: else -> up!FUNCTION, own
#else
       :: known && known == fence && known_epoch == own -> up!EXEC, own; watch()
       :: else -> up!FUNCTION, own
#endif
       fi }
  :: atomic { /* a renewal, which a gateway watches again after */
       asked < 2 -> watch_anew() }
  :: atomic { /* claim */
       !own && !claiming && !committing -> claiming = true; up!CLAIM, 0 }
  :: atomic { /* an answer */
       down?what, with ->
       if
       :: what == FUNCTION ->
            committing = false;
            if
            :: with -> known = with; known_epoch = own;
                 if
                 :: with != fence -> watch_anew()
                 :: else -> skip
                 fi
            :: else -> own = 0
            fi
       :: what == EXEC && with -> committing = false
       :: what == EXEC && !with -> up!FUNCTION, own
       :: what == GET ->
            asked--;
#ifdef ANY_ANSWER
            fence = with
#else
            fence = (asked -> 0 : with)
#endif
       :: what == CLAIM -> claiming = false; own = with
       fi;
       what = 0; with = 0 }
  :: atomic { /* the connection breaks; Redis forgets what it watched (that the worker claims anew is not needed here) */
       breaks > 0 -> breaks--;
       do
       :: up?what, with
       :: empty(up) -> break
       od;
       do
       :: down?what, with
       :: empty(down) -> break
       od;
       watched = false; dirty = false; asked = 0; committing = false; claiming = false; what = 0; with = 0;
#ifndef KEPT
       fence = 0; known = 0; known_epoch = 0
#endif
     }
  od
}

init {
  atomic { run redis(); run rival(); run worker() }
}
