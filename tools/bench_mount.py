#!/usr/bin/env python3
"""Measures mounts beside what FUSE itself allows, and prints one JSON object.

Four kinds of filesystem run the same phases (bench/mounted/mount_bench.cpp) in turn, several
rounds, on one machine at one time: scoutfs with one node and with three (nbdkit's memory as the
disk), a FUSE filesystem that does nothing (bench/mounted/ceiling.cpp) with one thread and with
four, and ext4 on a loop device. Each figure is the median of the rounds; compare only within one
run. As root, where this build is installed: tools/with_install.sh, as `just bench-mount` does.
Nothing is left behind, on failure too.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
import cluster  # noqa: E402  (the harness of the end-to-end tests)

TIMEOUT = 300  # seconds, of one phase
HANDOVER_P50_MAX_US = 2000
SHARE_OF_CEILING = 0.5


class Scoutfs:
    """One cluster; the phases run on its first node, and its second where two are needed."""

    def __init__(self, nodes: int, megabytes: int):
        self.name = f"scoutfs_{nodes}_node" + ("s" if nodes > 1 else "")
        self.cluster = cluster.Cluster(nodes, megabytes, plugin=["memory", f"{megabytes}M"],
                                       disk_threads=16)
        self.cluster.start()
        self.directory = self.cluster.nodes[0].directory
        self.second = self.cluster.nodes[1].directory if nodes > 1 else None

    def make_cold(self):
        """The node that is measured forgets everything."""
        self.cluster.nodes[0].unmount()
        self.cluster.nodes[0].start()

    def close(self):
        self.cluster.close()


class Ceiling:
    def __init__(self, build: pathlib.Path, threads: int):
        self.name = f"ceiling_{threads}_thread" + ("s" if threads > 1 else "")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-ceiling."))
        self.directory, self.second = self.folder / "a", self.folder / "b"
        self.directory.mkdir()
        self.second.mkdir()
        self.process = subprocess.Popen(
            [build / "ceiling", self.directory, "--second", self.second, "--threads",
             str(threads)], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            for place in (self.directory, self.second):
                cluster.wait_until(lambda place=place: cluster.is_mounted(place), "the ceiling")
        except BaseException:
            self.close()
            raise

    def make_cold(self):
        """Nothing to do: the kernel keeps nothing of it, and it has no disk."""

    def close(self):
        self.process.kill()
        self.process.wait(TIMEOUT)
        for place in (self.directory, self.second):
            if cluster.is_mounted(place):
                subprocess.run(["umount", "-l", place], check=False, timeout=TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Ext4:
    name = "ext4_on_loop"
    second = None

    def __init__(self, megabytes: int):
        # In memory, as nbdkit's disk is.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="scoutfs-ext4.", dir="/dev/shm"))
        self.image, self.directory = self.folder / "image", self.folder / "mount"
        self.directory.mkdir()
        try:
            with open(self.image, "wb") as image:
                image.truncate(megabytes << 20)
            cluster.run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                        self.image)
            self.mount()
        except BaseException:
            self.close()
            raise

    def mount(self):
        # mount(8) makes a loop device that goes with the mount.
        cluster.run("mount", "-t", "ext4", "-o", "loop", self.image, self.directory)

    def make_cold(self):
        cluster.run("umount", self.directory)
        self.mount()

    def close(self):
        if cluster.is_mounted(self.directory):
            subprocess.run(["umount", "-l", self.directory], check=False, timeout=TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Step:
    """One phase with its arguments. `figure` is the one that targets and ratios are about."""

    def __init__(self, name: str, phase: str, *arguments, cold=False, two=False,
                 figure="operations_per_s"):
        self.name, self.phase, self.arguments = name, phase, [str(word) for word in arguments]
        self.cold, self.two, self.figure = cold, two, figure


def steps(files: int, mib: int, rounds: int) -> list:
    spread = ["--files", files, "--directories", 100]
    shared = ["--files", files, "--directories", 1, "--threads", 4]
    large = ["--mib", mib]
    durable = ["--rounds", rounds]
    data = "mib_per_s"
    return [
        Step("create_in_100_directories", "create", *spread),
        Step("stat_warm", "stat", *spread),
        Step("stat_cold", "stat", *spread, cold=True),
        Step("list_warm", "list", *spread, figure="entries_per_s"),
        Step("list_cold", "list", *spread, cold=True, figure="entries_per_s"),
        Step("remove_in_100_directories", "remove", *spread),
        Step("create_in_100_directories_4_threads", "create", *spread, "--threads", 4),
        Step("remove_in_100_directories_4_threads", "remove", *spread, "--threads", 4),
        Step("create_in_1_directory_4_threads", "create", *shared),
        Step("remove_in_1_directory_4_threads", "remove", *shared),
        Step("create_and_fsync", "create_durably", *durable),
        Step("create_and_fsync_4_threads", "create_durably", *durable, "--threads", 4),
        Step("write_1_mib_requests_and_fsync", "write", *large, figure=data),
        Step("read_1_mib_requests", "read", *large, figure=data),
        Step("read_1_mib_requests_cold", "read", *large, cold=True, figure=data),
        Step("random_read_4_kib", "random_read", *large),
        Step("random_read_4_kib_4_threads", "random_read", *large, "--threads", 4),
        Step("random_write_4_kib", "random_write", *large),
        Step("random_write_4_kib_4_threads", "random_write", *large, "--threads", 4),
        Step("remove_large", "remove_large", *large, figure=None),
        Step("hand_over", "hand_over", *durable, two=True, figure="p50_us"),
        Step("visible_on_the_other", "visible", *durable, two=True, figure="p50_us"),
        Step("create_on_two_nodes", "create_on_two", "--files", files, two=True,
             figure="two_nodes_creates_per_s"),
    ]


def run_step(step: Step, side, build: pathlib.Path):
    """The phase's figures on this side, or None where it has no second mount."""
    if step.two and side.second is None:
        return None
    if step.cold:
        side.make_cold()
    second = ["--second", side.second] if step.two else []
    outcome = cluster.run(build / "mount_bench", step.phase, side.directory, *second,
                          *step.arguments, timeout=TIMEOUT)
    return json.loads(outcome.out)


def medians(rounds: list) -> dict:
    return {key: round(statistics.median(figures[key] for figures in rounds), 1)
            for key in rounds[0]}


def targets(phases: dict) -> dict:
    """What the issue asks of a mount: the value reached, the bound, whether it is met."""
    out = {}

    def judge(name: str, value: float, bound: float, met: bool):
        out[name] = {"value": round(value, 3), "bound": bound, "met": met}

    for step, figure in (("create_in_100_directories", "operations_per_s"),
                         ("create_in_100_directories_4_threads", "operations_per_s"),
                         ("create_in_1_directory_4_threads", "operations_per_s"),
                         ("write_1_mib_requests_and_fsync", "mib_per_s"),
                         ("read_1_mib_requests", "mib_per_s")):
        sides = phases.get(step, {})
        ceilings = [figures[figure] for side, figures in sides.items() if "ceiling" in side]
        for side, figures in sides.items():
            if side.startswith("scoutfs") and ceilings:
                share = figures[figure] / max(ceilings)
                judge(f"{step}_share_of_ceiling_{side}", share, SHARE_OF_CEILING,
                      share >= SHARE_OF_CEILING)
    if "scoutfs_3_nodes" in phases.get("hand_over", {}):
        p50_us = phases["hand_over"]["scoutfs_3_nodes"]["p50_us"]
        judge("hand_over_p50_us", p50_us, HANDOVER_P50_MAX_US, p50_us <= HANDOVER_P50_MAX_US)
    if "scoutfs_3_nodes" in phases.get("create_on_two_nodes", {}):
        figures = phases["create_on_two_nodes"]["scoutfs_3_nodes"]
        ratio = figures["two_nodes_creates_per_s"] / figures["one_node_creates_per_s"]
        judge("creates_of_two_nodes_over_one", ratio, 1.0, ratio >= 1.0)
    return out


def measure(sides: list, arguments) -> dict:
    wanted = steps(arguments.files, arguments.mib, arguments.operations)
    if arguments.only:
        wanted = [step for step in wanted if any(word in step.name for word in arguments.only)]
    results = {step.name: {} for step in wanted}
    for number in range(arguments.rounds):
        for step in wanted:
            # Each side is first as often as last.
            for side in sides if number % 2 == 0 else reversed(sides):
                figures = run_step(step, side, arguments.build)
                if not figures:
                    continue
                results[step.name].setdefault(side.name, []).append(figures)
                print(f"round {number + 1} {step.name:38} {side.name:18} {step.figure} "
                      f"{figures[step.figure]:.0f}", file=sys.stderr)
    return {name: {side: medians(rounds) for side, rounds in by_side.items()}
            for name, by_side in results.items() if by_side}


def open_sides(arguments) -> list:
    makers = [lambda: Scoutfs(1, arguments.disk_mib), lambda: Scoutfs(3, arguments.disk_mib),
              lambda: Ceiling(arguments.build, 1), lambda: Ceiling(arguments.build, 4)]
    # Without a loop device there is no ext4 beside.
    if os.path.exists("/dev/loop-control") and shutil.which("mkfs.ext4"):
        makers.append(lambda: Ext4(arguments.disk_mib))
    sides = []
    try:
        for make in makers:
            sides.append(make())
    except BaseException:
        close_sides(sides)
        raise
    return sides


def close_sides(sides: list):
    for side in sides:
        side.close()


def on_signal(number, _frame):
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rounds", type=int, default=3, help="of which the medians are taken")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--operations", type=int, default=500, help="fsyncs, hand-overs")
    parser.add_argument("--mib", type=int, default=256, help="size of the large file")
    parser.add_argument("--disk-mib", type=int, default=4096, help="size of each disk")
    parser.add_argument("--only", nargs="*", help="steps with one of these words in their names")
    parser.add_argument("--hold", action="store_true",
                        help="then wait for end of input, to look at the mounts")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    sides = open_sides(arguments)
    try:
        phases = measure(sides, arguments)
        print(json.dumps({"rounds": arguments.rounds, "phases": phases,
                          "targets": targets(phases)}, indent=2), flush=True)
        if arguments.hold:
            sys.stdin.read()
    finally:
        close_sides(sides)
    return 0


if __name__ == "__main__":
    sys.exit(main())
