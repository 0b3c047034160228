#!/usr/bin/env python3
"""What one node does, the others see at once: every operation, on three real mounts."""
import errno
import os
import stat
import threading

import cluster


def raises(code: int, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except OSError as error:
        assert error.errno == code, f"{error}; expected {errno.errorcode[code]}"
        return
    raise AssertionError(f"worked; expected {errno.errorcode[code]}")


class Visibility(cluster.ClusterTest):
    def on_others(self, look, expected):
        for node in self.cluster.nodes[1:]:
            self.assertEqual(look(node), expected, f"on node {node.number}")

    def test_names(self):
        a, b, c = self.cluster.nodes
        (a / "file").write_text("one")
        self.on_others(lambda node: (node / "file").read_text(), "one")
        os.mkdir(b / "folder")
        os.rename(a / "file", a / "folder/moved")
        self.on_others(lambda node: os.listdir(node.directory), ["folder"])
        self.on_others(lambda node: (node / "folder/moved").read_text(), "one")
        os.link(c / "folder/moved", c / "second")
        self.on_others(lambda node: os.stat(node / "folder/moved").st_nlink, 2)
        os.symlink("folder/moved", a / "pointer")
        self.on_others(lambda node: os.readlink(node / "pointer"), "folder/moved")
        self.on_others(lambda node: (node / "pointer").read_text(), "one")
        os.mkfifo(a / "fifo", 0o600)
        os.mknod(a / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        self.on_others(lambda node: stat.S_ISFIFO(os.stat(node / "fifo").st_mode), True)
        self.on_others(lambda node: os.stat(node / "device").st_rdev, os.makedev(1, 3))
        raises(errno.ENOTEMPTY, os.rmdir, b / "folder")
        raises(errno.EEXIST, os.mkdir, c / "folder")
        os.unlink(b / "folder/moved")
        raises(errno.ENOENT, os.stat, c / "folder/moved")
        self.on_others(lambda node: os.stat(node / "second").st_nlink, 1)
        os.rmdir(c / "folder")
        for node in self.cluster.nodes:
            self.assertEqual(sorted(os.listdir(node.directory)),
                             ["device", "fifo", "pointer", "second"])
        self.finish()

    def test_rename_over_and_across(self):
        a, b, c = self.cluster.nodes
        os.makedirs(a / "x/y")
        os.makedirs(b / "z")
        (a / "x/old").write_text("old")
        (b / "z/new").write_text("new")
        os.rename(c / "z/new", c / "x/old")
        for node in self.cluster.nodes:
            self.assertEqual((node / "x/old").read_text(), "new")
            self.assertEqual(os.listdir(node / "z"), [])
        raises(errno.EINVAL, os.rename, a / "x", a / "x/y/inside")
        os.rename(b / "x/y", b / "z/y")
        self.on_others(lambda node: os.stat(node / "z").st_nlink, 3)
        self.on_others(lambda node: os.stat(node / "x").st_nlink, 2)
        self.finish()

    def test_contents(self):
        a, b, c = self.cluster.nodes
        data = os.urandom(3 << 20)
        (a / "big").write_bytes(data)
        self.on_others(lambda node: (node / "big").read_bytes() == data, True)
        with open(b / "big", "r+b") as file:
            file.seek(1_000_001)
            file.write(b"changed")
        expected = data[:1_000_001] + b"changed" + data[1_000_008:]
        self.on_others(lambda node: (node / "big").read_bytes() == expected, True)
        os.truncate(c / "big", 5000)
        self.on_others(lambda node: os.stat(node / "big").st_size, 5000)
        os.truncate(a / "big", 9000)
        self.on_others(lambda node: (node / "big").read_bytes() == expected[:5000] + bytes(4000),
                       True)
        with open(b / "sparse", "wb") as file:
            file.seek(1 << 30)
            file.write(b"end")
        self.on_others(lambda node: os.stat(node / "sparse").st_size, (1 << 30) + 3)
        with open(c / "sparse", "rb") as file:
            self.assertEqual(file.read(4096), bytes(4096))
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_DATA), 1 << 30)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_HOLE), 0)
        with open(a / "room", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1 << 20)
        self.on_others(lambda node: os.stat(node / "room").st_size, 1 << 20)
        self.finish()

    def test_attributes(self):
        a, b, c = self.cluster.nodes
        (a / "file").write_text("x")
        os.chmod(b / "file", 0o640)
        self.on_others(lambda node: stat.S_IMODE(os.stat(node / "file").st_mode), 0o640)
        os.chown(c / "file", 1234, 5678)
        self.on_others(lambda node: (os.stat(node / "file").st_uid,
                                     os.stat(node / "file").st_gid), (1234, 5678))
        os.utime(a / "file", ns=(1_000_000_000_000_000_001, 2_000_000_000_000_000_002))
        self.on_others(lambda node: os.stat(node / "file").st_mtime_ns, 2_000_000_000_000_000_002)
        os.setxattr(b / "file", "user.color", b"green")
        self.on_others(lambda node: os.getxattr(node / "file", "user.color"), b"green")
        os.setxattr(c / "file", "user.long", b"v" * 60_000)
        self.on_others(lambda node: sorted(os.listxattr(node / "file")),
                       ["user.color", "user.long"])
        os.removexattr(a / "file", "user.color")
        raises(errno.ENODATA, os.getxattr, c / "file", "user.color")
        self.finish()

    def test_an_unlinked_file_lives_while_any_node_has_it_open(self):
        a, b, c = self.cluster.nodes
        (a / "file").write_bytes(b"kept" * 1000)
        with open(b / "file", "r+b") as file:
            os.unlink(c / "file")
            for node in self.cluster.nodes:
                self.assertFalse((node / "file").exists())
            self.assertEqual(file.read(), b"kept" * 1000)
            file.write(b"more")
            file.seek(4000)
            self.assertEqual(file.read(), b"more")
        self.finish()

    def test_appends_of_all_nodes_keep_every_record(self):
        rounds = 100
        open(self.cluster.nodes[0] / "log", "xb").close()

        def append(node):
            with open(node / "log", "ab", buffering=0) as file:
                for number in range(rounds):
                    file.write(b"%d %06d\n" % (node.number, number))
        threads = [threading.Thread(target=append, args=(node,)) for node in self.cluster.nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(cluster.TIMEOUT)
            self.assertFalse(thread.is_alive(), "an append hangs")
        lines = (self.cluster.nodes[1] / "log").read_bytes().splitlines()
        self.assertEqual(sorted(lines),
                         sorted(b"%d %06d" % (node, number)
                                for node in range(3) for number in range(rounds)))
        for node in range(3):
            own = [line for line in lines if line.startswith(b"%d " % node)]
            self.assertEqual(own, sorted(own))
        self.finish()

    def test_one_of_many_exclusive_creates_wins(self):
        winners = []

        def create(node, name):
            try:
                with open(node / name, "x", encoding="utf-8") as file:
                    file.write(str(node.number))
            except FileExistsError:
                return
            winners.append((name, str(node.number)))
        for number in range(30):
            threads = [threading.Thread(target=create, args=(node, f"f{number}"))
                       for node in self.cluster.nodes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(cluster.TIMEOUT)
                self.assertFalse(thread.is_alive(), "a create hangs")
        self.assertEqual(len(winners), 30)
        for name, owner in winners:
            self.assertEqual((self.cluster.nodes[0] / name).read_text(), owner)
        self.finish()

    def test_a_large_directory_lists_every_name_once(self):
        a, b, c = self.cluster.nodes
        names = [f"name-{number:05}" for number in range(2000)]
        for index, name in enumerate(names):
            open(self.cluster.nodes[index % 2] / name, "x").close()
        self.assertEqual(sorted(os.listdir(c.directory)), names)
        for name in names[::2]:
            os.unlink(b / name)
        self.assertEqual(sorted(os.listdir(a.directory)), names[1::2])
        self.finish()


if __name__ == "__main__":
    cluster.main()
