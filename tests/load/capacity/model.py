"""What a deployment takes, as a formula: work in, processors and memory out.

Everything here is arithmetic. `Load` says what players do, `Site` what there is to serve them; `flows` computes how often
things happen in it, `processors` and `memory_mb` multiply that with what each costs (costs.json, which fit.py makes from
measured runs), and `plan` looks for the smallest site that can do it. scripts/capacity is the way in; docs/capacity.md explains it.

The one thought behind it: a round through Redis costs about the same whatever it carries. Rounds keep a pace, so with
more commands each carries more, and a command costs less.
"""
import math
from dataclasses import dataclass, replace

PARTITIONS = 16  # the servers' default
SHARDS_MAX = 16  # of a deployment
DEPLOYMENTS_MAX = 100000
LOG_EVENTS = 256  # that a room's log in Redis keeps (--log-entries)
LIVE_FILL = 14 / LOG_EVENTS  # of a live room of four at its end: joins, start, submits, results, leaves


@dataclass(frozen=True)
class Load:
    """What players do. Each has one connection and is in one room, if there are rooms."""

    players: float
    members: float = 4  # of a room
    commands: float = 0  # a second, of all players together
    echo: bool = True  # each command is told to all members; in rooms that tick, frames are
    tick_hz: float = 0  # frames a second of each room; 0: rooms do not tick
    phases: float = math.inf  # moments of a period at which frames begin: few if rooms were opened at the same moments
    image_kb: float = 0.35  # of a room, written when it has changed
    rounds: float = 0  # whole live rounds a second: the room is made, all join, start, submit and leave
    visits: float = 0  # connections a second that come, join, leave and go
    log_fill: float = 1  # how full rooms' logs are; in operation they are full soon

    @property
    def rooms(self):
        return self.players / self.members


@dataclass(frozen=True)
class Site:
    gateways: int = 1
    workers: int = 1
    shards: int = 1
    partitions: int = PARTITIONS


# ---- how often things happen -------------------------------------------------------------------------------------------


def paced(rate, pace_ms):
    """Rounds a second that `rate` arrivals a second begin, when one follows another no sooner than the pace. A round takes
    with it what came within the pace of the one before; if nothing did, which has the probability exp(-rate * pace), it begins with
    the next arrival."""
    expected = rate * pace_ms / 1000
    return rate / (expected + math.exp(-expected))


def touched(n, draws):
    """How many of `n` are hit by so many random draws, on average."""
    if n <= 1 or draws <= 0:
        return min(n, draws) if draws < 1 else float(n)
    return n * (1 - (1 - 1 / n) ** draws)


def flows(load, site, paces, counted=None):
    """Everything that happens in a second, of the whole site. `paces`: of appends and of commits, in ms. Of a measured run,
    `counted` has the rounds that there were, which are taken in place of those that the paces would make."""
    counted = counted or {}
    g, w, s = site.gateways, site.workers, site.shards
    # A worker has partitions on some of the Redis, and a lane of reads and commits for each of them.
    lanes = w * touched(s, site.partitions / w)
    live_commands = load.rounds * (3 * load.members + 1)
    commands = load.commands + live_commands + 2 * load.visits
    echoes = load.commands * load.members if load.echo else 0
    ticks = load.rooms * load.tick_hz
    # A round of live tells of joins, leaves, the start, each result and all results.
    told = echoes + ticks * load.members + load.rounds * load.members * (2.5 * load.members + 2)

    appends = counted.get("appends", g * s * paced(commands / (g * s), paces["append"]))
    per_append = commands / appends if appends else 0
    wakes = appends * touched(lanes / s, per_append) / lanes  # of one lane: appends that have something for it
    moments = min(load.rooms, load.phases * lanes) * load.tick_hz / lanes  # at which frames of a lane begin
    commits = counted.get("commits", lanes * paced(wakes + moments, paces["commit"]))
    work = commands + ticks
    per_commit = work / commits if commits else 0
    messages = (commands + told) / work if work else 0  # that one of them sends, its ack with them
    telling = lanes * paced(moments, paces["commit"]) if ticks else commits  # commands are answered with the frame then
    addressed = counted.get("addressed", telling * touched(g, work / telling * messages) if telling else 0)
    rooms = max(1, load.rooms / lanes)  # of one lane: what a commit changes is written once
    return {
        "base": 1,
        "connections": load.players,
        "appends": appends,
        "commits": commits,
        "addressed": addressed,
        "segments": counted.get("segments", commits * touched(site.partitions / lanes, per_commit)),
        "commands": load.commands,
        "spread": (load.commands if load.echo else 0) * touched(g, load.members) + ticks * touched(g, load.members),
        "deliveries": echoes + ticks * load.members,
        "ticks": ticks,
        "image_kb": commits * touched(rooms, per_commit) * load.image_kb,
        "rounds": load.rounds,
        "visits": load.visits,
    }


# What each kind of process is charged for. `base` is of each process.
CHARGED = {
    "gateway": ("base", "connections", "appends", "addressed", "commands", "spread", "deliveries", "rounds", "visits"),
    "worker": ("base", "connections", "commits", "segments", "commands", "spread", "image_kb", "ticks", "rounds", "visits"),
    "redis": ("base", "connections", "appends", "commits", "addressed", "segments", "commands", "spread", "image_kb", "ticks", "rounds",
              "visits"),
}
ROLES = tuple(CHARGED)


def count(site, role):
    return {"gateway": site.gateways, "worker": site.workers, "redis": site.shards}[role]


def charged(happens, site, role):
    """How often each thing happens that this role is charged for, in the order of CHARGED."""
    return [count(site, role) if name == "base" else happens[name] for name in CHARGED[role]]


def charges(load, site, role, paces, counted=None):
    return charged(flows(load, site, paces, counted), site, role)


def processors(load, site, costs):
    """Processors that all processes of each role keep busy."""
    happens = flows(load, site, costs["pace_ms"])
    return {
        role: sum(n * costs["cpu_us"][role].get(name, 0) for name, n in zip(CHARGED[role], charged(happens, site, role))) / 1e6
        for role in ROLES
    }


# ---- memory --------------------------------------------------------------------------------------------------------------

HELD = {
    "gateway": ("base", "member"),
    "worker": ("base", "member", "room", "log"),
    "redis": ("base", "member", "room", "log"),
}


def holdings(load, site, role):
    """How many of each thing this role holds memory for, in the order of HELD."""
    held = {"base": count(site, role), "member": load.players, "room": load.rooms, "log": load.rooms * load.log_fill}
    return [held[name] for name in HELD[role]]


def memory_mb(load, site, costs):
    """Of all processes of each role."""
    return {
        role: sum(n * costs["memory_kb"][role].get(name, 0) for name, n in zip(HELD[role], holdings(load, site, role))) / 1024
        for role in ROLES
    }


# ---- how much is needed ----------------------------------------------------------------------------------------------------


def busiest(site, role):
    """The largest share that one process of a role has, if partitions are hit alike: a worker, or a Redis, has whole ones."""
    n = count(site, role)
    return 1 / n if role == "gateway" else math.ceil(site.partitions / n) / site.partitions


def useful(partitions, most):
    """Numbers of workers, or Redis, each of which makes the busiest one's share smaller. Five workers are no better than four,
    when partitions are 16."""
    shares = range(partitions, 0, -1)  # partitions of the busiest one
    return [n for n in sorted({math.ceil(partitions / share) for share in shares}) if n <= most]


def smallest_site(load, costs, utilisation, partitions=PARTITIONS):
    """The fewest processes none of which is busier than that; None if no single deployment can do it. All numbers of workers
    and Redis are tried, each with as many gateways as they then take."""
    best, fewest = None, math.inf
    for shards in useful(partitions, SHARDS_MAX):
        for workers in useful(partitions, partitions):
            gateways = 1
            while gateways + workers + shards < fewest:
                site = Site(gateways, workers, shards, partitions)
                busy = processors(load, site, costs)
                if any(busy[role] * busiest(site, role) > utilisation for role in ("worker", "redis")):
                    break  # more gateways only make it worse
                if busy["gateway"] / gateways <= utilisation:
                    best, fewest = site, gateways + workers + shards
                    break
                gateways = max(gateways + 1, math.floor(busy["gateway"] / utilisation))  # no fewer than it takes
    return best


def share(load, n):
    """What one of `n` deployments has to do."""
    return replace(load, players=load.players / n, commands=load.commands / n, rounds=load.rounds / n, visits=load.visits / n)


def plan(load, costs, utilisation, partitions=PARTITIONS, deployments=None):
    """(deployments, the site of each): so many, or as many as take the fewest processes in all. Large ones are not cheap, since each
    gateway flushes to each Redis. None if it cannot be done."""
    best, fewest, n = None, math.inf, deployments or 1
    while n <= (deployments or DEPLOYMENTS_MAX):
        site = smallest_site(share(load, n), costs, utilisation, partitions)
        if site:
            processes = n * (site.gateways + site.workers + site.shards)
            if processes < fewest:
                best, fewest = (n, site), processes
            if site.gateways == site.workers == site.shards == 1:
                break  # more would be idle
        n = max(n + 1, math.floor(n * 1.04))
    return best
