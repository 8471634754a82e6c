"""Costs from measured runs: what each thing takes, so that the formula of model.py comes closest to all of them.

Least squares of relative errors, with no cost below zero: a negative one fits noise and tells nonsense of larger sites.
"""
from model import CHARGED, HELD, ROLES, charges, holdings

LITTLE = {"cpu": 0.02, "memory": 4.0}  # processors, MB: below this, errors are counted as of this much
PACES_MS = [0.1 * i for i in range(2, 31)]
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


def fit_cpu(runs, pace_ms):
    """(costs in us of each role, error)."""
    costs, error = {}, 0.0
    for role in ROLES:
        rows = [charges(run["load"], run["site"], role, pace_ms / 1000) for run in runs]
        x, e = least_squares(rows, [run["cpu"][role] for run in runs], LITTLE["cpu"])
        costs[role] = {name: round(v * 1e6, 3) for name, v in zip(CHARGED[role], x)}
        error += e
    return costs, error


def fit(runs):
    """Of runs with load, site, cpu (processors of each role) and memory (MB of each role; None if not measured)."""
    best = None
    for pace_ms in PACES_MS:
        costs, error = fit_cpu(runs, pace_ms)
        if best is None or error < best[0]:
            best = (error, pace_ms, costs)
    memory = {}
    held = [run for run in runs if run["memory"]]
    for role in ROLES:
        rows = [holdings(run["load"], run["site"], role) for run in held]
        x, _ = least_squares(rows, [run["memory"][role] for run in held], LITTLE["memory"])
        memory[role] = {name: round(v * 1024, 3) for name, v in zip(HELD[role], x)}
    return {"pace_ms": round(best[1], 2), "cpu_us": best[2], "memory_kb": memory}
