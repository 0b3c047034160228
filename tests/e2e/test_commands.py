#!/usr/bin/env python3
"""The commands as typed: the quick start, the exact tables, JSON, mount(8) and umount(8)."""
import json
import os
import re
import shutil
import time

import cluster
from cluster import run, shell


def rows(table: str):
    """(number, major, minor, ino) of each row; the layout must be the exact one."""
    found = []
    for index, line in enumerate(table.splitlines()):
        if index % 26 == 0:
            assert line == "%-20s %-20s %-10s %-20s" % ("#", "major", "minor", "ino"), repr(line)
            continue
        numbers = line.split()
        assert line == "%-20s %-20s %-10s %-20s" % tuple(numbers), repr(line)
        found.append(tuple(int(number) for number in numbers))
    assert [row[0] for row in found] == list(range(len(found)))
    return found


class QuickStart(cluster.ClusterTest):
    def setUp(self):
        # As typed: mount(8) finds the helper.
        self.use(cluster.Cluster(nodes=0))
        self.folders = [self.cluster.folder / name for name in ("a", "b", "c")]
        for folder in self.folders:
            folder.mkdir()
            self.addCleanup(run, "umount", "-l", folder, check=False)
            run("mount", "-t", "scoutfs", "-o", "cluster=scoutfs,listen=127.0.0.1",
                self.cluster.device, folder)

    def walk(self, folder, index="meta_seq"):
        return rows(run("scoutfs", "walk-inodes", index, "0", "-1", folder).out)

    def test_the_quick_start_as_typed(self):
        a, b, c = self.folders
        self.assertEqual([row[3] for row in self.walk(c)], [1])
        shell(f"touch {a}/one; sync")
        one = os.stat(c / "one").st_ino
        first = self.walk(c)
        self.assertEqual({row[3] for row in first}, {1, one})
        shell(f"touch {b}/two; sync")
        two = os.stat(c / "two").st_ino
        second = self.walk(c)
        self.assertEqual([row[3] for row in second][0], one)
        self.assertEqual({row[3] for row in second}, {1, one, two})
        shell(f"touch {a}/one; sync")
        third = self.walk(c)
        self.assertEqual([row[3] for row in third][-1], one)
        self.assertGreater(third[-1][1], second[-1][1])
        self.assertEqual({row[3] for row in self.walk(c, "data_seq")}, {one, two})
        for folder in self.folders:
            self.assertEqual(self.walk(folder), third)
        # A walk needs no sync: it has the others commit.
        (b / "three").write_text("x")
        self.assertEqual(self.walk(a)[-1][3], os.stat(b / "three").st_ino)
        for folder in self.folders:
            run("umount", folder)
            self.assertFalse(cluster.is_mounted(folder))
        self.cluster.check()

    def test_umount_returns_when_all_is_recorded(self):
        a = self.folders[0]
        for folder in self.folders[1:]:
            run("scoutfs", "umount", folder)
        for number in range(200):
            (a / f"f{number}").write_text("x" * number)
        run("umount", a)
        self.assertEqual(os.listdir("/run/scoutfs"), [])
        report = json.loads(run("scoutfs", "check", "--json", self.cluster.device).out)
        self.assertTrue(report["clean"])
        self.assertEqual(report["files"], 200)
        self.assertEqual(report["granted_blocks"], 0)
        self.assertEqual(report["members_not_unmounted"], [])


class Queries(cluster.ClusterTest):
    nodes = 2

    def test_positions_select_the_range(self):
        a, b = self.cluster.nodes
        for number in range(60):
            (a / f"f{number}").write_text("x")
            if number % 10 == 0:
                os.sync()
                time.sleep(0.01)
        walk = lambda *range_: rows(  # noqa: E731
            run("scoutfs", "walk-inodes", "meta_seq", *range_, b.directory).out)
        everything = walk("0", "-1")
        self.assertEqual(len(everything), 61)
        self.assertEqual(everything, sorted(everything, key=lambda row: (row[1], row[3])))
        middle = everything[30]
        tail = walk(f"{middle[1]}.0.{middle[3]}", "-1")
        self.assertEqual([row[1:] for row in tail], [row[1:] for row in everything[30:]])
        exact = walk(f"{middle[1]}.0.{middle[3]}", f"0x{middle[1]:x}.0.{middle[3]}")
        self.assertEqual([row[1:] for row in exact], [middle[1:]])
        self.assertEqual(run("scoutfs", "walk-inodes", "META_SEQ", "-1", "0", b.directory).out, "")
        by_option = run("scoutfs", "walk-inodes", "meta_seq", "0", "-1", "-p", b.directory)
        self.assertEqual(rows(by_option.out), everything)
        inside = run("scoutfs", "walk-inodes", "meta_seq", "0", "-1", cwd=b.directory)
        self.assertEqual(rows(inside.out), everything)
        document = json.loads(run("scoutfs", "walk-inodes", "--json", "meta_seq", "0", "-1",
                                  b.directory).out)
        self.assertEqual([(entry["major"], entry["ino"]) for entry in document["entries"]],
                         [(row[1], row[3]) for row in everything])
        self.finish()

    def test_queries_agree_in_text_and_json(self):
        a, b = self.cluster.nodes
        (a / "file").write_bytes(bytes(10_000))
        os.mkdir(a / "folder")
        os.link(a / "file", a / "folder/again")
        ino = os.stat(a / "file").st_ino
        text = run("scoutfs", "stat", b / "file").out
        self.assertRegex(text, r"(?m)^path              \S+/file$")
        fields = dict(line.split(None, 1) for line in text.splitlines())
        document = json.loads(run("scoutfs", "stat", "--json", b / "file").out)[0]
        self.assertEqual({name: str(value) for name, value in document.items()}, fields)
        self.assertEqual(document["online_blocks"], 3)
        one = run("scoutfs", "stat", "-s", "data_version", b / "file").out
        self.assertEqual(one.strip(), fields["data_version"])
        self.assertEqual(run("scoutfs", "stat", "-s", "nonsense", b / "file", check=False).code, 2)
        self.assertEqual(sorted(run("scoutfs", "ino-path", ino, b.directory).out.split()),
                         ["file", "folder/again"])
        space = json.loads(run("scoutfs", "df", "--json", b.directory).out)
        self.assertEqual(space["total_blocks"], space["used_blocks"] + space["free_blocks"])
        self.assertEqual(run("scoutfs", "df", b.directory).out.split()[6:8], ["Shared", "4KB"])
        identity = json.loads(run("scoutfs", "statfs", "--json", b.directory).out)
        self.assertRegex(identity["fsid"], "^[0-9a-f]{16}$")
        status = b.status()
        self.assertEqual(status["fsid"], identity["fsid"])
        self.assertEqual(status["status"]["rid"], identity["rid"])
        leader = next(node for node in self.cluster.nodes if node.status()["status"]["leader"])
        self.assertEqual(len(leader.status()["status"]["members"]), 2)
        self.assertIn("this node", run("scoutfs", "status", leader.directory).out)
        self.finish()

    def test_status_answers_when_the_mount_hangs(self):
        a, b = self.cluster.nodes
        leader = next(node for node in self.cluster.nodes if node.status()["status"]["leader"])
        member = b if leader is a else a
        leader.process.send_signal(19)  # SIGSTOP
        try:
            status = member.status()
            self.assertEqual(status["directory"], str(member.directory))
        finally:
            leader.process.send_signal(18)  # SIGCONT
        self.finish()

    def test_mount_flags_are_the_kernels(self):
        a, b = self.cluster.nodes
        shutil.copy("/bin/true", a / "program")
        run(a / "program")
        b.unmount()
        b.start("ro,noexec,nosuid")
        self.assertEqual(run("touch", b / "new", check=False).code, 1)
        with self.assertRaises(PermissionError):
            run(b / "program")
        self.assertIn("Read-only", run("touch", b / "new", check=False).err)
        self.finish()


class Installed(cluster.unittest.TestCase):
    def test_every_command_has_help_and_a_manual_page(self):
        commands = re.findall(r"(?m)^  ([a-z-]+) ", run("scoutfs", "--help").out.split(
            "Subcommands:")[1])
        self.assertGreater(len(commands), 12)
        for command in commands:
            self.assertIn("Usage: scoutfs " + command, run("scoutfs", command, "--help").out)
            self.assertTrue(os.path.exists(f"/usr/local/share/man/man8/scoutfs-{command}.8"))
        for page in ("scoutfs", "mount.scoutfs", "scoutfs-walk-inodes"):
            text = run("man", "-P", "cat", page, env={"MANPATH": "/usr/local/share/man"})
            self.assertIn("SYNOPSIS", text.out, str(text))

    def test_manual_pages_show_flags_without_values(self):
        with open("/usr/local/share/man/man8/scoutfs-mkfs.8", encoding="utf-8") as file:
            page = file.read().replace("\\-", "-")
        self.assertIn("scoutfs mkfs [-f] [-Q QUORUM-SLOT]... [--cluster CLUSTER] [--json] [-h] "
                      "DEVICE", page)

    def test_bash_completes_commands_and_options(self):
        outcome = shell("""
            source /usr/local/share/bash-completion/completions/scoutfs
            COMP_WORDS=(scoutfs wal) COMP_CWORD=1; _scoutfs; echo "${COMPREPLY[@]}"
            COMP_WORDS=(scoutfs mkfs --cl) COMP_CWORD=2; _scoutfs; echo "${COMPREPLY[@]}"
            """)
        self.assertEqual(outcome.out.split(), ["walk-inodes", "--cluster"])


if __name__ == "__main__":
    cluster.main()
