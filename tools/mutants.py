#!/usr/bin/env python3
"""Proves that the simulator finds bugs: plants each of tests/mutants/*.patch and runs seeds.

mutants.py [--seeds N] [--jobs N] [NAME...]

Works on a copy of the tracked files in build/mutants, so that one mutant after the other is an
incremental build. The unchanged tree must pass all seeds, each mutant must fail one of them.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "mutants"


def copy_sources():
    """Brings the copy up to date; files that are equal keep their times."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def build(jobs):
    subprocess.run(["cmake", "--preset", "release"], cwd=COPY, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "-j", str(jobs), "--target",
                    "scoutfs"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)


def first_failure(seeds, jobs):
    """(seeds run, verdict of the first that failed or None)"""
    command = [str(COPY / "build/release/scoutfs"), "sim", "run", "--seeds", f"1..{seeds}",
               "--jobs", str(jobs), "--failures", "1", "--quiet", "--json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    verdicts = [json.loads(line) for line in run.stdout.decode().splitlines()]
    failed = [verdict for verdict in verdicts if verdict["verdict"] == "fail"]
    return len(verdicts), failed[0] if failed else None


def run_mutant(patch, arguments):
    with open(patch, "rb") as file:
        subprocess.run(["patch", "-p1", "--quiet"], cwd=COPY, check=True, stdin=file)
    try:
        build(arguments.jobs)
        count, failure = first_failure(arguments.seeds, arguments.jobs)
    finally:
        with open(patch, "rb") as file:
            subprocess.run(["patch", "-p1", "--quiet", "-R"], cwd=COPY, check=True, stdin=file)
    if failure is None:
        print(f"{patch.stem}: NOT FOUND in {count} seeds")
        return False
    print(f"{patch.stem}: found by seed {failure['seed']}, after {count} seeds: "
          f"{failure['oracle']}: {failure['what'][:120]}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    patches = [patch for patch in sorted((ROOT / "tests/mutants").glob("*.patch"))
               if not arguments.names or patch.stem in arguments.names]
    copy_sources()
    build(arguments.jobs)
    count, failure = first_failure(arguments.seeds, arguments.jobs)
    if failure is not None:
        print(f"the unchanged tree fails seed {failure['seed']}: {failure['what']}")
        return 1
    print(f"unchanged: passes {count} seeds")
    found = [run_mutant(patch, arguments) for patch in patches]
    return 0 if all(found) and found else 1


if __name__ == "__main__":
    sys.exit(main())
