#!/usr/bin/env python3
"""Mounts as an administrator makes them, on hosts with addresses of their own."""
import json
import os
import signal
import time

import cluster
import hosts
from hosts import STORAGE, child_of

MOUNT = ["mount", "-t", "scoutfs"]
SCOUTFS = ["scoutfs", "mount"]
FOREGROUND = ["scoutfs", "mount", "-F"]


def terminate(process):
    """SIGTERM to the command alone."""
    os.kill(child_of(process), signal.SIGTERM)


def press_control_c(process):
    """SIGINT to every process of the command that a terminal would send it to."""
    for pid in hosts.processes_of_group(process.pid):
        if pid != process.pid:
            os.kill(pid, signal.SIGINT)


class ThreeHosts(hosts.HostsTest):
    def setUp(self):
        super().setUp()
        self.a, self.b, self.c = [self.network.add_host() for _ in range(3)]
        self.all = (self.a, self.b, self.c)

    def use_and_unmount(self, device: str):
        self.a.put("file", "from a")
        self.assertEqual(self.b.get("file"), "from a")
        self.b.put("file", "from b")
        self.assertEqual(self.c.get("file"), "from b")
        members = {member["address"].split(":")[0]: member["slot"]
                   for member in self.leader().status()["status"]["members"]}
        self.assertEqual(sorted(members), [host.address for host in self.all])
        for host in self.all:
            host.umount()
            self.assertFalse(host.is_mounted())
            self.assertEqual(host.run("ls", "/run/scoutfs").out, "")
        self.check(device)
        return members

    def leader(self):
        return next(host for host in self.all if host.status()["status"]["leader"])

    def test_open_slots_over_tcp(self):
        device = self.make_volume()
        for host in self.all:
            outcome = host.mount(device)
            # One line says how it is mounted.
            said = outcome.out + outcome.err
            self.assertRegex(said, r"^scoutfs: kernel cache: .*fencing: host\n$")
        self.assertEqual(sorted(self.use_and_unmount(device).values()), [0, 1, 2])
        # A host comes back to the slot it had, in whichever order they come.
        slots = {}
        for host in reversed(self.all):
            host.mount(device)
            slots[host.number] = host.status()["status"]["slot"]
        self.assertEqual(slots, {1: 0, 2: 1, 3: 2})
        self.use_and_unmount(device)

    def test_open_slots_over_a_unix_socket(self):
        device = self.make_volume(unix=True)
        for host in self.all:
            host.mount(device)
        self.use_and_unmount(device)

    def test_configured_slots_with_ports(self):
        mkfs = [word for host in self.all
                for word in ("-Q", f"{host.number - 1},{host.address},{7000 + host.number}")]
        device = self.make_volume(mkfs=mkfs)
        for host in self.all:
            host.mount(device)
            status = host.status()["status"]
            self.assertEqual(status["slot"], host.number - 1)
        listening = {member["address"] for member in self.leader().status()["status"]["members"]}
        self.assertEqual(listening, {f"{host.address}:{7000 + host.number}" for host in self.all})
        self.use_and_unmount(device)

    def test_fstab(self):
        device = self.make_volume()
        for host in self.all:
            host.write("/etc/fstab", f"{device}  {host.directory}  scoutfs  "
                                     f"{host.options('_netdev')}  0  0\n")
            host.run("mount", "-a", "-O", "no_netdev")
            self.assertFalse(host.is_mounted())
            host.run("mount", "-a", "-O", "_netdev")
            self.assertTrue(host.is_mounted())
            # A second time there is nothing to do.
            self.assertEqual(host.run("mount", "-a").err, "")
        self.a.put("file", "x")
        self.a.run("umount", "-a", "-t", "fuse.scoutfs,fuseblk.scoutfs")
        # As a shutdown does before it takes the network down.
        self.b.run("umount", "-a", "-O", "_netdev")
        self.c.run("umount", self.c.directory)
        for host in self.all:
            self.assertFalse(host.is_mounted())
            host.run("mount", host.directory)  # by its line
        self.use_and_unmount(device)

    def test_what_hosts_must_not_do(self):
        device = self.make_volume()
        outcome = self.a.mount(device, f"listen={self.b.address}", check=False)
        self.assertNotEqual(outcome.code, 0)
        self.assertRegex(outcome.err, f"cannot listen on {self.b.address}.*not an address of this")
        self.a.mount(device)
        again = self.a.mount(device, check=False)
        self.assertNotEqual(again.code, 0)
        self.assertIn("mounted on", again.err)
        for command in (["mkfs", "-f"], ["check"], ["print"]):
            refused = self.network.switch.run("scoutfs", *command, device, check=False)
            self.assertEqual(refused.code, 1, str(refused))
            self.assertRegex(refused.err, f"is mounted by .* at {self.a.address}:.*unmount it")
        taken = self.b.mount(device, "slot=0", check=False)
        self.assertNotEqual(taken.code, 0)
        self.assertRegex(taken.err, f"slot 0 is in use by .* at {self.a.address}")
        self.a.umount()
        self.check(device)


class Waiting(hosts.HostsTest):
    """What a mount waits for, it says; and a signal ends it."""

    def setUp(self):
        super().setUp()
        self.host = self.network.add_host()

    def mount_waits(self, command: list, device: str, says: str, interrupt):
        """A mount that cannot get on says why, and ends when `interrupt` is called with it."""
        out = self.host.folder / "out"
        with open(out, "w", encoding="utf-8") as file:
            process = self.host.start(*command, "-o", self.host.options(), device,
                                      self.host.directory, stdout=file, stderr=file)
        try:
            cluster.wait_until(lambda: says in out.read_text(), f"the mount to say '{says}'")
            interrupt(process)
            process.wait(20)
        finally:
            process.kill()
            process.wait(cluster.TIMEOUT)
        self.assertNotEqual(process.returncode, 0, out.read_text())
        cluster.wait_until(lambda: "scoutfs" not in self.host.run("ps", "-eo", "args=").out,
                           "the daemon to end", timeout=20)
        self.assertFalse(self.host.is_mounted())
        return out.read_text()

    def test_a_silent_disk_server(self):
        device = self.make_volume()
        server = child_of(self.network.disk)
        os.kill(server, signal.SIGSTOP)
        self.addCleanup(os.kill, server, signal.SIGCONT)
        for command, interrupt in ((MOUNT, press_control_c), (MOUNT, terminate),
                                   (SCOUTFS, press_control_c), (SCOUTFS, terminate),
                                   (FOREGROUND, press_control_c), (FOREGROUND, terminate)):
            with self.subTest(command=command, interrupt=interrupt.__name__):
                self.mount_waits(command, device, f"waiting for '{device}'", interrupt)

    def test_a_disk_that_stops_answering(self):
        device = self.make_volume()
        self.network.stop_serving()
        self.network.serve(filters=("--filter=delay", "delay-read=100"))
        text = self.mount_waits(SCOUTFS, device, f"waiting for '{device}'", terminate)
        self.assertIn("does not answer: giving up", text)

    def test_a_leader_that_does_not_answer(self):
        device = self.make_volume()
        leader = self.network.add_host()
        leader.mount(device)
        daemon = leader.status()["process"]
        leader.run("kill", "-STOP", daemon)
        for command, interrupt in ((MOUNT, terminate), (SCOUTFS, press_control_c),
                                   (FOREGROUND, terminate)):
            with self.subTest(command=command):
                text = self.mount_waits(command, device, "waiting for ", interrupt)
                self.assertIn(leader.address, text)
        leader.run("kill", "-CONT", daemon)
        # The interrupted ones hold nothing up, and left nothing.
        self.host.mount(device)
        self.host.put("file", "x")
        self.assertEqual(leader.get("file"), "x")
        self.host.umount()
        leader.umount()
        self.check(device)

    def test_a_disk_server_that_is_not_there(self):
        for device, says in ((f"nbd://{STORAGE}", "refused"), ("nbd://10.77.0.99", "route"),
                             ("nbd+unix:///?socket=/nowhere.sock", "No such file"),
                             ("nbd://nowhere.invalid", "nowhere.invalid")):
            with self.subTest(device=device):
                outcome = self.host.mount(device, check=False, timeout=90)
                self.assertNotEqual(outcome.code, 0)
                self.assertIn(says, outcome.err)
                self.assertIn(f"cannot connect to '{device}'", outcome.err.splitlines()[-1])


class Ending(hosts.HostsTest):
    def setUp(self):
        super().setUp()
        self.device = self.make_volume()
        self.host = self.network.add_host()

    def test_a_busy_mount_stays_until_it_is_free(self):
        self.host.mount(self.device)
        holder = self.host.start("bash", "-c", f"cd {self.host.directory}; exec sleep 1000")
        cluster.wait_until(lambda: os.readlink(f"/proc/{child_of(holder)}/cwd") != "/",
                           "the process to be there")
        outcome = self.host.umount(check=False)
        self.assertEqual(outcome.code, 32)
        self.assertRegex(outcome.err, "is in use; end what uses it")
        self.host.put("file", "still works")
        os.kill(child_of(holder), signal.SIGKILL)
        holder.wait(cluster.TIMEOUT)
        self.host.umount()
        self.check(self.device)

    def test_the_unmount_of_a_foreground_mount_waits_for_the_flush(self):
        foreground = self.host.start("scoutfs", "mount", "-F", "-o",
                                     self.host.options("commit=3600000"), self.device,
                                     self.host.directory)
        cluster.wait_until(self.host.is_mounted, "the mount")
        for number in range(300):
            self.host.put(f"file{number}", "x" * 10_000)
        self.host.umount()
        # The daemon is gone when umount returns: nobody else writes to the disk.
        self.assertNotIn("scoutfs", self.host.run("ps", "-eo", "args=").out)
        self.assertEqual(foreground.wait(cluster.TIMEOUT), 0)
        self.check(self.device)
        report = json.loads(self.network.switch.run("scoutfs", "check", "--json",
                                                    self.device).out)
        self.assertEqual(report["files"], 300)

    def test_signals_end_a_foreground_mount_cleanly(self):
        for interrupt in (press_control_c, terminate):
            foreground = self.host.start("scoutfs", "mount", "-F", "-o", self.host.options(),
                                         self.device, self.host.directory)
            cluster.wait_until(self.host.is_mounted, "the mount")
            self.host.put("file", interrupt.__name__)
            interrupt(foreground)
            # The shell's view: the program ended by itself.
            self.assertEqual(foreground.wait(cluster.TIMEOUT), 0)
            self.assertFalse(self.host.is_mounted())
            self.check(self.device)

    def test_a_killed_daemon_leaves_no_process_hanging(self):
        other = self.network.add_host()
        self.host.mount(self.device)
        other.mount(self.device)
        self.host.put("file", "x")
        # Readers, a writer, and one that waits for a lock of the other host, whose daemon stands.
        other.put("theirs", "x")
        standing = other.status()["process"]
        other.run("kill", "-STOP", standing)
        folder = self.host.directory
        users = [self.host.start("bash", "-c", script) for script in (
            f"while :; do cat {folder}/file >/dev/null || exit 7; done",
            f"while :; do date >{folder}/date || exit 7; done",
            f"echo y >{folder}/theirs || exit 7; exit 7")]
        time.sleep(0.5)  # so that some of them are in the middle of a call
        self.host.run("kill", "-KILL", self.host.status()["process"])
        for user in users:
            self.assertEqual(user.wait(20), 7)
        self.host.umount("-l")
        other.run("kill", "-CONT", standing)
        self.host.mount(self.device)
        self.host.put("theirs", "z")
        self.assertEqual(other.get("theirs"), "z")
        self.host.umount()
        other.umount()
        self.check(self.device)


if __name__ == "__main__":
    cluster.main()
