#!/usr/bin/env python3
"""kill -9 of daemons: what was fsynced is there after the next mount, and the volume is whole."""
import os
import random
import threading
import time

import cluster

ROUNDS = 1 if cluster.CACHE_OPTIONS else 3  # the mode the kernel is left to is tried most


class Writer:
    """Writes files on one node until the node dies; remembers which were fsynced."""

    def __init__(self, node, seed: int):
        self.node, self.random = node, random.Random(seed)
        self.durable, self.started = {}, set()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        for number in range(1_000_000):
            name = f"node{self.node.number}/f{number}"
            data = self.random.randbytes(self.random.choice([0, 10, 4096, 50_000]))
            self.started.add(name)
            try:
                if number % 3 == 0:
                    (self.node / name).write_bytes(data)
                else:
                    cluster.write_durably(self.node / name, data)
                    self.durable[name] = data
            except OSError:
                return

    def join(self):
        self.thread.join(cluster.TIMEOUT)
        assert not self.thread.is_alive(), "a writer hangs although its daemon is dead"


class Crash(cluster.ClusterTest):
    def verify(self, writers, node):
        for writer in writers:
            self.assertGreater(len(writer.durable), 0)
            for name, data in writer.durable.items():
                self.assertEqual((node / name).read_bytes(), data, name)
            own = f"node{writer.node.number}"
            found = {f"{own}/{name}" for name in os.listdir(node / own)}
            self.assertLessEqual(found, writer.started)

    def start_writers(self, nodes):
        for node in nodes:
            os.mkdir(node / f"node{node.number}")
        (nodes[0] / "mark").write_text("x")
        for node in nodes:
            fd = os.open(node.directory, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        return [Writer(node, node.number) for node in nodes]

    def test_every_node_dies_and_fsynced_data_is_there(self):
        for round_number in range(ROUNDS):
            with self.subTest(round=round_number):
                if round_number > 0:
                    self.use(cluster.Cluster(self.nodes, self.megabytes))
                    self.cluster.start()
                writers = self.start_writers(self.cluster.nodes)
                time.sleep(1 + round_number * 0.7)
                for node in self.cluster.nodes:
                    node.kill()
                for writer in writers:
                    writer.join()
                # All must start together: none leads for sure before the others are back.
                for node in self.cluster.nodes:
                    node.start(wait=False)
                for node in self.cluster.nodes:
                    node.wait_mounted()
                self.verify(writers, self.cluster.nodes[1])
                self.finish()

    def test_one_member_dies_and_comes_back(self):
        member = next(node for node in self.cluster.nodes
                      if not node.status()["status"]["leader"])
        others = [node for node in self.cluster.nodes if node is not member]
        os.mkdir(others[0] / "elsewhere")
        cluster.write_durably(others[0] / "elsewhere/before", b"x")
        writers = self.start_writers([member])
        time.sleep(1)
        (others[0] / "elsewhere/before").read_bytes()
        member.kill()
        writers[0].join()
        # What does not need anything of the dead node goes on at once.
        cluster.write_durably(others[0] / "elsewhere/file", b"x")
        member.start()
        self.verify(writers, others[1])
        self.finish()

    def leader(self):
        return next(node for node in self.cluster.nodes
                    if node.process is not None and node.status()["status"]["leader"])

    def until_written(self, node, name) -> float:
        """Seconds until a change is durable on the node."""
        began = time.monotonic()
        cluster.write_durably(node / name, b"x")
        return time.monotonic() - began

    def test_the_leader_dies_and_the_others_go_on_without_it(self):
        leader = self.leader()
        others = [node for node in self.cluster.nodes if node is not leader]
        writers = self.start_writers(others)
        time.sleep(1)
        leader.kill()
        took = self.until_written(others[0], "after")
        print(f"kill -9 of the leader to the first durable write on another node: {took:.2f} s")
        before = [len(writer.durable) for writer in writers]
        cluster.wait_until(lambda: all(len(writer.durable) > count
                                       for writer, count in zip(writers, before)),
                           "the others to go on")
        self.assertIn(self.leader(), others)
        leader.start()
        for node in others:
            node.kill()
        for writer in writers:
            writer.join()
        for node in others:
            node.start()
        self.verify(writers, leader)
        self.finish()

    def test_the_leader_leaves_and_another_leads_at_once(self):
        leader = self.leader()
        others = [node for node in self.cluster.nodes if node is not leader]
        cluster.write_durably(leader / "file", b"x")
        leader.unmount()
        took = self.until_written(others[0], "after")
        print(f"unmount of the leader to the first durable write on another node: {took:.3f} s")
        status = others[0].status()["status"]
        self.assertIn(status["leader_slot"], [node.number for node in others])
        self.assertEqual(status["voters"], [node.number for node in others])
        self.finish()


if __name__ == "__main__":
    cluster.main()
