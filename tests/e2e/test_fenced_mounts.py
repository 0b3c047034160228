#!/usr/bin/env python3
"""Three mounts on the disk server that fences: one stands still or dies, the others go on, and its
kernel serves nothing old; when it wakes it is shut out, as -o on-fence says, and comes back."""
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import cluster
from cluster import run
from test_fencing import Load

# Looks at a file of a mount in one way, when it starts and again when it is told to, and prints
# what it saw each time: a line that begins with "saw" or "error".
LOOK = """
import mmap, os, sys
kind, path = sys.argv[1:]
size = 5
def read(fd):
    return os.pread(fd, size, 0).decode()
def send(fd):
    out, into = os.pipe()
    os.sendfile(into, fd, 0, size)
    return os.read(out, size).decode()
if kind == "open":
    def look():
        fd = os.open(path, os.O_RDONLY)
        try: return read(fd)
        finally: os.close(fd)
elif kind == "stat":
    def look(): return str(os.stat(path).st_size)
elif kind == "missing":
    def look():
        try: return str(os.lstat(path + ".new").st_size)
        except FileNotFoundError: return "nothing"
elif kind == "fstat":
    fd = os.open(path, os.O_RDONLY)
    def look(): return str(os.fstat(fd).st_size)
elif kind == "pread":
    fd = os.open(path, os.O_RDONLY)
    def look(): return read(fd)
elif kind == "sendfile":
    fd = os.open(path, os.O_RDONLY)
    def look(): return send(fd)
elif kind == "mmap":
    fd = os.open(path, os.O_RDONLY)
    memory = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
    def look(): return bytes(memory[:size]).decode()
def tell():
    try: print("saw", look(), flush=True)
    except OSError as error: print("error", error.errno, flush=True)
tell()
for line in sys.stdin: tell()
"""
KINDS = ("open", "stat", "missing", "fstat", "pread", "sendfile", "mmap")
OLD, NEW = "old..", "new....."
# What a fenced mount, or one whose connection was aborted, may answer.
REFUSALS = {errno.EIO, errno.ENOTCONN, errno.ECONNABORTED}


class Looker:
    def __init__(self, kind, path):
        self.kind = kind
        self.process = subprocess.Popen([sys.executable, "-c", LOOK, kind, str(path)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""
        self.first = self.wait()

    def line(self):
        """A line, or "" if none has come yet."""
        self.text += self.process.stdout.read() or b""
        line, found, rest = self.text.partition(b"\n")
        if not found:
            return ""
        self.text = rest
        return line.decode()

    def wait(self):
        """The next line; "died" if its process did, as it does of a page that is not to be had."""
        lines = []

        def came():
            lines.append(self.line())
            return lines[-1] != "" or self.process.poll() is not None
        cluster.wait_until(came, f"an answer by {self.kind}")
        return lines[-1] or self.line() or "died"

    def look_again(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait(cluster.TIMEOUT)
        self.process.stdin.close()
        self.process.stdout.close()


class FencedMounts(cluster.ClusterTest):
    def start(self, options="cache=full"):
        self.use(cluster.Cluster(nodes=3, fencing=True))
        for node in self.cluster.nodes:
            node.start(options)
        self.leader, self.other, self.victim = self.cluster.nodes

    def setUp(self):
        pass

    def stop(self, node):
        node.process.send_signal(signal.SIGSTOP)
        self.addCleanup(node.process.send_signal, signal.SIGCONT)

    def watchdog(self, node):
        """The process that takes the kernel's caches away when the node's own stands still."""
        task = pathlib.Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children")
        for pid in task.read_text().split():
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "scoutfs-lease":
                return int(pid)
        self.fail("there is no watchdog")

    def fenced(self):
        listed = json.loads(run("scoutfs", "fence", "list", "--json", self.cluster.device).out)
        return {entry["rid"] for entry in listed["server"]["fenced"]}

    def end(self, node):
        """Unmounts it. Returns the daemon's exit code."""
        run("umount", node.directory)
        code = node.process.wait(cluster.TIMEOUT)
        node.process = None
        return code

    def fence(self, node):
        """A node that stands still while another one needs what it has, and then goes on."""
        (node / "held").write_text("x")
        rid = node.status()["status"]["rid"]
        self.stop(node)
        (self.other / "held").write_text("y")
        self.assertIn(rid, self.fenced())
        node.process.send_signal(signal.SIGCONT)

    def come_back(self, node):
        node.start("cache=full")
        self.assertEqual((node / "held").read_text(), "y")
        self.finish()

    def test_the_kernel_of_a_stopped_node_serves_nothing_old(self):
        self.start()
        (self.other / "shared").mkdir()
        path = "shared/file"
        (self.other / path).write_text(OLD)
        time.sleep(1.5)  # for it to be read through the cache
        lookers = [Looker(kind, self.victim / path) for kind in KINDS]
        for looker in lookers:
            self.addCleanup(looker.close)
            self.assertTrue(looker.first.startswith("saw"), f"{looker.kind}: {looker.first}")
            looker.look_again()  # from the cache
            self.assertEqual(looker.wait(), looker.first)
        load = Load(self.victim)
        load.wait_for(20)
        self.addCleanup(load.stop)
        rid = self.victim.status()["status"]["rid"]
        self.stop(self.victim)
        begin = time.monotonic()
        (self.other / path).write_text(NEW)
        (self.other / (path + ".new")).write_text(NEW)
        taken = time.monotonic() - begin
        for looker in lookers:
            looker.look_again()
        time.sleep(1)
        early = {looker.kind: looker.line() for looker in lookers}
        self.assertIn(rid, self.fenced())
        # Each waits for the daemon, was refused, or died of the page that it did not get.
        for kind, line in early.items():
            self.assertFalse(line.startswith("saw"), f"{kind}: {line}")
        self.victim.process.send_signal(signal.SIGCONT)
        for looker in lookers:
            line = early[looker.kind] or looker.wait()
            refused = line == "died" or (line.startswith("error") and
                                         int(line.split()[1]) in REFUSALS)
            self.assertTrue(refused, f"{looker.kind}: {line}")
        cluster.wait_until(lambda: load.error is not None, "the fenced node's writer to fail")
        self.assertIn(load.error.errno, REFUSALS)
        self.assertIn("fenced", self.victim.log.read_text())
        print(f"taken over from the stopped node after {taken:.1f} s; looks meanwhile: {early}")
        for looker in lookers:
            looker.close()
        self.end(self.victim)
        self.assertEqual((self.other / path).read_text(), NEW)
        self.victim.start("cache=full")
        self.assertEqual((self.victim / path).read_text(), NEW)
        for number in load.durable:
            self.assertEqual((self.leader / load.path(number)).read_bytes(), load.data(number))
        self.finish()

    def test_a_pause_that_cost_nothing_is_over_when_it_is(self):
        self.start()
        (self.victim / "file").write_text(OLD)
        time.sleep(1.5)
        looker = Looker("mmap", self.victim / "file")
        self.addCleanup(looker.close)
        self.stop(self.victim)
        time.sleep(3)
        looker.look_again()
        time.sleep(0.5)
        self.assertEqual(looker.line(), "")
        self.victim.process.send_signal(signal.SIGCONT)
        self.assertEqual(looker.wait(), looker.first)
        self.assertEqual((self.victim / "file").read_text(), OLD)
        self.assertNotIn("fenced", self.victim.log.read_text())
        looker.close()
        self.finish()

    def test_what_was_cached_goes_with_a_daemon_that_was_killed(self):
        self.start()
        (self.other / "file").write_text(OLD)
        time.sleep(1.5)
        lookers = [Looker(kind, self.victim / "file") for kind in KINDS]
        for looker in lookers:
            self.addCleanup(looker.close)
        rid = self.victim.status()["status"]["rid"]
        self.victim.process.kill()
        self.victim.process.wait(cluster.TIMEOUT)
        (self.other / "file").write_text(NEW)
        for looker in lookers:
            looker.look_again()
            line = looker.wait()
            self.assertFalse(line.startswith("saw"), f"{looker.kind}: {line}")
        self.assertIn(rid, self.fenced())
        for looker in lookers:
            looker.close()
        run("umount", "-l", self.victim.directory)
        self.victim.start("cache=full")
        self.assertEqual((self.victim / "file").read_text(), NEW)
        self.finish()

    def test_a_watchdog_that_was_killed_is_replaced(self):
        self.start()
        (self.other / "file").write_text(OLD)
        time.sleep(1.5)
        looker = Looker("mmap", self.victim / "file")
        self.addCleanup(looker.close)
        os.kill(self.watchdog(self.victim), signal.SIGKILL)
        cluster.wait_until(lambda: "another one is started" in self.victim.log.read_text(),
                           "another watchdog")
        self.stop(self.victim)
        (self.other / "file").write_text(NEW)
        looker.look_again()
        time.sleep(0.5)
        line = looker.line()
        self.assertFalse(line.startswith("saw"), line)
        self.victim.process.send_signal(signal.SIGCONT)
        looker.close()
        self.end(self.victim)
        self.finish()

    def test_on_fence_eio(self):
        self.start("on-fence=eio")
        self.fence(self.victim)
        for what in (lambda: (self.victim / "held").read_text(),
                     lambda: (self.victim / "another").write_text("z"),
                     lambda: os.listdir(self.victim.directory)):
            with self.assertRaises(OSError) as refused:
                what()
            self.assertEqual(refused.exception.errno, errno.EIO)
        self.end(self.victim)
        self.come_back(self.victim)

    def test_on_fence_freeze(self):
        self.start("on-fence=freeze")
        self.fence(self.victim)
        # What waits can be killed, and nothing is answered.
        script = f"cat {self.victim / 'held'}"
        waiting = subprocess.Popen(["sh", "-c", f"exec {script}"], stdout=subprocess.PIPE,
                                   start_new_session=True)
        self.addCleanup(waiting.stdout.close)
        self.addCleanup(waiting.kill)
        time.sleep(1.5)
        self.assertIsNone(waiting.poll())
        waiting.kill()
        waiting.wait(cluster.TIMEOUT)
        self.assertEqual(waiting.stdout.read(), b"")
        self.victim.process.terminate()
        self.victim.process.wait(cluster.TIMEOUT)
        self.victim.process = None
        self.assertFalse(cluster.is_mounted(self.victim.directory))
        self.come_back(self.victim)

    def test_on_fence_exit(self):
        self.start("on-fence=exit")
        self.fence(self.victim)
        self.assertEqual(self.victim.process.wait(cluster.TIMEOUT), 75)
        self.victim.process = None
        with self.assertRaises(OSError) as refused:
            (self.victim / "held").read_text()
        self.assertIn(refused.exception.errno, REFUSALS)
        run("umount", self.victim.directory)
        self.come_back(self.victim)

    def test_one_that_was_killed_is_taken_over_by_fencing(self):
        self.start()
        loads = [Load(node) for node in (self.other, self.victim)]
        for load in loads:
            self.addCleanup(load.stop)
            load.wait_for(20)
        rid = self.victim.status()["status"]["rid"]
        self.victim.kill()
        begin = time.monotonic()
        # It held the lock of the directory it wrote in.
        (self.other / "load2" / "mine").write_text("x")
        print(f"the dead node's directory was taken over after {time.monotonic() - begin:.1f} s")
        self.assertIn(rid, self.fenced())
        loads[0].wait_for(20)
        for load in loads:
            load.stop()
            for number in load.durable:
                self.assertEqual((self.leader / load.path(number)).read_bytes(),
                                 load.data(number))
        self.assertIsNone(loads[0].error)
        self.victim.start()
        self.assertEqual(pathlib.Path(self.victim / "load2" / "mine").read_text(), "x")
        self.finish()


if __name__ == "__main__":
    cluster.main()
