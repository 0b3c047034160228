#!/usr/bin/env python3
"""Mounts against each other: no stale answer, no hang, in every cache mode (stress/README.md)."""
import json
import mmap
import os
import pathlib
import subprocess
import sys

import cluster

STRESS = pathlib.Path(os.environ.get(
    "SCOUTFS_BUILD", pathlib.Path(__file__).parents[2] / "build/release")) / "coherence_stress"
# Of each run; `just soak-mounts` gives more.
SECONDS = float(os.environ.get("SCOUTFS_STRESS_SECONDS", "2.5"))
# Reads a file from one end to the other, again and again.
READ_ON = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
while True:
    for offset in range(0, 16 << 20, 1 << 20):
        os.pread(fd, 1 << 20, offset)
"""
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

    def test_readers_of_pages_do_not_keep_a_writer_out(self):
        self.nodes = 2
        self.use(cluster.Cluster(2, self.megabytes))
        for node in self.cluster.nodes:
            node.start("cache=full,cache_settle=0")
        here, there = (node / "file" for node in self.cluster.nodes)
        here.write_bytes(bytes(16 << 20))
        readers = [subprocess.Popen([sys.executable, "-c", READ_ON, str(here)],
                                    start_new_session=True) for _ in range(2)]
        first = self.cluster.nodes[0]
        before = first.status()["requests"]
        try:
            cluster.wait_until(lambda: first.status()["requests"] > before + 20, "readers")
            with open(there, "r+b", buffering=0) as file:
                for number in range(50):
                    os.pwrite(file.fileno(), bytes([number]), number << 18)
                    self.assertEqual(os.pread(file.fileno(), 1, number << 18), bytes([number]))
        finally:
            for reader in readers:
                reader.kill()
                reader.wait(cluster.TIMEOUT)
        self.assertGreater(first.status()["cache_counts"]["drops"], 0)
        self.finish()

    def test_what_is_read_ahead_is_never_old(self):
        self.nodes = 2
        self.use(cluster.Cluster(2, self.megabytes))
        for node in self.cluster.nodes:
            node.start("cache=none")
        piece, pieces = 1 << 20, 12
        first = self.cluster.nodes[0]
        here, there = (node / "file" for node in self.cluster.nodes)
        here.write_bytes(bytes(piece * pieces))
        buffer = mmap.mmap(-1, piece)
        reader = os.open(here, os.O_RDONLY)
        writers = [os.open(path, os.O_RDWR) for path in (there, here)]
        before = first.status()["reads_ahead_used"]
        for number in range(1, 41):
            writer = writers[number % 2]
            mark = bytes([number])
            # So far that what is about to be written was read ahead.
            for at in range(3):
                self.assertEqual(os.preadv(reader, [buffer], at * piece), piece)
            os.pwrite(writer, mark, 3 * piece + 5)
            os.preadv(reader, [buffer], 3 * piece)
            self.assertEqual(buffer[5:6], mark)
            # The same with the file's end.
            for at in range(pieces - 4, pieces - 1):
                self.assertEqual(os.preadv(reader, [buffer], at * piece), piece)
            os.ftruncate(writer, (pieces - 1) * piece + number)
            self.assertEqual(os.preadv(reader, [buffer], (pieces - 1) * piece), number)
            os.ftruncate(writer, pieces * piece)
            self.assertEqual(os.preadv(reader, [buffer], (pieces - 1) * piece), piece)
            self.assertEqual(buffer[number:number + 1], bytes(1))
        for file in (reader, *writers):
            os.close(file)
        self.assertGreater(first.status()["reads_ahead_used"], before + 40)
        self.finish()

    def test_none(self):
        for counts in self.stress(2, "cache=none"):
            self.assertEqual(counts["drops"], 0)


if __name__ == "__main__":
    cluster.main()
