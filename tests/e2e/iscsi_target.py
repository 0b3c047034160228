"""A disk as the logical unit of an iSCSI target of the test's own: tgtd on loopback."""
import os
import socket
import subprocess

import cluster

NAME = "iqn.2026-11.scoutfs.test:disk"
# The caching mode page (SBC-3) with the write cache off: each write is durable when answered.
WRITE_THROUGH = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class IscsiTarget:
    """The file `image` as unit 1. It says whether what was not flushed survives its host."""

    def __init__(self, folder, image, write_through=True):
        self.image, self.write_through = image, write_through
        self.port = free_port()
        self.uri = f"iscsi://127.0.0.1:{self.port}/{NAME}/1"
        # Its control socket is apart from the host's.
        self.env = {"TGT_IPC_SOCKET": str(folder / "tgtd")}
        self.log = folder / "tgtd.log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["tgtd", "--foreground", "--iscsi", f"portal=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **self.env})
        cluster.wait_until(
            lambda: self.admin("target", "new", "-T", NAME, check=False).code == 0,
            "tgtd to answer")
        self.admin("logicalunit", "new", "--lun", 1, "-b", self.image)
        if self.write_through:
            self.admin("logicalunit", "update", "--lun", 1, "--params", WRITE_THROUGH)
        self.admin("target", "bind", "-I", "ALL")

    def admin(self, mode, operation, *words, check=True):
        return cluster.run("tgtadm", "--lld", "iscsi", "--mode", mode, "--op", operation,
                           "--tid", 1, *words, env=self.env, check=check)

    def kill(self):
        """As a crash of the target; its host goes on."""
        self.process.kill()
        self.process.wait(cluster.TIMEOUT)
        self.process = None
