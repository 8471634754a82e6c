# Results of scripts/bench-peers (one JSON object a line: what heya-bench prints, and server, workload, repetition) as a
# table of medians, and the goals with what became of them. Prints text; its last line is a count that ends in "missed".
#
# $servers: names in the order of columns. A new figure is a row of figures; a new goal is one of goals.

def median: sort | if length == 0 then null elif length % 2 == 1 then .[(length - 1) / 2] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

def figures: [
  {key: "highest",   workload: "find",      what: "highest rate, commands/s",          of: .highest_rate},
  {key: "cpu5k",     workload: "rate-5000", what: "CPU at 5000/s, us per delivery",    of: .cpu_us_per_delivery},
  {key: "p50",       workload: "rate-5000", what: "  p50 of deliveries, ms",           of: .all_ms.p50},
  {key: "p99",       workload: "rate-5000", what: "  p99 of deliveries, ms",           of: .all_ms.p99},
  {key: "cpu20k",    workload: "rate-20000", what: "CPU at 20000/s, us per delivery",  of: .cpu_us_per_delivery},
  {key: "p99_20k",   workload: "rate-20000", what: "  p99 of deliveries, ms",          of: .all_ms.p99},
  {key: "idle",      workload: "idle",      what: "idle: own echo p50, ms",            of: .own_ms.p50},
  {key: "churn",     workload: "churn",     what: "visits a second, 64 at once",       of: .visits_per_s},
  {key: "memory",    workload: "hold",      what: "memory per silent member, KB",      of: .kb_per_member},
  {key: "many",      workload: "many",      what: "very many connections",             of: (if .rooms then .rooms * .members else null end)},
  {key: "entered",   workload: "many",      what: "  all in after, s",                 of: .entered_s},
  {key: "cpu_many",  workload: "many",      what: "  CPU at 5000/s, us per delivery",  of: .cpu_us_per_delivery},
  {key: "rooms_cpu", workload: "rooms",     what: "10000 idle rooms: busiest process, %",
   of: (.processors_busy | if . then [to_entries[] | select(.key != "generator" and .key != "others").value] | max * 100 else null end)}
];
def all_figures: {} | figures; # of nothing: the rows

def round_to($digits): . * pow(10; $digits) | round / pow(10; $digits);
def shown: if . == null then "-" elif . >= 1000 then round | tostring elif . >= 10 then round_to(1) | tostring else round_to(2) | tostring end;
def left($n): . + " " * ([$n - length, 0] | max);
def right($n): " " * ([$n - length, 0] | max) + .;
def ratio($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;

# A goal: its measure, what it must be and is wished to be; "most": at most that, else at least.
def at_most($what; $value; $must; $goal): {$what, $value, $must, $goal, most: true};
def at_least($what; $value; $must; $goal): {$what, $value, $must, $goal, most: false};
def goals:
  .heya as $heya | .["heya-aof"] as $aof | .colyseus as $colyseus | .["colyseus-tuned"] as $tuned | .floor as $floor |
  [
    at_least("highest rate, times Colyseus"; ratio($heya.highest; $colyseus.highest); 4; 6),
    at_least("highest rate, times Colyseus tuned"; ratio($heya.highest; $tuned.highest); 2; 3),
    at_least("highest rate, times Socket.IO"; ratio($heya.highest; .socketio.highest); 5; 8),
    at_least("highest rate, times ws"; ratio($heya.highest; .ws.highest); 1.5; 2),
    at_most("CPU at 5000/s, times Colyseus"; ratio($heya.cpu5k; $colyseus.cpu5k); 1.3; null),
    at_most("CPU at 5000/s, times the floor"; ratio($heya.cpu5k; $floor.cpu5k); null; 1.3),
    at_most("CPU at 20000/s, times the floor"; ratio($heya.cpu20k; $floor.cpu20k); 1.3; 1),
    at_most("p50 at 5000/s, ms"; $heya.p50; 2; 1.2),
    at_most("p99 at 5000/s, ms"; $heya.p99; 8; 4),
    at_most("idle p50, times Colyseus"; ratio($heya.idle; $colyseus.idle); 1.6; 1.2),
    at_least("churn, times Colyseus"; ratio($heya.churn; $colyseus.churn); 3; 5),
    at_most("memory per silent member, KB"; $heya.memory; 8; 5),
    at_most("very many connections: in after, s"; $heya.entered; 10; null),
    at_most("CPU with very many, times with 4000"; ratio($heya.cpu_many; $heya.cpu5k); null; 1.2),
    at_most("10000 idle rooms: busiest process, %"; $heya.rooms_cpu; 2; 0.5),
    at_least("with AOF: highest rate, times without"; ratio($aof.highest; $heya.highest); 0.75; null),
    at_most("with AOF: CPU at 5000/s, times without"; ratio($aof.cpu5k; $heya.cpu5k); 1.25; null)
  ];
def met($bound): if .value == null or $bound == null then null elif .most then .value <= $bound else .value >= $bound end;
def verdict($bound): met($bound) | if . == null then "" elif . then "met" else "MISSED" end;
def bound($bound): if $bound == null then "" else (if .most then "<= " else ">= " end) + ($bound | tostring) end;

# {server: {figure: median}}
def medians: group_by(.server) | map({key: .[0].server, value: (
    group_by(.workload) | map(.[0].workload as $workload | [.[] | figures] as $rows |
      [$rows[0][] | select(.workload == $workload).key] | map(. as $key |
        {key: $key, value: ([$rows[][] | select(.key == $key).of | numbers] | median)})) | add // [] | from_entries)}) | from_entries;

($servers | split(" ")) as $servers |
[inputs] as $lines |
([$lines[] | select((.wrong | length) == 0)] | medians) as $medians |
[$medians | goals[]] as $goals |
[$lines[] | .processors_busy.others | numbers] as $others |

(("" | left(40)) + ($servers | map(right(15)) | add)),
(all_figures[] | .key as $key | [$servers[] | $medians[.][$key]] as $values | select($values | any) |
  (.what | left(40)) + ($values | map(shown | right(15)) | add),
  if $medians.heya[$key] and ($values | map(numbers) | length) > 1 then
    ("      times Heya" | left(40)) + ([$values[] | ratio(.; $medians.heya[$key]) | shown | right(15)] | add) else empty end),
"",
("goal of Heya" | left(40)) + ("measured" | right(10)) + ("must" | right(10)) + ("" | right(8)) + ("goal" | right(10)),
($goals[] | (.what | left(40)) + (.value | shown | right(10)) + (bound(.must) | right(10)) + (verdict(.must) | right(8)) +
  (bound(.goal) | right(10)) + (verdict(.goal) | right(8))),
"",
(if ($others | length) > 0 then
  "Other programs kept \($others | median | [., 0] | max | shown) processors busy (median of all runs), \($others | max | shown) at worst." else empty end),
(def count($what): [$goals[] | verdict(.must) | select(. == $what)] | length;
  "\([$goals[] | select(.must and .value == null)] | length) musts not measured, \(count("met")) met, \(count("MISSED")) missed")
