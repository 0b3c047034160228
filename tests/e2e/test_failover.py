#!/usr/bin/env python3
"""kill -9 of the leader under load, again and again: the others go on, what was fsynced is there,
the volume is whole. Prints how long the others waited.

SCOUTFS_FAILOVER_ROUNDS: how often it is killed (5)."""
import os
import threading
import time

import cluster

ROUNDS = int(os.environ.get("SCOUTFS_FAILOVER_ROUNDS", "5"))


class Writer:
    """Creates files durably on one node until it is told to stop or the node dies."""

    def __init__(self, node, round_number: int):
        self.node, self.folder = node, f"round{round_number}-node{node.number}"
        self.durable, self.begun = [], []  # (name, when it was)
        self.stopping = False
        os.mkdir(node / self.folder)
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        number = 0
        while not self.stopping:
            name = f"{self.folder}/f{number}"
            self.begun.append((name, time.monotonic()))
            try:
                cluster.write_durably(self.node / name, self.data(name))
            except OSError:
                return
            self.durable.append((name, time.monotonic()))
            number += 1

    @staticmethod
    def data(name) -> bytes:
        return f"{name}\n".encode() * (1 + hash(name) % 1000)

    def stop(self):
        self.stopping = True
        self.thread.join(cluster.TIMEOUT)
        assert not self.thread.is_alive(), "a writer hangs"

    def first_begun_after(self, when):
        """When the first file that was begun later than that was durable; None: none is yet."""
        begun = [name for name, began in list(self.begun) if began > when]
        done = [at for name, at in list(self.durable) if begun and name == begun[0]]
        return done[0] if done else None


class Failover(cluster.ClusterTest):
    options = ""
    fencing = True

    def setUp(self):
        self.use(cluster.Cluster(self.nodes, self.megabytes, fencing=self.fencing))
        for node in self.cluster.nodes:
            node.start(self.options)

    def leader(self):
        return next(node for node in self.cluster.nodes
                    if node.process is not None and node.status()["status"]["leader"])

    def kill_a_leader(self, round_number: int) -> float:
        """Seconds from the leader's death to the first operation, begun later, on another node."""
        leader = self.leader()
        others = [node for node in self.cluster.nodes if node is not leader]
        writers = [Writer(node, round_number) for node in self.cluster.nodes]
        cluster.wait_until(lambda: all(len(writer.durable) > 5 for writer in writers),
                           "everybody to write")
        self.assertEqual(others[0].status()["status"]["leader_pid"], leader.process.pid)
        killed = time.monotonic()
        leader.kill()
        survivors = [writer for writer in writers if writer.node is not leader]
        cluster.wait_until(lambda: any(writer.first_begun_after(killed) for writer in survivors),
                           "an operation on another node")
        took = min(writer.first_begun_after(killed) for writer in survivors
                   if writer.first_begun_after(killed)) - killed
        cluster.wait_until(lambda: all(writer.first_begun_after(killed) for writer in survivors),
                           "an operation on every other node")
        for writer in writers:
            writer.stop()
        self.assertIn(self.leader(), others)
        leader.start(self.options)
        for writer in writers:
            for name, _ in writer.durable:
                self.assertEqual((leader / name).read_bytes(), Writer.data(name), name)
        return took

    def test_the_leader_is_killed_again_and_again(self):
        took = [self.kill_a_leader(number) for number in range(ROUNDS)]
        print(f"kill -9 of the leader to the first durable write on another node, "
              f"'{self.options}': " + ", ".join(f"{seconds:.2f}" for seconds in took) + " s")
        self.finish()

    def test_the_leader_leaves_and_another_leads_at_once(self):
        took = []
        for round_number in range(ROUNDS):
            leader = self.leader()
            others = [node for node in self.cluster.nodes if node is not leader]
            writers = [Writer(node, round_number) for node in others]
            cluster.wait_until(lambda: all(len(writer.durable) > 5 for writer in writers),
                               "everybody to write")
            leader.unmount()
            for writer in writers:
                writer.stop()
            times = [at for writer in writers for _, at in writer.durable]
            waits = [later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:])]
            took.append(max(waits))
            self.assertIn(self.leader(), others)
            leader.start(self.options)
        print(f"clean unmount of the leader, longest time without a durable write, "
              f"'{self.options}': " + ", ".join(f"{seconds:.3f}" for seconds in took) + " s")
        self.finish()


class FastFailover(Failover):
    options = "heartbeat=50"


class FailoverWithoutFencing(Failover):
    """Where nobody alive can be fenced the leader's death must be certain first."""
    fencing = False


if __name__ == "__main__":
    cluster.main()
