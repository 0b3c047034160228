#!/usr/bin/env python3
"""Fencing without a disk that fences: by an operator's program, or not at all (-o fence=)."""
import signal
import threading
import time

import cluster
from cluster import run


class Taker:
    """Replaces a file of the victim's on the survivor, which needs the victim's lock."""

    def __init__(self, path):
        self.path, self.done = path, False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        self.path.write_text("taken")
        self.done = True

    def wait(self):
        self.thread.join(cluster.TIMEOUT)
        assert self.done, "the survivor waits for what the lost node held"


class Agent(cluster.ClusterTest):
    def setUp(self):
        self.use(cluster.Cluster(nodes=2))
        self.out = self.cluster.folder / "fenced"
        self.allowed = self.cluster.folder / "allowed"

    def script(self, text) -> str:
        path = self.cluster.folder / "agent"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o700)
        return f"fence=agent:{path}"

    def start(self, options):
        for node in self.cluster.nodes:
            node.start(options)
        return self.cluster.nodes

    def suspend(self, victim):
        (victim / "file").write_text("mine")
        victim.process.send_signal(signal.SIGSTOP)

    def end(self, victim):
        """As the end of a process that was killed from outside."""
        victim.process.wait(cluster.TIMEOUT)
        victim.process = None
        run("umount", "-l", victim.directory, check=False)

    def test_the_program_ends_a_suspended_node_and_what_it_held_is_free(self):
        survivor, victim = self.start(self.script(
            f'echo "$1 $4 $SCOUTFS_PROCESS" > {self.out}\nkill -9 $SCOUTFS_PROCESS\n'))
        self.assertEqual(survivor.status()["fence_level"], "agent")
        self.assertIn("agent (", run("scoutfs", "status", survivor.directory).out)
        listed = run("scoutfs", "fence", "list", survivor.directory).out
        self.assertIn("level agent", listed)
        rid, process = victim.status()["status"]["rid"], victim.process.pid
        self.suspend(victim)
        Taker(survivor / "file").wait()
        self.assertEqual(self.out.read_text(), f"fence {rid} {process}\n")
        self.end(victim)
        victim.start()
        self.assertEqual((victim / "file").read_text(), "taken")
        self.finish()

    def test_until_the_program_succeeds_nothing_is_given_up_and_nobody_else_waits(self):
        # It hangs until it is allowed to end, and fails the first time.
        survivor, victim = self.start(self.script(
            f'echo run >> {self.out}\n'
            f'[ $(wc -l < {self.out}) -gt 1 ] || {{ echo "no way"; exit 1; }}\n'
            f'while [ ! -e {self.allowed} ] && [ -e $0 ]; do sleep 0.05; done\n'
            'kill -9 $SCOUTFS_PROCESS\n'))
        self.suspend(victim)
        taker = Taker(survivor / "file")
        cluster.wait_until(
            lambda: self.out.exists() and self.out.read_text().count("run") == 2,
            "the second run of the agent")
        self.assertIn("no way", survivor.log.read_text())
        # The leader's loop goes on beside it.
        for _ in range(10):
            status = survivor.status()["status"]
            self.assertTrue(status["connected"] and status["lease_valid"] and status["leader"])
            time.sleep(0.1)
        self.assertFalse(taker.done)
        self.allowed.touch()
        taker.wait()
        self.end(victim)
        self.finish()

    def test_without_fencing_the_mount_warns_and_a_silent_node_is_taken_for_dead(self):
        survivor, victim = self.start("fence=none")
        self.assertEqual(survivor.status()["fence_level"], "none")
        self.assertIn("damage", survivor.log.read_text())
        self.assertIn("WARNING", run("scoutfs", "status", survivor.directory).out)
        self.suspend(victim)
        Taker(survivor / "file").wait()
        self.assertIn("taken for dead", survivor.log.read_text())
        victim.kill()
        self.finish()

    def test_what_cannot_be_is_refused_with_a_reason(self):
        def refused(options):
            outcome = run("scoutfs", "mount", "-o", options, self.cluster.device,
                          self.cluster.nodes[0].directory, check=False)
            self.assertNotEqual(outcome.code, 0)
            return outcome.err
        self.assertIn("give fence=agent:PROGRAM|none", refused("fence=host"))
        self.assertIn("give fence=agent:PROGRAM|none", refused("fence=agent:relative"))
        self.assertIn("cannot be run", refused("fence=agent:/nowhere/agent"))
        self.cluster.kill_disk()
        self.cluster.start_disk(self.cluster.fencing_plugin())
        self.assertIn("fences by itself", refused("fence=none"))
        self.assertIn("fences by itself", refused("fence=agent:/bin/true"))


if __name__ == "__main__":
    cluster.main()
