"""A cluster of real mounts for the end-to-end tests: a disk served by nbdkit, nodes of one host.

Every wait has a bound. A process that hangs in a mount is freed by killing the mount's daemon,
which ends the FUSE connection; so teardown never waits for a filesystem. Only processes started
here are ever ended. Run by tools/with_install.sh, in a mount namespace of its own.
"""
import faulthandler
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIMEOUT = 60  # seconds, of one command
# Added to the options of every mount that does not say what its kernel may cache.
CACHE_OPTIONS = os.environ.get("SCOUTFS_CACHE_OPTIONS", "")
TEST_TIMEOUT = 150  # seconds, of one test; then its daemons are killed, which ends what hangs


class Hung(AssertionError):
    pass


class Outcome:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return f"{self.command} -> {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def run(*command, timeout=TIMEOUT, check=True, cwd=None, stdin=None, env=None) -> Outcome:
    """Runs a command to its end, or to its timeout: then it is killed and the test fails."""
    words = [str(word) for word in command]
    process = subprocess.Popen(
        words, cwd=cwd, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, **(env or {})})
    try:
        out, err = process.communicate(stdin.encode() if stdin is not None else None, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise Hung(f"{words} did not end within {timeout} s") from None
    outcome = Outcome(words, process.returncode, out.decode(errors="replace"),
                      err.decode(errors="replace"))
    if check and outcome.code != 0:
        raise AssertionError(str(outcome))
    return outcome


def shell(script: str, **more) -> Outcome:
    return run("bash", "-euo", "pipefail", "-c", script, **more)


def is_mounted(directory) -> bool:
    # Not os.path.ismount: it would ask the mount.
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == str(directory) for line in file)


def write_durably(path, data: bytes):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def wait_until(condition, what: str, timeout=TIMEOUT):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise Hung(f"waited {timeout} s for {what}")
        time.sleep(0.02)


class Node:
    """One mount, as `scoutfs mount -F` in a process of its own."""

    def __init__(self, cluster, number: int):
        self.cluster, self.number = cluster, number
        self.directory = cluster.folder / f"node{number}"
        self.directory.mkdir()
        self.log = cluster.folder / f"node{number}.log"
        self.process = None

    def __truediv__(self, name) -> pathlib.Path:
        return self.directory / name

    def start(self, options="", wait=True):
        if "cache=" not in options:
            options = f"{options},{CACHE_OPTIONS}".strip(",")
        options = f"slot={self.number},{options}".rstrip(",")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["scoutfs", "mount", "-F", "-o", options, self.cluster.device,
                 str(self.directory)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait_mounted()

    def wait_mounted(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"node {self.number} ended with {self.process.returncode}:\n"
                                     f"{self.tail()}")
            return is_mounted(self.directory)
        wait_until(ready, f"node {self.number} to mount; its log:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def unmount(self):
        run("umount", self.directory)
        wait_until(lambda: self.process.poll() is not None, f"node {self.number} to end")
        if self.process.returncode != 0:
            raise AssertionError(f"node {self.number} ended with {self.process.returncode}:\n"
                                 f"{self.tail()}")
        self.process = None

    def kill(self):
        """As a crash: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)
        self.process = None
        run("umount", "-l", self.directory, check=False)

    def status(self) -> dict:
        return json.loads(run("scoutfs", "status", "--json", self.directory).out)


class Cluster:
    def __init__(self, nodes=3, megabytes=1024, mkfs=(), plugin=None, disk_threads=1,
                 fencing=False, iscsi=None):
        """`plugin`: nbdkit's words for another disk than a file. `iscsi`: makes a target of
        (folder, image) that is the disk instead."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-e2e."))
        self.image = self.folder / "disk.img"
        self.megabytes = megabytes
        self.disk = None
        self.nodes = []
        self.device = f"nbd+unix:///?socket={self.folder}/disk.sock"
        self.target = None
        try:
            if iscsi is None:
                self.start_disk(self.fencing_plugin() if fencing else plugin, disk_threads)
            else:
                self.start_target(iscsi)
            run("scoutfs", "mkfs", *mkfs, self.device)
            self.nodes = [Node(self, number) for number in range(nodes)]
        except BaseException:
            self.close()
            raise

    def start_disk(self, plugin=None, threads=1):
        with open(self.image, "ab") as image:
            image.truncate(self.megabytes << 20)
        socket = self.folder / "disk.sock"
        socket.unlink(missing_ok=True)
        # One thread a connection, where nodes are killed: with several, nbdkit 1.32 asserts
        # (raw_send_socket, sock >= 0) when a client dies while two of them answer it, and takes
        # the disk of all along.
        self.disk = subprocess.Popen(
            ["nbdkit", "-f", "-t", str(threads), "-U", str(socket),
             *(plugin or ["file", str(self.image)])],
            stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(socket.exists, "nbdkit to listen")

    def start_target(self, make):
        with open(self.image, "ab") as image:
            image.truncate(self.megabytes << 20)
        self.target = make(self.folder, self.image)
        self.device = self.target.uri
        self.target.start()

    def start(self):
        for node in self.nodes:
            node.start()
        return self

    def fencing_plugin(self):
        """The disk's server as the project's plugin: it fences."""
        return ["scoutfs", f"file={self.image}"]

    def kill_disk(self):
        """As a crash of the server; its host goes on."""
        self.disk.kill()
        self.disk.wait(TIMEOUT)
        self.disk = None

    def unmount(self):
        for node in self.nodes:
            if node.process is not None:
                node.unmount()

    def check(self):
        """The volume, unmounted, is whole."""
        run("scoutfs", "check", self.device, timeout=4 * TIMEOUT)

    def abort(self):
        """Ends every call into the mounts that hangs: they fail when the daemons are gone."""
        print("the test takes too long; its threads:", file=sys.stderr)
        faulthandler.dump_traceback(all_threads=True)
        for node in self.nodes:
            process = node.process
            if process is not None:
                print(f"--- log of node {node.number}\n{node.tail()}", file=sys.stderr)
                process.kill()

    def close(self):
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
            if is_mounted(node.directory):
                subprocess.run(["umount", "-l", str(node.directory)], check=False, timeout=TIMEOUT)
        target = self.target.process if self.target is not None else None
        for process in [node.process for node in self.nodes] + [self.disk, target]:
            if process is not None:
                process.kill()
                process.wait(TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)


class ClusterTest(unittest.TestCase):
    """Each test gets a cluster of its own, unmounts it and finds the volume whole."""
    nodes = 3
    megabytes = 1024
    timeout = TEST_TIMEOUT

    def setUp(self):
        self.use(Cluster(self.nodes, self.megabytes))
        self.cluster.start()

    def use(self, new):
        """Makes `new` the test's cluster: it is closed at the end, or when the test hangs."""
        self.cluster = new
        self.addCleanup(new.close)
        watchdog = threading.Timer(self.timeout, new.abort)
        watchdog.daemon = True
        watchdog.start()
        self.addCleanup(watchdog.cancel)

    def finish(self):
        self.cluster.unmount()
        self.cluster.check()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before and hasattr(self, "logs"):
            print(self.logs, file=sys.stderr)

    def tearDown(self):
        self.logs = "\n".join(f"--- log of node {node.number}\n{node.tail()}"
                              for node in self.cluster.nodes if node.log.exists())


def main():
    unittest.main(verbosity=2)
