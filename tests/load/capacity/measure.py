"""Runs of heya-bench, as loads and sites of the model, with what they took. Two lists: what costs are fitted to, and
what the fit is checked with. No shape is in both."""
import json
import subprocess
import sys

from model import LOG_EVENTS, ROLES, Load, Site

# Each is (options of heya-bench). Rates, sizes, numbers of processes, images, frames: each must differ somewhere, or what
# it costs cannot be told from the rest. In an arena everybody must have moved by the end of the warm-up, or there is nothing to
# tell of some frames.
FITTED = [
    "hold --rooms 100 --members 1",
    "hold --rooms 4000 --members 1",
    "hold --rooms 1000 --members 4",
    "hold --rooms 150 --members 40",
    "broadcast --rooms 1000 --members 4 --rate 100",
    "broadcast --rooms 1000 --members 4 --rate 500",
    "broadcast --rooms 1000 --members 4 --rate 2000",
    "broadcast --rooms 1000 --members 4 --rate 4500",
    "broadcast --rooms 1500 --members 2 --rate 3000 --gateways 1",
    "broadcast --rooms 1500 --members 2 --rate 800 --gateways 4",
    "broadcast --rooms 1000 --members 4 --rate 2500 --gateways 4 --workers 2",
    "broadcast --rooms 1000 --members 4 --rate 600 --workers 3",
    "broadcast --rooms 200 --members 16 --rate 300",
    "broadcast --rooms 200 --members 16 --rate 1200 --gateways 3",
    "broadcast --rooms 300 --members 4 --rate 1500 --history",
    "broadcast --rooms 20 --members 4 --rate 1800",
    "broadcast --rooms 1000 --members 4 --rate 1500 --shards 2 --workers 2",
    "arena --rooms 50 --members 4 --rate 200",
    "arena --rooms 150 --members 4 --rate 500",
    "arena --rooms 60 --members 4 --rate 400 --tick-hz 20",
    "arena --rooms 60 --members 12 --rate 600",
    "live --at-once 2",
    "live --at-once 6",
    "churn --at-once 2",
    "churn --at-once 6",
]
CHECKED = [
    "broadcast --rooms 1200 --members 4 --rate 1000",
    "broadcast --rooms 1000 --members 4 --rate 3200",
    "broadcast --rooms 500 --members 8 --rate 1600",
    "broadcast --rooms 2000 --members 2 --rate 2400 --gateways 3 --workers 2",
    "broadcast --rooms 250 --members 4 --rate 900 --history",
    "broadcast --rooms 800 --members 4 --rate 2800 --shards 2 --workers 2",
    "broadcast --rooms 600 --members 6 --rate 1200 --shards 2 --workers 2 --gateways 3",
    "arena --rooms 100 --members 4 --rate 400",
    "arena --rooms 80 --members 6 --rate 400 --tick-hz 15",
    "live --at-once 4",
    "churn --at-once 4",
    "hold --rooms 1500 --members 6",
]
TIMES = {
    "hold": "--duration 2s",
    "broadcast": "--warm-up 1s --duration 5s",
    "arena": "--warm-up 1500ms --duration 5s",
    "live": "--warm-up 500ms --duration 4s",
    "churn": "--warm-up 500ms --duration 4s",
}


DISTURBED = 0.3  # processors that others kept busy: such a run, or one that fails, is done once more


class Failed(Exception):
    pass


def run(bench, words):
    """What heya-bench prints as JSON."""
    scenario = words.split()[0]
    command = [bench, *words.split(), *TIMES[scenario].split(), "--json", "--progress", "off"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise Failed(f"heya-bench {words} ended with status {done.returncode}") from None
    if result["wrong"]:
        raise Failed(f"heya-bench {words}: {'; '.join(result['wrong'])}")
    return result


def option(words, name, fallback):
    words = words.split()
    return float(words[words.index(name) + 1]) if name in words else fallback


def by_role(each):
    """Sums of what is of "gateway-1", "worker-2", "redis"."""
    return {role: sum(n for name, n in each.items() if name.split("-")[0] == role) for role in ROLES}


def phases(result, hz):
    """How many moments of a period frames began at: heya-bench opens its rooms within a moment, so that many have the same.
    Every gateway is told at each, as members of a room are spread over them."""
    return max(1, result["rounds"]["addressed"] / result["servers"]["gateways"] / hz)


def read(words, result):
    """A result as a point of the model."""
    scenario = words.split()[0]
    rooms, members = option(words, "--rooms", 0), option(words, "--members", 4)
    load = Load(players=rooms * members, members=members, log_fill=0)
    seconds = {"broadcast": 6, "arena": 6.5}.get(scenario, 0)
    rate = option(words, "--rate", 0)
    if scenario == "broadcast":
        fill = min(1, rate * seconds / rooms / LOG_EVENTS)
        load = Load(load.players, members, rate, image_kb=result["image_bytes"] / 1024, log_fill=fill)
    elif scenario == "arena":
        hz = option(words, "--tick-hz", 10)
        load = Load(load.players, members, rate, echo=False, tick_hz=hz, phases=phases(result, hz),
                    image_kb=result["image_bytes"] / 1024, log_fill=min(1, hz * seconds / LOG_EVENTS))
    elif scenario == "live":
        load = Load(option(words, "--at-once", 0) * 4, 4, rounds=result["rounds_per_s"], log_fill=0)
    elif scenario == "churn":
        load = Load(option(words, "--at-once", 0), 1, visits=result["visits_per_s"], log_fill=0)
    site = Site(int(option(words, "--gateways", 2)), int(option(words, "--workers", 1)), int(option(words, "--shards", 1)))
    return {
        "words": words,
        "load": load,
        "site": site,
        "cpu": by_role(result["processors_busy"]),
        # Rounds make rooms and forget them: what is held then is of the last minutes, not of those who are in.
        "memory": by_role(result["memory_mb"]) if scenario in ("hold", "broadcast", "arena") else None,
        "counted": result.get("rounds"),
        "others": result["processors_busy"]["others"],
    }


def quieter(bench, words):
    """Of up to two runs the one that others disturbed less."""
    def others(result):
        return result["processors_busy"]["others"]

    best = None
    for attempt in (1, 2):
        try:
            result = run(bench, words)
        except Failed:
            if attempt == 2 and not best:
                raise
            continue
        if not best or others(result) < others(best):
            best = result
        if others(best) < DISTURBED:
            break
    return best


def measure(bench, runs, keep):
    """All of them, one after the other. What heya-bench said goes to the file `keep`, for reread()."""
    points = []
    kept = []
    for i, words in enumerate(runs):
        result = quieter(bench, words)
        point = read(words, result)
        points.append(point)
        kept.append([words, result])
        cpu = point["cpu"]
        print(f"{i + 1:3} of {len(runs)}  {words:75} gateways {cpu['gateway']:.2f}  workers {cpu['worker']:.2f}  "
              f"Redis {cpu['redis']:.2f}  others {max(0, point['others']):.2f}", file=sys.stderr, flush=True)
    with open(keep, "w", encoding="utf-8") as file:
        json.dump(kept, file)
    return points


def reread(kept):
    """The same points once more, without measuring."""
    with open(kept, encoding="utf-8") as file:
        return [read(words, result) for words, result in json.load(file)]
