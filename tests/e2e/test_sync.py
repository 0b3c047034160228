#!/usr/bin/env python3
"""sync(2) and syncfs(2) wait for the volume; the loop devices that deliver them never stay."""
import fcntl
import os
import signal
import struct
import subprocess

import cluster

LOOP_GET_STATUS64 = 0x4C05
LONG = "commit=3600000"  # nothing is committed by its age: only sync can have done it


def mount_words(directory) -> list:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[4] == str(directory):
                return words
    raise AssertionError(f"{directory} is not mounted")


def source_of(directory) -> str:
    words = mount_words(directory)
    return words[words.index("-") + 2]


def device_of(directory) -> str:
    major, minor = mount_words(directory)[2].split(":")
    assert major == "7", major  # loop devices
    return f"/dev/loop{minor}"


def loop_identity(device: str):
    """What the loop device shows now: nobody's memory is shown again. None: nothing."""
    try:
        fd = os.open(device, os.O_RDONLY)
    except OSError:
        return None
    try:
        status = bytearray(232)  # struct loop_info64; it begins with device and inode of the memory
        fcntl.ioctl(fd, LOOP_GET_STATUS64, status)
        return struct.unpack_from("QQ", status)
    except OSError:
        return None
    finally:
        os.close(fd)


class Loops:
    """The loop devices of mounts, to see them go."""

    def __init__(self, nodes):
        self.known = {}
        for node in nodes:
            device = device_of(node.directory)
            self.known[device] = loop_identity(device)
        assert None not in self.known.values(), self.known

    def wait_gone(self):
        cluster.wait_until(lambda: all(loop_identity(device) != identity
                                       for device, identity in self.known.items()),
                           "the loop devices to go")


def index(node) -> list:
    """The inodes in the index, as far as it is complete without asking anybody to commit."""
    out = cluster.run("scoutfs", "walk-inodes", "--no-barrier", "meta_seq", "0", "-1",
                      node.directory).out
    return [int(line.split()[-1]) for line in out.splitlines()[1:]]


class Sync(cluster.ClusterTest):
    nodes = 2

    def setUp(self):
        self.use(cluster.Cluster(self.nodes, self.megabytes))
        for node in self.cluster.nodes:
            node.start(LONG)
        if not self.cluster.nodes[0].status()["delivers_sync"]:
            self.skipTest("this kernel does not tell FUSE of sync, or there is no loop device")

    def make_directory(self, node) -> str:
        """One whose lock stays with this node: nothing asks for it afterwards."""
        os.mkdir(node / "quiet")
        cluster.run("sync", "-f", node.directory)
        return node / "quiet"

    def sync_shows(self, *command):
        one, other = self.cluster.nodes
        quiet = self.make_directory(one)
        (quiet / "file").write_text("x")
        ino = (quiet / "file").stat().st_ino
        self.assertNotIn(ino, index(other), "it was committed by something else")
        cluster.run(*command)
        self.assertIn(ino, index(other))
        self.finish()

    def test_after_sync_a_walk_without_barrier_shows_what_was_changed(self):
        self.sync_shows("sync")

    def test_after_syncfs_a_walk_without_barrier_shows_what_was_changed(self):
        self.sync_shows("sync", "-f", self.cluster.nodes[0].directory)

    def test_what_was_synced_survives_the_death_of_every_node(self):
        one, other = self.cluster.nodes
        quiet = self.make_directory(one)
        (quiet / "file").write_bytes(b"x" * 100_000)
        cluster.run("sync", "-f", one.directory)
        loops = Loops(self.cluster.nodes)
        for node in self.cluster.nodes:
            node.kill()
        loops.wait_gone()
        for node in self.cluster.nodes:
            node.start(LONG, wait=False)
        for node in self.cluster.nodes:
            node.wait_mounted()
        self.assertEqual((other / "quiet/file").read_bytes(), b"x" * 100_000)
        self.finish()

    def test_a_sync_that_waits_for_a_dead_leader_can_be_killed(self):
        leader = next(node for node in self.cluster.nodes if node.status()["status"]["leader"])
        member = next(node for node in self.cluster.nodes if node is not leader)
        quiet = self.make_directory(member)
        (quiet / "file").write_text("x")
        leader.kill()
        waiting = subprocess.Popen(["sync", "-f", str(member.directory)])
        with self.assertRaises(subprocess.TimeoutExpired):
            waiting.wait(1)
        waiting.send_signal(signal.SIGKILL)
        waiting.wait(cluster.TIMEOUT)
        leader.start(LONG)
        self.assertEqual((leader / "quiet/file").read_text(), "x")
        self.finish()


class LoopDevices(cluster.ClusterTest):
    nodes = 3
    timeout = 280

    def setUp(self):
        super().setUp()
        if not self.cluster.nodes[0].status()["delivers_sync"]:
            self.skipTest("this kernel does not tell FUSE of sync, or there is no loop device")

    def test_each_mount_has_its_own_and_they_go_with_the_mounts(self):
        loops = Loops(self.cluster.nodes)
        self.assertEqual(len(loops.known), self.nodes)
        for node in self.cluster.nodes:
            self.assertEqual(source_of(node.directory), self.cluster.device)
        self.finish()
        loops.wait_gone()

    def test_fifty_mounts_one_after_another_leave_none(self):
        node = self.cluster.nodes[2]
        for _ in range(50):
            loops = Loops([node])
            node.unmount()
            loops.wait_gone()
            node.start()
        self.finish()

    def test_daemons_that_are_killed_leave_none(self):
        node = self.cluster.nodes[2]
        for _ in range(10):
            loops = Loops([node])
            node.kill()
            loops.wait_gone()
            node.start()
        self.finish()

    def test_a_file_that_is_open_keeps_mount_and_device_until_it_is_closed(self):
        node = self.cluster.nodes[2]
        loops = Loops([node])
        with open(node / "file", "wb") as file:
            cluster.run("umount", "-l", node.directory)
            file.write(b"x")
            file.flush()
            self.assertIsNone(node.process.poll())
        cluster.wait_until(lambda: node.process.poll() is not None, "the daemon to end")
        self.assertEqual(node.process.returncode, 0)
        node.process = None
        loops.wait_gone()
        self.assertEqual((self.cluster.nodes[0] / "file").read_bytes(), b"x")
        self.finish()


class WithoutLoopDevice(cluster.ClusterTest):
    nodes = 1

    def setUp(self):
        self.use(cluster.Cluster(self.nodes, self.megabytes))

    def test_it_can_be_declined(self):
        node = self.cluster.nodes[0]
        node.start("deliver_sync=no")
        self.assertFalse(node.status()["delivers_sync"])
        self.assertEqual(source_of(node.directory), self.cluster.device)
        self.finish()

    def test_where_none_can_be_had_the_mount_does_without_unless_told_otherwise(self):
        node = self.cluster.nodes[0]
        # In this test's own mount namespace.
        cluster.run("mount", "--bind", "/dev/null", "/dev/loop-control")
        self.addCleanup(cluster.run, "umount", "/dev/loop-control")
        refused = cluster.run("scoutfs", "mount", "-F", "-o", "deliver_sync=yes",
                              self.cluster.device, node.directory, check=False)
        self.assertEqual(refused.code, 1, refused)
        self.assertIn("cannot deliver sync", refused.err)
        node.start()
        self.assertFalse(node.status()["delivers_sync"])
        self.finish()


if __name__ == "__main__":
    cluster.main()
