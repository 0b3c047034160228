#!/usr/bin/env python3
"""The simulator's disk under real mounts: its power is cut while all of them write, and what was
fsynced is there afterwards."""
import os
import random
import shutil
import socket
import tempfile

import cluster
from cluster import run
from load import Load, verify

ROUNDS = int(os.environ.get("SCOUTFS_POWER_ROUNDS", "2"))
SEED = int(os.environ.get("SCOUTFS_POWER_SEED", "1"))
PLUGIN = os.path.join(os.environ["SCOUTFS_BUILD"], "nbdkit-scoutfs-sim-plugin.so")
FILES = 15  # of each node, at least, before a cut


class Power(cluster.ClusterTest):
    timeout = cluster.TEST_TIMEOUT + 30 * ROUNDS

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="scoutfs-power.")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.control = os.path.join(folder, "control")
        self.use(cluster.Cluster(nodes=3, plugin=[
            PLUGIN, "size=256M", f"seed={SEED}", f"control={self.control}"]))
        self.cluster.start()

    def command(self, line):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(cluster.TIMEOUT)
            stream.connect(self.control)
            stream.sendall(line.encode() + b"\n")
            answer = stream.makefile().readline().strip()
        self.assertTrue(answer.startswith("ok"), answer)
        return answer

    def cut(self, mode):
        """Disk and nodes at the same instant."""
        self.command(f"cut {mode}")
        for node in self.cluster.nodes:
            node.process.kill()
        for node in self.cluster.nodes:
            node.kill()

    def test_what_was_fsynced_survives_cuts_of_the_power(self):
        draw = random.Random(SEED)
        for number in range(ROUNDS):
            loads = [Load(node) for node in self.cluster.nodes]
            for load in loads:
                load.wait_for(FILES)
                self.assertIsNone(load.error)
            self.cut(draw.choice(["any_sectors", "any_blocks", "keeps_none", "keeps_all"]))
            for load in loads:
                load.stop()
            self.command("on")
            self.cluster.check()
            self.cluster.start()
            reader = draw.choice(self.cluster.nodes)
            verify(self, loads, reader)
            for load in loads:
                (reader / f"load{load.node.number}").rename(
                    reader / f"round{number}-load{load.node.number}")
        self.finish()
        self.assertIn(f"cuts={ROUNDS}", self.command("status"))
        run("scoutfs", "print", self.cluster.device)


if __name__ == "__main__":
    cluster.main()
