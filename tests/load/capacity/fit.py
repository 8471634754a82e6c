"""Costs from measured runs: what each thing takes, so that the formula of model.py comes closest to all of them.

Least squares of relative errors, with no cost below zero: a negative one fits noise and tells nonsense of larger sites.
"""
import math

from model import CHARGED, HELD, ROLES, charges, flows, holdings

LITTLE = {"cpu": 0.02, "memory": 4.0}  # processors, MB: below this, errors are counted as of this much
PACES_MS = [0.02 * i for i in range(1, 200)]
STEPS = 4000


def least_squares(rows, values, little):
    """x >= 0 that minimises the sum of ((row . x - value) / value)^2. Coordinate by coordinate, until nothing moves."""
    weights = [1 / max(v, little) for v in values]
    a = [[n * w for n in row] for row, w in zip(rows, weights)]
    b = [v * w for v, w in zip(values, weights)]
    n = len(rows[0])
    gram = [[sum(row[i] * row[j] for row in a) for j in range(n)] for i in range(n)]
    right = [sum(row[i] * v for row, v in zip(a, b)) for i in range(n)]
    x = [0.0] * n
    for _ in range(STEPS):
        moved = 0.0
        for i in range(n):
            if gram[i][i] <= 0:
                continue
            new = max(0.0, x[i] + (right[i] - sum(g * y for g, y in zip(gram[i], x))) / gram[i][i])
            moved = max(moved, abs(new - x[i]) * gram[i][i] ** 0.5)
            x[i] = new
        if moved < 1e-9:
            break
    error = sum((sum(n * y for n, y in zip(row, x)) - v) ** 2 for row, v in zip(a, b))
    return x, error


def fit_pace(runs, paces, which, what):
    """The pace in ms with which the formula comes closest to the rounds that were counted; paces[which] is set to it."""

    def error(pace_ms):
        tried = {**paces, which: pace_ms}
        off = 0.0
        for run in runs:
            if run["counted"]:
                known = {name: n for name, n in run["counted"].items() if what == "commits" and name == "appends"}
                off += math.log(flows(run["load"], run["site"], tried, known)[what] / run["counted"][what]) ** 2
        return off

    paces[which] = min(PACES_MS, key=error)


def fit(runs):
    """Of runs with load, site, cpu (processors of each role), memory (MB of each role) and counted (rounds a second); the
    last two may be None. Costs are of the rounds that there were: when others disturb a run, it has fewer, and costs less."""
    paces = {"append": 1.0, "commit": 1.0}
    fit_pace(runs, paces, "append", "appends")
    fit_pace(runs, paces, "commit", "commits")
    costs, memory = {}, {}
    held = [run for run in runs if run["memory"]]
    for role in ROLES:
        rows = [charges(run["load"], run["site"], role, paces, run["counted"]) for run in runs]
        x, _ = least_squares(rows, [run["cpu"][role] for run in runs], LITTLE["cpu"])
        costs[role] = {name: round(v * 1e6, 3) for name, v in zip(CHARGED[role], x)}
        rows = [holdings(run["load"], run["site"], role) for run in held]
        x, _ = least_squares(rows, [run["memory"][role] for run in held], LITTLE["memory"])
        memory[role] = {name: round(v * 1024, 3) for name, v in zip(HELD[role], x)}
    return {"pace_ms": {name: round(ms, 2) for name, ms in paces.items()}, "cpu_us": costs, "memory_kb": memory}
