#!/usr/bin/env python3
"""What bad input gets: one line that says what is wrong, a non-zero exit, nothing changed."""
import os
import pathlib
import random
import re
import shutil
import socket
import tempfile
import unittest

import cluster
from cluster import run

SUPERBLOCKS = [(16 << 12, 16 << 12), (32 << 12, 16 << 12)]  # offset, bytes: two copies


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-e2e."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.image = self.folder / "disk.img"
        self.directory = self.folder / "mount"
        self.directory.mkdir()

    def make_image(self, megabytes=64, mkfs=()):
        self.image.write_bytes(b"")
        os.truncate(self.image, megabytes << 20)
        run("scoutfs", "mkfs", *mkfs, self.image)

    def refused(self, *command, says: str, code=1, timeout=20):
        before = self.image.read_bytes() if self.image.exists() else None
        outcome = run(*command, check=False, timeout=timeout)
        self.assertEqual(outcome.code, code, str(outcome))
        self.assertRegex(outcome.err, says)
        self.assertEqual(len(outcome.err.splitlines()), 1, str(outcome))
        after = self.image.read_bytes() if self.image.exists() else None
        self.assertTrue(before == after, f"{command} changed the device")
        self.assertFalse(cluster.is_mounted(self.directory))

    def mount_refused(self, *options, says: str, **more):
        self.refused("scoutfs", "mount", *options, self.image, self.directory, says=says, **more)

    def damage(self, offset: int, size: int):
        with open(self.image, "r+b") as file:
            file.seek(offset)
            file.write(random.randbytes(size))

    def test_no_scoutfs_device(self):
        self.image.write_bytes(bytes(64 << 20))
        self.mount_refused(says="not a scoutfs volume|superblock")
        self.refused("scoutfs", "check", self.image, says="not a scoutfs volume")
        self.refused("scoutfs", "print", self.image, says="not a scoutfs volume")
        self.image.unlink()
        self.mount_refused(says="disk.img.*No such file")
        self.refused("scoutfs", "check", self.image, says="No such file")
        self.refused("scoutfs", "mkfs", self.image, says="No such file")

    def test_one_damaged_superblock_copy_is_survived(self):
        for offset, size in SUPERBLOCKS:
            self.make_image(mkfs=["-f"])
            self.damage(offset, size)
            run("scoutfs", "mount", self.image, self.directory)
            (self.directory / "file").write_text("x")
            run("umount", self.directory)

    def test_two_damaged_superblock_copies_are_not(self):
        self.make_image()
        for offset, size in SUPERBLOCKS:
            self.damage(offset, size)
        self.mount_refused(says="superblock")
        self.refused("scoutfs", "check", self.image, says="superblock")

    def test_a_device_too_small_or_shrunk(self):
        self.image.write_bytes(bytes(15 << 20))
        self.refused("scoutfs", "mkfs", self.image, says="15728640 bytes.* at least 16777216")
        self.make_image()
        os.truncate(self.image, 32 << 20)
        self.mount_refused(says="small|shrunk|shorter|fewer")

    def test_what_is_there_is_kept_without_force(self):
        self.make_image()
        self.refused("scoutfs", "mkfs", self.image, says="holds a scoutfs volume.*-f")
        run("scoutfs", "mkfs", "-f", self.image)
        with open(self.image, "r+b") as file:
            file.write(bytes(1 << 20))
            file.seek(1080)
            file.write(b"\x53\xef")
        self.refused("scoutfs", "mkfs", self.image, says="ext2, ext3 or ext4.*-f")

    def test_bad_options_of_mkfs(self):
        self.image.write_bytes(bytes(64 << 20))
        for arguments, says in ((["-Q", "0"], "NR,ADDR,PORT"),
                                (["-Q", "15,10.0.0.1,7000"], "slots are numbered 0 to 14"),
                                (["-Q", "0,10.0.0.1,0"], "port"),
                                (["-Q", "0,10.0.0.1,7", "-Q", "0,10.0.0.2,7"], "slot 0.*twice"),
                                (["-Q", "0,10.0.0.1,7", "-Q", "1,10.0.0.1,7"], "twice"),
                                (["--cluster", ""], "cluster name"),
                                (["--nonsense"], "nonsense.*--help")):
            self.refused("scoutfs", "mkfs", *arguments, self.image, says=says, code=2)
        self.refused("scoutfs", "mkfs", says="device is required", code=2)
        self.refused("scoutfs", "nonsense", says="unrecognized command: 'nonsense'", code=2)

    def test_bad_options_of_mount(self):
        self.make_image()
        for options, says in (("nonsense", "unknown mount option 'nonsense'"),
                              ("nonsense=1", "unknown mount option 'nonsense=1'"),
                              ("listen=nonsense", "listen=nonsense.*IP"),
                              ("listen=224.0.0.1", "listen=224.0.0.1"),
                              ("slot=15", "slot=15"),
                              ("commit=0", "commit=0"),
                              ("item_cache=1", "item_cache=1"),
                              ("cache=all", "cache=all.*none"),
                              ("cluster=", "cluster="),
                              ("slot", "bad mount option 'slot', give slot=NR")):
            self.mount_refused("-o", options, says=says, code=2)
        # mount(8) reports its helper's line and its own exit code.
        outcome = run("mount", "-t", "scoutfs", "-o", "nonsense", self.image, self.directory,
                      check=False)
        self.assertNotEqual(outcome.code, 0)
        self.assertIn("unknown mount option 'nonsense'", outcome.err)

    def test_what_does_not_fit_the_volume(self):
        self.make_image(mkfs=["--cluster", "mine"])
        self.mount_refused(says="mine")
        self.mount_refused("-o", "cluster=mine,listen=192.0.2.1", says="192.0.2.1")

    def test_a_mounted_directory(self):
        self.make_image()
        run("scoutfs", "mount", self.image, self.directory)
        self.addCleanup(run, "umount", "-l", self.directory, check=False)
        outcome = run("scoutfs", "mount", self.image, self.directory, check=False)
        self.assertEqual(outcome.code, 1, str(outcome))
        self.assertIn("is mounted on", outcome.err)
        run("umount", self.directory)
        self.refused("scoutfs", "mount", self.image, self.folder / "nowhere",
                     says="nowhere.*No such file")
        self.refused("scoutfs", "mount", self.image, self.image, says="not a directory")

    def test_a_disk_that_cannot_be_reached(self):
        nowhere = f"nbd+unix:///?socket={self.folder}/nowhere.sock"
        self.refused("scoutfs", "mount", nowhere, self.directory, says="nowhere.sock", timeout=60)
        self.refused("scoutfs", "check", "nbd://127.0.0.1:1", says="127.0.0.1:1|refused",
                     timeout=60)

    def test_queries_need_a_mounted_volume(self):
        for command in (["walk-inodes", "meta_seq", "0", "-1"], ["stat"], ["statfs"], ["df"],
                        ["ino-path", "1"], ["status"]):
            self.refused("scoutfs", *command, self.folder, says="not on a mounted scoutfs volume")
        self.refused("scoutfs", "umount", self.folder, says="no scoutfs volume is mounted")

    def test_bad_index_positions(self):
        for first, last, says in (("x", "-1", "bad index pos at 'x'"),
                                  ("0", "1.x", "bad index pos at 'x'"),
                                  ("0", "1.2.3.4", r"bad index pos at '\.4'"),
                                  ("0", "18446744073709551616", "bad index pos"),
                                  ("0", "1.4294967296", "bad index pos")):
            self.refused("scoutfs", "walk-inodes", "meta_seq", first, last, self.folder,
                         says=says, code=2)
        self.refused("scoutfs", "walk-inodes", "size", "0", "-1", self.folder,
                     says="unknown index 'size', try 'meta_seq' or 'data_seq'", code=2)


class Peers(cluster.ClusterTest):
    nodes = 2

    def test_garbage_from_the_network_is_disconnected_and_harms_nobody(self):
        a, b = self.cluster.nodes
        status = a.status()["status"]
        members = {member["slot"]: member["address"] for member in status["members"]}
        address = status["leader_address"] or members[status["slot"]]
        host, port = re.match(r"(.*):(\d+)$", address).groups()
        for garbage in (b"GET / HTTP/1.0\r\n\r\n", random.Random(1).randbytes(100_000),
                        b"\xff" * 64, b""):
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                peer.settimeout(20)
                try:
                    peer.sendall(garbage)
                    if garbage:
                        while peer.recv(65536):
                            pass
                except ConnectionError:
                    pass
        (a / "file").write_text("still here")
        self.assertEqual((b / "file").read_text(), "still here")
        self.finish()


if __name__ == "__main__":
    cluster.main()
