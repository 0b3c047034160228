#!/usr/bin/env python3
"""Mounts against each other: no stale answer, no hang, in every cache mode (stress/README.md)."""
import json
import os
import pathlib
import sys

import cluster

STRESS = pathlib.Path(os.environ.get(
    "SCOUTFS_BUILD", pathlib.Path(__file__).parents[2] / "build/release")) / "coherence_stress"
# Of each run; `just soak-mounts` gives more.
SECONDS = float(os.environ.get("SCOUTFS_STRESS_SECONDS", "3"))
SEED = int(os.environ.get("SCOUTFS_STRESS_SEED", "1"))


class Coherence(cluster.ClusterTest):
    timeout = cluster.TEST_TIMEOUT + 2 * SECONDS

    def setUp(self):
        pass

    def stress(self, nodes: int, options: str, *more) -> list:
        """Returns what each node says about its kernel's cache."""
        self.nodes = nodes
        self.use(cluster.Cluster(nodes, self.megabytes, plugin=["memory", f"{self.megabytes}M"]))
        mode = options.split(",")[0].removeprefix("cache=")
        for node in self.cluster.nodes:
            node.start(options)
            self.assertEqual(node.status()["cache"], mode)
        outcome = cluster.run(STRESS, "--seconds", SECONDS, "--seed", SEED, *more,
                              *(node.directory for node in self.cluster.nodes),
                              timeout=SECONDS + 2 * cluster.TIMEOUT, check=False)
        counts = [node.status()["cache_counts"] for node in self.cluster.nodes]
        print(f"{options}: {outcome.out.strip()} {json.dumps(counts)}", file=sys.stderr)
        self.assertEqual(outcome.code, 0, str(outcome))
        self.finish()
        return counts

    def test_full_all_the_time(self):
        for counts in self.stress(3, "cache=full,cache_settle=0", "--older-ends"):
            self.assertGreater(counts["epochs"], 0)
            self.assertGreater(counts["drops"], 0)

    def test_full_where_it_pays(self):
        for counts in self.stress(2, "cache=full"):
            self.assertGreater(counts["drops"], 0)

    def test_attributes(self):
        for counts in self.stress(2, "cache=attr,cache_settle=0", "--older-ends"):
            self.assertEqual(counts["epochs"], 0)
            self.assertGreater(counts["drops"], 0)

    def test_none(self):
        for counts in self.stress(2, "cache=none"):
            self.assertEqual(counts["drops"], 0)


if __name__ == "__main__":
    cluster.main()
