#!/usr/bin/env python3
"""Programs people use, on a mount: fio with verification, git, tar, sqlite3."""
import os
import shutil

import cluster
from cluster import run, shell


class Programs(cluster.ClusterTest):
    nodes = 2
    timeout = 400

    def test_fio_finds_every_block_it_wrote(self):
        a, b = self.cluster.nodes
        for name, arguments in (("seq", ["--rw=write", "--bs=1M"]),
                                ("rand", ["--rw=randwrite", "--bs=4k"]),
                                ("odd", ["--rw=randrw", "--bs=7k", "--bs_unaligned"])):
            with self.subTest(name):
                common = [f"--name={name}", "--size=32M", "--ioengine=psync", "--verify=crc32c",
                          "--verify_fatal=1", f"--filename={name}.data", *arguments]
                run("fio", *common, "--end_fsync=1", "--do_verify=1", cwd=a.directory,
                    timeout=300)
                # What one node wrote, the other verifies.
                if name != "odd":
                    run("fio", *common, "--verify_only", cwd=b.directory, timeout=300)
        self.finish()

    def test_git(self):
        a, b = self.cluster.nodes
        shell("""
            git init -q repository && cd repository
            git config user.name tester && git config user.email tester@example.com
            for i in $(seq 50); do mkdir -p d$((i % 7)); echo "line $i" > d$((i % 7))/f$i; done
            git add . && git commit -qm first
            for i in $(seq 10); do echo more >> d1/f1; git commit -qam "change $i"; done
            git gc -q
            git fsck --strict
            """, cwd=a.directory, timeout=300)
        shell("""
            git clone -q repository clone && cd clone
            test "$(git log --oneline | wc -l)" = 11
            git fsck --strict
            diff -r --exclude=.git . ../repository
            """, cwd=b.directory, timeout=300, env={"GIT_CONFIG_COUNT": "1",
                                                    "GIT_CONFIG_KEY_0": "safe.directory",
                                                    "GIT_CONFIG_VALUE_0": "*"})
        self.finish()

    def test_tar(self):
        a, b = self.cluster.nodes
        shell("""
            mkdir tree && cd tree
            for i in $(seq 200); do head -c $((i * 97)) /dev/urandom > f$i; done
            mkdir -p a/b/c; ln -s ../f1 a/link; ln f2 a/hard; mkfifo a/b/pipe
            truncate -s 10M a/b/c/sparse; printf end >> a/b/c/sparse
            chmod 600 f3; chown 12:34 f4; touch -d '2001-02-03 04:05:06' f5
            setfattr -n user.note -v text f6
            cd .. && tar --xattrs -cSf tree.tar tree
            """, cwd=a.directory, timeout=300)
        shell("""
            mkdir copy && tar --xattrs -xSpf tree.tar -C copy
            diff -r --no-dereference tree/a/b/c copy/tree/a/b/c
            (cd tree && find . -type f -print0 | sort -z | xargs -0 sha256sum) > left
            (cd copy/tree && find . -type f -print0 | sort -z | xargs -0 sha256sum) > right
            cmp left right
            list() { find . -mindepth 1 -printf '%P %y %m %U %G %s %T@ %n %l\\n' | sort; }
            (cd tree && list) > left
            (cd copy/tree && list) > right
            cmp left right
            test "$(getfattr --only-values -n user.note copy/tree/f6)" = text
            test "$(stat -c %h copy/tree/f2)" = 2
            """, cwd=b.directory, timeout=300)
        self.finish()

    def test_rm_of_a_whole_tree(self):
        a, b = self.cluster.nodes
        shell("for d in $(seq 20); do mkdir -p t/$d; touch t/$d/{1..30}; done", cwd=a.directory,
              timeout=300)
        run("rm", "-rf", b / "t", timeout=300)
        self.assertEqual(os.listdir(a.directory), [])
        self.finish()

    def test_a_full_disk_says_so_and_deletion_works(self):
        a, b = self.cluster.nodes
        with self.assertRaises(OSError) as caught:
            for number in range(100_000):
                with open(a / f"fill{number}", "wb") as file:
                    file.write(bytes(1 << 20))
        self.assertEqual(caught.exception.errno, 28, caught.exception)
        for name in os.listdir(b.directory):
            os.unlink(b / name)
        with open(b / "after", "wb") as file:
            file.write(bytes(1 << 20))
            os.fsync(file.fileno())
        self.finish()


class LocalLocks(cluster.ClusterTest):
    def setUp(self):
        self.use(cluster.Cluster(nodes=2))
        for node in self.cluster.nodes:
            node.start("local_locks")

    def test_sqlite3(self):
        a, b = self.cluster.nodes
        for journal in ("DELETE", "TRUNCATE"):
            shell(f"""
                sqlite3 {journal}.db 'PRAGMA journal_mode={journal};
                    CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);'
                for i in $(seq 20); do
                  sqlite3 {journal}.db "INSERT INTO t (v) VALUES (hex(randomblob(200)));"
                done
                sqlite3 {journal}.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL
                    SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t (v) SELECT i FROM n;
                    CREATE INDEX by_v ON t (v); DELETE FROM t WHERE id % 3 = 0; VACUUM;"
                """, cwd=a.directory, timeout=300)
            outcome = run("sqlite3", f"{journal}.db",
                          "PRAGMA integrity_check; SELECT count(*) FROM t;", cwd=b.directory)
            self.assertEqual(outcome.out.split(), ["ok", "3347"])
        self.cluster.unmount()
        self.cluster.check()


if __name__ == "__main__":
    assert shutil.which("fio") and shutil.which("sqlite3") and shutil.which("git")
    cluster.main()
