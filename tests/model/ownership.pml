/* Who owns a partition, and how its commands become facts: claim, load, read, commit, release, through a crash, leases that
 * end at any moment (a stall is a worker that is not scheduled), commits that Redis executes long after they were sent
 * (even after the sender's next claim, as bytes of an old connection are), and answers that are lost.
 *
 *   client, resend          gateway/uplink.c and the client: numbered commands, sent again after a doubt, by any gateway
 *   append                  proto/heya.lua append
 *   lapse, renew            proto/heya.lua renew, suspect: a lease ends, and its living holder renews it
 *   claim                   proto/heya.lua claim; worker/ownership.c on_claimed
 *   load                    common/store_redis_load.c; worker/partition.c partition_load
 *   apply                   worker/apply.c apply_command with worker/session_window.c
 *   commit_send             worker/commit.c: the effects are frozen, one commit at a time
 *   commit_run              proto/heya.lua commit, in one step, fenced by owner and epoch
 *   answer, answer_lost     worker/commit.c; without an answer the partition is dropped and claimed again
 *   release                 worker/ownership.c ownership_release_clean, proto/heya.lua release
 *
 * Cut down: one partition, two workers, two clients with a command each, one of them sent twice, one crash, one lease
 * that ends (a stall), one lost answer, one release. (With one more of each it exceeds four gigabytes.) Redis's functions are atomic, as they are. What else a room holds changes together with the
 * session windows in the same commit, so the windows stand for all of it.
 *
 * Planted mistakes: NO_FENCING, CHECKPOINT_LATE (what was read moves in a commit of its own), WINDOW_FORGOTTEN (the session
 * windows are not in the image), ANSWER_BELIEVED (a commit without an answer is taken for done). */
#define CLIENTS 2
#define NUMBERS 2
#define ENTRIES 3
#define NOBODY  2

/* The stream, and what the room's image holds. */
byte entry_client[ENTRIES], entry_number[ENTRIES];
byte entries = 0, done = 0;
byte image_last[CLIENTS];
byte image_seq = 0;

byte owner = NOBODY, epoch = 0;
bool lease[2];
byte crashes = 1, lapses = 1, losses = 1, releases = 1;

byte resends = 1;

/* The committed history. */
byte applied[4]; /* client * NUMBERS + number - 1 */
bool acked[4];
byte sends[4];

/* Each worker's commit on its way. */
bool flying[2], answered[2], accepted[2];
byte fly_epoch[2], fly_done[2], fly_base_seq[2], fly_seq[2];
byte fly_last[4]; /* worker * CLIENTS + client */

inline append(c, n) {
  d_step {
    entry_client[entries] = c;
    entry_number[entries] = n;
    entries++;
    sends[c * NUMBERS + n - 1]++
  }
}

proctype client(byte c; byte numbers) {
  byte n = 1;
  do
  :: n <= numbers ->
       if
       :: atomic { sends[c * NUMBERS + n - 1] == 0 && entries < ENTRIES -> append(c, n) }
       :: atomic { sends[c * NUMBERS + n - 1] == 1 && !acked[c * NUMBERS + n - 1] && resends > 0 -> append(c, n); resends-- }
       :: atomic { acked[c * NUMBERS + n - 1] -> n++ }
       fi
  :: else -> break
  od
}

inline commit_run(w) {
  d_step {
    flying[w] = false;
    accepted[w] = false;
    if
#ifdef NO_FENCING
    :: true ->
#else
    :: owner == w && epoch == fly_epoch[w] ->
#endif
         accepted[w] = true;
         /* P2, P6: it was computed from exactly what is there, so nothing is overwritten and no number is used twice. */
         assert(fly_base_seq[w] == image_seq);
         c_i = 0;
         do
         :: c_i < CLIENTS ->
              n_i = image_last[c_i] + 1;
              do
              :: n_i <= fly_last[w * CLIENTS + c_i] ->
                   applied[c_i * NUMBERS + n_i - 1]++;
                   assert(applied[c_i * NUMBERS + n_i - 1] == 1); /* P1 */
                   acked[c_i * NUMBERS + n_i - 1] = true;
                   n_i++
              :: else -> break
              od;
#ifndef WINDOW_FORGOTTEN
              image_last[c_i] = fly_last[w * CLIENTS + c_i];
#endif
              c_i++
         :: else -> break
         od;
         image_seq = fly_seq[w];
#ifndef CHECKPOINT_LATE
         assert(fly_done[w] >= done);
         done = fly_done[w]
#else
         skip
#endif
    :: else -> skip
    fi;
    c_i = 0;
    n_i = 0
  }
}

proctype redis() { /* executes what is on its way, whenever it likes */
  byte c_i = 0, n_i = 0;
end: do
  :: atomic { flying[0] && !answered[0] -> commit_run(0); answered[0] = true }
  :: atomic { flying[1] && !answered[1] -> commit_run(1); answered[1] = true }
  od
}

proctype trouble() {
end: do
  :: atomic { lapses > 0 && lease[0] -> lease[0] = false; lapses-- }
  :: atomic { lapses > 0 && lease[1] -> lease[1] = false; lapses-- }
  od
}

#define CLEAN (mem_seq == base_seq && cursor == base_done)

proctype worker(byte w) {
  bool live = false, waiting = false;
  byte my_epoch = 0, cursor = 0, base_done = 0, mem_seq = 0, base_seq = 0;
  byte last[CLIENTS];
  byte c = 0;
  do
  :: atomic { !lease[w] -> lease[w] = true } /* renew */
  :: atomic { /* claim, and load: nobody else can write in between */
       !live && !waiting && lease[w] && entries > done && (owner == NOBODY || owner == w || !lease[owner]) && !(flying[w]) ->
       owner = w;
       epoch++;
       my_epoch = epoch;
       cursor = done;
       base_done = done;
       last[0] = image_last[0];
       last[1] = image_last[1];
       mem_seq = image_seq;
       base_seq = image_seq;
       live = true
     }
  :: atomic { /* apply */
       live && cursor < entries ->
       c = entry_client[cursor];
       if
       :: entry_number[cursor] == last[c] + 1 -> last[c]++; mem_seq++
       :: else -> skip /* had before: answered again; or a gap */
       fi;
       cursor++;
       c = 0
     }
  :: atomic { /* commit_send */
       live && !waiting && !CLEAN && !flying[w] ->
       fly_epoch[w] = my_epoch;
       fly_done[w] = cursor;
       fly_base_seq[w] = base_seq;
       fly_seq[w] = mem_seq;
       fly_last[w * CLIENTS] = last[0];
       fly_last[w * CLIENTS + 1] = last[1];
       base_seq = mem_seq;
       base_done = cursor;
       answered[w] = false;
       flying[w] = true;
       waiting = true
     }
  :: atomic { /* answer */
       waiting && answered[w] ->
       waiting = false;
       answered[w] = false;
       if
       :: !accepted[w] -> live = false /* fenced: dropped */
       :: else -> skip
       fi
     }
  :: atomic { /* answer_lost, or the connection broke before: whether it was executed is not known, and it may still be */
       waiting && losses > 0 ->
       losses--;
       waiting = false;
#ifndef ANSWER_BELIEVED
       live = false
#else
       flying[w] = false
#endif
     }
  :: atomic { /* crash, and a start under the same number; what it had sent may still be executed */
       crashes > 0 && (live || waiting) ->
       crashes--;
       live = false;
       waiting = false;
       lease[w] = false;
       cursor = 0; base_done = 0; mem_seq = 0; base_seq = 0; last[0] = 0; last[1] = 0; my_epoch = 0
     }
  :: atomic { /* release */
       live && !waiting && CLEAN && owner == w && epoch == my_epoch && releases > 0 ->
       owner = NOBODY;
       live = false;
       releases--
     }
  :: atomic { live && (owner != w || epoch != my_epoch) && !waiting -> live = false } /* a view says so */
  :: atomic { acked[0] && acked[NUMBERS] && done == entries && !waiting -> break }
  od
}

init {
  atomic {
    lease[0] = true;
    lease[1] = true;
    run redis();
    run trouble();
    run worker(0);
    run worker(1);
    run client(0, 1);
    run client(1, 1)
  }
}
