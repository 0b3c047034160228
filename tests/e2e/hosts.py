"""Hosts for the end-to-end tests: each with its own address, processes, mounts and machine-id.

A `Network` is a switch, with the storage server on it; a `Host` is a network, process and mount
namespace with a cable to the switch. What runs on a host dies with it, and so do its mounts: a test
that fails leaves nothing behind.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import cluster

STORAGE = "10.77.0.254"


def child_of(process) -> int:
    """The process that nsenter started, as the test's own process table numbers it."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    cluster.wait_until(lambda: path.read_text().split(), "nsenter to start the command")
    return int(path.read_text().split()[0])


def processes_of_group(group: int) -> list:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            found.append(int(path.parent.name))
    return found


class Space:
    """Namespaces that live as long as their first process, which does nothing but reap."""

    def __init__(self, *kinds):
        # The first process answers the start with a line, so that what follows finds it.
        self.holder = subprocess.Popen(
            ["unshare", *[f"--{kind}" for kind in kinds], "--fork", "--kill-child", "--",
             "bash", "-c", "trap : TERM INT; echo; while :; do sleep 1000 & wait; done"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True)
        self.holder.stdout.readline()
        self.pid = child_of(self.holder)

    def enter(self) -> list:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--"]

    def run(self, *command, **more) -> cluster.Outcome:
        return cluster.run(*self.enter(), *command, **more)

    def start(self, *command, **more) -> subprocess.Popen:
        """As Popen, whose process is nsenter's; child_of() is the command's."""
        return subprocess.Popen([*self.enter(), *[str(word) for word in command]],
                                stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def kill_all(self):
        """Ends the first process, and so all."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        self.kill_all()
        self.holder.kill()
        self.holder.wait(cluster.TIMEOUT)
        self.holder.stdout.close()


class Network:
    """A switch; the storage server is a process on it, at STORAGE, port 10809."""

    def __init__(self, megabytes=1024):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-e2e."))
        self.hosts, self.switch, self.disk = [], None, None
        try:
            self.image = self.folder / "disk.img"
            with open(self.image, "ab") as image:
                image.truncate(megabytes << 20)
            self.switch = Space("net", "mount", "pid", "mount-proc")
            for words in ("link set lo up", "link add switch type bridge",
                          f"addr add {STORAGE}/24 dev switch", "link set switch up"):
                self.switch.run("ip", *words.split())
        except BaseException:
            self.close()
            raise

    def serve(self, unix=False, filters=()) -> str:
        """Starts nbdkit; returns the URI of the disk."""
        socket = self.folder / "disk.sock"
        where = ["-U", socket] if unix else ["-i", STORAGE]
        ready = self.folder / "nbdkit.pid"
        ready.unlink(missing_ok=True)
        socket.unlink(missing_ok=True)
        words = [word for word in filters if word.startswith("-")]
        parameters = [word for word in filters if not word.startswith("-")]
        self.disk = self.switch.start("nbdkit", "-f", "-t", "1", "-P", ready, *where, *words,
                                      "file", self.image, *parameters)
        cluster.wait_until(ready.exists, "nbdkit to listen")
        return f"nbd+unix:///?socket={socket}" if unix else f"nbd://{STORAGE}"

    def stop_serving(self):
        os.kill(child_of(self.disk), signal.SIGKILL)
        self.disk.wait(cluster.TIMEOUT)

    def add_host(self) -> "Host":
        self.hosts.append(Host(self, len(self.hosts) + 1))
        return self.hosts[-1]

    def kill_hosts(self):
        for host in self.hosts:
            host.kill_all()

    def close(self):
        """Every process of the hosts dies, and every mount of theirs with it."""
        for host in self.hosts:
            host.close()
        if self.switch is not None:
            self.switch.close()
        if self.disk is not None:
            self.disk.kill()
            self.disk.wait(cluster.TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Host(Space):
    """A host at 10.77.0.NUMBER that mounts on its own `directory`."""

    def __init__(self, network: Network, number: int):
        super().__init__("net", "mount", "pid", "mount-proc")
        self.network, self.number = network, number
        self.address = f"10.77.0.{number}"
        self.folder = network.folder / f"host{number}"
        self.directory = self.folder / "mnt"
        self.log = self.folder / "log"
        try:
            self.set_up()
        except BaseException:
            self.close()
            raise

    def set_up(self):
        self.directory.mkdir(parents=True)
        # The peer's namespace is named by a process of the outer table.
        cluster.run("nsenter", "--target", self.network.switch.pid, "--net", "ip", "link", "add",
                    f"host{self.number}", "type", "veth", "peer", "name", "eth0", "netns",
                    self.pid)
        self.network.switch.run("ip", "link", "set", f"host{self.number}", "master", "switch",
                                "up")
        for words in ("link set lo up", f"addr add {self.address}/24 dev eth0",
                      "link set eth0 up"):
            self.run("ip", *words.split())
        for folder in ("/run/scoutfs", "/run/mount"):
            self.run("mount", "-t", "tmpfs", "-o", "mode=755", "run", folder)
        # What this host writes to /etc is seen by nobody else.
        over = self.folder / "etc"
        over.mkdir()
        self.run("mount", "-t", "tmpfs", "-o", "mode=755", "etc", over)
        self.run("mkdir", over / "upper", over / "work")
        self.run("mount", "-t", "overlay", "-o",
                 f"lowerdir=/etc,upperdir={over}/upper,workdir={over}/work", "etc", "/etc")
        self.write("/etc/machine-id", f"{self.number:032x}\n")
        self.write("/etc/fstab", "")

    def options(self, more="") -> str:
        return f"cluster=scoutfs,listen={self.address},log={self.log},{more}".rstrip(",")

    def mount(self, device: str, options="", **more) -> cluster.Outcome:
        return self.run("mount", "-t", "scoutfs", "-o", self.options(options), device,
                        self.directory, **more)

    def umount(self, *words, **more) -> cluster.Outcome:
        return self.run("umount", *words, self.directory, **more)

    def status(self) -> dict:
        return json.loads(self.run("scoutfs", "status", "--json", self.directory).out)

    def is_mounted(self) -> bool:
        mounts = self.run("cat", "/proc/mounts").out
        return any(line.split()[1] == str(self.directory) for line in mounts.splitlines())

    def write(self, path, text: str):
        self.run("tee", path, stdin=text)

    def put(self, name: str, text: str):
        self.write(self.directory / name, text)

    def get(self, name: str) -> str:
        return self.run("cat", self.directory / name).out

    def tail(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-15:])


class HostsTest(unittest.TestCase):
    """A test of hosts of its own, on the disk of its own that the storage server serves."""
    timeout = cluster.TEST_TIMEOUT
    logs = ""

    def setUp(self):
        self.network = Network()
        self.addCleanup(self.network.close)
        # What hangs in a mount is freed by the end of its daemon.
        watchdog = threading.Timer(self.timeout, self.network.kill_hosts)
        watchdog.daemon = True
        watchdog.start()
        self.addCleanup(watchdog.cancel)

    def make_volume(self, unix=False, mkfs=()) -> str:
        """Returns its URI."""
        device = self.network.serve(unix)
        self.network.switch.run("scoutfs", "mkfs", *mkfs, device)
        return device

    def check(self, device: str):
        report = json.loads(self.network.switch.run("scoutfs", "check", "--json", device).out)
        self.assertTrue(report["clean"])
        self.assertEqual(report["members_not_unmounted"], [])

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(self.logs, file=sys.stderr)

    def tearDown(self):
        self.logs = "\n".join(f"--- log of host {host.number}\n{host.tail()}"
                              for host in self.network.hosts)
