#!/usr/bin/env python3
"""The disk server that fences, nbdkit with the project's plugin: who is shut out stays out, and
nobody else notices; restarts of the server are survived."""
import json
import time

import cluster
from cluster import run
from load import Load, verify


class Fencing(cluster.ClusterTest):
    def setUp(self):
        self.use(cluster.Cluster(nodes=2, fencing=True))
        self.cluster.start()

    def fence_list(self):
        return json.loads(run("scoutfs", "fence", "list", "--json", self.cluster.device).out)

    def test_the_server_lists_its_clients_and_proves_that_it_fences(self):
        listed = self.fence_list()
        self.assertEqual(listed["level"], "storage")
        rids = {client["rid"] for client in listed["server"]["clients"]}
        for node in self.cluster.nodes:
            self.assertIn(node.status()["status"]["rid"], rids)
            self.assertEqual(node.status()["fence_level"], "storage")
        tested = json.loads(run("scoutfs", "fence", "test", "--json", self.cluster.device).out)
        self.assertTrue(tested["passed"], tested)
        text = run("scoutfs", "fence", "test", self.cluster.nodes[0].directory).out
        self.assertNotIn("FAIL", text)
        self.assertIn("level storage", text)
        self.finish()
        # Who left has said goodbye.
        self.assertEqual(self.fence_list()["server"]["clients"], [])

    def test_mkfs_leaves_a_volume_in_use_alone_and_makes_one_anew_with_its_secret(self):
        refused = run("scoutfs", "mkfs", self.cluster.device, check=False)
        self.assertEqual(refused.code, 1)
        self.assertIn("is mounted by", refused.err)
        refused = run("scoutfs", "mkfs", "-f", self.cluster.device, check=False)
        self.assertEqual(refused.code, 1)
        self.assertIn("somebody uses it", refused.err)
        self.finish()
        made = json.loads(run("scoutfs", "mkfs", "-f", "--json", self.cluster.device).out)
        self.assertEqual(made["fence_level"], "storage")
        self.cluster.start()
        self.assertEqual(self.cluster.nodes[1].status()["fsid"], made["fsid"])
        self.finish()

    def test_a_node_that_is_fenced_under_load_is_shut_out_and_the_other_goes_on(self):
        survivor, victim = self.cluster.nodes
        loads = [Load(survivor), Load(victim)]
        for load in loads:
            load.wait_for(20)
        run("scoutfs", "fence", "now", "--yes", self.cluster.device,
            victim.status()["status"]["rid"])
        cluster.wait_until(lambda: loads[1].error is not None, "the fenced node to fail")
        # It may read nothing either, and does not come back by itself.
        self.assertIn("fenced", victim.log.read_text())
        victim.kill()
        # With its death certain, what it held is free.
        loads[0].wait_for(20)
        loads[0].stop()
        self.assertIsNone(loads[0].error)
        victim.start()
        verify(self, loads, victim)
        verify(self, loads, survivor)
        self.finish()

    def test_restarts_of_the_server_under_load_are_survived(self):
        loads = [Load(node) for node in self.cluster.nodes]
        for pause in (0, 0.1, 2.5):
            for load in loads:
                load.wait_for(10)
            self.cluster.kill_disk()
            time.sleep(pause)
            self.cluster.start_disk(self.cluster.fencing_plugin())
        for load in loads:
            load.wait_for(10)
            load.stop()
            self.assertIsNone(load.error)
        verify(self, loads, self.cluster.nodes[1])
        print("longest wait for one durable file, server restarts included: "
              f"{max(load.longest for load in loads):.1f} s")
        self.finish()

    def test_a_fence_outlives_the_server(self):
        victim = self.cluster.nodes[1]
        rid = victim.status()["status"]["rid"]
        run("scoutfs", "fence", "now", "--yes", self.cluster.device, rid)
        self.cluster.kill_disk()
        self.cluster.start_disk(self.cluster.fencing_plugin())
        self.assertIn(rid, [fenced["rid"] for fenced in self.fence_list()["server"]["fenced"]])
        cluster.wait_until(lambda: "fenced" in victim.log.read_text(), "the victim to know")
        victim.kill()
        victim.start()
        (victim / "back").write_text("x")
        self.finish()


class WithoutFencing(cluster.ClusterTest):
    nodes = 1

    def test_another_server_has_a_lower_level_and_says_so(self):
        node = self.cluster.nodes[0]
        tested = run("scoutfs", "fence", "test", self.cluster.device, check=False)
        self.assertEqual(tested.code, 1)
        self.assertIn("level host", tested.out)
        self.assertEqual(node.status()["fence_level"], "host")
        self.assertIn("cannot fence", node.log.read_text())
        refused = run("scoutfs", "fence", "now", "--yes", self.cluster.device, "1", check=False)
        self.assertEqual(refused.code, 1)
        self.finish()


if __name__ == "__main__":
    cluster.main()
