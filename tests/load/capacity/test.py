#!/usr/bin/env python3
"""The arithmetic of scripts/capacity, and what it says to bad input. Run by scripts/test-bench."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
from fit import fit, least_squares  # noqa: E402
from measure import CHECKED, FITTED, read  # noqa: E402
from model import CHARGED, HELD, ROLES, Load, Site, busiest, flows, memory_mb, paced, plan, processors, smallest_site, touched, useful  # noqa: E402

PROGRAM = os.path.join(HERE, "../../../scripts/capacity")
COSTS = {  # of nothing that was measured
    "pace_ms": {"append": 1.0, "commit": 1.0},
    "cpu_us": {role: {name: 10.0 for name in CHARGED[role]} for role in ROLES},
    "memory_kb": {role: {name: 2.0 for name in HELD[role]} for role in ROLES},
}


PACES = COSTS["pace_ms"]


def ask(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Model(unittest.TestCase):
    def test_few_arrivals_have_a_round_each_and_many_the_pace(self):
        self.assertAlmostEqual(paced(1, 1), 1, delta=0.01)
        self.assertAlmostEqual(paced(1e6, 1), 1000, delta=2)
        self.assertEqual(paced(0, 1), 0)

    def test_draws_touch_no_more_than_there_are(self):
        self.assertEqual(touched(4, 1), 1)
        self.assertAlmostEqual(touched(4, 1000), 4)
        self.assertEqual(touched(1, 1), 1)
        self.assertEqual(touched(1, 0), 0)
        self.assertAlmostEqual(touched(2, 2), 1.5)

    def test_a_command_costs_less_under_load(self):
        cost = [sum(processors(Load(4000, 4, rate), Site(2), COSTS).values()) / rate for rate in (100, 1000, 5000)]
        self.assertGreater(cost[0], cost[1])
        self.assertGreater(cost[1], cost[2])

    def test_counts_are_those_of_the_load(self):
        happens = flows(Load(400, 4, 50, tick_hz=10, echo=False), Site(2), PACES)
        self.assertEqual((happens["commands"], happens["ticks"], happens["deliveries"]), (50, 1000, 4000))
        happens = flows(Load(400, 4, 50), Site(2), PACES)
        self.assertEqual((happens["ticks"], happens["deliveries"]), (0, 200))

    def test_rounds_of_two_redis_are_those_of_each(self):
        one = flows(Load(4000, 4, 3000), Site(2, 2, 1), PACES)
        two = flows(Load(4000, 4, 3000), Site(2, 2, 2), PACES)
        self.assertGreater(two["appends"], one["appends"])
        self.assertLess(two["appends"], 2 * one["appends"])
        self.assertEqual(two["commands"], one["commands"])

    def test_silence_costs_only_connections_and_processes(self):
        busy = processors(Load(1000, 4), Site(2), COSTS)
        self.assertAlmostEqual(busy["gateway"], (2 + 1000) * 10 / 1e6)

    def test_memory_grows_with_rooms_and_members(self):
        self.assertAlmostEqual(memory_mb(Load(1024, 4), Site(2), COSTS)["gateway"], (2 + 1024) * 2 / 1024)
        self.assertAlmostEqual(memory_mb(Load(1024, 4), Site(2), COSTS)["redis"], (1 + 1024 + 256 + 256) * 2 / 1024)


class Plan(unittest.TestCase):
    def test_partitions_are_whole(self):
        self.assertEqual(busiest(Site(workers=5), "worker"), 4 / 16)
        self.assertEqual(busiest(Site(gateways=5), "gateway"), 1 / 5)

    def test_more_workers_than_help_are_not_tried(self):
        self.assertEqual(useful(16, 16), [1, 2, 3, 4, 6, 8, 16])
        self.assertEqual(useful(16, 5), [1, 2, 3, 4])
        self.assertEqual(useful(1, 16), [1])

    def test_nobody_is_busier_than_allowed_and_one_fewer_would_be(self):
        load = Load(40000, 4, 40000)
        site = smallest_site(load, COSTS, 0.6)
        busy = processors(load, site, COSTS)
        for role in ROLES:
            self.assertLessEqual(busy[role] * busiest(site, role), 0.6)
        fewer = Site(site.gateways - 1, site.workers, site.shards)
        self.assertGreater(processors(load, fewer, COSTS)["gateway"] / fewer.gateways, 0.55)

    def test_what_one_deployment_cannot_do_several_can(self):
        n, site = plan(Load(1e7, 4, 1e7), COSTS, 0.6)
        self.assertGreater(n, 1)
        self.assertLessEqual(max(site.workers, site.shards), 16)

    def test_as_many_deployments_as_are_asked_for(self):
        n, site = plan(Load(10000, 4, 10000), COSTS, 0.6, deployments=3)
        self.assertEqual(n, 3)
        self.assertIsNone(plan(Load(1e7, 4, 1e7), COSTS, 0.6, deployments=1))

    def test_more_players_never_take_fewer_processors(self):
        needs = []
        for players in (1000, 10000, 100000, 1000000):
            n, site = plan(Load(players, 4, players), COSTS, 0.6)
            needs.append(n * (site.gateways + site.workers + site.shards))
        self.assertEqual(needs, sorted(needs))


class Fit(unittest.TestCase):
    def test_costs_are_found_again(self):
        x, error = least_squares([[1, 0], [1, 1], [1, 5]], [2.0, 5.0, 17.0], 0.01)
        self.assertAlmostEqual(x[0], 2, places=4)
        self.assertAlmostEqual(x[1], 3, places=4)
        self.assertLess(error, 1e-6)

    def test_no_cost_is_below_zero(self):
        x, _ = least_squares([[1, 0], [1, 1]], [2.0, 1.0], 0.01)
        self.assertGreaterEqual(min(x), 0)

    def test_runs_made_by_the_formula_are_met(self):
        runs = []
        for rate in (100, 500, 2000, 5000):
            for members in (2, 4, 16):
                load, site = Load(1000, members, rate), Site(2)
                happens = flows(load, site, PACES)
                counted = {name: happens[name] for name in ("appends", "commits", "segments", "addressed")}
                runs.append({"load": load, "site": site, "counted": counted, "cpu": processors(load, site, COSTS), "memory": memory_mb(load, site, COSTS)})
        costs = fit(runs)
        self.assertAlmostEqual(costs["pace_ms"]["append"], 1)
        self.assertAlmostEqual(costs["pace_ms"]["commit"], 1)
        for run in runs:
            found = processors(run["load"], run["site"], costs)
            for role in ROLES:
                self.assertLess(abs(found[role] / run["cpu"][role] - 1), 0.05)

    def test_a_result_is_read(self):
        result = {"image_bytes": 512, "processors_busy": {"gateway-1": 0.1, "gateway-2": 0.2, "worker-1": 0.3, "redis-1": 0.1, "redis-2": 0.3,
                                                          "generator": 1, "others": 0},
                  "memory_mb": {"gateway-1": 1, "gateway-2": 2, "worker-1": 3, "redis-1": 4, "redis-2": 5}}
        point = read("broadcast --rooms 10 --members 8 --rate 100 --shards 2", result)
        self.assertEqual((point["load"].players, point["load"].commands, point["site"].shards), (80, 100, 2))
        self.assertAlmostEqual(point["cpu"]["redis"], 0.4)
        self.assertEqual(point["memory"]["redis"], 9)

    def test_nothing_is_checked_that_was_fitted(self):
        self.assertFalse(set(FITTED) & set(CHECKED))


class Command(unittest.TestCase):
    def test_it_answers(self):
        status, text, _ = ask("--players", "10000", "--rate", "1")
        self.assertEqual(status, 0)
        for word in ("gateways", "workers", "Redis", "together", "2,500 rooms of 4"):
            self.assertIn(word, text)
        status, text, _ = ask("--players", "10000", "--tick", "10", "--stay", "600", "--json")
        self.assertEqual((status, json.loads(text)["players"]), (0, 10000))

    def test_bad_input_is_told(self):
        for words, why in (([], "--players"), (["--players", "many"], "no number"), (["--players", "0"], "within"),
                           (["--players", "1.5"], "whole"), (["--players", "nan"], "within"), (["--players", "2"], "do not fill"),
                           (["--players", "100", "--utilisation", "100"], "within"), (["--players", "9", "--rate", "-1"], "within"),
                           (["--no-such"], "--players")):
            status, _, error = ask(*words)
            self.assertEqual(status, 2, words)
            self.assertIn(why, error)

    def test_costs_that_are_none_are_told(self):
        status, _, error = ask("--players", "100", "--costs", "/nonexistent")
        self.assertEqual(status, 1)
        self.assertIn("--measure makes it", error)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write('{"cpu_us": 3}')
            file.flush()
            status, _, error = ask("--players", "100", "--costs", file.name)
        self.assertEqual(status, 1)
        self.assertIn("holds no costs", error)


if __name__ == "__main__":
    unittest.main()
