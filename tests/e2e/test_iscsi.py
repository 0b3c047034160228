#!/usr/bin/env python3
"""A disk behind an iSCSI target: nodes are fenced by persistent reservations, and restarts of the
target are survived."""
import json
import os
import signal
import threading

import cluster
from cluster import run
from iscsi_target import IscsiTarget
from load import Load, verify


class Iscsi(cluster.ClusterTest):
    def setUp(self):
        self.use(cluster.Cluster(nodes=2, iscsi=IscsiTarget))
        self.cluster.start()

    def fence_list(self):
        return json.loads(run("scoutfs", "fence", "list", "--json", self.cluster.device).out)

    def registered(self):
        return {client["rid"] for client in self.fence_list()["server"]["clients"]}

    def rid(self, node):
        return node.status()["status"]["rid"]

    def test_what_one_node_writes_the_other_reads_and_commands_work_beside_them(self):
        one, two = self.cluster.nodes
        data = os.urandom(3 << 20)
        (one / "a").write_bytes(data)
        self.assertEqual((two / "a").read_bytes(), data)
        (two / "a").rename(two / "b")
        self.assertEqual(os.listdir(one.directory), ["b"])
        self.assertEqual(one.status()["fence_level"], "storage")
        refused = run("scoutfs", "print", self.cluster.device, check=False)
        self.assertIn("is mounted by", refused.err)
        refused = run("scoutfs", "mkfs", self.cluster.device, check=False)
        self.assertEqual(refused.code, 1)
        self.assertIn("is mounted by", refused.err)
        # The leader's server has a key of its own.
        self.assertLess({self.rid(one), self.rid(two)}, self.registered())
        self.assertEqual(len(self.registered()), 3)
        self.finish()
        self.assertIn("inode 1:", run("scoutfs", "print", self.cluster.device).out)
        # One key stays, so that the unit stays closed to whoever was fenced.
        self.assertEqual(len(self.registered()), 1)
        made = json.loads(run("scoutfs", "mkfs", "-f", "--json", self.cluster.device).out)
        self.assertEqual(made["fence_level"], "storage")
        self.cluster.start()
        self.assertEqual(os.listdir(two.directory), [])
        self.finish()

    def test_the_target_lists_its_clients_and_proves_that_it_fences(self):
        loads = [Load(node) for node in self.cluster.nodes]
        for load in loads:
            load.wait_for(10)
        tested = json.loads(run("scoutfs", "fence", "test", "--json", self.cluster.device).out)
        self.assertTrue(tested["passed"], tested)
        text = run("scoutfs", "fence", "test", self.cluster.nodes[0].directory).out
        self.assertNotIn("FAIL", text)
        self.assertIn("level storage", text)
        # The resets of the unit that the fences needed have hurt nobody.
        for load in loads:
            load.wait_for(10)
            load.stop()
            self.assertIsNone(load.error)
        verify(self, loads, self.cluster.nodes[1])
        names = {client["node"] for client in self.fence_list()["server"]["clients"]}
        self.assertNotIn("canary", names)
        self.finish()

    def test_a_killed_nodes_possessions_are_taken_over_and_its_key_with_them(self):
        survivor, victim = self.cluster.nodes
        loads = [Load(survivor), Load(victim)]
        for load in loads:
            load.wait_for(20)
        gone = self.rid(victim)
        victim.kill()
        loads[1].stop()
        # What it held is free again: its files can be read and replaced.
        verify(self, loads[1:], survivor)
        (survivor / loads[1].path(0)).write_text("x")
        loads[0].wait_for(20)
        loads[0].stop()
        self.assertIsNone(loads[0].error)
        cluster.wait_until(lambda: gone not in self.registered(), "the key to be taken")
        victim.start()
        verify(self, loads[:1], victim)
        self.finish()

    def test_restarts_of_the_target_under_load_are_survived(self):
        loads = [Load(node) for node in self.cluster.nodes]
        for _ in range(3):
            for load in loads:
                load.wait_for(10)
            self.cluster.target.kill()
            self.cluster.target.start()
        for load in loads:
            load.wait_for(10)
            load.stop()
            self.assertIsNone(load.error)
        verify(self, loads, self.cluster.nodes[1])
        print("longest wait for one durable file, target restarts included: "
              f"{max(load.longest for load in loads):.1f} s")
        self.finish()

    def test_a_suspended_node_is_fenced_and_nothing_of_it_lands_when_it_wakes(self):
        self.suspend_and_fence(lambda: None)

    def test_nor_when_the_target_has_forgotten_everything_meanwhile(self):
        def restart():
            self.cluster.target.kill()
            self.cluster.target.start()
        self.suspend_and_fence(restart)

    def suspend_and_fence(self, meanwhile):
        survivor, victim = self.cluster.nodes
        loads = [Load(survivor), Load(victim)]
        for load in loads:
            load.wait_for(20)
        rid = self.rid(victim)
        victim.process.send_signal(signal.SIGSTOP)
        # The survivor needs what the victim holds; the fence comes by itself.
        done = []
        path = survivor / loads[1].path(0)
        taker = threading.Thread(target=lambda: done.append(path.write_text("taken")))
        taker.start()
        taker.join(cluster.TIMEOUT)
        self.assertEqual(done, [5], "the fence did not come")
        self.assertNotIn(rid, self.registered())
        meanwhile()
        loads[0].wait_for(5)
        victim.process.send_signal(signal.SIGCONT)
        cluster.wait_until(lambda: loads[1].error is not None, "the fenced node to fail")
        with self.assertRaises(OSError):
            (victim / "late").write_text("late")
        self.assertTrue(victim.status()["status"]["fenced"])
        self.assertNotIn(rid, self.registered())
        loads[0].stop()
        self.assertIsNone(loads[0].error)
        verify(self, loads[:1], survivor)
        self.assertEqual(path.read_text(), "taken")
        victim.kill()
        victim.start()
        self.assertEqual((victim / loads[1].path(0)).read_text(), "taken")
        self.finish()


class WriteBack(cluster.ClusterTest):
    def setUp(self):
        def target(folder, image):
            return IscsiTarget(folder, image, write_through=False)
        self.use(cluster.Cluster(nodes=1, iscsi=target))
        self.cluster.start()

    def test_a_cache_that_may_not_survive_costs_the_mount_and_nothing_that_was_durable(self):
        node = self.cluster.nodes[0]
        self.assertIn("write cache", node.log.read_text())
        load = Load(node)
        load.wait_for(20)
        self.cluster.target.kill()
        self.cluster.target.start()
        # Whether the mount goes on depends on what was under way.
        cluster.wait_until(lambda: load.error is not None or load.longest > 0, "an answer")
        load.stop()
        node.kill()
        node.start()
        verify(self, [load], node)
        self.finish()


if __name__ == "__main__":
    cluster.main()
